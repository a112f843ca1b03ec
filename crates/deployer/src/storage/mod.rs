//! The seam to where release records are kept, and who may write them.
//!
//! A store serves one namespace (and lists others). Every write of a record that exists names the
//! version that it was read at; whoever wants to write first holds the release's lease.

mod directory;
mod fault;
pub mod kube;
mod memory;
mod store;

pub mod lease;

pub use directory::DirectoryStore;
pub use fault::FaultyStore;
pub use memory::MemoryStore;
pub use store::{
    BoxedError, EvidenceRecord, Lease, LeaseRequest, ListScope, ReleaseStore, ResourceVersion,
    StorageError, Stored,
};
