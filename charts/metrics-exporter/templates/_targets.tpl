{{/*
The exporters of this release as a JSON list: name, port, address, auth, streams. One process scrapes
one server, so each has a container and a port.
*/}}
{{- define "metrics-exporter.targets" -}}
{{- $global := .Values.global | default dict -}}
{{- $targets := list -}}
{{- if and .Values.cache.enabled (include "metrics-exporter.stackHas" (dict "name" "redis" "context" .)) -}}
{{- $address := .Values.cache.address | default (printf "%s:6379" (include "metrics-exporter.sibling" (dict "name" "redis" "context" .))) -}}
{{- $auth := dig "redis" "auth" dict $global | default .Values.cache.auth -}}
{{- $targets = append $targets (dict "name" "cache" "port" 9121 "address" $address "auth" $auth "streams" list) -}}
{{- end -}}
{{- if and .Values.queue.enabled (include "metrics-exporter.stackHas" (dict "name" "resultQueue" "context" .)) -}}
{{- $address := .Values.queue.address | default (printf "%s:6379" (include "metrics-exporter.sibling" (dict "name" "result-queue" "context" .))) -}}
{{- $auth := dig "resultQueue" "auth" dict $global | default .Values.queue.auth -}}
{{- $targets = append $targets (dict "name" "queue" "port" 9122 "address" $address "auth" $auth "streams" .Values.queue.streams) -}}
{{- end -}}
{{- if not $targets -}}
{{- fail "metrics-exporter has nothing to scrape: enable its cache or its queue, or switch monitoring off" -}}
{{- end -}}
{{- toJson $targets -}}
{{- end -}}
