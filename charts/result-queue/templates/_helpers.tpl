{{/* The chart's name, or what replaces it, cut to a DNS label. */}}
{{- define "result-queue.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{/* The prefix of every object's name: unique per release, cut to a DNS label. */}}
{{- define "result-queue.fullname" -}}
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
{{- define "result-queue.chart" -}}
{{- printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{/* What Services and workloads select by; never changed. */}}
{{- define "result-queue.selectorLabels" -}}
app.kubernetes.io/name: {{ include "result-queue.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{/* Labels of pods: a stack gives `global.environment` and `global.labels` to all its components. */}}
{{- define "result-queue.podLabels" -}}
{{- $global := .Values.global | default dict -}}
{{ include "result-queue.selectorLabels" . }}
{{- with $global.environment }}
app.kubernetes.io/environment: {{ . | quote }}
{{- end }}
{{- range $name, $value := $global.labels }}
{{ $name }}: {{ $value | quote }}
{{- end }}
{{- end -}}

{{/* Labels of every object. */}}
{{- define "result-queue.labels" -}}
helm.sh/chart: {{ include "result-queue.chart" . }}
{{ include "result-queue.podLabels" . }}
app.kubernetes.io/version: {{ .Values.image.tag | default .Chart.AppVersion | trunc 63 | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end -}}

{{/*
The image's reference. `global.imageRegistry` takes the place of the registry that the repository
names, or leads it.
*/}}
{{- define "result-queue.image" -}}
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
{{- define "result-queue.podSettings" -}}
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

{{- define "result-queue.containerSecurityContext" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop:
    - ALL
{{- end -}}

{{/*
How clients authenticate, as JSON: `global.resultQueue.auth` of a stack, whose other components read it too,
or the chart's own `auth`.
*/}}
{{- define "result-queue.auth" -}}
{{- $global := .Values.global | default dict -}}
{{- $shared := dig "resultQueue" "auth" dict $global -}}
{{- $auth := $shared | default .Values.auth -}}
{{- if and $shared .Values.auth.enabled (not $shared.enabled) -}}
{{- fail "auth.enabled of result-queue is set, but global.resultQueue.auth.enabled is not: set the global, the clients read it too" -}}
{{- end -}}
{{- if and $auth.enabled (not $auth.existingSecret) -}}
{{- fail "auth.enabled of result-queue needs auth.existingSecret: the name of a Secret that holds the password" -}}
{{- end -}}
{{- if and (eq "prod" ($global.environment | default "")) (not $auth.enabled) -}}
{{- fail "result-queue runs without a password, which environment `prod` does not allow: set global.resultQueue.auth.enabled and global.resultQueue.auth.existingSecret" -}}
{{- end -}}
{{- toJson $auth -}}
{{- end -}}
