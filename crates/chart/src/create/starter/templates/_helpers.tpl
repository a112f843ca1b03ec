{{/* The chart's name, or what replaces it, cut to a DNS label. */}}
{{- define "<CHARTNAME>.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{/* The prefix of every object's name: unique per release, cut to a DNS label. */}}
{{- define "<CHARTNAME>.fullname" -}}
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
{{- define "<CHARTNAME>.gateName" -}}
{{- printf "%s-validate" (include "<CHARTNAME>.fullname" . | trunc 54 | trimSuffix "-") -}}
{{- end -}}

{{/* Chart and version as one label value; `+` is no label character. */}}
{{- define "<CHARTNAME>.chart" -}}
{{- printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{/* What the Service, the Deployment and the disruption budget select by; never changed. */}}
{{- define "<CHARTNAME>.selectorLabels" -}}
app.kubernetes.io/name: {{ include "<CHARTNAME>.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{/* Labels of every object of the server. */}}
{{- define "<CHARTNAME>.labels" -}}
helm.sh/chart: {{ include "<CHARTNAME>.chart" . }}
{{ include "<CHARTNAME>.selectorLabels" . }}
app.kubernetes.io/version: {{ .Values.image.tag | default .Chart.AppVersion | trunc 63 | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end -}}

{{/*
Labels of the gate's objects. Its pods carry another name than the server's, else the Service
would send traffic to them and the server's anti-affinity would keep them off its nodes.
*/}}
{{- define "<CHARTNAME>.gateSelectorLabels" -}}
app.kubernetes.io/name: {{ printf "%s-gate" (include "<CHARTNAME>.name" . | trunc 58 | trimSuffix "-") }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: gate
{{- end -}}

{{- define "<CHARTNAME>.gateLabels" -}}
helm.sh/chart: {{ include "<CHARTNAME>.chart" . }}
{{ include "<CHARTNAME>.gateSelectorLabels" . }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end -}}

{{- define "<CHARTNAME>.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "<CHARTNAME>.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{- define "<CHARTNAME>.gateServiceAccountName" -}}
{{- if .Values.gate.serviceAccount.create -}}
{{- default (include "<CHARTNAME>.gateName" .) .Values.gate.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.gate.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{/* An image reference. Takes a dict: `image`, and `defaultTag` for an empty tag. */}}
{{- define "<CHARTNAME>.image" -}}
{{- if .image.digest -}}
{{- printf "%s@%s" .image.repository .image.digest -}}
{{- else -}}
{{- printf "%s:%s" .image.repository (.image.tag | default .defaultTag) -}}
{{- end -}}
{{- end -}}

{{/* Environment of whatever reads S3. */}}
{{- define "<CHARTNAME>.objectStoreEnv" -}}
{{- with .Values.objectStore.region }}
- name: AWS_REGION
  value: {{ . | quote }}
{{- end }}
{{- with .Values.objectStore.endpointUrl }}
- name: AWS_ENDPOINT_URL
  value: {{ . | quote }}
{{- end }}
{{- end -}}

{{- define "<CHARTNAME>.objectStoreEnvFrom" -}}
{{- with .Values.objectStore.credentialsSecret }}
- secretRef:
    name: {{ . | quote }}
{{- end }}
{{- end -}}

{{/* The model's volume: empty when neither a claim nor a host path is named. */}}
{{- define "<CHARTNAME>.modelVolume" -}}
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

{{- define "<CHARTNAME>.podSecurityContext" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
fsGroup: 65532
seccompProfile:
  type: RuntimeDefault
{{- end -}}

{{- define "<CHARTNAME>.containerSecurityContext" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop:
    - ALL
{{- end -}}
