//! Errors of reading and writing YAML, worded as Helm's users know them.

use std::fmt;

/// A YAML text that cannot be read, or a value that cannot be written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{stage}{message}")]
pub struct YamlError {
    /// Which step of `sigs.k8s.io/yaml` failed; empty where no step is named.
    stage: Stage,
    message: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    None,
    ConvertingToJson,
    UnmarshalingJson,
}

impl fmt::Display for Stage {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::None => "",
            Self::ConvertingToJson => "error converting YAML to JSON: ",
            Self::UnmarshalingJson => "error unmarshaling JSON: while decoding JSON: ",
        })
    }
}

impl YamlError {
    /// An error of the YAML text itself, `yaml: line 3: …`.
    pub(crate) fn syntax(line: Option<u64>, problem: &str) -> Self {
        let message = match line {
            Some(line) => format!("yaml: line {line}: {problem}"),
            None => format!("yaml: {problem}"),
        };
        Self {
            stage: Stage::None,
            message,
        }
    }

    /// An error without the `yaml:` prefix.
    pub(crate) fn plain(message: impl Into<String>) -> Self {
        Self {
            stage: Stage::None,
            message: message.into(),
        }
    }

    pub(crate) fn converting(self) -> Self {
        Self {
            stage: Stage::ConvertingToJson,
            ..self
        }
    }

    /// A value of the wrong kind for the Go type that it is decoded into.
    pub fn wrong_kind(kind: &str, go_type: &str) -> Self {
        Self {
            stage: Stage::UnmarshalingJson,
            message: format!("json: cannot unmarshal {kind} into Go value of type {go_type}"),
        }
    }

    /// The same with another name for a Go type.
    #[must_use]
    pub fn with(mut self, name: &str, other: &str) -> Self {
        self.message = self.message.replace(name, other);
        self
    }

    /// A value that its Go type refuses, in that type's own words.
    pub fn refused_by_type(message: String) -> Self {
        Self {
            stage: Stage::UnmarshalingJson,
            message,
        }
    }

    /// A field of the wrong kind, as in `Go struct field Metadata.version of type string`.
    pub fn wrong_field(kind: &str, field: &str, go_type: &str) -> Self {
        Self {
            stage: Stage::UnmarshalingJson,
            message: format!(
                "json: cannot unmarshal {kind} into Go struct field {field} of type {go_type}"
            ),
        }
    }

    /// A field that the Go type does not have, where such are refused.
    pub fn unknown_field(name: &str) -> Self {
        Self {
            stage: Stage::UnmarshalingJson,
            message: format!("json: unknown field {}", crate::quote::quoted(name)),
        }
    }

    /// Returns the text without the step, `yaml: line 3: …`.
    pub fn message(&self) -> &str {
        &self.message
    }
}
