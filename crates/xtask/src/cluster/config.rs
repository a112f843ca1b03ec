//! The settings of one cluster: everything that its parts need to know, kept as JSON in its state folder.

use super::arguments::UpArguments;
use crate::places::Places;
use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};

/// How much of Kubernetes runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Weight {
    /// Kubelet and containerd: pods really run.
    Full,
    /// API server and controllers on loopback.
    Light,
}

/// One cluster.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Config {
    pub(crate) name: String,
    pub(crate) weight: Weight,
    /// Folder of everything that this cluster writes.
    pub(crate) state: PathBuf,
    /// Folder of the built programs.
    pub(crate) binaries: PathBuf,
    /// This machine as pods reach it.
    pub(crate) host_address: Ipv4Addr,
    /// Where the API server listens.
    pub(crate) node_address: Ipv4Addr,
    pub(crate) pods: String,
    pub(crate) services: String,
    /// The ClusterIP of the API server.
    pub(crate) api_service: Ipv4Addr,
    pub(crate) api_port: u16,
    pub(crate) etcd_port: u16,
    pub(crate) etcd_peer_port: u16,
    pub(crate) controller_port: u16,
    pub(crate) registry_port: u16,
    /// Whether the API server logs every request.
    #[serde(default)]
    pub(crate) audit: bool,
    /// Whether Debian's `docker-registry` is there to be started.
    pub(crate) registry: bool,
}

impl Config {
    /// Makes the settings of a new cluster from the command line.
    ///
    /// # Errors
    /// When an address cannot be read.
    pub(crate) fn new(places: &Places, arguments: &UpArguments) -> Result<Self> {
        let number = arguments.choice.number;
        let network = |given: &Option<String>, second: u8| -> Result<[u8; 3]> {
            let text = given
                .clone()
                .unwrap_or_else(|| format!("10.{second}.{number}"));
            let octets: Ipv4Addr = format!("{text}.0").parse().with_context(|| {
                format!("`{text}` is not three octets of a network, such as 10.197.0")
            })?;
            let [a, b, c, _] = octets.octets();
            Ok([a, b, c])
        };
        let [a, b, c] = network(&arguments.network, 197)?;
        let [p, q, r] = network(&arguments.pods, 198)?;
        let [s, t, u] = network(&arguments.services, 199)?;
        let light = arguments.light;
        let port = |full: u16, offset: u16| {
            if light {
                21_000 + u16::from(number) * 10 + offset
            } else {
                full
            }
        };
        let name = name_of(number);
        Ok(Self {
            state: places.cluster_states().join(&name),
            name,
            weight: if light { Weight::Light } else { Weight::Full },
            binaries: places.cluster_binaries(),
            host_address: if light {
                Ipv4Addr::LOCALHOST
            } else {
                Ipv4Addr::new(a, b, c, 1)
            },
            node_address: if light {
                Ipv4Addr::LOCALHOST
            } else {
                Ipv4Addr::new(a, b, c, 2)
            },
            pods: format!("{p}.{q}.{r}.0/24"),
            services: format!("{s}.{t}.{u}.0/24"),
            api_service: Ipv4Addr::new(s, t, u, 1),
            api_port: port(6443, 0),
            etcd_port: port(2379, 1),
            etcd_peer_port: port(2380, 2),
            controller_port: port(10_257, 3),
            registry_port: arguments.registry_port.unwrap_or(5050 + u16::from(number)),
            audit: arguments.audit,
            registry: crate::tools::find("docker-registry").is_some(),
        })
    }

    /// Reads the settings of a cluster that was started; none when there is no such cluster.
    ///
    /// # Errors
    /// When the file is there and cannot be read.
    pub(crate) fn of_number(places: &Places, number: u8) -> Result<Option<Self>> {
        let path = places
            .cluster_states()
            .join(name_of(number))
            .join("config.json");
        if path.exists() {
            Self::load(&path).map(Some)
        } else {
            Ok(None)
        }
    }

    /// Reads the settings from a file.
    ///
    /// # Errors
    /// When it cannot be read or is no such file.
    pub(crate) fn load(path: &Path) -> Result<Self> {
        let text =
            std::fs::read(path).with_context(|| format!("failed to read `{}`", path.display()))?;
        serde_json::from_slice(&text)
            .with_context(|| format!("`{}` holds no settings of a cluster", path.display()))
    }

    /// Returns the file that the settings are kept in.
    pub(crate) fn path(&self) -> PathBuf {
        self.state.join("config.json")
    }

    /// Writes the settings to the state folder.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub(crate) fn save(&self) -> Result<()> {
        let path = self.path();
        std::fs::write(&path, serde_json::to_vec_pretty(self)?)
            .with_context(|| format!("failed to write `{}`", path.display()))
    }

    /// Returns the kubeconfig of the administrator.
    pub(crate) fn kubeconfig(&self) -> PathBuf {
        self.state.join("kubeconfig.yaml")
    }

    /// Returns the folder of certificates and keys.
    pub(crate) fn certificates(&self) -> PathBuf {
        self.state.join("certificates")
    }

    /// Returns the log file of a component.
    pub(crate) fn log(&self, component: &str) -> PathBuf {
        self.state.join("log").join(format!("{component}.log"))
    }

    /// Returns where requests are logged, where they are.
    pub(crate) fn audit_log(&self) -> PathBuf {
        self.state.join("audit.log")
    }

    /// Returns the name of the node.
    pub(crate) fn node(&self) -> String {
        format!("{}-node", self.name)
    }

    /// Returns the host's end of the veth pair.
    pub(crate) fn link(&self) -> String {
        format!("{}-host", self.name)
    }

    /// Returns the program's path: `KUBEBUILDER_ASSETS` first, as envtest does, then the built one.
    pub(crate) fn program(&self, name: &str) -> PathBuf {
        super::binaries::asset(name).unwrap_or_else(|| self.binaries.join(name))
    }

    /// Returns the registry as the host and the node name it.
    pub(crate) fn registry_name(&self) -> String {
        format!("{}:{}", self.host_address, self.registry_port)
    }
}

/// Returns the name of a cluster; short, since links carry it and 15 bytes are their limit.
pub(super) fn name_of(number: u8) -> String {
    format!("mld{number}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places() -> Places {
        Places {
            root: "/r".into(),
            cache: "/c".into(),
            target: "/t".into(),
        }
    }

    #[test]
    fn two_clusters_share_no_name_address_or_port() {
        for light in [false, true] {
            let config = |number| {
                Config::new(
                    &places(),
                    &UpArguments {
                        light,
                        ..UpArguments::full(number)
                    },
                )
                .unwrap()
            };
            let (one, two) = (config(1), config(2));
            assert_ne!(one.state, two.state);
            assert_ne!(one.link(), two.link());
            assert_ne!(one.pods, two.pods);
            assert_ne!(one.registry_port, two.registry_port);
            assert_ne!(
                (one.node_address, one.api_port),
                (two.node_address, two.api_port)
            );
            assert_ne!(
                (one.node_address, one.etcd_port),
                (two.node_address, two.etcd_port)
            );
        }
    }

    #[test]
    fn links_keep_the_kernels_limit_for_every_number() {
        let config = Config::new(&places(), &UpArguments::full(99)).unwrap();
        assert!(config.link().len() <= 15);
    }

    #[test]
    fn a_wrong_network_is_named() {
        let arguments = UpArguments {
            network: Some("10.300.1".to_owned()),
            ..UpArguments::full(0)
        };
        assert!(
            Config::new(&places(), &arguments)
                .unwrap_err()
                .to_string()
                .contains("10.300.1")
        );
    }
}
