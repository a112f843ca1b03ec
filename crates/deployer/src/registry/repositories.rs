//! `repositories.yaml` on disk, shared with Helm: one writer at a time, and never half a file.
//!
//! Source: Helm 3.22 `pkg/repo/repo.go` and `cmd/helm/repo_add.go`.

use std::path::Path;

use chart::repository::RepositoryList;

use super::error::RegistryError;
use super::files::{read_if_there, write_whole};

/// Reads the list; none where there is no file.
///
/// # Errors
/// A file that cannot be read, or that is no such list.
pub fn load_repositories(path: &Path) -> Result<Option<RepositoryList>, RegistryError> {
    let Some(data) = read_if_there(path)? else {
        return Ok(None);
    };
    RepositoryList::parse(&String::from_utf8_lossy(&data))
        .map(Some)
        .map_err(|error| RegistryError::Content {
            doing: format!("`{}` is not a list of repositories", path.display()),
            problem: error.to_string(),
        })
}

/// Writes the list; it may hold passwords and is for its owner alone.
///
/// # Errors
/// When it cannot be written; the old one is still there.
pub fn save_repositories(path: &Path, list: &RepositoryList) -> Result<(), RegistryError> {
    write_whole(path, list.to_yaml().as_bytes(), 0o600)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::Lock;
    use chart::repository::Repository;

    #[tokio::test]
    async fn what_was_saved_is_loaded_and_for_its_owner_alone() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("new/repositories.yaml");
        assert_eq!(load_repositories(&path).expect("none"), None);
        let lock = Lock::take(&path).await.expect("lock");
        let mut list = RepositoryList::default();
        list.put(Repository {
            name: "one".into(),
            url: "https://example.com".into(),
            ..Repository::default()
        });
        save_repositories(&path, &list).expect("saved");
        drop(lock);
        let loaded = load_repositories(&path).expect("loaded").expect("there");
        assert_eq!(loaded.repositories, list.repositories);
        let mode = std::fs::metadata(&path).expect("file").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert!(path.with_extension("lock").exists());
        std::fs::write(&path, "repositories: 1\n").expect("written");
        assert!(load_repositories(&path).is_err());
    }
}
