//! From scores to checks: gathers rows into populations, measures what a gate asks for, and
//! decides by the rules of [`verdict::decision`] and [`verdict::slices`].
//!
//! Plain functions over what [`crate::evaluate`] hands over; nothing here reads or waits.

mod area;
mod checks;
mod classes;
mod columns;
mod gather;
mod measure;
mod plan;
mod population;
#[cfg(test)]
mod tests;

pub use checks::{JudgeError, Judged, judge};
pub use classes::{ClassGatherer, JudgedClasses, ScoredClasses};
pub use columns::GatherError;
pub use gather::{Cut, GatherPlan, Gatherer, PARTS_MAX, ScoredRows};
pub use plan::{Amount, Expected, Need, plan};
pub use population::{Gathered, Population, RunsOfPart};
