//! The gate file (`gate.yaml`): what is asked of a model, as people write and review it.
//!
//! Text -> YAML -> variables expanded -> [`file::GateFile`], each refusal with the key's path.
//! What the parts mean together with flags and variables is decided in [`crate::settings`].
//! Nothing here reads data, models or the network.

mod digest;
pub mod file;
mod scalar;
mod schema;
#[cfg(test)]
mod tests;

pub use config_file::FileError as GateFileError;
pub use digest::digest;
pub use file::GateFile;
pub use scalar::{Count, Number};
pub use schema::{Document, schema};

const FILE: config_file::Kind = config_file::Kind {
    name: "gate file",
    schema_command: "validator schema",
};

/// Reads a gate file, expanding variables from the environment.
///
/// # Errors
/// [`GateFileError`]; nothing else has been read.
pub fn read(path: &std::path::Path) -> Result<GateFile, GateFileError> {
    FILE.read(path)
}

/// Reads the text of a gate file; `lookup` returns the value of a variable.
///
/// # Errors
/// [`GateFileError`] for the first thing that cannot be understood.
#[cfg(test)]
pub(crate) fn parse(
    file: &str,
    text: &str,
    lookup: &dyn Fn(&str) -> Option<String>,
) -> Result<GateFile, GateFileError> {
    FILE.parse(file, text, lookup)
}

/// The value of `apiVersion`.
pub const API_VERSION: &str = "validator/v1";
/// The value of `kind`.
pub const KIND: &str = "ModelGate";
