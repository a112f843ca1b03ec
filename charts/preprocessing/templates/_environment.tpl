{{/* The program's environment: its peers, and the passwords by reference. */}}
{{- define "preprocessing.environment" -}}
{{- $global := .Values.global | default dict -}}
- name: FEATURES
  value: {{ join "," .Values.features | quote }}
- name: MODEL_SERVER_URL
  value: {{ .Values.modelServer.url | default (printf "http://%s" (include "preprocessing.sibling" (dict "name" "fraud-model" "context" .))) | quote }}
- name: MODEL_SERVER_TIMEOUT_S
  value: {{ .Values.modelServer.timeoutSeconds | quote }}
{{- if and .Values.featureStore.enabled (include "preprocessing.stackHas" (dict "name" "featureStoreProxy" "context" .)) }}
- name: FEATURE_STORE_URL
  value: {{ .Values.featureStore.url | default (printf "http://%s" (include "preprocessing.sibling" (dict "name" "feature-store-proxy" "context" .))) | quote }}
- name: FEATURE_STORE_TIMEOUT_S
  value: {{ .Values.featureStore.timeoutSeconds | quote }}
{{- end }}
{{- if and .Values.cache.enabled (include "preprocessing.stackHas" (dict "name" "redis" "context" .)) }}
- name: CACHE_ADDRESS
  value: {{ .Values.cache.address | default (printf "%s:6379" (include "preprocessing.sibling" (dict "name" "redis" "context" .))) | quote }}
- name: CACHE_TTL_S
  value: {{ .Values.cache.ttlSeconds | quote }}
{{- include "preprocessing.password" (dict "variable" "CACHE_PASSWORD" "auth" (dig "redis" "auth" dict $global | default .Values.cache.auth)) }}
{{- end }}
{{- if and .Values.queue.enabled (include "preprocessing.stackHas" (dict "name" "resultQueue" "context" .)) }}
- name: QUEUE_ADDRESS
  value: {{ .Values.queue.address | default (printf "%s:6379" (include "preprocessing.sibling" (dict "name" "result-queue" "context" .))) | quote }}
- name: QUEUE_STREAM
  value: {{ .Values.queue.stream | quote }}
- name: QUEUE_LENGTH_MAX
  value: {{ .Values.queue.maxLength | int64 | quote }}
{{- include "preprocessing.password" (dict "variable" "QUEUE_PASSWORD" "auth" (dig "resultQueue" "auth" dict $global | default .Values.queue.auth)) }}
{{- end }}
- name: RUST_LOG
  value: {{ .Values.logLevel | quote }}
{{- end -}}

{{- define "preprocessing.password" -}}
{{- if .auth.enabled }}
- name: {{ .variable }}
  valueFrom:
    secretKeyRef:
      name: {{ required (printf "preprocessing: the auth behind %s needs existingSecret" .variable) .auth.existingSecret | quote }}
      key: {{ .auth.secretKey | default "redis-password" | quote }}
{{- end }}
{{- end -}}
