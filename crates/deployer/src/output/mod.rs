//! How results, progress and errors look: tables and sentences for people, JSON and YAML for
//! programs.
//!
//! Everything that is printed goes through [`Printer`]: stdout is data, stderr is talk. Nothing
//! here asks a cluster or decides anything.

mod contract;
mod diff;
pub mod drift;
mod failure;
mod go_template;
mod history;
mod line;
mod list;
mod live;
mod logs;
mod metadata;
mod moment;
mod plan;
mod printer;
mod progress;
mod promotion;
mod release;
mod resources;
mod table;
mod verdict;

pub use contract::{Format, SCHEMA_VERSION};
pub use diff::{DiffEntry, DiffFormat, DiffView, entries_of_plan, entries_of_sets, print_diff};
pub use failure::{print_failure, report_action, report_error};
pub use go_template::{release_by_template, version_by_template};
pub use history::{HistoryRow, history_rows, print_history};
pub use list::{ListRow, list_rows, print_list};
pub use logs::{RevisionLogs, print_logs};
pub use metadata::print_metadata;
pub use moment::{ansi_c, go_time};
pub use plan::print_plan;
pub use printer::{PrintError, Printer, Style};
pub use progress::{ConsoleProgress, ProgressStyle};
pub use promotion::{Change, PromotionView, changes, condition_lines, print_promotion};
pub use release::{ReleaseView, given_values, print_all, print_hooks, print_release, print_values};
pub use table::Table;
pub use verdict::{verdict_line, verdict_lines};
