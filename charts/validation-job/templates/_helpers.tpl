{{/* The chart's name, or what replaces it, cut to a DNS label. */}}
{{- define "validation-job.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{/* The prefix of every object's name. Pods of an Indexed Job get `-INDEX-SUFFIX` behind it. */}}
{{- define "validation-job.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 45 | trimSuffix "-" -}}
{{- else -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- if contains $name .Release.Name -}}
{{- .Release.Name | trunc 45 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 45 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* Chart and version as one label value; `+` is no label character. */}}
{{- define "validation-job.chart" -}}
{{- printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{- define "validation-job.podLabels" -}}
app.kubernetes.io/name: {{ include "validation-job.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: gate
{{- end -}}

{{- define "validation-job.labels" -}}
helm.sh/chart: {{ include "validation-job.chart" . }}
{{ include "validation-job.podLabels" . }}
app.kubernetes.io/version: {{ .Values.image.tag | default .Chart.AppVersion | trunc 63 | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end -}}

{{- define "validation-job.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "validation-job.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{- define "validation-job.image" -}}
{{- if .Values.image.digest -}}
{{- printf "%s@%s" .Values.image.repository .Values.image.digest -}}
{{- else -}}
{{- printf "%s:%s" .Values.image.repository (.Values.image.tag | default .Chart.AppVersion) -}}
{{- end -}}
{{- end -}}

{{/* A prefix that no other revision, and no other number of shards, writes to. */}}
{{- define "validation-job.summaries" -}}
{{- printf "%s/%s/%s/revision-%d-of-%d/" (trimSuffix "/" .Values.summaries) .Release.Namespace .Release.Name (int .Release.Revision) (int .Values.shards) -}}
{{- end -}}

{{/* What shards and merge are told alike: they must judge by the same gate. */}}
{{- define "validation-job.env" -}}
- name: MODEL_PATH
  value: {{ .Values.model.path | quote }}
- name: VALIDATION_DATASET
  value: {{ .Values.dataset | quote }}
- name: MINIMUM_AUC
  value: {{ .Values.minimumAuc | quote }}
- name: MAXIMUM_P99_LATENCY_MS
  value: {{ .Values.maximumP99LatencyMs | quote }}
- name: VALIDATOR_SUMMARIES
  value: {{ include "validation-job.summaries" . | quote }}
{{- if .Values.gateFile }}
- name: VALIDATOR_GATE
  value: /etc/validator/gate.yaml
{{- end }}
{{- with .Values.objectStore.region }}
- name: AWS_REGION
  value: {{ . | quote }}
{{- end }}
{{- with .Values.objectStore.endpointUrl }}
- name: AWS_ENDPOINT_URL
  value: {{ . | quote }}
{{- end }}
{{- range $name, $value := .Values.extraEnv }}
- name: {{ $name }}
  value: {{ $value | quote }}
{{- end }}
{{- end -}}

{{/* What both Jobs have in common above their containers. */}}
{{- define "validation-job.podHead" -}}
restartPolicy: Never
serviceAccountName: {{ include "validation-job.serviceAccountName" . }}
automountServiceAccountToken: false
# A Service named `redis` in the namespace must not set REDIS_PORT.
enableServiceLinks: false
{{- with .Values.imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
securityContext:
  runAsNonRoot: true
  runAsUser: 65532
  runAsGroup: 65532
  fsGroup: 65532
  seccompProfile:
    type: RuntimeDefault
{{- end -}}

{{/* What both Jobs have in common in and below their containers. */}}
{{- define "validation-job.containerTail" -}}
imagePullPolicy: {{ .Values.image.pullPolicy }}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities:
    drop:
      - ALL
{{- with .Values.objectStore.credentialsSecret }}
envFrom:
  - secretRef:
      name: {{ . | quote }}
{{- end }}
# The verdict in brief, or why a shard has failed, arrives here, and from here in the history.
terminationMessagePath: /dev/termination-log
terminationMessagePolicy: File
volumeMounts:
  - name: scratch
    mountPath: /tmp
  {{- if .Values.gateFile }}
  - name: gate-file
    mountPath: /etc/validator
    readOnly: true
  {{- end }}
{{- end -}}

{{- define "validation-job.podTail" -}}
volumes:
  - name: scratch
    emptyDir:
      sizeLimit: {{ .Values.scratchSizeLimit }}
  {{- if .Values.gateFile }}
  - name: gate-file
    configMap:
      name: {{ include "validation-job.fullname" . }}-gate
  {{- end }}
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

{{/* A verdict is final; only an evicted pod and an unreachable store are worth another try. */}}
{{- define "validation-job.podFailurePolicy" -}}
rules:
  - action: Ignore
    onPodConditions:
      - type: DisruptionTarget
        status: "True"
  - action: FailJob
    onExitCodes:
      containerName: validator
      operator: NotIn
      values:
        - 5
{{- end -}}
