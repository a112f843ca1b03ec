//! What ends a command, and with which exit code.

use thiserror::Error;

use crate::action::{ActionError, ExitCode, RenderError};
use crate::cluster::kube::KubeError;
use crate::environment::EnvironmentError;
use crate::output::{Format, PrintError, Printer, print_failure, report_action, report_error};
use crate::registry::{ProvenanceError, RegistryError};
use crate::release::NameError;
use crate::storage::StorageError;

/// Why a command failed.
#[derive(Debug, Error)]
pub(crate) enum CliError {
    /// The flags contradict each other or name what cannot be used.
    #[error("{message}")]
    Usage { message: String, hints: Vec<String> },
    /// The chart cannot be loaded.
    #[error("chart `{reference}` cannot be loaded: {source}")]
    Chart {
        reference: String,
        source: chart::load::LoadError,
    },
    /// A command that shows what Helm shows failed, in Helm's words.
    #[error("{text}")]
    AsHelm { text: String, code: ExitCode },
    /// What was asked is refused; nothing was changed.
    #[error("{message}")]
    Refused { message: String, code: ExitCode },
    /// Something drifted, and the command was asked to say so.
    #[error("something drifted")]
    Drift,
    /// The command did its work, and what it found is bad.
    #[error("{message}")]
    Found { message: String },
    /// `diff --detailed-exitcode` found differences, which it has shown.
    #[error("there are differences")]
    Differences,
    /// A signature does not count, or cannot be made.
    #[error(transparent)]
    Provenance(#[from] ProvenanceError),
    /// The environments file cannot be used.
    #[error(transparent)]
    Environment(#[from] EnvironmentError),
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

    /// Returns the error as Helm itself prints it, for commands whose output is Helm's to the byte.
    ///
    /// What has no counterpart in Helm, such as a closed pipe, stays as it is.
    pub(crate) fn into_helms_words(self, compat: chart::Compat) -> Self {
        let code = self.exit_code();
        let text = match self {
            Self::Usage { message, .. } => message,
            Self::Chart { source, .. } => source.to_string(),
            Self::Name(NameError::Release { name }) => {
                let checked = match compat {
                    chart::Compat::Helm3 => "",
                    chart::Compat::Helm4 => "release name check failed: ",
                };
                let problem = match name.as_str() {
                    "" => "no name provided",
                    _ => {
                        r"invalid release name, must match regex ^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$ and the length must not be longer than 53"
                    }
                };
                format!("{checked}release name {name:?}: {problem}")
            }
            Self::Action(ActionError::Render(RenderError::Chart { source, .. })) => {
                let is_from_rendering = source
                    .downcast_ref::<chart::Error>()
                    .is_some_and(chart::Error::is_from_rendering);
                match is_from_rendering {
                    true => format!("{source}\n\nUse --debug flag to render out invalid YAML"),
                    false => source.to_string(),
                }
            }
            other => return other,
        };
        Self::AsHelm { text, code }
    }

    /// Returns the exit code that tells this error to scripts.
    pub(crate) fn exit_code(&self) -> ExitCode {
        match self {
            Self::AsHelm { code, .. } => *code,
            Self::Drift => ExitCode::Drift,
            Self::Refused { code, .. } => *code,
            // helm-diff's 2.
            Self::Differences
            | Self::Usage { .. }
            | Self::Chart { .. }
            | Self::Name(_)
            | Self::Environment(_)
            | Self::Provenance(
                ProvenanceError::Keyring { .. }
                | ProvenanceError::NoProvenance { .. }
                | ProvenanceError::Read(_)
                | ProvenanceError::Unpacked
                | ProvenanceError::NotAnArchive
                | ProvenanceError::NoKey
                | ProvenanceError::NotPrivate
                | ProvenanceError::Vague(_)
                | ProvenanceError::Passphrase,
            )
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
            Self::Found { .. }
            | Self::Provenance(_)
            | Self::Kube(_)
            | Self::Storage(_)
            | Self::Registry(_)
            | Self::Print(_) => ExitCode::Failed,
        }
    }

    /// Tells the error to the person; a reader that has gone is told nothing.
    pub(crate) fn report(&self, printer: &Printer, hook_logs_were_shown: bool) {
        match self {
            _ if self.is_told() => {}
            Self::Action(error) => report_action(printer, error, hook_logs_were_shown),
            Self::AsHelm { text, .. } => printer.say(&format!("Error: {text}")),
            other => report_error(printer, other.plain(), &other.hints()),
        }
    }

    /// Tells the error on stdout to a program that asked for JSON or YAML and has got nothing yet.
    ///
    /// # Errors
    /// When stdout cannot be written.
    pub(crate) fn report_data(&self, printer: &Printer, format: Format) -> Result<(), PrintError> {
        // A command that has printed what it found, with a failure in it, has said it all.
        if format == Format::Table || self.is_told() || printer.has_printed_data() {
            return Ok(());
        }
        let operation = match self {
            Self::Action(ActionError::Operation(failure)) => Some(failure.as_ref()),
            _ => None,
        };
        let hints = self.hints();
        print_failure(
            printer,
            format,
            self.plain(),
            &hints,
            operation,
            self.exit_code(),
        )
    }

    /// What drifted or differs was printed, and a reader that has gone reads nothing.
    fn is_told(&self) -> bool {
        matches!(
            self,
            Self::Print(PrintError::BrokenPipe) | Self::Drift | Self::Differences
        )
    }

    /// Returns the error without the wrapper that says the same.
    fn plain(&self) -> &(dyn std::error::Error + 'static) {
        match self {
            Self::Environment(error) => error,
            Self::Kube(error) => error,
            Self::Storage(error) => error,
            Self::Registry(error) => error,
            Self::Provenance(error) => error,
            Self::Action(error) => error,
            other => other,
        }
    }

    fn hints(&self) -> Vec<String> {
        match self {
            Self::Chart { .. } | Self::Refused { .. } => vec!["nothing was changed".to_owned()],
            Self::Usage { hints, .. } => hints.clone(),
            Self::Environment(error) => error.hints(),
            Self::Kube(error) => error.hints(),
            Self::Storage(error) => error.hints(),
            Self::Registry(error) => error.hints(),
            Self::Provenance(error) => error.hints(),
            Self::Action(error) => error.hints(),
            _ => Vec::new(),
        }
    }
}
