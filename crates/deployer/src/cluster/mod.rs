//! The seam to what is deployed to: the Kubernetes API, or a folder of rendered manifests.
//!
//! An implementation serves one default namespace: objects that name none live there, unless their
//! kind has no namespace.

mod directory;
pub(crate) mod fault;
pub mod kube;
mod memory;
mod object;
mod served;
mod show;
mod target;

pub use directory::DirectoryCluster;
pub use fault::{Fault, FaultPlan, FaultyCluster};
pub use memory::{MemoryCluster, NEVER_READY_ANNOTATION};
pub(crate) use object::CRD_KIND;
pub use object::{ObjectId, merge_key, object_id};
pub use served::get_served;
pub use show::{ObjectTable, Shown};
pub use target::{
    Applied, ApplyOptions, ApplyStrategy, Capabilities, Cluster, ClusterError, DeleteOptions,
    Diagnosis, DryRun, FIELD_MANAGER, NotReady, Propagation, RevisionScope, WaitOptions,
    WaitStrategy,
};
