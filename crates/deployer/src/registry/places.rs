//! Where repositories, indexes and credentials are kept; Helm's places, so that both find the same.

use std::path::PathBuf;

/// The files and folders that are shared with Helm.
#[derive(Debug, Clone)]
pub struct Places {
    /// `repositories.yaml`.
    pub repositories: PathBuf,
    /// Folder of indexes and downloaded archives.
    pub cache: PathBuf,
    /// Helm's file of registry credentials.
    pub registry_config: PathBuf,
    /// Docker's file of registry credentials, which is read after Helm's.
    pub docker_config: PathBuf,
}
