//! Go's `text/template` with Helm's functions; knows nothing of charts.

mod value;

pub use value::{List, Map, Object, Value};
