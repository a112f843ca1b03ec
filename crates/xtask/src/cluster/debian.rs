//! The Debian packages of the full cluster: installed where xtask may, named otherwise.

use crate::process;
use crate::steps::Steps;
use crate::tools;
use anyhow::{Context, Result, bail};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

/// A program (or, with a slash, a file) and the package that brings it.
const NEEDS: [(&str, &str); 8] = [
    ("containerd", "containerd"),
    ("runc", "runc"),
    ("/usr/lib/cni/bridge", "containernetworking-plugins"),
    ("docker-registry", "docker-registry"),
    ("iptables", "iptables"),
    ("conntrack", "conntrack"),
    ("ip", "iproute2"),
    ("unshare", "util-linux"),
];

/// Debian's switch against starting services at installation.
const POLICY: &str = "/usr/sbin/policy-rc.d";
const ASIDE: &str = "/usr/sbin/policy-rc.d.before-xtask";

/// Returns the packages that are missing.
pub(super) fn missing() -> Vec<&'static str> {
    NEEDS
        .iter()
        .filter(|(need, _)| {
            if need.starts_with('/') {
                !Path::new(need).exists()
            } else {
                tools::find(need).is_none()
            }
        })
        .map(|(_, package)| *package)
        .collect()
}

/// Returns why the missing packages cannot be installed here, if so.
pub(super) fn why_not() -> Option<String> {
    let missing = missing();
    if missing.is_empty() {
        return None;
    }
    if tools::find("apt-get").is_none() {
        return Some(format!(
            "these programs are missing, and this is no Debian to install them on: {}",
            missing.join(", ")
        ));
    }
    (!tools::is_root()).then(|| format!("root has to run: apt-get install {}", missing.join(" ")))
}

/// Installs what is missing, without starting any service.
///
/// # Errors
/// When it cannot be installed here; the packages are named.
pub(super) fn provide(steps: &mut Steps) -> Result<()> {
    let missing = missing();
    if missing.is_empty() {
        return Ok(());
    }
    if let Some(reason) = why_not() {
        bail!("the full cluster lacks Debian packages: {reason}");
    }
    steps.run(&format!("install {}", missing.join(" ")), || {
        let _policy = Policy::put()?;
        let apt = |arguments: &[&str]| {
            let mut command = Command::new("apt-get");
            command
                .env("DEBIAN_FRONTEND", "noninteractive")
                .args(["-qq", "-o", "Dpkg::Use-Pty=0"])
                .args(arguments);
            process::capture(&mut command).map(drop)
        };
        apt(&["update"]).context("apt could not refresh its lists")?;
        let arguments = [&["install", "-y", "--no-install-recommends"], &missing[..]].concat();
        apt(&arguments)?;
        Ok(None)
    })
}

/// Keeps services from starting while it lives; what was there before is moved aside and put back.
struct Policy;

impl Policy {
    fn put() -> Result<Self> {
        // What a killed run moved aside is the machine's own policy.
        if Path::new(POLICY).exists() && !Path::new(ASIDE).exists() {
            fs::rename(POLICY, ASIDE)
                .with_context(|| format!("failed to move `{POLICY}` aside"))?;
        }
        let policy = Self;
        fs::write(POLICY, "#!/bin/sh\nexit 101\n")
            .and_then(|()| fs::set_permissions(POLICY, fs::Permissions::from_mode(0o755)))
            .with_context(|| format!("failed to write `{POLICY}`"))?;
        Ok(policy)
    }
}

impl Drop for Policy {
    fn drop(&mut self) {
        let restored = if Path::new(ASIDE).exists() {
            fs::rename(ASIDE, POLICY)
        } else {
            fs::remove_file(POLICY)
        };
        if let Err(error) = restored {
            crate::output::say(format_args!(
                "warning: `{POLICY}` could not be put back: {error}"
            ));
        }
    }
}
