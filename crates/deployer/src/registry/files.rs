//! Files that appear whole or not at all.

use std::fs::Permissions;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::error::RegistryError;

/// Writes beside the file, then renames: a reader sees the old content or the new one.
pub(crate) fn write_whole(path: &Path, data: &[u8], mode: u32) -> Result<(), RegistryError> {
    let failed = |source| RegistryError::file(format!("cannot write `{}`", path.display()), source);
    let folder = match path.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    };
    std::fs::create_dir_all(folder).map_err(failed)?;
    let mut beside = tempfile::NamedTempFile::new_in(folder).map_err(failed)?;
    beside.write_all(data).map_err(failed)?;
    beside
        .as_file()
        .set_permissions(Permissions::from_mode(mode))
        .map_err(failed)?;
    beside.persist(path).map_err(|error| failed(error.error))?;
    Ok(())
}

/// Reads a file; none where it does not exist.
pub(crate) fn read_if_there(path: &Path) -> Result<Option<Vec<u8>>, RegistryError> {
    match std::fs::read(path) {
        Ok(data) => Ok(Some(data)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(RegistryError::file(
            format!("cannot read `{}`", path.display()),
            source,
        )),
    }
}
