//! The test cluster.
pub(crate) const KUBERNETES_VERSION: &str = "1.34.4";
