//! The gate file (`gate.yaml`): what is asked of a model, as people write and review it.
//!
//! Text -> YAML -> variables expanded -> [`file::GateFile`], each refusal with the key's path.
//! What the parts mean together with flags and variables is decided in [`crate::settings`].
//! Nothing here reads data, models or the network.

mod expand;
pub mod file;
mod read;
mod scalar;
mod schema;
#[cfg(test)]
mod tests;

pub use expand::ExpandError;
pub use file::GateFile;
pub use read::{GateFileError, parse, read};
pub use scalar::{Count, Number};
pub use schema::schema;

/// The value of `apiVersion`.
pub const API_VERSION: &str = "validator/v1";
/// The value of `kind`.
pub const KIND: &str = "ModelGate";
