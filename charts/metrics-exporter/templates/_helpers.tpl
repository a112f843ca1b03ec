{{/* The chart's name, or what replaces it, cut to a DNS label. */}}
{{- define "metrics-exporter.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{/* The prefix of every object's name: unique per release, cut to a DNS label. */}}
{{- define "metrics-exporter.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 63 | trimSuffix "-" -}}
{{- else -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- if contains $name .Release.Name -}}
{{- .Release.Name | trunc 63 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 63 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* Chart and version as one label value; `+` is no label character. */}}
{{- define "metrics-exporter.chart" -}}
{{- printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{/* What Services and workloads select by; never changed. */}}
{{- define "metrics-exporter.selectorLabels" -}}
app.kubernetes.io/name: {{ include "metrics-exporter.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{/* Labels of pods: a stack gives `global.environment` and `global.labels` to all its components. */}}
{{- define "metrics-exporter.podLabels" -}}
{{- $global := .Values.global | default dict -}}
{{ include "metrics-exporter.selectorLabels" . }}
{{- with $global.environment }}
app.kubernetes.io/environment: {{ . | quote }}
{{- end }}
{{- range $name, $value := $global.labels }}
{{ $name }}: {{ $value | quote }}
{{- end }}
{{- end -}}

{{/* Labels of every object. */}}
{{- define "metrics-exporter.labels" -}}
helm.sh/chart: {{ include "metrics-exporter.chart" . }}
{{ include "metrics-exporter.podLabels" . }}
app.kubernetes.io/version: {{ .Values.image.tag | default .Chart.AppVersion | trunc 63 | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end -}}

{{/*
The image's reference. `global.imageRegistry` takes the place of the registry that the repository
names, or leads it.
*/}}
{{- define "metrics-exporter.image" -}}
{{- $repository := .Values.image.repository -}}
{{- $global := .Values.global | default dict -}}
{{- with $global.imageRegistry -}}
{{- $parts := splitList "/" $repository -}}
{{- $first := first $parts -}}
{{- if and (gt (len $parts) 1) (or (contains "." $first) (contains ":" $first) (eq $first "localhost")) -}}
{{- $parts = rest $parts -}}
{{- end -}}
{{- $repository = printf "%s/%s" (trimSuffix "/" .) (join "/" $parts) -}}
{{- end -}}
{{- if .Values.image.digest -}}
{{- printf "%s@%s" $repository .Values.image.digest -}}
{{- else -}}
{{- printf "%s:%s" $repository (.Values.image.tag | default .Chart.AppVersion) -}}
{{- end -}}
{{- end -}}

{{/* What every pod of the chart has: identity, pull secrets, no way up, no service links. */}}
{{- define "metrics-exporter.podSettings" -}}
{{- $global := .Values.global | default dict -}}
automountServiceAccountToken: false
# Variables named after Services are no settings of ours.
enableServiceLinks: false
{{- with concat ($global.imagePullSecrets | default list) .Values.imagePullSecrets | uniq }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
terminationGracePeriodSeconds: {{ .Values.terminationGracePeriodSeconds }}
securityContext:
  runAsNonRoot: true
  runAsUser: 65532
  runAsGroup: 65532
  fsGroup: 65532
  seccompProfile:
    type: RuntimeDefault
{{- with .Values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{- define "metrics-exporter.containerSecurityContext" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop:
    - ALL
{{- end -}}

{{/*
The Service of a sibling in the same release, as that chart names it unless its name is overridden.
Takes a dict: `name` of the sibling's chart, and `context`.
*/}}
{{- define "metrics-exporter.sibling" -}}
{{- if contains .name .context.Release.Name -}}
{{- .context.Release.Name | trunc 63 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .context.Release.Name .name | trunc 63 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{/* Whether a stack runs a component; without a stack, yes. Takes a dict: `name` in `global`, `context`. */}}
{{- define "metrics-exporter.stackHas" -}}
{{- $global := .context.Values.global | default dict -}}
{{- if dig .name "enabled" true $global -}}true{{- end -}}
{{- end -}}
