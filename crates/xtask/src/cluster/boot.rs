//! What runs in a cluster, with which arguments; and the mounts and links around it.

use super::certificates::kubeconfig_of;
use super::config::{Config, Weight};
use super::files::{CONTAINERD_SOCKET, registry_listeners};
use crate::process::capture;
use anyhow::{Context, Result};
use std::fs;
use std::path::PathBuf;
use std::process::Command;

/// Folders that components write to whatever they are told; each gets a tmpfs of its own.
pub(super) const MASKED: [&str; 2] = ["/var/lib/kubelet", "/var/lib/cni"];

/// One program that is kept running.
#[derive(Debug, Clone)]
pub(super) struct Component {
    pub(super) name: String,
    pub(super) program: PathBuf,
    pub(super) arguments: Vec<String>,
    /// Whether it runs in the node's network rather than the host's.
    pub(super) on_node: bool,
}

impl Component {
    pub(super) fn new(config: &Config, name: &str, arguments: Vec<String>) -> Self {
        Self {
            name: name.to_owned(),
            program: config.program(name),
            arguments,
            on_node: config.weight == Weight::Full,
        }
    }

    /// Returns the command, entering the node's network by way of `network_holder` where it must.
    pub(super) fn command(&self, network_holder: Option<u32>) -> Command {
        let mut command = match network_holder.filter(|_| self.on_node) {
            Some(pid) => on_node(pid, &self.program),
            None => Command::new(&self.program),
        };
        command.args(&self.arguments);
        command
    }
}

/// Returns a command that runs in the network of the process `pid`.
pub(super) fn on_node(pid: u32, program: impl AsRef<std::ffi::OsStr>) -> Command {
    let mut command = Command::new("nsenter");
    command
        .arg(format!("--net=/proc/{pid}/ns/net"))
        .arg("--")
        .arg(program);
    command
}

/// Prepares the mount namespace: what is mounted below is shared with pods, and `/run` and logs are our own.
pub(super) fn mount(config: &Config) -> Result<()> {
    if config.weight == Weight::Light {
        return Ok(());
    }
    let logs = config.state.join("var-log");
    fs::create_dir_all(&logs)?;
    let mount = |arguments: &[&str]| capture(Command::new("mount").args(arguments)).map(drop);
    mount(&["--make-rshared", "/"])?;
    mount(&["-t", "tmpfs", "tmpfs", "/run"])?;
    fs::create_dir_all("/run/lock")?;
    for folder in MASKED {
        fs::create_dir_all(folder).with_context(|| format!("failed to make `{folder}`"))?;
        mount(&["-t", "tmpfs", "tmpfs", folder])?;
    }
    mount(&["--bind", &logs.to_string_lossy(), "/var/log"])
}

/// Joins the node's network, held by the process `holder`, to the host by a veth pair.
pub(super) fn join_networks(config: &Config, holder: u32) -> Result<()> {
    let ip = |line: String| capture(Command::new("ip").args(line.split_whitespace())).map(drop);
    let ip_on_node =
        |line: String| capture(on_node(holder, "ip").args(line.split_whitespace())).map(drop);
    let (link, host, node) = (config.link(), config.host_address, config.node_address);
    ip(format!(
        "link add {link} type veth peer name eth0 netns {holder}"
    ))?;
    ip(format!("address add {host}/30 dev {link}"))?;
    ip(format!("link set {link} up"))?;
    ip_on_node("link set lo up".to_owned())?;
    ip_on_node(format!("address add {node}/30 dev eth0"))?;
    ip_on_node("link set eth0 up".to_owned())?;
    ip_on_node(format!("route add default via {host}"))?;
    ip(format!("route replace {} via {node}", config.pods))?;
    ip(format!("route replace {} via {node}", config.services))?;
    // Settings below /proc/sys/net are those of whoever opens the file.
    capture(on_node(holder, "sh").args(["-c", "echo 1 > /proc/sys/net/ipv4/ip_forward"]))?;
    Ok(())
}

/// Returns the process that does nothing but hold the node's network.
pub(super) fn network_holder() -> Component {
    Component {
        name: "network".to_owned(),
        program: "unshare".into(),
        arguments: ["--net", "--", "sleep", "infinity"]
            .map(str::to_owned)
            .to_vec(),
        on_node: false,
    }
}

/// Returns the OCI registry's processes; none where Debian's package is missing.
pub(super) fn registries(config: &Config) -> Vec<Component> {
    if !config.registry {
        return Vec::new();
    }
    registry_listeners(config)
        .into_iter()
        .map(|listener| Component {
            name: format!("registry-{listener}"),
            program: "docker-registry".into(),
            arguments: vec![
                "serve".to_owned(),
                text(config.state.join(format!("registry-{listener}.yaml"))),
            ],
            on_node: false,
        })
        .collect()
}

/// Returns etcd and the API server.
pub(super) fn api(config: &Config) -> [Component; 2] {
    let client = format!("http://127.0.0.1:{}", config.etcd_port);
    let certificate = |name: &str| text(config.certificates().join(name));
    let etcd = vec![
        format!("--data-dir={}", text(config.state.join("etcd"))),
        format!("--listen-client-urls={client}"),
        format!("--advertise-client-urls={client}"),
        format!(
            "--listen-peer-urls=http://127.0.0.1:{}",
            config.etcd_peer_port
        ),
        // Nothing of a test cluster outlives a power cut.
        "--unsafe-no-fsync".to_owned(),
        "--log-level=warn".to_owned(),
    ];
    let mut server = vec![
        format!("--etcd-servers={client}"),
        format!("--bind-address={}", config.node_address),
        format!("--secure-port={}", config.api_port),
        format!("--advertise-address={}", config.node_address),
        format!("--tls-cert-file={}", certificate("apiserver.crt")),
        format!("--tls-private-key-file={}", certificate("apiserver.key")),
        format!("--client-ca-file={}", certificate("ca.crt")),
        "--authorization-mode=Node,RBAC".to_owned(),
        "--enable-admission-plugins=NodeRestriction".to_owned(),
        format!(
            "--kubelet-client-certificate={}",
            certificate("kubelet-client.crt")
        ),
        format!("--kubelet-client-key={}", certificate("kubelet-client.key")),
        format!("--kubelet-certificate-authority={}", certificate("ca.crt")),
        "--kubelet-preferred-address-types=InternalIP".to_owned(),
        "--service-account-issuer=https://kubernetes.default.svc".to_owned(),
        format!("--service-account-key-file={}", certificate("accounts.pub")),
        format!(
            "--service-account-signing-key-file={}",
            certificate("accounts.key")
        ),
        format!("--service-cluster-ip-range={}", config.services),
        "--allow-privileged".to_owned(),
        "--event-ttl=24h".to_owned(),
    ];
    if config.weight == Weight::Light {
        // Endpoints may not lie on loopback.
        server.push("--endpoint-reconciler-type=none".to_owned());
    }
    if config.audit {
        let policy = text(config.state.join("audit-policy.yaml"));
        server.push(format!("--audit-policy-file={policy}"));
        server.push(format!("--audit-log-path={}", text(config.audit_log())));
    }
    [
        Component::new(config, "etcd", etcd),
        Component::new(config, "kube-apiserver", server),
    ]
}

/// Returns the controllers.
pub(super) fn controllers(config: &Config) -> Component {
    let certificate = |name: &str| text(config.certificates().join(name));
    let arguments = vec![
        format!(
            "--kubeconfig={}",
            text(kubeconfig_of(config, "controller-manager"))
        ),
        "--bind-address=127.0.0.1".to_owned(),
        format!("--secure-port={}", config.controller_port),
        "--leader-elect=false".to_owned(),
        "--use-service-account-credentials".to_owned(),
        format!("--root-ca-file={}", certificate("ca.crt")),
        format!(
            "--service-account-private-key-file={}",
            certificate("accounts.key")
        ),
        format!("--cluster-signing-cert-file={}", certificate("ca.crt")),
        format!("--cluster-signing-key-file={}", certificate("ca.key")),
        format!("--service-cluster-ip-range={}", config.services),
    ];
    Component::new(config, "kube-controller-manager", arguments)
}

/// Returns the container runtime.
pub(super) fn runtime(config: &Config) -> Component {
    Component {
        name: "containerd".to_owned(),
        program: "containerd".into(),
        arguments: vec![
            "--config".to_owned(),
            text(config.state.join("containerd.toml")),
        ],
        on_node: true,
    }
}

/// Returns what makes the node a node.
pub(super) fn node(config: &Config) -> [Component; 3] {
    [
        Component::new(
            config,
            "kube-scheduler",
            vec![
                format!("--kubeconfig={}", text(kubeconfig_of(config, "scheduler"))),
                "--bind-address=127.0.0.1".to_owned(),
                "--leader-elect=false".to_owned(),
            ],
        ),
        Component::new(
            config,
            "kubelet",
            vec![
                format!("--config={}", text(config.state.join("kubelet.yaml"))),
                format!("--kubeconfig={}", text(kubeconfig_of(config, "node"))),
                format!("--root-dir={}", text(config.state.join("kubelet"))),
                format!("--node-ip={}", config.node_address),
                format!("--hostname-override={}", config.node()),
            ],
        ),
        Component::new(
            config,
            "kube-proxy",
            vec![format!(
                "--config={}",
                text(config.state.join("kube-proxy.yaml"))
            )],
        ),
    ]
}

/// Returns a command of containerd's client.
pub(super) fn ctr() -> Command {
    let mut command = Command::new("ctr");
    command.args(["--address", CONTAINERD_SOCKET, "--namespace", "k8s.io"]);
    command
}

pub(super) fn text(path: PathBuf) -> String {
    path.to_string_lossy().into_owned()
}
