//! Go's `text/template` with Helm's functions; knows nothing of charts.
//!
//! `syntax` turns text into trees, `execute` walks them, `functions` holds what templates can call,
//! and `format`, `strconv`, `quote` and `json` print and read values as Go does. `yaml` is YAML as
//! Helm reads and writes it. Nothing here reads files, and only `functions` asks for the time,
//! random numbers and, where allowed, a name server.

mod bytes;
mod error;
mod execute;
mod format;
mod functions;
mod json;
mod quote;
mod stack;
mod strconv;
mod syntax;
mod templates;
mod value;

pub mod hash;
pub mod semver;
pub mod yaml;

pub use error::Error;
pub use functions::{
    FunctionSet, UrlParts, check_date, check_time, check_url, expression, format_time,
    regex_matches, time_value,
};
pub use json::json_error;
pub use quote::{is_printable, quoted};
pub use templates::{Compat, Limits, Lookup, MissingKey, Options, Templates};
pub use value::{Kind, List, Map, Object, StringMap, TypedList, Value};
