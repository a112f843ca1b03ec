//! The programs that xtask needs from the machine, found or named with what to do.

use anyhow::{Result, bail};
use std::path::PathBuf;

/// A program, what it is for, and how to get it.
pub(crate) struct Tool {
    pub(crate) program: &'static str,
    pub(crate) purpose: &'static str,
    pub(crate) remedy: &'static str,
}

pub(crate) const PYTHON: Tool = Tool {
    program: "python3",
    purpose: "fetches libtorch with pip",
    remedy: "install Python 3 with pip (Debian: apt-get install python3 python3-pip), or set LIBTORCH to a libtorch of your own",
};
pub(crate) const C_COMPILER: Tool = Tool {
    program: "cc",
    purpose: "links Rust programs",
    remedy: "install a C compiler (Debian: apt-get install gcc g++)",
};
pub(crate) const CXX_COMPILER: Tool = Tool {
    program: "c++",
    purpose: "compiles the bindings to libtorch",
    remedy: "install a C++ compiler (Debian: apt-get install g++)",
};
pub(crate) const GO: Tool = Tool {
    program: "go",
    purpose: "builds Kubernetes and Helm for the test cluster",
    remedy: "install Go 1.24 or newer (https://go.dev/dl), or set KUBECONFIG_E2E to a cluster of your own",
};

/// Returns the path of `program` on `PATH`, looking in the system folders too.
pub(crate) fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/local/sbin", "/usr/sbin", "/sbin"].map(PathBuf::from))
        .map(|folder| folder.join(program))
        .find(|candidate| is_executable(candidate))
}

/// Fails with one line for each tool that is missing.
pub(crate) fn require(tools: &[&Tool]) -> Result<()> {
    let missing: Vec<String> = tools
        .iter()
        .filter(|tool| find(tool.program).is_none())
        .map(|tool| {
            format!(
                "`{}` is missing; it {}: {}",
                tool.program, tool.purpose, tool.remedy
            )
        })
        .collect();
    if !missing.is_empty() {
        bail!("{}", missing.join("\n"));
    }
    Ok(())
}

/// Returns whether xtask runs as root.
pub(crate) fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

fn is_executable(path: &std::path::Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    path.metadata()
        .is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o111 != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_missing_tool_is_named_with_its_remedy() {
        let one = Tool {
            program: "no-such-tool-1",
            purpose: "does one thing",
            remedy: "install one",
        };
        let two = Tool {
            program: "no-such-tool-2",
            purpose: "does another",
            remedy: "install two",
        };
        let shell = Tool {
            program: "sh",
            purpose: "is a shell",
            remedy: "none",
        };
        let text = require(&[&one, &shell, &two]).unwrap_err().to_string();
        assert!(
            text.contains("no-such-tool-1")
                && text.contains("install two")
                && !text.contains("`sh`"),
            "{text}"
        );
    }
}
