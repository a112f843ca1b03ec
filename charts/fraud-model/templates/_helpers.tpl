{{/* The chart's name, or what replaces it, cut to a DNS label. */}}
{{- define "fraud-model.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{/* The prefix of every object's name: unique per release, cut to a DNS label. */}}
{{- define "fraud-model.fullname" -}}
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

{{/* The gate's objects: the suffix has to survive the cut. */}}
{{- define "fraud-model.gateName" -}}
{{- printf "%s-validate" (include "fraud-model.fullname" . | trunc 54 | trimSuffix "-") -}}
{{- end -}}

{{/* Chart and version as one label value; `+` is no label character. */}}
{{- define "fraud-model.chart" -}}
{{- printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{/* What the Service, the Deployment and the disruption budget select by; never changed. */}}
{{- define "fraud-model.selectorLabels" -}}
app.kubernetes.io/name: {{ include "fraud-model.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{/* Labels that a stack gives to all its components: `global.labels`, `global.environment`. */}}
{{- define "fraud-model.globalLabels" -}}
{{- $global := .Values.global | default dict -}}
{{- with $global.environment }}
app.kubernetes.io/environment: {{ . | quote }}
{{- end }}
{{- range $name, $value := $global.labels }}
{{ $name }}: {{ $value | quote }}
{{- end }}
{{- end -}}

{{/* Labels of the server's pods. */}}
{{- define "fraud-model.podLabels" -}}
{{ include "fraud-model.selectorLabels" . }}
{{- include "fraud-model.globalLabels" . }}
app.kubernetes.io/version: {{ .Values.image.tag | default .Chart.AppVersion | trunc 63 | quote }}
{{- end -}}

{{/* Labels of every object of the server. */}}
{{- define "fraud-model.labels" -}}
helm.sh/chart: {{ include "fraud-model.chart" . }}
{{ include "fraud-model.podLabels" . }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end -}}

{{/*
Labels of the gate's objects. Its pods carry another name than the server's, else the Service
would send traffic to them and the server's anti-affinity would keep them off its nodes.
*/}}
{{- define "fraud-model.gateSelectorLabels" -}}
app.kubernetes.io/name: {{ printf "%s-gate" (include "fraud-model.name" . | trunc 58 | trimSuffix "-") }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: gate
{{- end -}}

{{- define "fraud-model.gatePodLabels" -}}
{{ include "fraud-model.gateSelectorLabels" . }}
{{- include "fraud-model.globalLabels" . }}
{{- end -}}

{{- define "fraud-model.gateLabels" -}}
helm.sh/chart: {{ include "fraud-model.chart" . }}
{{ include "fraud-model.gatePodLabels" . }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end -}}

{{- define "fraud-model.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "fraud-model.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{- define "fraud-model.gateServiceAccountName" -}}
{{- if .Values.gate.serviceAccount.create -}}
{{- default (include "fraud-model.gateName" .) .Values.gate.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.gate.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{/*
An image reference. Takes a dict: `image`, `defaultTag` for an empty tag, and `context`.
`global.imageRegistry` takes the place of the registry that the repository names, or leads it.
*/}}
{{- define "fraud-model.image" -}}
{{- $repository := .image.repository -}}
{{- $global := .context.Values.global | default dict -}}
{{- with $global.imageRegistry -}}
{{- $parts := splitList "/" $repository -}}
{{- $first := first $parts -}}
{{- if and (gt (len $parts) 1) (or (contains "." $first) (contains ":" $first) (eq $first "localhost")) -}}
{{- $parts = rest $parts -}}
{{- end -}}
{{- $repository = printf "%s/%s" (trimSuffix "/" .) (join "/" $parts) -}}
{{- end -}}
{{- if .image.digest -}}
{{- printf "%s@%s" $repository .image.digest -}}
{{- else -}}
{{- printf "%s:%s" $repository (.image.tag | default .defaultTag) -}}
{{- end -}}
{{- end -}}

{{/* Pull secrets: the stack's, then the chart's own. */}}
{{- define "fraud-model.imagePullSecrets" -}}
{{- $global := .Values.global | default dict -}}
{{- with concat ($global.imagePullSecrets | default list) .Values.imagePullSecrets | uniq -}}
{{- toYaml . -}}
{{- end -}}
{{- end -}}

{{/* Environment of whatever reads S3. */}}
{{- define "fraud-model.objectStoreEnv" -}}
{{- with .Values.objectStore.region }}
- name: AWS_REGION
  value: {{ . | quote }}
{{- end }}
{{- with .Values.objectStore.endpointUrl }}
- name: AWS_ENDPOINT_URL
  value: {{ . | quote }}
{{- end }}
{{- end -}}

{{- define "fraud-model.objectStoreEnvFrom" -}}
{{- with .Values.objectStore.credentialsSecret }}
- secretRef:
    name: {{ . | quote }}
{{- end }}
{{- end -}}

{{/* The model's volume: empty when neither a claim nor a host path is named. */}}
{{- define "fraud-model.modelVolume" -}}
{{- if .Values.model.volume.persistentVolumeClaim -}}
- name: model
  persistentVolumeClaim:
    claimName: {{ .Values.model.volume.persistentVolumeClaim | quote }}
    readOnly: true
{{- else if .Values.model.volume.hostPath -}}
- name: model
  hostPath:
    path: {{ .Values.model.volume.hostPath | quote }}
    type: Directory
{{- end -}}
{{- end -}}

{{- define "fraud-model.podSecurityContext" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
fsGroup: 65532
seccompProfile:
  type: RuntimeDefault
{{- end -}}

{{- define "fraud-model.containerSecurityContext" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop:
    - ALL
{{- end -}}
