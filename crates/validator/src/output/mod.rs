//! Everything that a person or another program gets to see.
//!
//! stdout carries the result, stderr the talk; [`Printer`] is the only way to either.

mod destinations;
mod numbers;
mod printer;
pub mod progress;
pub mod reason;
mod text;

pub use destinations::Destinations;
pub use printer::{Printer, Talk};
pub use text::{render_error, render_report};
