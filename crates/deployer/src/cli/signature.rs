//! `--verify` and `--keyring`: how the signature of an archive is checked.

use std::path::{Path, PathBuf};

use super::places::default_keyring;
use crate::registry::verify_archive;

/// Returns what checks an archive with its provenance against a file of public keys.
pub(crate) fn signature_check(
    keyring: Option<&Path>,
) -> impl Fn(&Path) -> Result<Vec<String>, String> + Send + Sync + use<> {
    let keyring: PathBuf = keyring.map_or_else(default_keyring, Path::to_owned);
    move |archive| {
        verify_archive(archive, &keyring)
            .map(|verification| verification.lines())
            .map_err(|error| error.to_string())
    }
}
