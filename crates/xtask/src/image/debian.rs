//! Third-party programs of the serving stack, from Debian's packages: downloaded and unpacked into the cache, never
//! installed on this machine.

use crate::output::say;
use crate::places::Places;
use crate::process;
use crate::tools;
use anyhow::{Context, Result, bail};
use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What an image takes from which packages.
#[derive(Debug, Clone, Copy)]
pub(super) struct Recipe {
    pub(super) packages: &'static [&'static str],
    /// Paths in the packages; the first is the image's entry point. Links are followed.
    pub(super) programs: &'static [&'static str],
    /// The signal for an orderly end, where it is not SIGTERM.
    pub(super) stop_signal: Option<&'static str>,
}

pub(super) const REDIS: Recipe = Recipe {
    packages: &["redis-server", "redis-tools"],
    programs: &["usr/bin/redis-server", "usr/bin/redis-cli"],
    stop_signal: None,
};

pub(super) const NGINX: Recipe = Recipe {
    packages: &["nginx"],
    programs: &["usr/sbin/nginx"],
    // Ends the running requests first.
    stop_signal: Some("SIGQUIT"),
};

pub(super) const REDIS_EXPORTER: Recipe = Recipe {
    packages: &["prometheus-redis-exporter"],
    programs: &["usr/bin/prometheus-redis-exporter"],
    stop_signal: None,
};

/// Libraries that this machine has: the same release of Debian runs on it.
const FROM_THE_SYSTEM: [&str; 3] = ["libc6", "libgcc-s1", "libcrypt1"];

/// Returns why the packages cannot be had here, if so.
pub(super) fn why_not() -> Option<&'static str> {
    ["apt-get", "apt-cache", "dpkg-deb"]
        .iter()
        .any(|tool| tools::find(tool).is_none())
        .then_some("this is no Debian: apt-get, apt-cache or dpkg-deb is missing")
}

/// Unpacked packages.
#[derive(Debug)]
pub(super) struct Unpacked {
    pub(super) root: PathBuf,
}

impl Unpacked {
    /// Returns the real path of a program.
    ///
    /// # Errors
    /// When the packages do not have it.
    pub(super) fn program(&self, path: &str) -> Result<PathBuf> {
        let whole = self.root.join(path);
        whole
            .canonicalize()
            .with_context(|| format!("Debian's packages have no `{path}`"))
    }

    /// Returns the folders of libraries, as the loader's variable lists them.
    pub(super) fn library_path(&self) -> Result<OsString> {
        let mut folders = BTreeSet::new();
        for folder in ["lib", "usr/lib"] {
            libraries_below(&self.root.join(folder), &mut folders)?;
        }
        std::env::join_paths(folders).context("a folder's name has a colon")
    }
}

/// Takes the packages and the libraries that they need from the cache, or downloads them.
///
/// # Errors
/// When apt cannot download them; what to do is said.
pub(super) fn provide(places: &Places, recipe: &Recipe) -> Result<Unpacked> {
    if let Some(reason) = why_not() {
        bail!("`{}` comes from Debian: {reason}", recipe.packages[0]);
    }
    let folder = places.cache.join("debian").join(release()?);
    fs::create_dir_all(&folder)
        .with_context(|| format!("failed to make `{}`", folder.display()))?;
    let _lock = crate::places::lock(&folder.join("lock"))?;
    let root = folder.join(recipe.packages[0]);
    if !root.exists() {
        download(recipe, &folder, &root).or_else(|error| {
            if !tools::is_root() {
                return Err(error.context(
                    "packages could not be downloaded; `apt-get update` as root may mend it",
                ));
            }
            say("    apt's lists are refreshed");
            process::capture(Command::new("apt-get").args(["-qq", "update"]))
                .context("apt could not refresh its lists")?;
            download(recipe, &folder, &root)
        })?;
    }
    Ok(Unpacked { root })
}

fn download(recipe: &Recipe, folder: &Path, root: &Path) -> Result<()> {
    let packages = with_libraries(recipe.packages)?;
    let scratch = tempfile::tempdir_in(folder)?;
    let versions: Vec<&str> = packages.iter().map(String::as_str).collect();
    say(format_args!("    from Debian: {}", versions.join(" ")));
    process::capture(
        Command::new("apt-get")
            .args(["-qq", "download"])
            .args(&packages)
            .current_dir(scratch.path()),
    )?;
    let unpacked = scratch.path().join("root");
    fs::create_dir(&unpacked)?;
    for entry in fs::read_dir(scratch.path())? {
        let archive = entry?.path();
        if archive
            .extension()
            .is_some_and(|extension| extension == "deb")
        {
            process::capture(
                Command::new("dpkg-deb")
                    .arg("--extract")
                    .args([&archive, &unpacked]),
            )?;
        }
    }
    fs::rename(&unpacked, root).with_context(|| format!("failed to keep `{}`", root.display()))
}

/// Adds the libraries that packages depend on, and theirs.
fn with_libraries(packages: &[&str]) -> Result<BTreeSet<String>> {
    let mut all: BTreeSet<String> = BTreeSet::new();
    let mut open: Vec<String> = packages
        .iter()
        .map(|package| (*package).to_owned())
        .collect();
    while let Some(package) = open.pop() {
        process::check_interrupt()?;
        let text = process::capture(Command::new("apt-cache").args(["depends", &package]))
            .with_context(|| format!("apt knows no package `{package}`"))?;
        if all.insert(package) {
            open.extend(libraries_in(&text));
        }
    }
    Ok(all)
}

/// Reads the libraries from apt's list of dependencies; of alternatives (`|`) the first serves.
fn libraries_in(text: &str) -> Vec<String> {
    let depended = text.lines().filter_map(|line| {
        let line = line.trim_start();
        line.strip_prefix("Depends: ")
            .or_else(|| line.strip_prefix("|Depends: "))
    });
    depended
        .filter(|name| name.starts_with("lib") || name.starts_with("zlib"))
        .filter(|name| !FROM_THE_SYSTEM.contains(name))
        .map(str::to_owned)
        .collect()
}

fn libraries_below(folder: &Path, into: &mut BTreeSet<PathBuf>) -> Result<()> {
    let Ok(entries) = fs::read_dir(folder) else {
        return Ok(());
    };
    for entry in entries {
        let path = entry?.path();
        let is_library = path.to_string_lossy().contains(".so");
        if path.is_dir() {
            libraries_below(&path, into)?;
        } else if is_library {
            into.insert(folder.to_owned());
        }
    }
    Ok(())
}

/// Packages of different releases do not mix.
fn release() -> Result<String> {
    let text = fs::read_to_string("/etc/os-release").context("this system has no os-release")?;
    let codename = text
        .lines()
        .find_map(|line| line.strip_prefix("VERSION_CODENAME="))
        .map(|name| name.trim_matches('"').to_owned());
    codename.context("/etc/os-release has no VERSION_CODENAME")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libraries_are_read_from_apts_list() {
        let text = "redis-tools\n  PreDepends: libfirst\n  Depends: adduser\n  Depends: libc6\n |Depends: libjemalloc2\n  Depends: <libvirtual>\n    liblistening\n  Depends: zlib1g\n  Suggests: libruby\n";
        assert_eq!(libraries_in(text), ["libjemalloc2", "zlib1g"]);
    }
}
