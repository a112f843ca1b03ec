//! Where things lie: the checkout, the cache folder, the build folder.

use anyhow::{Context, Result};
use std::fs::File;
use std::path::{Path, PathBuf};

/// The folders that every command works with; all absolute.
#[derive(Debug, Clone)]
pub(crate) struct Places {
    /// Root of the checkout.
    pub(crate) root: PathBuf,
    /// `$XDG_CACHE_HOME/ml-deployer`, by default `~/.cache/ml-deployer`.
    pub(crate) cache: PathBuf,
    /// Cargo's build folder.
    pub(crate) target: PathBuf,
}

impl Places {
    /// Finds the folders from the environment and makes the cache folder.
    ///
    /// # Errors
    /// When neither `XDG_CACHE_HOME` nor `HOME` is set, or the cache folder cannot be made.
    pub(crate) fn find() -> Result<Self> {
        let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
        let root = std::env::var_os("CARGO_MANIFEST_DIR")
            .map_or_else(|| manifest.to_owned(), PathBuf::from);
        let root = root
            .ancestors()
            .nth(2)
            .context("xtask does not lie in crates/ of a checkout")?
            .to_owned();
        let cache = std::env::var_os("XDG_CACHE_HOME")
            .map(PathBuf::from)
            .filter(|path| path.is_absolute())
            .or_else(|| std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache")))
            .context(
                "neither XDG_CACHE_HOME nor HOME is set: set one, the cache folder lies there",
            )?
            .join("ml-deployer");
        std::fs::create_dir_all(&cache)
            .with_context(|| format!("failed to make the cache folder `{}`", cache.display()))?;
        let target = std::env::var_os("CARGO_TARGET_DIR")
            .map_or_else(|| root.join("target"), |path| root.join(path));
        Ok(Self {
            root,
            cache,
            target,
        })
    }

    /// Returns the folder that holds the binaries of the test cluster.
    pub(crate) fn cluster_binaries(&self) -> PathBuf {
        self.cache
            .join("cluster")
            .join(crate::cluster::KUBERNETES_VERSION)
            .join("bin")
    }

    /// Returns the folder that holds the state of running test clusters.
    pub(crate) fn cluster_states(&self) -> PathBuf {
        self.cache.join("cluster").join("state")
    }
}

/// Returns the bytes of all files below `path`, links not followed; 0 for what does not exist.
pub(crate) fn bytes_below(path: &Path) -> u64 {
    let Ok(metadata) = path.symlink_metadata() else {
        return 0;
    };
    if !metadata.is_dir() {
        return metadata.len();
    }
    let Ok(entries) = path.read_dir() else {
        return 0;
    };
    entries
        .flatten()
        .map(|entry| bytes_below(&entry.path()))
        .sum()
}

/// Waits for, and holds, an exclusive lock on the file `path` until dropped.
///
/// # Errors
/// When the file cannot be made or locked.
pub(crate) fn lock(path: &Path) -> Result<File> {
    let file = File::create(path)
        .with_context(|| format!("failed to open the lock `{}`", path.display()))?;
    if file.try_lock().is_err() {
        crate::output::say(format_args!(
            "another xtask is at work here; waiting for it ({})",
            path.display()
        ));
        file.lock()
            .with_context(|| format!("failed to lock `{}`", path.display()))?;
    }
    Ok(file)
}
