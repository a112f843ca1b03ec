//! What the deployer is doing when it is disturbed.

use anyhow::Result;
use harness::cluster::Namespace;
use harness::command::Program;
use harness::workspace;

/// An operation on a release of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Scenario {
    Install,
    AtomicInstallThatFails,
    Upgrade,
    AtomicUpgradeThatFails,
    Rollback,
    Uninstall,
}

impl Scenario {
    pub(crate) const ALL: [Self; 6] = [
        Self::Install,
        Self::AtomicInstallThatFails,
        Self::Upgrade,
        Self::AtomicUpgradeThatFails,
        Self::Rollback,
        Self::Uninstall,
    ];

    /// Brings the release to where the operation starts.
    pub(crate) fn prepare(self, namespace: &Namespace, release: &str) -> Result<()> {
        let colours: &[&str] = match self {
            Self::Install | Self::AtomicInstallThatFails => &[],
            Self::Rollback => &["green", "blue"],
            _ => &["green"],
        };
        for colour in colours {
            change(namespace.deployer()?, "upgrade", release, colour)
                .arg("--install")
                .expect(0)?;
        }
        Ok(())
    }

    /// Describes the operation.
    pub(crate) fn program(self, namespace: &Namespace, release: &str) -> Result<Program> {
        let program = namespace.deployer()?;
        let broken = ["--set=broken=true", "--atomic", "--timeout=3s"];
        Ok(match self {
            Self::Install => change(program, "install", release, "green"),
            Self::AtomicInstallThatFails => {
                change(program, "install", release, "blue").args(broken)
            }
            Self::Upgrade => change(program, "upgrade", release, "blue"),
            Self::AtomicUpgradeThatFails => {
                change(program, "upgrade", release, "blue").args(broken)
            }
            Self::Rollback => program.args(["rollback", release, "1"]),
            Self::Uninstall => program.args(["uninstall", release]),
        })
    }

    /// The colour that is live when the operation was repeated until it had its way; none when
    /// nothing is.
    pub(crate) fn wanted(self) -> Option<&'static str> {
        match self {
            Self::Install | Self::AtomicUpgradeThatFails | Self::Rollback => Some("green"),
            Self::Upgrade => Some("blue"),
            Self::AtomicInstallThatFails | Self::Uninstall => None,
        }
    }

    /// Whether a failure that nobody asked to undo leaves objects half-way, as with Helm.
    pub(crate) fn leaves_failures_as_they_are(self) -> bool {
        matches!(self, Self::Install | Self::Upgrade | Self::Uninstall)
    }
}

/// Adds the chart whose objects come, change and go with the colour.
pub(crate) fn change(program: Program, command: &str, release: &str, colour: &str) -> Program {
    program
        .args([command, release])
        .arg(workspace::test_chart("crash"))
        .arg(format!("--set=colour={colour}"))
}
