//! What `--dry-run` means for a target.

use super::arguments::{DryRunArgs, DryRunChoice};
use super::error::CliError;
use super::session::Session;
use crate::action::DryRunMode;

/// Says what a dry run does; alone the flag means the server where there is one.
pub(crate) fn dry_run_mode(
    session: &Session,
    arguments: &DryRunArgs,
) -> Result<DryRunMode, CliError> {
    let mode = match arguments.dry_run {
        DryRunChoice::None => DryRunMode::Off,
        DryRunChoice::Client => DryRunMode::Client,
        DryRunChoice::Server => DryRunMode::Server,
        DryRunChoice::Bare if session.is_kube() => DryRunMode::Server,
        DryRunChoice::Bare => DryRunMode::Client,
    };
    if arguments.show_secrets && mode == DryRunMode::Off {
        return Err(CliError::usage("showing secrets requires a dry-run mode")
            .with_hint("add `--dry-run=client` or `--dry-run=server`"));
    }
    if arguments.hide_secret && mode == DryRunMode::Off {
        return Err(
            CliError::usage("hiding Kubernetes secrets requires a dry-run mode")
                .with_hint("add `--dry-run=client` or `--dry-run=server`"),
        );
    }
    Ok(mode)
}
