//! The story of each command, one file each; everything below is told what to do from here.
//!
//! An action loads, decides, records, acts and records again; it prints nothing and knows no flag.
//! What went wrong is an [`ActionError`], which knows the state left behind, the hints and the
//! exit code.

mod apply;
mod attempt;
mod change;
mod context;
mod deadline;
mod error;
mod exit;
mod install;
mod lease;
mod options;
mod outcome;
mod planning;
mod preflight;
mod read;
mod recover;
mod render;
mod restore;
mod retry;
mod rollback;
mod test;
mod touched;
mod undo;
mod uninstall;
mod upgrade;

pub use context::Deployer;
pub use error::{ActionError, Aftermath, Cause, OperationFailure};
pub use exit::ExitCode;
pub use install::{install, names};
pub use options::{
    ChangeOptions, CrdPolicy, DryRunMode, InstallOptions, Operation, RollbackOptions, ServerSide,
    UninstallOptions, UpgradeOptions, ValuesReuse, VerdictDemand,
};
pub use outcome::{Outcome, Uninstalled};
pub use planning::diff_baseline;
pub use read::{Listed, ReleaseStatus, RevisionReport, get, history, list, resources, status};
pub use recover::{Recovered, recover};
pub use render::{ChartSource, RenderError, RenderRequest, RenderedChart};
pub use rollback::rollback;
pub use test::{TestOptions, Tested, test};
pub use uninstall::uninstall;
pub use upgrade::upgrade;
