//! Everything that a person or another program gets to see.
//!
//! stdout carries the result, stderr the talk; [`Printer`] is the only way to either.

mod destinations;
mod escape;
mod hgrm;
mod hlog;
mod html;
mod junit;
mod markdown;
mod numbers;
mod plan;
mod printer;
pub mod progress;
mod prometheus;
pub mod reason;
mod settings;
mod shard;
mod text;
mod verification;

pub use destinations::Destinations;
pub(crate) use destinations::write_beside;
pub use hgrm::render_hgrm;
pub use hlog::render_hlog;
pub use html::render_html;
pub use junit::render_junit;
pub use markdown::render_markdown;
pub use plan::{render_plan, render_plan_json};
pub use printer::{Printer, Talk};
pub use prometheus::render_prometheus;
pub use settings::render_settings;
pub use shard::{render_shard, render_shard_json};
pub use text::{render_error, render_report};
pub use verification::{Verification, render_verification};
