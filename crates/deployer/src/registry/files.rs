//! Files that appear whole or not at all, and locks for those that are changed in place.

use std::fs::{File, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::fs::{FlockOperation, flock};

use super::error::RegistryError;

/// How long another program may hold a file.
const LOCK_TIMEOUT: Duration = Duration::from_secs(30);
const LOCK_POLL: Duration = Duration::from_millis(100);
/// As many links as Linux itself follows.
const LINKS_MAX: usize = 40;

/// Writes beside the file, then renames: a reader sees the old content or the new one, and so does
/// who comes after a crash. A link stays one; what it points to is replaced.
pub(crate) fn write_whole(path: &Path, data: &[u8], mode: u32) -> Result<(), RegistryError> {
    let failed = |source| RegistryError::file(format!("cannot write `{}`", path.display()), source);
    let target = behind_links(path).map_err(failed)?;
    let folder = folder_of(&target);
    std::fs::create_dir_all(folder).map_err(failed)?;
    let mut beside = tempfile::NamedTempFile::new_in(folder).map_err(failed)?;
    beside.write_all(data).map_err(failed)?;
    beside
        .as_file()
        .set_permissions(Permissions::from_mode(mode))
        .map_err(failed)?;
    beside.as_file().sync_all().map_err(failed)?;
    beside
        .persist(&target)
        .map_err(|error| failed(error.error))?;
    // The new name too; some file systems cannot do it for a folder.
    let _ = File::open(folder).and_then(|folder| folder.sync_all());
    Ok(())
}

fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    }
}

/// Returns what a path stands for once links are followed; it need not exist.
fn behind_links(path: &Path) -> io::Result<PathBuf> {
    let mut path = path.to_owned();
    for _ in 0..LINKS_MAX {
        match std::fs::read_link(&path) {
            // An absolute target replaces the folder.
            Ok(target) => path = folder_of(&path).join(target),
            Err(_) => return Ok(path),
        }
    }
    Err(rustix::io::Errno::LOOP.into())
}

/// Reads a file; none where it does not exist.
pub(crate) fn read_if_there(path: &Path) -> Result<Option<Vec<u8>>, RegistryError> {
    match std::fs::read(path) {
        Ok(data) => Ok(Some(data)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(RegistryError::file(
            format!("cannot read `{}`", path.display()),
            source,
        )),
    }
}

/// Keeps others, Helm included, from changing a file while it lives.
#[derive(Debug)]
pub struct Lock(File);

impl Lock {
    /// Waits for the lock beside a file: its name with `.lock` in place of the extension, which is
    /// the one that Helm takes for `repositories.yaml`.
    ///
    /// # Errors
    /// When another program does not let go of it.
    pub async fn take(file: &Path) -> Result<Self, RegistryError> {
        let path = file.with_extension("lock");
        let failed =
            |source| RegistryError::file(format!("cannot lock `{}`", path.display()), source);
        std::fs::create_dir_all(folder_of(&path)).map_err(failed)?;
        let file = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o600)
            .open(&path)
            .map_err(failed)?;
        let deadline = Instant::now() + LOCK_TIMEOUT;
        loop {
            match flock(&file, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => return Ok(Self(file)),
                Err(rustix::io::Errno::WOULDBLOCK) if Instant::now() < deadline => {
                    tokio::time::sleep(LOCK_POLL).await;
                }
                Err(error) => return Err(failed(error.into())),
            }
        }
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // Closing the file lets go of it too.
        let _ = flock(&self.0, FlockOperation::Unlock);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_stays_a_link_and_its_target_is_replaced() {
        let folder = tempfile::tempdir().expect("folder");
        let (real, link) = (
            folder.path().join("real/a.json"),
            folder.path().join("link"),
        );
        std::os::unix::fs::symlink("real/a.json", &link).expect("link");
        for text in ["one", "two"] {
            // The first time the link leads nowhere yet.
            write_whole(&link, text.as_bytes(), 0o600).expect("written");
            assert!(link.is_symlink());
            assert_eq!(std::fs::read_to_string(&real).expect("target"), text);
        }
        let round = folder.path().join("round");
        std::os::unix::fs::symlink("round", &round).expect("link");
        assert!(write_whole(&round, b"x", 0o600).is_err());
    }

    #[tokio::test]
    async fn a_second_lock_waits_for_the_first() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("new/config.json");
        let first = Lock::take(&path).await.expect("lock");
        let second = tokio::spawn({
            let path = path.clone();
            async move { Lock::take(&path).await.map(drop) }
        });
        // One turn of the waiting task: it has tried and sleeps.
        tokio::task::yield_now().await;
        assert!(!second.is_finished());
        drop(first);
        second.await.expect("ran").expect("lock");
    }
}
