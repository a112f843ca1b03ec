//! `cargo xtask cluster`: a real one-node Kubernetes for tests, without a container engine.
//!
//! Kubernetes, etcd and Helm are built through the Go module proxy; containerd, runc, the CNI plugins and the
//! registry are Debian packages. Everything of a cluster is a descendant of one process ([`init`]) that is PID 1 of
//! its own PID namespace, so that its end is the end of all. What outlives it by nature (the state folder, the veth
//! pair, cgroups) is removed by `down`, after a crash too.

mod arguments;
mod binaries;
mod boot;
mod certificates;
mod config;
mod debian;
mod files;
mod host;
mod init;
mod lifecycle;
mod names;

pub(crate) use arguments::{Choice, UpArguments};
pub(crate) use binaries::helms;
pub(crate) use init::run as run_init;
pub(crate) use lifecycle::{
    Talk, Variables, audit_log, claim, claim_first_free, down, down_all, environment, leftovers,
    up, why_impossible,
};
pub(crate) use names::serve as serve_names;

/// The Kubernetes that is built.
pub(crate) const KUBERNETES_VERSION: &str = "1.34.4";
