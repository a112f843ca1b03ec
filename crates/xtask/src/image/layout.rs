//! An image as the OCI image specification writes it: configuration, manifest, layout archive.

use super::digest;
use super::layer::Layer;
use anyhow::{Context, Result};
use serde_json::json;
use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::Path;

pub(super) const MANIFEST_TYPE: &str = "application/vnd.oci.image.manifest.v1+json";
const CONFIG_TYPE: &str = "application/vnd.oci.image.config.v1+json";
const LAYER_TYPE: &str = "application/vnd.oci.image.layer.v1.tar+gzip";

/// The account that containers run as.
const USER: &str = "65532:65532";

/// A packed image.
#[derive(Debug)]
pub(super) struct Image {
    pub(super) layers: Vec<Layer>,
    pub(super) config: Vec<u8>,
    pub(super) manifest: Vec<u8>,
}

impl Image {
    /// Puts layers, the lowest first, together under a configuration.
    pub(super) fn with_entrypoint(
        layers: Vec<Layer>,
        entrypoint: &str,
        stop_signal: Option<&str>,
    ) -> Result<Self> {
        let mut config = json!({
            "architecture": architecture(),
            "os": "linux",
            "config": {
                "Entrypoint": [entrypoint],
                "Env": ["PATH=/usr/local/bin:/usr/bin:/bin", "SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt", "HOME=/tmp"],
                "User": USER,
                "WorkingDir": "/",
            },
            "rootfs": {
                "type": "layers",
                "diff_ids": layers.iter().map(|layer| format!("sha256:{}", layer.digest_unpacked)).collect::<Vec<_>>(),
            },
        });
        if let Some(signal) = stop_signal {
            config["config"]["StopSignal"] = signal.into();
        }
        let config = serde_json::to_vec(&config)?;
        let layer_entries: Vec<_> = layers
            .iter()
            .map(|layer| json!({"mediaType": LAYER_TYPE, "digest": format!("sha256:{}", layer.digest), "size": layer.bytes}))
            .collect();
        let manifest = serde_json::to_vec(&json!({
            "schemaVersion": 2,
            "mediaType": MANIFEST_TYPE,
            "config": {
                "mediaType": CONFIG_TYPE,
                "digest": format!("sha256:{}", digest::of_bytes(&config)),
                "size": config.len(),
            },
            "layers": layer_entries,
        }))?;
        Ok(Self {
            layers,
            config,
            manifest,
        })
    }

    /// Returns a tag that changes when anything inside does.
    pub(super) fn tag(&self) -> String {
        format!("dev-{}", &digest::of_bytes(&self.manifest)[..12])
    }

    /// Writes an OCI layout archive, as `ctr`, `skopeo` and `podman load` read it.
    ///
    /// # Errors
    /// When a layer cannot be read or the archive not be written.
    pub(super) fn write(&self, path: &Path, reference: &str) -> Result<()> {
        let beside = path.with_extension("new");
        let file = File::create(&beside)
            .with_context(|| format!("failed to make `{}`", beside.display()))?;
        let mut archive = tar::Builder::new(BufWriter::new(file));
        let tag = reference.rsplit(':').next().unwrap_or(reference);
        let index = serde_json::to_vec(&json!({
            "schemaVersion": 2,
            "manifests": [{
                "mediaType": MANIFEST_TYPE,
                "digest": format!("sha256:{}", digest::of_bytes(&self.manifest)),
                "size": self.manifest.len(),
                "annotations": {
                    "io.containerd.image.name": reference,
                    "org.opencontainers.image.ref.name": tag,
                },
            }],
        }))?;
        append(
            &mut archive,
            "oci-layout",
            br#"{"imageLayoutVersion":"1.0.0"}"#,
        )?;
        append(&mut archive, "index.json", &index)?;
        for bytes in [&self.manifest, &self.config] {
            append(
                &mut archive,
                &format!("blobs/sha256/{}", digest::of_bytes(bytes)),
                bytes,
            )?;
        }
        for layer in &self.layers {
            let mut file = File::open(&layer.path)
                .with_context(|| format!("failed to open `{}`", layer.path.display()))?;
            let mut header = header(layer.bytes);
            archive.append_data(
                &mut header,
                format!("blobs/sha256/{}", layer.digest),
                &mut file,
            )?;
        }
        archive.into_inner()?.flush()?;
        fs::rename(&beside, path)
            .with_context(|| format!("failed to move `{}` into place", path.display()))
    }
}

fn append<W: Write>(archive: &mut tar::Builder<W>, path: &str, bytes: &[u8]) -> Result<()> {
    archive
        .append_data(&mut header(bytes.len() as u64), path, bytes)
        .with_context(|| format!("failed to pack `{path}`"))
}

fn header(bytes: u64) -> tar::Header {
    let mut header = tar::Header::new_gnu();
    header.set_size(bytes);
    header.set_mode(0o644);
    header.set_mtime(0);
    header
}

/// Returns this machine's architecture in the words of OCI.
fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}
