//! The one way from what a command calls its chart to a folder or an archive on this machine.

use std::path::PathBuf;

use super::arguments::OriginArgs;
use super::error::CliError;
use super::session::Session;
use super::signature::signature_check;
use crate::registry::{LocateOptions, locate};

/// Finds the chart that a command names, and fetches it where it is elsewhere.
///
/// It may be a folder, an archive, `oci://…`, `https://….tgz`, `REPOSITORY/CHART`, or a name in the
/// repository of `--repo`.
///
/// # Errors
/// Where it cannot be had, in Helm's words.
pub(crate) async fn locate_chart(
    session: &Session,
    reference: &str,
    arguments: &OriginArgs,
) -> Result<PathBuf, CliError> {
    let places = session.global.places();
    let access = arguments.access();
    let repository = arguments.repo.as_deref().filter(|url| !url.is_empty());
    let located = locate(
        reference,
        &LocateOptions {
            places: &places,
            access: &access,
            version: arguments.range(),
            repository_url: repository,
            verify: arguments.verify,
            signature: &signature_check(arguments.keyring.as_deref()),
        },
    )
    .await?;
    for note in &located.notes {
        session.printer.say(note);
    }
    Ok(located.path)
}
