//! Hooks: their order, their run in the cluster or as local processes, and what is kept of them.

pub mod cluster;
mod events;
mod fault;
mod local;
mod needs;
mod order;
mod runner;
mod skip;

pub use events::{EventReport, HookFailure, HookRemoval, remove_hooks, run_event};
pub use fault::FaultyHooks;
pub use local::{LocalHooks, LocalOptions};
pub use needs::{UnmetNeed, unmet_needs};
pub use order::{has_policy, is_workload, ordered_hooks};
pub use runner::{HookContext, HookError, HookObject, HookResult, HookRunner};
pub use skip::SkippedHooks;
