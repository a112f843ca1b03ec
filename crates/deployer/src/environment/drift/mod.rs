//! What has drifted, from three views of the same components (pure).
//!
//! Live against record: somebody edited by hand, or deleted. Files against record: somebody forgot
//! to deploy. Environment against environment: a mend that stayed in one, a component that is
//! missing in another. What is allowed to differ is set apart, not forgotten.

mod age;
mod between;
mod component;
mod difference;
mod fields;
mod report;
mod state;
#[cfg(test)]
mod tests;
mod within;

pub use difference::{Difference, Shown, View};
pub use report::{Cell, CellState, Component, Drift, EnvironmentRow, compare};
pub use state::{Desired, EnvironmentState, Recorded, ReleaseState};
