//! A folder, a chart and the binary.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tempfile::TempDir;

/// A place of its own: a target folder and a chart.
pub(crate) struct Place {
    folder: TempDir,
}

/// What a run printed and how it ended.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    pub(crate) code: i32,
}

impl Place {
    /// Makes a place with the test chart, whose hook is a local program.
    pub(crate) fn new() -> Self {
        let place = Self {
            folder: TempDir::new().expect("a temporary folder"),
        };
        place.write("chart/Chart.yaml", CHART);
        place.write("chart/values.yaml", "message: hello\ngate: ./gate\n");
        place.write("chart/values.schema.json", SCHEMA);
        place.write("chart/templates/app.yaml", APP);
        place.write("chart/templates/gate.yaml", GATE);
        place.write(
            "chart/templates/NOTES.txt",
            "Deployed {{ .Release.Name }}.\n",
        );
        place
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        std::fs::write(path, text).expect("a file");
    }

    /// Makes the program that stands for the gate's image: it prints, leaves a verdict, exits.
    pub(crate) fn gate(&self, outcome: &str, area: f64, code: u8) -> String {
        let verdict = format!(
            r#"{{"kind":"validator/verdict","schema_version":1,"outcome":"{outcome}","exit_code":{code},"reasons":["auc {area} against 0.9"],"checks":[{{"metric":"auc","outcome":"{outcome}","value":{area},"minimum":0.9,"maximum":null,"lower_bound":{area},"upper_bound":{area},"confidence":0.95,"samples":4000}},{{"metric":"latency_ms_p99","outcome":"pass","value":1.5,"minimum":null,"maximum":200.0,"lower_bound":1.4,"upper_bound":1.6,"confidence":0.95,"samples":2000}}],"model":{{"uri":"m.pt","sha256":"aaaabbbbccccdddd"}},"dataset":{{"uri":"d","digest":"sha256:1111222233334444","rows":4000,"positives":400,"negatives":3600}},"validator_version":"0.1.0","started_at":"2026-01-01T00:00:00Z","duration_s":1.0}}"#
        );
        self.program(
            &format!("gate-{outcome}-{code}"),
            &format!(
                "echo \"judging the model\"\nprintf '%s' '{verdict}' > \"$VALIDATOR_TERMINATION_MESSAGE\"\nexit {code}\n"
            ),
        )
    }

    /// Writes a shell program and returns its path.
    pub(crate) fn program(&self, name: &str, text: &str) -> String {
        self.write(name, &format!("#!/bin/sh\n{text}"));
        let path = self.path(name);
        make_executable(&path);
        path.display().to_string()
    }

    /// Runs the binary on the folder.
    pub(crate) fn run(&self, arguments: &[&str]) -> Run {
        let target = format!("dir:{}", self.path("deployed").display());
        self.run_with(arguments, &[("DEPLOYER_TARGET", &target)])
    }

    pub(crate) fn run_with(&self, arguments: &[&str], environment: &[(&str, &str)]) -> Run {
        let output = Command::new(env!("CARGO_BIN_EXE_deployer"))
            .args(arguments)
            .current_dir(self.folder.path())
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", self.folder.path())
            .env("TZ", "UTC")
            .envs(environment.iter().copied())
            .output()
            .expect("the binary runs");
        Run::of(&output)
    }

    /// Installs with a gate that passes.
    pub(crate) fn installed(&self) -> &Self {
        let command = format!("local/gate={}", self.gate("pass", 0.95, 0));
        let run = self.run(&["install", "web", "chart", "--hook-command", &command]);
        assert_eq!(run.code, 0, "{run:?}");
        self
    }
}

impl Run {
    fn of(output: &Output) -> Self {
        Self {
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
            code: output.status.code().unwrap_or(-1),
        }
    }

    /// Checks the exit code and that stderr says all of this.
    #[track_caller]
    pub(crate) fn fails_with(&self, code: i32, words: &[&str]) {
        assert_eq!(self.code, code, "{self:#?}");
        for words in words {
            assert!(
                self.stderr.contains(words),
                "`{words}` is not said: {self:#?}"
            );
        }
        assert!(!self.stderr.contains("panicked"), "{self:#?}");
    }

    #[track_caller]
    pub(crate) fn json(&self) -> serde_json::Value {
        assert_eq!(self.code, 0, "{self:#?}");
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:#?}"))
    }
}

#[cfg(unix)]
fn make_executable(path: &Path) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).expect("permissions");
}

const CHART: &str = "apiVersion: v2\nname: web\nversion: 1.2.3\nappVersion: \"4.5\"\n";

const SCHEMA: &str = r#"{"type": "object", "additionalProperties": false,
 "properties": {"message": {"type": "string"}, "gate": {"type": "string"}, "global": {"type": "object"}}}"#;

const APP: &str = "apiVersion: v1
kind: ConfigMap
metadata:
  name: {{ .Release.Name }}
data:
  message: {{ required \"message is needed\" .Values.message | quote }}
";

const GATE: &str = "apiVersion: batch/v1
kind: Job
metadata:
  name: {{ .Release.Name }}-validate
  annotations:
    helm.sh/hook: pre-install,pre-upgrade
    helm.sh/hook-delete-policy: hook-succeeded
spec:
  backoffLimit: 0
  template:
    spec:
      restartPolicy: Never
      containers:
        - name: gate
          image: local/gate
          env:
            - name: MODEL_PATH
              value: m.pt
";
