//! JSON as Go's `encoding/json` writes and reads it.

mod decode;
mod encode;

pub(crate) use decode::{Wanted, decode};
pub(crate) use encode::{Style, encode};
