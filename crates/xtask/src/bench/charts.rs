//! Charts made for the measurement: the same bytes on every machine.

use anyhow::{Context, Result};
use std::fs;
use std::path::Path;

/// A file of a chart: its path and its content.
pub(super) type File = (String, String);

/// Writes the files of a chart below `folder`.
///
/// # Errors
/// When a folder or file cannot be written.
pub(super) fn write(folder: &Path, files: &[File]) -> Result<()> {
    for (name, content) in files {
        let path = folder.join(name);
        let parent = path.parent().context("a file lies in a folder")?;
        fs::create_dir_all(parent)
            .and_then(|()| fs::write(&path, content))
            .with_context(|| format!("failed to write `{}`", path.display()))?;
    }
    Ok(())
}

/// An umbrella in the shape of `helm create`: six templates for each subchart and two of its own, with values of the
/// umbrella, globals, conditions and shared helpers.
pub(super) fn umbrella(subcharts: usize) -> Vec<File> {
    let mut metadata = "apiVersion: v2\nname: umbrella\nversion: 1.0.0\ndependencies:\n".to_owned();
    let mut values =
        "global:\n  registry: registry.example\n  labels:\n    team: ml\n    tier: serving\n"
            .to_owned();
    let mut files = Vec::new();
    for number in 0..subcharts {
        let name = format!("part-{number:02}");
        metadata.push_str(&format!(
            "- name: {name}\n  version: 1.0.{number}\n  condition: {name}.enabled\n"
        ));
        values.push_str(&format!(
            "{name}:\n  enabled: true\n  replicas: {}\n  settings:\n    LEVEL: level-{number}\n",
            number % 5 + 1
        ));
        let folder = format!("charts/{name}");
        files.push((
            format!("{folder}/Chart.yaml"),
            format!(
                "apiVersion: v2\nname: {name}\nversion: 1.0.{number}\nappVersion: \"{number}.1\"\n"
            ),
        ));
        files.push((format!("{folder}/values.yaml"), SUBCHART_VALUES.to_owned()));
        for (file, template) in SUBCHART_TEMPLATES {
            files.push((
                format!("{folder}/templates/{file}"),
                template.replace("PART", &name),
            ));
        }
    }
    files.push(("Chart.yaml".to_owned(), metadata));
    files.push(("values.yaml".to_owned(), values));
    files.push((
        "templates/configmap.yaml".to_owned(),
        UMBRELLA_CONFIG.to_owned(),
    ));
    files.push(("templates/quota.yaml".to_owned(), UMBRELLA_QUOTA.to_owned()));
    files
}

/// A chart of templates that call `tpl` over and over, each time with another text.
pub(super) fn tpl(templates: usize, calls: usize) -> Vec<File> {
    let mut values =
        "greeting: \"hello {{ .Release.Name }}\"\nlist: [a, b, c]\ntexts:\n".to_owned();
    for number in 0..calls {
        values.push_str(&format!(
            "  text{number}: '{{{{ .Values.greeting | upper }}}} {number} \
             {{{{- range .Values.list }}}} {{{{ . | quote }}}}{{{{ end }}}} \
             {{{{ include \"tpl.name\" . | trunc 63 }}}}'\n"
        ));
    }
    let mut files = vec![
        (
            "Chart.yaml".to_owned(),
            "apiVersion: v2\nname: tpl\nversion: 1.0.0\n".to_owned(),
        ),
        ("values.yaml".to_owned(), values),
        (
            "templates/_helpers.tpl".to_owned(),
            "{{- define \"tpl.name\" -}}\n{{ printf \"%s-%s\" .Release.Name .Chart.Name }}\n{{- end -}}\n"
                .to_owned(),
        ),
    ];
    for template in 0..templates {
        let mut text = format!(
            "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {{{{ include \"tpl.name\" . }}}}-{template}\ndata:\n"
        );
        for number in 0..calls {
            text.push_str(&format!(
                "  key{number}: {{{{ tpl .Values.texts.text{number} . | quote }}}}\n"
            ));
        }
        files.push((format!("templates/config-{template:04}.yaml"), text));
    }
    files
}

const UMBRELLA_CONFIG: &str = r#"apiVersion: v1
kind: ConfigMap
metadata:
  name: {{ .Release.Name }}-registry
data:
  registry: {{ .Values.global.registry | quote }}
  labels: |
    {{- toYaml .Values.global.labels | nindent 4 }}
"#;
const UMBRELLA_QUOTA: &str = r#"apiVersion: v1
kind: ResourceQuota
metadata:
  name: {{ .Release.Name }}-quota
spec:
  hard:
    pods: {{ mul 10 (len .Values.global.labels) | quote }}
"#;

const SUBCHART_VALUES: &str = r#"enabled: false
replicas: 1
image:
  repository: model-server
  tag: ""
  pullPolicy: IfNotPresent
settings:
  LEVEL: info
  CACHE: "on"
service:
  type: ClusterIP
  port: 8080
serviceAccount:
  create: true
  annotations: {}
autoscaling:
  enabled: true
  minimum: 1
  maximum: 10
  cpu: 80
resources:
  limits: {cpu: "1", memory: 512Mi}
  requests: {cpu: 100m, memory: 128Mi}
nodeSelector:
  kubernetes.io/os: linux
tolerations:
- key: dedicated
  operator: Equal
  value: serving
  effect: NoSchedule
"#;

const SUBCHART_TEMPLATES: [(&str, &str); 6] = [
    (
        "_helpers.tpl",
        r#"{{- define "PART.fullname" -}}
{{- if .Values.fullnameOverride }}{{ .Values.fullnameOverride | trunc 63 | trimSuffix "-" }}
{{- else }}
{{- $name := default .Chart.Name .Values.nameOverride }}
{{- if contains $name .Release.Name }}{{ .Release.Name | trunc 63 | trimSuffix "-" }}
{{- else }}{{ printf "%s-%s" .Release.Name $name | trunc 63 | trimSuffix "-" }}
{{- end }}{{ end }}{{ end }}
{{- define "PART.selector" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}
{{- define "PART.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{ include "PART.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- with .Values.global.labels }}
{{ toYaml . }}
{{- end }}
{{- end }}
"#,
    ),
    (
        "deployment.yaml",
        r#"apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{ include "PART.fullname" . }}
  labels:
    {{- include "PART.labels" . | nindent 4 }}
spec:
  {{- if not .Values.autoscaling.enabled }}
  replicas: {{ .Values.replicas }}
  {{- end }}
  selector:
    matchLabels:
      {{- include "PART.selector" . | nindent 6 }}
  template:
    metadata:
      annotations:
        checksum/config: {{ include (print $.Template.BasePath "/configmap.yaml") . | sha256sum }}
      labels:
        {{- include "PART.labels" . | nindent 8 }}
    spec:
      serviceAccountName: {{ include "PART.fullname" . }}
      containers:
      - name: {{ .Chart.Name }}
        image: "{{ .Values.global.registry }}/{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}"
        imagePullPolicy: {{ .Values.image.pullPolicy }}
        ports:
        - name: http
          containerPort: {{ .Values.service.port }}
        env:
        {{- range $name, $value := .Values.settings }}
        - name: {{ $name | upper }}
          value: {{ $value | quote }}
        {{- end }}
        livenessProbe:
          httpGet: {path: /healthz, port: http}
        resources:
          {{- toYaml .Values.resources | nindent 10 }}
      {{- with .Values.nodeSelector }}
      nodeSelector:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      {{- with .Values.tolerations }}
      tolerations:
        {{- toYaml . | nindent 8 }}
      {{- end }}
"#,
    ),
    (
        "configmap.yaml",
        r#"apiVersion: v1
kind: ConfigMap
metadata:
  name: {{ include "PART.fullname" . }}
  labels:
    {{- include "PART.labels" . | nindent 4 }}
data:
  {{- range $name, $value := .Values.settings }}
  {{ $name | lower | replace "_" "-" }}: {{ $value | quote }}
  {{- end }}
  settings.json: {{ .Values.settings | toJson | quote }}
"#,
    ),
    (
        "service.yaml",
        r#"apiVersion: v1
kind: Service
metadata:
  name: {{ include "PART.fullname" . }}
  labels:
    {{- include "PART.labels" . | nindent 4 }}
spec:
  type: {{ .Values.service.type }}
  ports:
  - port: {{ .Values.service.port }}
    targetPort: http
    name: http
  selector:
    {{- include "PART.selector" . | nindent 4 }}
"#,
    ),
    (
        "serviceaccount.yaml",
        r#"{{- if .Values.serviceAccount.create }}
apiVersion: v1
kind: ServiceAccount
metadata:
  name: {{ include "PART.fullname" . }}
  labels:
    {{- include "PART.labels" . | nindent 4 }}
  {{- with .Values.serviceAccount.annotations }}
  annotations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end }}
"#,
    ),
    (
        "hpa.yaml",
        r#"{{- if .Values.autoscaling.enabled }}
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata:
  name: {{ include "PART.fullname" . }}
  labels:
    {{- include "PART.labels" . | nindent 4 }}
spec:
  scaleTargetRef:
    apiVersion: apps/v1
    kind: Deployment
    name: {{ include "PART.fullname" . }}
  minReplicas: {{ .Values.autoscaling.minimum }}
  maxReplicas: {{ .Values.autoscaling.maximum }}
  metrics:
  - type: Resource
    resource:
      name: cpu
      target: {type: Utilization, averageUtilization: {{ .Values.autoscaling.cpu }}}
{{- end }}
"#,
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn templates(files: &[File]) -> usize {
        files
            .iter()
            .filter(|(name, _)| name.contains("templates/"))
            .count()
    }

    #[test]
    fn an_umbrella_of_fifty_has_302_templates() {
        assert_eq!(templates(&umbrella(50)), 302);
    }

    #[test]
    fn a_thousand_templates_call_tpl_ten_times_each() {
        let files = tpl(1000, 10);
        assert_eq!(templates(&files), 1001);
        let calls: usize = files
            .iter()
            .map(|(_, text)| text.matches("{{ tpl ").count())
            .sum();
        assert_eq!(calls, 10_000);
    }

    #[test]
    fn files_are_written_below_their_folder() {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), &umbrella(1)).unwrap();
        let path = folder.path().join("charts/part-00/templates/hpa.yaml");
        let text = fs::read_to_string(path).unwrap();
        assert!(text.contains("include \"part-00.fullname\""), "{text}");
    }
}
