//! Builds etcd, Kubernetes, Helm and the pause program through the Go module proxy.
//!
//! `k8s.io/kubernetes` cannot be a plain dependency: its go.mod names its staging modules as v0.0.0. A module of our
//! own replaces each with the published version of the same release.

use super::KUBERNETES_VERSION;
use crate::places::{Places, lock};
use crate::process;
use crate::steps::Steps;
use crate::tools;
use anyhow::{Context, Result};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The etcd that this Kubernetes is tested with (its go.mod).
const ETCD_VERSION: &str = "3.6.4";
/// Checksums of every module, so that the proxy cannot serve others.
const CHECKSUMS: &str = include_str!("kubernetes.go.sum");
/// The modules that k8s.io/kubernetes keeps in its own tree.
const STAGING: [&str; 29] = [
    "api",
    "apiextensions-apiserver",
    "apimachinery",
    "apiserver",
    "cli-runtime",
    "client-go",
    "cloud-provider",
    "cluster-bootstrap",
    "code-generator",
    "component-base",
    "component-helpers",
    "controller-manager",
    "cri-api",
    "cri-client",
    "csi-translation-lib",
    "dynamic-resource-allocation",
    "endpointslice",
    "externaljwt",
    "kms",
    "kube-aggregator",
    "kube-controller-manager",
    "kube-proxy",
    "kube-scheduler",
    "kubectl",
    "kubelet",
    "metrics",
    "mount-utils",
    "pod-security-admission",
    "sample-apiserver",
];

const CONTROL_PLANE: [&str; 4] = [
    "etcd",
    "kube-apiserver",
    "kube-controller-manager",
    "kubectl",
];
const NODE: [&str; 3] = ["kube-scheduler", "kubelet", "kube-proxy"];

/// A Helm for interoperability tests: name of the binary, major version, version.
const HELMS: [(&str, &str, &str); 2] = [("helm3", "v3", "v3.22.0"), ("helm4", "v4", "v4.3.1")];

/// PID 1 of a pod's sandbox: it holds the pod's namespaces until it is told to end, and reaps.
const PAUSE: &str = r#"package main

import (
	"os"
	"os/signal"
	"syscall"
)

func main() {
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM, syscall.SIGCHLD)
	for received := range signals {
		if received != syscall.SIGCHLD {
			return
		}
		for {
			if pid, _ := syscall.Wait4(-1, nil, syscall.WNOHANG, nil); pid <= 0 {
				break
			}
		}
	}
}
"#;

/// Returns a program of `KUBEBUILDER_ASSETS`, the convention of envtest, if it is there.
pub(super) fn asset(name: &str) -> Option<PathBuf> {
    let folder = PathBuf::from(std::env::var_os("KUBEBUILDER_ASSETS")?);
    Some(folder.join(name)).filter(|path| path.is_file())
}

/// Builds what is missing into the folder, which exists; each program is renamed into place when it is whole.
///
/// # Errors
/// When Go is missing or a build fails.
pub(super) fn provide(places: &Places, full: bool, steps: &mut Steps) -> Result<()> {
    let folder = places.cluster_binaries();
    let node: &[&str] = if full { &NODE } else { &[] };
    let missing = |name: &&str| asset(name).is_none() && !folder.join(name).is_file();
    let kubernetes: Vec<&str> = CONTROL_PLANE
        .iter()
        .chain(node)
        .copied()
        .filter(|name| missing(name))
        .collect();
    let pause = full && missing(&"pause");
    if kubernetes.is_empty() && !pause {
        return provide_helms(&folder, steps);
    }
    tools::require(&[&tools::GO])?;
    let module = tempfile::Builder::new()
        .prefix(".build-")
        .tempdir_in(&folder)?;
    write_module(module.path())?;
    for name in kubernetes {
        let version = if name == "etcd" {
            ETCD_VERSION
        } else {
            KUBERNETES_VERSION
        };
        let destination = folder.join(name);
        steps.run(&format!("build {name} {version}"), || {
            build_kubernetes(name, module.path(), &destination).map(Some)
        })?;
    }
    if pause {
        steps.run("build pause", || {
            build_pause(module.path(), &folder.join("pause")).map(Some)
        })?;
    }
    provide_helms(&folder, steps)
}

/// Returns the Helms, name and program, the older first; builds those that are missing, one xtask at a time.
///
/// # Errors
/// When Go is missing or a build fails.
pub(crate) fn helms(places: &Places, steps: &mut Steps) -> Result<Vec<(&'static str, PathBuf)>> {
    let folder = places.cluster_binaries();
    fs::create_dir_all(&folder)
        .with_context(|| format!("failed to make `{}`", folder.display()))?;
    let _lock = lock(&folder.join(".lock"))?;
    provide_helms(&folder, steps)?;
    let found = HELMS.iter().map(|&(name, ..)| {
        let program = asset(name).unwrap_or_else(|| folder.join(name));
        (name, program)
    });
    Ok(found.collect())
}

fn provide_helms(folder: &Path, steps: &mut Steps) -> Result<()> {
    for (name, major, version) in HELMS {
        let destination = folder.join(name);
        if asset(name).is_some() || destination.is_file() {
            continue;
        }
        tools::require(&[&tools::GO])?;
        let module = tempfile::Builder::new()
            .prefix(".build-")
            .tempdir_in(folder)?;
        steps.run(&format!("build {name} {version}"), || {
            build_helm(major, version, module.path(), &destination).map(Some)
        })?;
    }
    Ok(())
}

fn write_module(folder: &Path) -> Result<()> {
    let staging = KUBERNETES_VERSION
        .split_once('.')
        .map_or("", |(_, rest)| rest);
    let replaced: String = STAGING
        .iter()
        .map(|name| format!("\tk8s.io/{name} => k8s.io/{name} v0.{staging}\n"))
        .collect();
    let module = format!(
        "module kbuild\n\ngo 1.24.0\n\nrequire (\n\tk8s.io/kubernetes v{KUBERNETES_VERSION}\n\
         \tgo.etcd.io/etcd/server/v3 v{ETCD_VERSION}\n)\n\nreplace (\n{replaced})\n"
    );
    let imports: String = CONTROL_PLANE
        .iter()
        .chain(&NODE)
        .map(|name| format!("\t_ \"{}\"\n", package_of(name)))
        .collect();
    fs::write(folder.join("go.mod"), module)?;
    fs::write(folder.join("go.sum"), CHECKSUMS)?;
    // Keeps the imported commands among the module's requirements.
    fs::write(
        folder.join("tools.go"),
        format!("//go:build tools\n\npackage kbuild\n\nimport (\n{imports})\n"),
    )?;
    Ok(())
}

fn package_of(name: &str) -> String {
    if name == "etcd" {
        "go.etcd.io/etcd/server/v3".to_owned()
    } else {
        format!("k8s.io/kubernetes/cmd/{name}")
    }
}

fn build_kubernetes(name: &str, module: &Path, destination: &Path) -> Result<u64> {
    let mut parts = KUBERNETES_VERSION.split('.');
    let (major, minor) = (
        parts.next().unwrap_or_default(),
        parts.next().unwrap_or_default(),
    );
    let mut link = "-s -w".to_owned();
    for package in [
        "k8s.io/component-base/version",
        "k8s.io/client-go/pkg/version",
    ] {
        for (variable, value) in [
            ("gitVersion", format!("v{KUBERNETES_VERSION}").as_str()),
            ("gitMajor", major),
            ("gitMinor", minor),
            ("gitTreeState", "clean"),
            ("gitCommit", "goproxy"),
        ] {
            link.push_str(&format!(" -X {package}.{variable}={value}"));
        }
    }
    link.push_str(" -X k8s.io/component-base/version.buildDate=2026-01-01T00:00:00Z");
    let beside = module.join(name);
    process::run(
        go(module)
            .env("CGO_ENABLED", "0")
            .env("GOFLAGS", "-mod=mod -trimpath -buildvcs=false")
            .args(["build", "-ldflags", &link, "-o"])
            .arg(&beside)
            .arg(package_of(name)),
    )?;
    finish(&beside, destination)
}

fn build_pause(folder: &Path, destination: &Path) -> Result<u64> {
    let source = folder.join("pause-source");
    fs::create_dir_all(&source)?;
    fs::write(source.join("main.go"), PAUSE)?;
    fs::write(source.join("go.mod"), "module pause\n\ngo 1.24\n")?;
    let beside = folder.join("pause");
    process::run(
        go(&source)
            .env("CGO_ENABLED", "0")
            .env("GOFLAGS", "-trimpath -buildvcs=false")
            .args(["build", "-ldflags", "-s -w", "-o"])
            .arg(&beside)
            .arg("."),
    )?;
    finish(&beside, destination)
}

fn build_helm(major: &str, version: &str, folder: &Path, destination: &Path) -> Result<u64> {
    let module = format!("helm.sh/helm/{major}");
    process::run(
        go(folder)
            .env("GOFLAGS", "-mod=mod")
            .env("GOBIN", folder)
            .args(["install", "-trimpath", "-ldflags"])
            .arg(format!(
                "-s -w -X {module}/internal/version.version={version}"
            ))
            .arg(format!("{module}/cmd/helm@{version}")),
    )?;
    finish(&folder.join("helm"), destination)
}

fn go(folder: &Path) -> Command {
    let mut command = Command::new("go");
    command.current_dir(folder).env("GOWORK", "off");
    command
}

/// Moves a built program into place; returns its bytes.
fn finish(built: &Path, destination: &Path) -> Result<u64> {
    let bytes = built
        .metadata()
        .with_context(|| format!("go left no `{}`", built.display()))?
        .len();
    fs::rename(built, destination)
        .with_context(|| format!("failed to move `{}` into place", destination.display()))?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_module_replaces_every_staging_module_by_the_release_of_the_same_number() {
        let folder = tempfile::tempdir().unwrap();
        write_module(folder.path()).unwrap();
        let text = fs::read_to_string(folder.path().join("go.mod")).unwrap();
        assert_eq!(text.matches(" v0.34.4\n").count(), STAGING.len());
        assert!(text.contains("\tk8s.io/api => k8s.io/api v0.34.4\n"));
        assert!(
            CHECKSUMS.contains("k8s.io/kubernetes v1.34.4 h1:"),
            "checksums of another version"
        );
    }
}
