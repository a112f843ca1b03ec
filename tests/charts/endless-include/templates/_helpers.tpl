{{- define "endless" -}}{{ include "endless" . }}{{- end -}}
