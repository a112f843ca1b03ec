//! The exit codes of the deployer: documented in docs/, tested, and chosen from typed errors only.

/// How the process ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum ExitCode {
    /// Done.
    Done = 0,
    /// Failed, and nothing was rolled back.
    Failed = 1,
    /// The command line, a chart or a configuration is wrong; nothing was changed.
    Usage = 2,
    /// A gate said no; nothing was changed, or everything was rolled back.
    GateRefused = 3,
    /// Failed, and rolled back.
    RolledBack = 4,
    /// Failed, and rolling back failed too.
    RollbackFailed = 5,
    /// A gate could not judge; nothing was changed, or everything was rolled back.
    GateCouldNotJudge = 6,
    /// Something drifted, and the command was asked to tell by its exit code.
    Drift = 10,
}

impl From<ExitCode> for u8 {
    fn from(code: ExitCode) -> Self {
        code as Self
    }
}
