//! Plans, differences and rights against a real API server: its defaults, its field managers and its
//! authorizer.
//!
//! Needs a cluster, a light one is enough: `KUBECONFIG_E2E` names its kubeconfig, whose user may do
//! everything. Without it the tests say so and pass.

#![expect(clippy::print_stderr, reason = "a skipped test says so")]

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use deployer::cluster::kube::{Connection, KubeCluster};
use deployer::cluster::{Cluster as _, ObjectId};
use deployer::release::Namespace;
use serde_json::{Value, json};
use tempfile::TempDir;

/// A chart whose objects the server completes with defaults, with a hook that ends at once: it is
/// no workload.
const OBJECTS: &str = r#"apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{ .Release.Name }}
spec:
  replicas: {{ .Values.replicas }}
  selector:
    matchLabels: {app: x}
  template:
    metadata:
      labels: {app: x}
      annotations: {}
    spec:
      hostNetwork: false
      nodeSelector: {}
      containers:
        - name: app
          image: {{ .Values.image }}
          ports: [{containerPort: 8080}]
          env:
            - {name: B, value: ""}
            - {name: A, value: "1"}
          resources:
            requests: {cpu: 1000m, memory: 1024Mi}
            limits: {cpu: 2, memory: 2Gi}
          livenessProbe: {httpGet: {path: /, port: 8080}}
      volumes:
        - name: tmp
          emptyDir: {sizeLimit: 1024Mi}
        - name: settings
          configMap: {name: {{ .Release.Name }}, defaultMode: 0644}
---
apiVersion: v1
kind: Service
metadata:
  name: {{ .Release.Name }}
spec:
  selector: {app: x}
  ports:
    - {port: 80, targetPort: 8080, name: http}
---
apiVersion: v1
kind: ConfigMap
metadata:
  name: {{ .Release.Name }}
data:
  colour: {{ .Values.colour | quote }}
---
apiVersion: v1
kind: Secret
metadata:
  name: {{ .Release.Name }}
stringData:
  password: planted-secret
---
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata:
  name: {{ .Release.Name }}
spec:
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: {{ .Release.Name }}}
  minReplicas: 1
  maxReplicas: 9
  metrics:
    - type: Resource
      resource: {name: cpu, target: {type: Utilization, averageUtilization: 50}}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: {{ .Release.Name }}
spec:
  podSelector: {}
  ingress:
    - from: [{namespaceSelector: {}}]
      ports: [{port: 8080}]
---
apiVersion: batch/v1
kind: CronJob
metadata:
  name: {{ .Release.Name }}
spec:
  schedule: "0 0 1 1 *"
  jobTemplate:
    spec:
      template:
        spec:
          restartPolicy: Never
          containers: [{name: tick, image: app:1}]
---
apiVersion: apps/v1
kind: StatefulSet
metadata:
  name: {{ .Release.Name }}
spec:
  serviceName: {{ .Release.Name }}
  replicas: 0
  selector:
    matchLabels: {app: s}
  template:
    metadata:
      labels: {app: s}
    spec:
      containers: [{name: app, image: "app:1"}]
  volumeClaimTemplates:
    - metadata: {name: data}
      spec:
        accessModes: [ReadWriteOnce]
        resources: {requests: {storage: 1024Mi}}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata:
  name: {{ .Release.Name }}
rules:
  - apiGroups: [""]
    resources: [configmaps]
    verbs: [get]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata:
  name: {{ .Release.Name }}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: {{ .Release.Name }}}
subjects:
  - {kind: ServiceAccount, name: default}
"#;

const HOOK: &str = r#"apiVersion: v1
kind: ConfigMap
metadata:
  name: {{ .Release.Name }}-hook
  annotations:
    helm.sh/hook: pre-install,pre-upgrade
data: {a: b}
"#;

struct Stage {
    folder: TempDir,
    kubeconfig: PathBuf,
    namespace: Namespace,
    cluster: KubeCluster,
}

#[derive(Debug)]
struct Run {
    stdout: String,
    stderr: String,
    code: i32,
}

impl Stage {
    async fn set(test: &str) -> Option<Self> {
        let Some(kubeconfig) = std::env::var_os("KUBECONFIG_E2E") else {
            eprintln!("skipped: KUBECONFIG_E2E names no cluster");
            return None;
        };
        let kubeconfig = PathBuf::from(kubeconfig);
        let namespace =
            Namespace::new(format!("plan-{test}-{}", std::process::id())).expect("a name");
        let connection = Connection {
            kubeconfig: Some(kubeconfig.clone()),
            ..Connection::default()
        };
        let cluster = KubeCluster::connect(&connection, Some(namespace.clone()))
            .await
            .expect("a cluster");
        cluster
            .ensure_namespace()
            .await
            .expect("the namespace is made");
        let folder = TempDir::new().expect("a folder");
        let chart = folder.path().join("app/templates");
        std::fs::create_dir_all(&chart).expect("a folder");
        let write = |path: &Path, text: &str| std::fs::write(path, text).expect("a file");
        write(
            &folder.path().join("app/Chart.yaml"),
            "apiVersion: v2\nname: app\nversion: 1.0.0\n",
        );
        write(
            &folder.path().join("app/values.yaml"),
            "colour: red\nimage: app:1\nreplicas: 2\n",
        );
        write(&chart.join("objects.yaml"), OBJECTS);
        write(&chart.join("hook.yaml"), HOOK);
        Some(Self {
            folder,
            kubeconfig,
            namespace,
            cluster,
        })
    }

    fn run(&self, arguments: &[&str]) -> Run {
        let output = Command::new(env!("CARGO_BIN_EXE_deployer"))
            .args(arguments)
            .args(["-n", self.namespace.as_str()])
            .current_dir(self.folder.path())
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", self.folder.path())
            .env("KUBECONFIG", &self.kubeconfig)
            .stdin(Stdio::null())
            .output()
            .expect("the binary runs");
        Run {
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
            code: output.status.code().unwrap_or(-1),
        }
    }

    #[track_caller]
    fn done(&self, arguments: &[&str]) -> Run {
        let run = self.run(arguments);
        assert_eq!(run.code, 0, "{arguments:?}: {run:#?}");
        run
    }

    async fn send(&self, method: http::Method, path: &str, body: &Value) -> Value {
        let rest = self.cluster.rest();
        let answer = match method {
            http::Method::POST => rest.post(path, body).await,
            _ => {
                rest.patch(path, deployer::cluster::kube::PatchKind::Merge, body)
                    .await
            }
        };
        answer.unwrap_or_else(|error| panic!("{path}: {error:?}"))
    }

    fn path(&self, group: &str, rest: &str) -> String {
        format!("{group}/namespaces/{}/{rest}", self.namespace)
    }

    async fn live(&self, api_version: &str, kind: &str) -> Value {
        let id = ObjectId {
            api_version: api_version.to_owned(),
            kind: kind.to_owned(),
            namespace: None,
            name: "web".to_owned(),
        };
        self.cluster
            .get(&id)
            .await
            .expect("readable")
            .expect("there")
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        let (cluster, name) = (self.cluster.clone(), self.namespace.to_string());
        let id = ObjectId {
            api_version: "v1".to_owned(),
            kind: "Namespace".to_owned(),
            namespace: None,
            name,
        };
        // Another runtime: this one is inside a test's.
        let removal = std::thread::spawn(move || {
            let runtime = tokio::runtime::Runtime::new().expect("a runtime");
            runtime.block_on(cluster.delete(&id, &Default::default()))
        });
        drop(removal.join());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn e2e_what_the_server_makes_of_objects_is_no_difference() {
    let Some(stage) = Stage::set("same").await else {
        return;
    };
    stage.done(&["install", "web", "app"]);
    for method in ["--server-side=true", "--server-side=false"] {
        let diff = stage.done(&["diff", "upgrade", "web", "app", "--detailed-exitcode"]);
        assert_eq!(diff.stdout, "", "{method}");
        let again = stage.done(&["upgrade", "web", "app", method]);
        assert!(!again.stderr.contains(" changed"), "{method}: {again:#?}");
    }
    let plan = stage.done(&["plan", "web", "app", "--set", "colour=blue", "-o", "json"]);
    let plan: Value = serde_json::from_str(&plan.stdout).expect("JSON");
    let changed: Vec<&Value> = plan["steps"]
        .as_array()
        .expect("steps")
        .iter()
        .filter(|step| step["action"] != "unchanged")
        .collect();
    assert_eq!(changed.len(), 1, "{changed:?}");
    assert_eq!(changed[0]["differences"][0]["path"], "data.colour");
}

#[tokio::test(flavor = "multi_thread")]
async fn e2e_a_hand_edit_is_told_with_its_manager_and_an_autoscaler_is_yielded_to() {
    let Some(stage) = Stage::set("edit").await else {
        return;
    };
    stage.done(&["install", "web", "app"]);
    let deployments = stage.path("/apis/apps/v1", "deployments/web");
    let edit = json!({"spec": {"template": {"spec": {"containers": [
        {"name": "app", "image": "app:hotfix"}]}}}});
    let path = format!("{deployments}?fieldManager=kubectl-edit");
    // A strategic merge leaves the rest of the container alone.
    let rest = stage.cluster.rest();
    rest.patch(&path, deployer::cluster::kube::PatchKind::Strategic, &edit)
        .await
        .expect("edited");
    let scale = json!({"spec": {"replicas": 5}});
    let path = format!("{deployments}/scale?fieldManager=kube-controller-manager");
    stage.send(http::Method::PATCH, &path, &scale).await;
    let diff = stage.run(&["diff", "upgrade", "web", "app", "--detailed-exitcode"]);
    assert_eq!(diff.code, 2, "{diff:#?}");
    for words in [
        "-         image: app:hotfix\n+         image: app:1\n",
        "# changed outside the release:\n#   spec.template.spec.containers[name=app].image: \"app:hotfix\" -> \"app:1\"  (set by kubectl-edit, ",
        "# left to the autoscaler:\n#   spec.replicas: 5 -> 2",
    ] {
        assert!(diff.stdout.contains(words), "`{words}`: {diff:#?}");
    }
    let upgrade = stage.run(&["upgrade", "web", "app", "--force-conflicts"]);
    assert_eq!(upgrade.code, 0, "{upgrade:#?}");
    let live = stage.live("apps/v1", "Deployment").await;
    assert_eq!(live["spec"]["replicas"], 5, "{live}");
    assert_eq!(
        live["spec"]["template"]["spec"]["containers"][0]["image"],
        "app:1"
    );
}

/// Makes an account that has what `manifests` give it and returns its token.
async fn account(stage: &Stage, name: &str, manifests: &str) -> String {
    let accounts = stage.path("/api/v1", "serviceaccounts");
    let object = json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name}});
    stage.send(http::Method::POST, &accounts, &object).await;
    for object in deployer::plan::read_manifest(manifests).expect("YAML") {
        let resource = format!("{}s", object.id.kind.to_lowercase());
        let group = "/apis/rbac.authorization.k8s.io/v1";
        let path = match &object.id.namespace {
            Some(namespace) => format!("{group}/namespaces/{namespace}/{resource}"),
            None => format!("{group}/{resource}"),
        };
        stage.send(http::Method::POST, &path, &object.value).await;
    }
    let request = json!({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"expirationSeconds": 600}});
    let path = format!("{accounts}/{name}/token");
    let token = stage.send(http::Method::POST, &path, &request).await;
    token["status"]["token"]
        .as_str()
        .expect("a token")
        .to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn e2e_the_printed_role_suffices_for_the_command_and_no_less_does() {
    let Some(stage) = Stage::set("rights").await else {
        return;
    };
    let roles = |command: &str, more: &[&str]| {
        let mut arguments = vec![
            "rbac",
            "app",
            "--release",
            "web",
            "--command",
            command,
            "--service-account",
            command,
        ];
        arguments.extend(more);
        stage.done(&arguments).stdout
    };
    let kubeconfig: Value = deployer::plan::read_yaml(
        &std::fs::read_to_string(&stage.kubeconfig).expect("a kubeconfig"),
    )
    .expect("YAML");
    let as_account = |token: &str, arguments: &[&str]| {
        // The admin's certificate must not speak for the account: a kubeconfig with the token alone.
        let mut own = kubeconfig.clone();
        for user in own["users"].as_array_mut().expect("users") {
            user["user"] = json!({"token": token});
        }
        let path = stage.folder.path().join("account.yaml");
        std::fs::write(&path, own.to_string()).expect("a file");
        let mut all = arguments.to_vec();
        let path = path.display().to_string();
        all.extend(["--kubeconfig", path.as_str()]);
        stage.run(&all)
    };

    let install = account(&stage, "install", &roles("install", &["--no-wait"])).await;
    let run = as_account(&install, &["install", "web", "app"]);
    assert_eq!(run.code, 0, "{run:#?}");

    // With nothing but the records: everything that is missing is said at once.
    let bare = r#"apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: bare, namespace: NS}
rules:
  - {apiGroups: [""], resources: [secrets], verbs: ["*"]}
  - {apiGroups: [coordination.k8s.io], resources: [leases], verbs: ["*"]}
  - {apiGroups: [""], resources: [configmaps, services], verbs: [get, list]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: bare, namespace: NS}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: bare}
subjects: [{kind: ServiceAccount, name: bare, namespace: NS}]
"#
    .replace("NS", stage.namespace.as_str());
    let token = account(&stage, "bare", &bare).await;
    let run = as_account(&token, &["upgrade", "web", "app", "--set", "colour=blue"]);
    assert_eq!(run.code, 1, "{run:#?}");
    for words in [
        "create, delete, get, patch deployments.apps in namespace",
        "create, delete, get, patch networkpolicies.networking.k8s.io",
        "create, delete, patch configmaps in namespace",
        "create, delete, patch services in namespace",
        "nothing was changed",
        "deployer rbac CHART --command",
    ] {
        assert!(run.stderr.contains(words), "`{words}`: {run:#?}");
    }
    let history = stage.done(&["history", "web", "-o", "json"]);
    assert_eq!(
        history.stdout.matches("\"revision\"").count(),
        1,
        "{history:#?}"
    );

    // Each command with its own Role and no more.
    for (command, arguments) in [
        (
            "upgrade",
            vec!["upgrade", "web", "app", "--set", "colour=blue"],
        ),
        ("rollback", vec!["rollback", "web", "1"]),
        ("uninstall", vec!["uninstall", "web"]),
    ] {
        let token = account(&stage, command, &roles(command, &["--no-wait"])).await;
        let run = as_account(&token, &arguments);
        assert_eq!(run.code, 0, "{command}: {run:#?}");
        assert!(!run.stderr.contains("warning: "), "{command}: {run:#?}");
    }
}
