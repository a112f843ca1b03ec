//! What ends a command, and with which exit code.

use thiserror::Error;

use crate::action::{ActionError, ExitCode};
use crate::cluster::kube::KubeError;
use crate::output::{PrintError, Printer, report_action, report_error};
use crate::registry::RegistryError;
use crate::release::NameError;
use crate::storage::StorageError;

/// Why a command failed.
#[derive(Debug, Error)]
pub(crate) enum CliError {
    /// The flags contradict each other or name what cannot be used.
    #[error("{message}")]
    Usage { message: String, hints: Vec<String> },
    /// A name is not valid.
    #[error(transparent)]
    Name(#[from] NameError),
    /// No cluster can be reached with these flags.
    #[error(transparent)]
    Kube(#[from] KubeError),
    /// The action failed.
    #[error(transparent)]
    Action(#[from] ActionError),
    /// The records cannot be read.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// A chart, repository or registry cannot be had.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// The result cannot be printed.
    #[error(transparent)]
    Print(#[from] PrintError),
    /// A file or folder cannot be used.
    #[error("{doing}")]
    File {
        doing: String,
        #[source]
        source: std::io::Error,
    },
}

impl CliError {
    /// Makes an error about the flags.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::Usage {
            message: message.into(),
            hints: Vec::new(),
        }
    }

    /// Adds what can be done about it.
    pub(crate) fn with_hint(self, hint: impl Into<String>) -> Self {
        match self {
            Self::Usage { message, mut hints } => {
                hints.push(hint.into());
                Self::Usage { message, hints }
            }
            other => other,
        }
    }

    /// Returns the exit code that tells this error to scripts.
    pub(crate) fn exit_code(&self) -> ExitCode {
        match self {
            Self::Usage { .. }
            | Self::Name(_)
            | Self::File { .. }
            | Self::Registry(RegistryError::Request(_) | RegistryError::NotFound { .. }) => {
                ExitCode::Usage
            }
            Self::Kube(
                KubeError::NoConfiguration { .. }
                | KubeError::Configuration { .. }
                | KubeError::Flag { .. },
            ) => ExitCode::Usage,
            Self::Action(error) => error.exit_code(),
            Self::Print(PrintError::BrokenPipe) => ExitCode::Done,
            Self::Kube(_) | Self::Storage(_) | Self::Registry(_) | Self::Print(_) => {
                ExitCode::Failed
            }
        }
    }

    /// Tells the error to the person; a reader that has gone is told nothing.
    pub(crate) fn report(&self, printer: &Printer, hook_logs_were_shown: bool) {
        match self {
            Self::Print(PrintError::BrokenPipe) => {}
            Self::Action(error) => report_action(printer, error, hook_logs_were_shown),
            Self::Usage { hints, .. } => report_error(printer, self, hints),
            Self::Kube(error) => report_error(printer, error, &error.hints()),
            Self::Storage(error) => report_error(printer, error, &error.hints()),
            Self::Registry(error) => report_error(printer, error, &error.hints()),
            other => report_error(printer, other, &[]),
        }
    }
}
