//! What the command line says about a cluster.

use clap::Args;

/// Which cluster is meant.
#[derive(Args, Debug, Clone)]
pub(crate) struct Choice {
    /// Number of the cluster, for several at once; names, addresses and ports follow from it
    #[arg(long, env = "E2E_CLUSTER_NUMBER", default_value_t = 0, value_parser = clap::value_parser!(u8).range(0..100))]
    pub(crate) number: u8,
}

/// How a new cluster is to be.
#[derive(Args, Debug, Clone)]
pub(crate) struct UpArguments {
    #[command(flatten)]
    pub(crate) choice: Choice,
    /// API server and controllers only, on loopback: no kubelet, no root, hook Jobs never finish
    #[arg(long)]
    pub(crate) light: bool,
    /// Keep a log of every request to the API server, in the state folder's `audit.log`
    #[arg(long)]
    pub(crate) audit: bool,
    /// First three octets of the host's network to the node [default: 10.197.NUMBER]
    #[arg(long, env = "E2E_CLUSTER_NETWORK")]
    pub(crate) network: Option<String>,
    /// First three octets of the pods' network [default: 10.198.NUMBER]
    #[arg(long, env = "E2E_CLUSTER_PODS")]
    pub(crate) pods: Option<String>,
    /// First three octets of the services' network [default: 10.199.NUMBER]
    #[arg(long, env = "E2E_CLUSTER_SERVICES")]
    pub(crate) services: Option<String>,
    /// Port of the OCI registry, on loopback and on the host's address [default: 5050 + NUMBER]
    #[arg(long, env = "E2E_CLUSTER_REGISTRY_PORT")]
    pub(crate) registry_port: Option<u16>,
}

impl UpArguments {
    /// Returns the full cluster of a number, with every other setting at its default.
    pub(crate) fn full(number: u8) -> Self {
        Self {
            choice: Choice { number },
            light: false,
            audit: false,
            network: None,
            pods: None,
            services: None,
            registry_port: None,
        }
    }
}
