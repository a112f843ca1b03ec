//! The story of each command, one file each; everything below is told what to do from here.
//!
//! An action loads, decides, records, acts and records again; it prints nothing and knows no flag.
//! What went wrong is an [`ActionError`], which knows the state left behind, the hints and the
//! exit code.

mod context;
mod error;
mod exit;
mod options;
mod render;

pub use context::Deployer;
pub use error::{ActionError, Aftermath, Cause, OperationFailure};
pub use exit::ExitCode;
pub use options::{
    ChangeOptions, DryRunMode, InstallOptions, Operation, RollbackOptions, ServerSide,
    UninstallOptions, UpgradeOptions, ValuesReuse,
};
pub use render::{ChartSource, RenderError, RenderRequest, RenderedChart};
