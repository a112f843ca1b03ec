{{/* The chart's name, or what replaces it, cut to a DNS label. */}}
{{- define "feature-store-proxy.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{/* The prefix of every object's name: unique per release, cut to a DNS label. */}}
{{- define "feature-store-proxy.fullname" -}}
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
{{- define "feature-store-proxy.chart" -}}
{{- printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{/* What Services and workloads select by; never changed. */}}
{{- define "feature-store-proxy.selectorLabels" -}}
app.kubernetes.io/name: {{ include "feature-store-proxy.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{/* Labels of pods: a stack gives `global.environment` and `global.labels` to all its components. */}}
{{- define "feature-store-proxy.podLabels" -}}
{{- $global := .Values.global | default dict -}}
{{ include "feature-store-proxy.selectorLabels" . }}
{{- with $global.environment }}
app.kubernetes.io/environment: {{ . | quote }}
{{- end }}
{{- range $name, $value := $global.labels }}
{{ $name }}: {{ $value | quote }}
{{- end }}
{{- end -}}

{{/* Labels of every object. */}}
{{- define "feature-store-proxy.labels" -}}
helm.sh/chart: {{ include "feature-store-proxy.chart" . }}
{{ include "feature-store-proxy.podLabels" . }}
app.kubernetes.io/version: {{ .Values.image.tag | default .Chart.AppVersion | trunc 63 | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end -}}

{{/*
The image's reference. `global.imageRegistry` takes the place of the registry that the repository
names, or leads it.
*/}}
{{- define "feature-store-proxy.image" -}}
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
{{- define "feature-store-proxy.podSettings" -}}
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

{{- define "feature-store-proxy.containerSecurityContext" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop:
    - ALL
{{- end -}}
