//! The configuration files of containerd, kubelet, kube-proxy, CNI and the registry. JSON is YAML, so most are JSON.

use super::config::Config;
use anyhow::{Context, Result};
use serde_json::{Value, json};
use std::fs;
use std::path::Path;

/// Where containerd listens; `/run` is the cluster's own.
pub(super) const CONTAINERD_SOCKET: &str = "/run/containerd/containerd.sock";
/// The image of a pod's sandbox, imported at boot.
pub(super) const PAUSE_IMAGE: &str = "ml-deployer.local/pause:1";

/// Writes all configuration files of the cluster.
///
/// # Errors
/// When one cannot be written.
pub(super) fn write_all(config: &Config) -> Result<()> {
    let state = &config.state;
    for listener in registry_listeners(config) {
        write_json(
            &state.join(format!("registry-{listener}.yaml")),
            &registry(config, &listener),
        )?;
    }
    write_json(&state.join("kubelet.yaml"), &kubelet(config))?;
    write_json(&state.join("kube-proxy.yaml"), &proxy(config))?;
    write_json(
        &state.join("cni").join("10-bridge.conflist"),
        &network(config),
    )?;
    write(&state.join("containerd.toml"), &containerd(config))?;
    write_json(&state.join("audit-policy.yaml"), &audit_policy())?;
    for name in [
        config.registry_name(),
        format!("127.0.0.1:{}", config.registry_port),
    ] {
        // Inside the node, loopback is the node's: both names lead to the host's end of the veth pair.
        let target = config.registry_name();
        let text = format!(
            "server = \"http://{target}\"\n[host.\"http://{target}\"]\n  capabilities = [\"pull\", \"resolve\"]\n"
        );
        write(
            &state.join("registries").join(name).join("hosts.toml"),
            &text,
        )?;
    }
    Ok(())
}

/// Returns the addresses that the registry listens on, each a process of its own over one storage.
pub(super) fn registry_listeners(config: &Config) -> Vec<String> {
    let mut listeners = vec!["127.0.0.1".to_owned(), config.host_address.to_string()];
    listeners.dedup();
    listeners
}

fn registry(config: &Config, listener: &str) -> Value {
    json!({
        "version": "0.1",
        "log": {"level": "warn"},
        "storage": {
            "filesystem": {"rootdirectory": config.state.join("registry")},
            "delete": {"enabled": true},
        },
        // The processes share uploads, so they share the secret that signs their state.
        "http": {"addr": format!("{listener}:{}", config.registry_port), "secret": config.name},
    })
}

fn kubelet(config: &Config) -> Value {
    let certificates = config.certificates();
    json!({
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "address": config.node_address,
        "authentication": {
            "anonymous": {"enabled": false},
            "webhook": {"enabled": true},
            "x509": {"clientCAFile": certificates.join("ca.crt")},
        },
        "authorization": {"mode": "Webhook"},
        "tlsCertFile": certificates.join("kubelet-server.crt"),
        "tlsPrivateKeyFile": certificates.join("kubelet-server.key"),
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": format!("/{}", config.name),
        "failCgroupV1": false,
        "failSwapOn": false,
        "containerRuntimeEndpoint": format!("unix://{CONTAINERD_SOCKET}"),
        "volumePluginDir": config.state.join("volume-plugins"),
        // Containers may lack the right to lower their own OOM score.
        "oomScoreAdj": 0,
        "enforceNodeAllocatable": [],
        "localStorageCapacityIsolation": false,
        "imageGCHighThresholdPercent": 100,
        "imageGCLowThresholdPercent": 99,
        "evictionHard": {
            "memory.available": "100Mi", "nodefs.available": "1%", "imagefs.available": "1%", "nodefs.inodesFree": "1%",
        },
        "maxPods": 200,
        "serializeImagePulls": false,
        "nodeStatusUpdateFrequency": "5s",
        "syncFrequency": "10s",
        "clusterDNS": [config.node_address],
        "clusterDomain": super::names::DOMAIN,
        // Services have names; the world outside has none.
        "resolvConf": "",
    })
}

/// One entry for each request, without its content.
fn audit_policy() -> Value {
    json!({
        "apiVersion": "audit.k8s.io/v1",
        "kind": "Policy",
        "omitStages": ["RequestReceived", "ResponseStarted"],
        "rules": [{"level": "Metadata"}],
    })
}

fn proxy(config: &Config) -> Value {
    json!({
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "mode": "iptables",
        "bindAddress": config.node_address,
        "healthzBindAddress": "127.0.0.1:10256",
        "metricsBindAddress": "127.0.0.1:10249",
        "clientConnection": {"kubeconfig": super::certificates::kubeconfig_of(config, "proxy")},
        "clusterCIDR": config.pods,
        "hostnameOverride": config.node(),
        "oomScoreAdj": 0,
        "conntrack": {"maxPerCore": 0, "min": 0, "tcpEstablishedTimeout": "0s", "tcpCloseWaitTimeout": "0s"},
        "iptables": {"minSyncPeriod": "0s", "syncPeriod": "30s"},
    })
}

fn network(config: &Config) -> Value {
    json!({
        "cniVersion": "0.4.0",
        "name": config.name,
        "plugins": [
            {
                "type": "bridge",
                "bridge": "cni0",
                "isGateway": true,
                "ipMasq": false,
                "hairpinMode": true,
                "ipam": {
                    "type": "host-local",
                    "dataDir": "/run/cni",
                    "ranges": [[{"subnet": config.pods}]],
                    "routes": [{"dst": "0.0.0.0/0"}],
                },
            },
            {"type": "portmap", "capabilities": {"portMappings": true}},
        ],
    })
}

fn containerd(config: &Config) -> String {
    let state = config.state.display();
    let snapshotter = snapshotter(&config.state);
    format!(
        r#"version = 2
root = "{state}/containerd"
state = "/run/containerd"
disabled_plugins = [
  "io.containerd.snapshotter.v1.aufs",
  "io.containerd.snapshotter.v1.btrfs",
  "io.containerd.snapshotter.v1.devmapper",
  "io.containerd.snapshotter.v1.zfs",
  "io.containerd.internal.v1.tracing",
  "io.containerd.tracing.processor.v1.otlp",
]
[grpc]
  address = "{CONTAINERD_SOCKET}"
[plugins."io.containerd.internal.v1.opt"]
  path = "{state}/containerd-opt"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{PAUSE_IMAGE}"
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "{snapshotter}"
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "{state}/cni"
  [plugins."io.containerd.grpc.v1.cri".registry]
    config_path = "{state}/registries"
"#
    )
}

/// Overlays cannot lie on an overlay: where the cache folder does, as inside a container, files are copied.
fn snapshotter(folder: &Path) -> &'static str {
    const OVERLAY_MAGIC: i128 = 0x794c_7630;
    match rustix::fs::statfs(folder) {
        Ok(statistics) if i128::from(statistics.f_type) == OVERLAY_MAGIC => "native",
        _ => "overlayfs",
    }
}

fn write_json(path: &Path, value: &Value) -> Result<()> {
    write(path, &serde_json::to_string_pretty(value)?)
}

fn write(path: &Path, text: &str) -> Result<()> {
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent)
            .with_context(|| format!("failed to make `{}`", parent.display()))?;
    }
    fs::write(path, text).with_context(|| format!("failed to write `{}`", path.display()))
}
