//! Runs a model in a process of its own and hands back raw outputs and call times.
//!
//! ```text
//! validator (parent)                                   validator-scorer (child)
//!   Scorer::score / measure                               libtorch, loaded here alone
//!     rows  -> shared memory (memfd, sealed) ---------->  tensor over the same pages
//!     request -> unix socket -------------------------->  forward
//!     raw outputs (f64), nanoseconds <------------------  unix socket
//! ```
//!
//! The parent keeps the credentials, the data and the report; the child has the model and nothing
//! else. Whatever the model does (raise, crash, hang, eat memory) ends in a [`ScorerError`].
//!
//! [`Scorer`] is the seam: [`ScorerProcess`] is the real one, tests may script their own.
//! Nothing in this module links libtorch; only the binary `validator-scorer` does.

pub mod archive;
mod child;
mod error;
mod interface;
mod limits;
pub mod memory;
pub mod operators;
mod process;
pub mod protocol;
pub mod sandbox;
pub mod transport;

pub use error::{ScorerError, UnloadableReason};
pub use interface::{
    Arrivals, ColumnChoice, Device, ElementType, InputPart, LatencyPlan, LatencySamples, ModelInfo,
    ModelInput, OutputKind, OutputSelection, RawScores, Scorer, StopAfter, ThrottleEvidence,
};
pub use process::{MemoryLimit, ScorerProcess, SpawnOptions, StartedScorer, find_scorer};
pub use sandbox::{Protection, SandboxReport};
