//! Fills the root folder of an image: binaries, the libraries that they load, CA certificates, an account, `/tmp`.

use super::debian::Unpacked;
use crate::process;
use anyhow::{Context, Result, bail};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Where libtorch's libraries lie in an image; the scorer's run path says the same.
pub(super) const LIBTORCH: &str = "usr/local/lib/libtorch";
/// Where the binaries lie.
pub(super) const BINARIES: &str = "usr/local/bin";

/// Where systems keep the bundle of certificate authorities.
const AUTHORITIES: [&str; 3] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/cert.pem",
];

/// Where an image's programs come from.
#[derive(Debug)]
pub(super) struct Programs {
    /// Name in the image, and the file.
    pub(super) files: Vec<(String, PathBuf)>,
    /// Unpacked packages, whose libraries go before the machine's.
    pub(super) packages: Option<Unpacked>,
}

/// Fills `root` afresh. Stripped libraries are kept in `stripped` and hard-linked from there.
///
/// # Errors
/// When a program or one of its libraries is missing.
pub(super) fn fill(root: &Path, programs: &Programs, stripped: &Path) -> Result<()> {
    if root.exists() {
        fs::remove_dir_all(root)
            .with_context(|| format!("failed to empty `{}`", root.display()))?;
    }
    fs::create_dir_all(stripped)?;
    for folder in [BINARIES, "etc/ssl/certs", "tmp"] {
        fs::create_dir_all(root.join(folder))
            .with_context(|| format!("failed to make `{folder}`"))?;
    }
    fs::set_permissions(root.join("tmp"), fs::Permissions::from_mode(0o1777))?;
    let mut libraries = BTreeMap::new();
    for (name, path) in &programs.files {
        libraries.extend(libraries_of(path, programs.packages.as_ref())?);
        place(path, &root.join(BINARIES).join(name), stripped)?;
    }
    let packages = programs
        .packages
        .as_ref()
        .map_or(Path::new("/"), |unpacked| &unpacked.root);
    for (shown, real) in &libraries {
        let destination = root.join(place_of(shown, real, packages));
        place(real, &destination, stripped)?;
    }
    write_etc(root)
}

/// Returns the place of a library: libtorch's in their folder, those of packages and of the system where the loader
/// looks for them.
fn place_of(shown: &Path, real: &Path, packages: &Path) -> PathBuf {
    let folder = real.parent().unwrap_or(real);
    let name = shown.file_name().unwrap_or_default();
    if folder.join("libtorch_cpu.so").exists() {
        Path::new(LIBTORCH).join(name)
    } else {
        let shown = shown.strip_prefix(packages).unwrap_or(shown);
        shown.strip_prefix("/").unwrap_or(shown).to_owned()
    }
}

/// Asks the loader which libraries a program loads: path as shown, and real path.
fn libraries_of(program: &Path, packages: Option<&Unpacked>) -> Result<BTreeMap<PathBuf, PathBuf>> {
    if !program.is_file() {
        bail!("`{}` was not built", program.display());
    }
    let mut loader = Command::new("ldd");
    if let Some(packages) = packages {
        loader.env("LD_LIBRARY_PATH", packages.library_path()?);
    }
    let text = process::capture(loader.arg(program))?;
    let paths =
        parse_ldd(&text).with_context(|| format!("`{}` cannot be staged", program.display()))?;
    paths
        .into_iter()
        .map(|path| {
            let real = path
                .canonicalize()
                .with_context(|| format!("failed to find `{}`", path.display()))?;
            Ok((path, real))
        })
        .collect()
}

fn parse_ldd(text: &str) -> Result<BTreeSet<PathBuf>> {
    let mut paths = BTreeSet::new();
    for line in text.lines().map(str::trim) {
        if line.ends_with("not found") {
            bail!("the loader does not find a library: {line}");
        }
        let path = line.split_once("=>").map_or(line, |(_, path)| path).trim();
        let path = path.split_once(" (").map_or(path, |(path, _)| path);
        if path.starts_with('/') {
            paths.insert(PathBuf::from(path));
        }
    }
    Ok(paths)
}

/// Puts a file without its debugging symbols at `destination`. Each source is stripped once.
fn place(source: &Path, destination: &Path, stripped: &Path) -> Result<()> {
    let metadata = source
        .metadata()
        .with_context(|| format!("failed to read `{}`", source.display()))?;
    let mark = format!(
        "{}\0{}\0{:?}",
        source.display(),
        metadata.len(),
        metadata.modified()?
    );
    let kept = stripped.join(super::digest::of_bytes(mark.as_bytes()));
    if !kept.exists() {
        let beside = kept.with_extension("new");
        fs::copy(source, &beside)
            .with_context(|| format!("failed to copy `{}`", source.display()))?;
        // A file that cannot be stripped, or a machine without binutils, costs size and nothing else.
        if crate::tools::find("strip").is_some() {
            process::attempt(
                Command::new("strip")
                    .args(["--strip-unneeded", "--preserve-dates"])
                    .arg(&beside),
            );
        }
        fs::set_permissions(&beside, fs::Permissions::from_mode(0o755))?;
        fs::rename(&beside, &kept)?;
    }
    if let Some(parent) = destination.parent() {
        fs::create_dir_all(parent)?;
    }
    if destination.exists() {
        return Ok(());
    }
    fs::hard_link(&kept, destination)
        .or_else(|_| fs::copy(&kept, destination).map(drop))
        .with_context(|| format!("failed to place `{}`", destination.display()))
}

fn write_etc(root: &Path) -> Result<()> {
    let authorities = AUTHORITIES
        .iter()
        .find(|path| Path::new(path).is_file())
        .context("no bundle of CA certificates is on this machine: install it (Debian: apt-get install ca-certificates)")?;
    fs::copy(authorities, root.join("etc/ssl/certs/ca-certificates.crt"))?;
    for (path, text) in [
        (
            "etc/passwd",
            "root:x:0:0:root:/:/sbin/nologin\nnonroot:x:65532:65532:nonroot:/tmp:/sbin/nologin\nnobody:x:65534:65534:nobody:/:/sbin/nologin\n",
        ),
        (
            "etc/group",
            "root:x:0:\nnonroot:x:65532:\nnogroup:x:65534:\n",
        ),
        ("etc/nsswitch.conf", "hosts: files dns\n"),
    ] {
        let path = root.join(path);
        fs::write(&path, text).with_context(|| format!("failed to write `{}`", path.display()))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libraries_are_read_from_the_loaders_list() {
        let text = "\tlinux-vdso.so.1 (0x0)\n\tlibc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x1)\n\t/lib64/ld-linux-x86-64.so.2 (0x2)\n";
        let paths: Vec<_> = parse_ldd(text).unwrap().into_iter().collect();
        assert_eq!(
            paths,
            [
                PathBuf::from("/lib/x86_64-linux-gnu/libc.so.6"),
                PathBuf::from("/lib64/ld-linux-x86-64.so.2")
            ]
        );
    }

    #[test]
    fn libraries_of_packages_go_where_the_loader_looks() {
        let (root, library) = (
            Path::new("/cache/redis-server"),
            Path::new("usr/lib/l.so.1"),
        );
        let of_package = root.join(library);
        assert_eq!(place_of(&of_package, &of_package, root), library);
        let of_system = Path::new("/lib/libc.so.6");
        assert_eq!(
            place_of(of_system, of_system, root),
            Path::new("lib/libc.so.6")
        );
    }

    #[test]
    fn a_missing_library_is_named() {
        let error = parse_ldd("\tlibtorch_cuda.so => not found\n").unwrap_err();
        assert!(error.to_string().contains("libtorch_cuda.so"));
    }
}
