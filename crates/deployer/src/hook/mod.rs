//! Hooks: their order, their run in the cluster or as local processes, and what is kept of them.

mod runner;
mod skip;

pub use runner::{HookContext, HookError, HookObject, HookResult, HookRunner};
pub use skip::SkippedHooks;
