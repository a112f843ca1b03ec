//! Finds libtorch for `validator-scorer` and writes where it lies into that binary alone.
//!
//! The run path has three places: beside an installed binary (`../lib/libtorch`), beside a moved
//! one (`./libtorch`), and the folder that this build linked against.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

const WANTED_VERSION: &str = "2.13.";

fn main() -> ExitCode {
    println!("cargo::rerun-if-env-changed=LIBTORCH");
    println!("cargo::rerun-if-env-changed=LIBTORCH_LIB");
    println!("cargo::rerun-if-changed=build.rs");
    match libtorch() {
        Ok(libtorch) => {
            for folder in ["$ORIGIN/../lib/libtorch", "$ORIGIN/libtorch"]
                .map(PathBuf::from)
                .iter()
                .chain([&libtorch.library_folder])
            {
                println!(
                    "cargo::rustc-link-arg-bin=validator-scorer=-Wl,-rpath,{}",
                    folder.display()
                );
            }
            println!("cargo::rustc-env=BUILT_WITH_LIBTORCH={}", libtorch.version);
            ExitCode::SUCCESS
        }
        Err(problem) => {
            println!("cargo::error={problem}");
            println!(
                "cargo::error=run `cargo xtask setup`, which fetches libtorch and links `.libtorch` to it, or set LIBTORCH to a folder with `include` and `lib` of libtorch {WANTED_VERSION}x"
            );
            ExitCode::FAILURE
        }
    }
}

struct Libtorch {
    library_folder: PathBuf,
    version: String,
}

fn libtorch() -> Result<Libtorch, String> {
    let root = std::env::var_os("LIBTORCH").map_or_else(|| PathBuf::from("/usr"), PathBuf::from);
    let library_root = std::env::var_os("LIBTORCH_LIB").map_or_else(|| root.clone(), PathBuf::from);
    let library = library_root.join("lib/libtorch_cpu.so");
    println!("cargo::rerun-if-changed={}", library.display());
    let library_folder = library_root
        .join("lib")
        .canonicalize()
        .ok()
        .filter(|_| library.exists())
        .ok_or_else(|| format!("libtorch was not found: `{}` is missing", library.display()))?;
    let version = version(&root).unwrap_or_else(|| "of unknown version".to_owned());
    if version.starts_with(|first: char| first.is_ascii_digit())
        && !version.starts_with(WANTED_VERSION)
    {
        return Err(format!(
            "libtorch in `{}` is version {version}, but the bindings are made for {WANTED_VERSION}x",
            root.display()
        ));
    }
    Ok(Libtorch {
        library_folder,
        version,
    })
}

/// Reads the version from a C++ distribution (`build-version`) or a wheel (`version.py`).
fn version(root: &Path) -> Option<String> {
    if let Ok(text) = std::fs::read_to_string(root.join("build-version")) {
        return Some(text.trim().to_owned());
    }
    let text = std::fs::read_to_string(root.join("version.py")).ok()?;
    let line = text
        .lines()
        .find(|line| line.starts_with("__version__ ") || line.starts_with("__version__="))?;
    Some(line.split(['\'', '"']).nth(1)?.to_owned())
}
