//! JSON as Go's `encoding/json` writes and reads it.

mod decode;
mod encode;

pub(crate) use decode::{Wanted, decode};
pub(crate) use encode::{Style, encode};

/// Returns the text of Go's `json.Unmarshal` for what is no JSON; nothing for what is.
#[must_use]
pub fn json_error(text: &str) -> Option<String> {
    decode(text, Wanted::Any).err()
}
