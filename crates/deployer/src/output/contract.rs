//! What all machine-readable outputs share.

/// The version of the JSON and YAML that the commands print.
pub const SCHEMA_VERSION: u32 = 1;

/// In which form a command prints.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Columns and sentences.
    Table,
    /// JSON.
    Json,
    /// YAML.
    Yaml,
}
