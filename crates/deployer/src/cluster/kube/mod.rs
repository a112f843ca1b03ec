//! The Kubernetes API as a target: requests, discovery, apply, waiting, diagnosis.
//!
//! [`rest`] alone opens connections; `ready`, `pods` and `merge` are pure and judge JSON values.
//! Nothing here prints, and nothing here knows of releases.

mod apply;
mod autoscaled;
mod client;
mod connect;
mod diagnose;
mod discovery;
mod error;
mod legacy;
mod limit;
mod merge;
mod mirror;
mod pods;
mod read;
mod ready;
mod rest;
mod rights;
mod session;
mod show;
mod target;
mod wait;

pub use connect::{Connection, configure, current_context};
pub use discovery::{ApiKind, Discovery};
pub use error::{ApiCause, KubeError};
pub use rest::{PatchKind, Rest};
pub use session::KubeCluster;

pub(crate) use mirror::{Mirror, MirrorQuery};
pub(crate) use pods::{creation_refusal, pod_doing, pod_trouble, pulled_image};
pub(crate) use rest::escape;
pub(crate) use session::list_pages;
pub(crate) use target::CREATION_MARK;
