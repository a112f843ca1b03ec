//! `drift`: a matrix of components and environments, and what differs below it, for people,
//! programs, pull requests, mail and Prometheus.

mod html;
mod markdown;
mod prometheus;
mod table;
mod words;

use serde::Serialize;

use super::contract::SCHEMA_VERSION;
use crate::environment::drift::Drift;

pub use html::html;
pub use markdown::markdown;
pub use prometheus::prometheus;
pub use table::table;
pub use words::sentence;

/// The JSON of `drift`.
#[derive(Debug, Serialize)]
pub struct DriftView<'a> {
    /// The version of this contract.
    schema_version: u32,
    /// Whether something drifted, or could not be looked at.
    is_drift: bool,
    #[serde(flatten)]
    drift: &'a Drift,
}

impl<'a> DriftView<'a> {
    /// Makes the view of a comparison.
    pub fn new(drift: &'a Drift) -> Self {
        Self {
            schema_version: SCHEMA_VERSION,
            is_drift: drift.is_drift(),
            drift,
        }
    }
}
