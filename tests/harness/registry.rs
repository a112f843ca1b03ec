//! Debian's `docker-registry` on loopback: the reference implementation of a registry.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use tempfile::TempDir;

use crate::poll;

/// A registry, until it is dropped.
#[derive(Debug)]
pub struct Registry {
    child: Child,
    host: String,
    folder: TempDir,
    authorities: Option<PathBuf>,
}

/// What a registry demands.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Demands<'a> {
    /// User and password of everybody.
    pub user: Option<(&'a str, &'a str)>,
    /// TLS, with a certificate of an authority of its own.
    pub tls: bool,
}

impl Registry {
    /// Starts a registry on a free port; none where Debian's package is not installed.
    ///
    /// # Errors
    /// Fails when it does not come up.
    pub fn start(demands: Demands<'_>) -> Result<Option<Self>> {
        let Some(program) = program() else {
            return Ok(None);
        };
        let folder = tempfile::tempdir()?;
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let mut settings = serde_json::json!({
            "version": "0.1",
            "log": {"level": "error"},
            "storage": {"filesystem": {"rootdirectory": folder.path().join("storage")}},
            "http": {"addr": format!("127.0.0.1:{port}")},
        });
        if let Some((user, password)) = demands.user {
            let path = folder.path().join("htpasswd");
            // The registry takes bcrypt alone; a low cost is enough for a test.
            let hash = bcrypt::hash(password, 4)?;
            std::fs::write(&path, format!("{user}:{hash}\n"))?;
            settings["auth"] = serde_json::json!({"htpasswd": {"realm": "charts", "path": path}});
        }
        let mut authorities = None;
        if demands.tls {
            let pair = rcgen::generate_simple_self_signed(["localhost".to_owned()])?;
            let certificate = folder.path().join("certificate.pem");
            let key = folder.path().join("key.pem");
            std::fs::write(&certificate, pair.cert.pem())?;
            std::fs::write(&key, pair.signing_key.serialize_pem())?;
            settings["http"]["tls"] = serde_json::json!({"certificate": certificate, "key": key});
            authorities = Some(certificate);
        }
        let path = folder.path().join("registry.yaml");
        std::fs::write(&path, settings.to_string())?;
        let child = Command::new(program)
            .arg("serve")
            .arg(&path)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .context("docker-registry does not start")?;
        let name = if demands.tls {
            "localhost"
        } else {
            "127.0.0.1"
        };
        let mut registry = Self {
            child,
            host: format!("{name}:{port}"),
            folder,
            authorities,
        };
        registry.wait(port)?;
        Ok(Some(registry))
    }

    fn wait(&mut self, port: u16) -> Result<()> {
        poll::until("the registry listens", Duration::from_secs(30), || {
            if let Some(status) = self.child.try_wait()? {
                bail!("docker-registry ended with {status}");
            }
            Ok(std::net::TcpStream::connect(("127.0.0.1", port)).ok())
        })?;
        Ok(())
    }

    /// Returns host and port.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Returns an address in this registry.
    pub fn url(&self, path: &str) -> String {
        format!("oci://{}/{path}", self.host)
    }

    /// Returns the authority of a registry with TLS.
    pub fn authorities(&self) -> Option<&Path> {
        self.authorities.as_deref()
    }

    /// Changes the bytes that the registry has under a digest, behind its back.
    ///
    /// # Errors
    /// Fails when it has none such.
    pub fn spoil(&self, digest: &str) -> Result<()> {
        let hex = digest.trim_start_matches("sha256:");
        let path = self
            .folder
            .path()
            .join("storage/docker/registry/v2/blobs/sha256")
            .join(&hex[..2])
            .join(hex)
            .join("data");
        let mut data = std::fs::read(&path).context("the registry has no such blob")?;
        let last = data.last_mut().context("the blob is empty")?;
        *last ^= 1;
        std::fs::write(&path, data)?;
        Ok(())
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn program() -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .map(|folder| folder.join("docker-registry"))
        .find(|program| program.is_file())
}

/// Returns the SHA-256 of bytes, as registries name them.
pub fn sha256(data: &[u8]) -> String {
    use sha2::Digest;
    let digest = sha2::Sha256::digest(data);
    let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{hex}")
}
