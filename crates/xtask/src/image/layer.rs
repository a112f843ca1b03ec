//! Packs a root folder into gzip tar layers, the same bytes for the same files.
//!
//! What changes seldom lies below what changes often, in layers that images share: system files, libtorch, the
//! scorer, the image's own binary.

use super::digest::{self, Digesting};
use super::stage::{BINARIES, LIBTORCH};
use anyhow::{Context, Result};
use flate2::{Compression, GzBuilder};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// Level of compression: libtorch gains 2 % from the next levels and takes twice the time.
const LEVEL: u32 = 6;

/// One packed layer.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Layer {
    pub(super) name: String,
    /// The gzip file.
    pub(super) path: PathBuf,
    /// SHA-256 of the gzip file.
    pub(super) digest: String,
    /// Size of the gzip file.
    pub(super) bytes: u64,
    /// SHA-256 of the tar inside.
    pub(super) digest_unpacked: String,
    pub(super) bytes_unpacked: u64,
}

/// Packs `root` into layers, kept in `kept` under a digest of what they hold.
///
/// # Errors
/// When a file cannot be read or a layer not be written.
pub(super) fn pack(root: &Path, kept: &Path) -> Result<Vec<Layer>> {
    fs::create_dir_all(kept).with_context(|| format!("failed to make `{}`", kept.display()))?;
    let mut paths = Vec::new();
    walk(root, Path::new(""), &mut paths)?;
    let mut layers: BTreeMap<(u8, &str), Vec<PathBuf>> = BTreeMap::new();
    for path in paths {
        layers.entry(layer_of(&path)).or_default().push(path);
    }
    layers
        .into_iter()
        .map(|((_, name), paths)| pack_one(root, name, &paths, kept))
        .collect()
}

fn layer_of(path: &Path) -> (u8, &'static str) {
    if path.starts_with(LIBTORCH) {
        (1, "libtorch")
    } else if path == Path::new(BINARIES).join("validator-scorer") {
        (2, "scorer")
    } else if path.starts_with(BINARIES) {
        (3, "binary")
    } else {
        (0, "system")
    }
}

/// Lists files, and folders that hold nothing, by path.
fn walk(root: &Path, folder: &Path, into: &mut Vec<PathBuf>) -> Result<()> {
    let whole = root.join(folder);
    let mut names: Vec<_> = whole
        .read_dir()
        .with_context(|| format!("failed to list `{}`", whole.display()))?
        .map(|entry| entry.map(|entry| entry.file_name()))
        .collect::<Result<_, _>>()?;
    names.sort();
    if names.is_empty() {
        into.push(folder.to_owned());
    }
    for name in names {
        let path = folder.join(name);
        if root.join(&path).symlink_metadata()?.is_dir() {
            walk(root, &path, into)?
        } else {
            into.push(path)
        }
    }
    Ok(())
}

fn pack_one(root: &Path, name: &str, paths: &[PathBuf], kept: &Path) -> Result<Layer> {
    let mut key = format!("level {LEVEL}\n");
    for path in paths {
        let whole = root.join(path);
        let mode = whole.metadata()?.permissions().mode();
        let content = if whole.is_dir() {
            "folder".to_owned()
        } else {
            digest::of_file(&whole)?
        };
        key.push_str(&format!("{} {mode:o} {content}\n", path.display()));
    }
    let key = digest::of_bytes(key.as_bytes());
    let (path, facts) = (
        kept.join(format!("{key}.tar.gz")),
        kept.join(format!("{key}.json")),
    );
    if let Ok(text) = fs::read(&facts)
        && path.is_file()
    {
        return serde_json::from_slice(&text)
            .with_context(|| format!("failed to read `{}`", facts.display()));
    }
    let beside = path.with_extension("new");
    let file = Digesting::new(BufWriter::new(
        File::create(&beside).with_context(|| format!("failed to make `{}`", beside.display()))?,
    ));
    let packed = Digesting::new(GzBuilder::new().write(file, Compression::new(LEVEL)));
    let packed = write_tar(root, paths, packed)?;
    let (gzip, digest_unpacked, bytes_unpacked) = packed.finish();
    let (mut file, digest, bytes) = gzip.finish()?.finish();
    file.flush()?;
    fs::rename(&beside, &path)?;
    let layer = Layer {
        name: name.to_owned(),
        path,
        digest,
        bytes,
        digest_unpacked,
        bytes_unpacked,
    };
    fs::write(&facts, serde_json::to_vec(&layer)?)?;
    Ok(layer)
}

fn write_tar<W: Write>(root: &Path, paths: &[PathBuf], into: W) -> Result<W> {
    let mut archive = tar::Builder::new(into);
    let mut folders = BTreeSet::new();
    for path in paths {
        crate::process::check_interrupt()?;
        for folder in path
            .ancestors()
            .skip(1)
            .collect::<Vec<_>>()
            .into_iter()
            .rev()
        {
            if !folder.as_os_str().is_empty() && folders.insert(folder.to_owned()) {
                append_folder(&mut archive, root, folder)?;
            }
        }
        let whole = root.join(path);
        if whole.is_dir() {
            append_folder(&mut archive, root, path)?;
            continue;
        }
        let mut file =
            File::open(&whole).with_context(|| format!("failed to open `{}`", whole.display()))?;
        let metadata = file.metadata()?;
        let mut header = header(
            metadata.permissions().mode(),
            metadata.len(),
            tar::EntryType::Regular,
        );
        archive
            .append_data(&mut header, path, &mut file)
            .with_context(|| format!("failed to pack `{}`", whole.display()))?;
    }
    Ok(archive.into_inner()?)
}

fn append_folder<W: Write>(
    archive: &mut tar::Builder<W>,
    root: &Path,
    folder: &Path,
) -> Result<()> {
    let mode = root.join(folder).metadata()?.permissions().mode();
    let mut header = header(mode, 0, tar::EntryType::Directory);
    archive
        .append_data(&mut header, folder, std::io::empty())
        .context("failed to pack a folder")
}

/// Owner root and time 0: nothing of the machine that packs shows.
fn header(mode: u32, bytes: u64, kind: tar::EntryType) -> tar::Header {
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(mode & 0o7777);
    header.set_size(bytes);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header
}

#[cfg(test)]
mod tests {
    use super::*;

    fn root() -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for (path, text) in [
            ("etc/passwd", "p"),
            ("usr/local/bin/validator", "v"),
            ("usr/local/bin/validator-scorer", "s"),
            ("usr/local/lib/libtorch/libc10.so", "t"),
        ] {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        fs::create_dir(root.path().join("tmp")).unwrap();
        fs::set_permissions(root.path().join("tmp"), fs::Permissions::from_mode(0o1777)).unwrap();
        root
    }

    #[test]
    fn the_same_files_give_the_same_layers_wherever_and_whenever() {
        let (one, two) = (root(), root());
        let (kept_one, kept_two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let digests = |root: &Path, kept: &Path| -> Vec<(String, String)> {
            pack(root, kept)
                .unwrap()
                .into_iter()
                .map(|layer| (layer.name, layer.digest))
                .collect()
        };
        let first = digests(one.path(), kept_one.path());
        assert_eq!(first, digests(two.path(), kept_two.path()));
        let names: Vec<_> = first.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["system", "libtorch", "scorer", "binary"]);

        fs::write(two.path().join("usr/local/bin/validator"), "changed").unwrap();
        let changed = digests(two.path(), kept_two.path());
        assert_eq!(
            first[..3],
            changed[..3],
            "a new binary changed a layer below it"
        );
        assert_ne!(first[3], changed[3]);
    }

    #[test]
    fn a_layer_holds_its_folders_with_their_modes() {
        let (root, kept) = (root(), tempfile::tempdir().unwrap());
        let layers = pack(root.path(), kept.path()).unwrap();
        let file = flate2::read::GzDecoder::new(File::open(&layers[0].path).unwrap());
        let entries: Vec<(String, u32)> = tar::Archive::new(file)
            .entries()
            .unwrap()
            .map(|entry| {
                let entry = entry.unwrap();
                (
                    entry.path().unwrap().display().to_string(),
                    entry.header().mode().unwrap(),
                )
            })
            .collect();
        assert!(
            entries.contains(&("tmp".to_owned(), 0o1777))
                || entries.contains(&("tmp/".to_owned(), 0o1777)),
            "{entries:?}"
        );
        assert!(entries.iter().any(|(path, _)| path == "etc/passwd"));
    }
}
