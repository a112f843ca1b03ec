//! `cargo xtask clean`: takes clusters down and deletes what xtask keeps in the cache folder.

use crate::cluster;
use crate::output::{say, size};
use crate::places::{Places, bytes_below};
use anyhow::{Context, Result};
use clap::Args;

/// What to delete.
#[derive(Args, Debug, Clone)]
pub(crate) struct CleanArguments {
    /// Delete libtorch and the programs of the cluster too, which take minutes to get again
    #[arg(long)]
    all: bool,
}

/// Takes every cluster down, then deletes.
///
/// # Errors
/// When a cluster leaves something behind or a folder cannot be deleted.
pub(crate) fn run(places: &Places, arguments: &CleanArguments) -> Result<()> {
    cluster::down_all(places)?;
    let mut folders = vec![
        places.cluster_states(),
        places.target.join("images"),
        // Packages that images are made of; newer ones are downloaded next time.
        places.cache.join("debian"),
    ];
    if arguments.all {
        folders.extend([places.cache.join("cluster"), places.cache.join("libtorch")]);
    }
    for folder in folders.into_iter().filter(|folder| folder.exists()) {
        let bytes = bytes_below(&folder);
        std::fs::remove_dir_all(&folder)
            .with_context(|| format!("failed to delete `{}`", folder.display()))?;
        say(format_args!(
            "deleted {} ({})",
            folder.display(),
            size(bytes)
        ));
    }
    Ok(())
}
