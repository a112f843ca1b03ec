//! Reads typed YAML that people write, strictly: `gate.yaml` and `deployer.yaml`.
//!
//! Text -> YAML -> variables expanded -> the types, each refusal with the key's path and, for an
//! unknown key or word, with the one that was probably meant. What the values mean is the caller's.

mod expand;
mod read;

pub use expand::ExpandError;
pub use read::{FileError, Kind, closest};
