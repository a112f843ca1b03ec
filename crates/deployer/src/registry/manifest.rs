//! What a chart looks like in a registry: media types, annotations, and the manifest's bytes.
//!
//! Source: Helm 3.22 `pkg/registry/constants.go`, `client.go` (Push) and `util.go`. The same
//! archive gives the same digest as Helm's.

use std::collections::BTreeMap;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use chart::Metadata;
use chart::go;
use serde::Serialize;
use sha2::{Digest, Sha256};
use tokio::io::AsyncWrite;

/// The type of a manifest's configuration: the chart's metadata.
pub(crate) const CONFIG: &str = "application/vnd.cncf.helm.config.v1+json";
/// The type of the layer that holds the archive.
pub(crate) const CHART: &str = "application/vnd.cncf.helm.chart.content.v1.tar+gzip";
/// The same in charts that early versions of Helm pushed.
pub(crate) const LEGACY_CHART: &str = "application/tar+gzip";
/// The type of the layer that holds the provenance.
pub(crate) const PROVENANCE: &str = "application/vnd.cncf.helm.chart.provenance.v1.prov";

/// What the chart's own annotations cannot replace.
const FIXED_ANNOTATIONS: [&str; 2] = [
    "org.opencontainers.image.version",
    "org.opencontainers.image.title",
];

/// Bytes with what a manifest says of them.
#[derive(Debug, Clone)]
pub(crate) struct Blob {
    pub(crate) data: Vec<u8>,
    pub(crate) digest: String,
    pub(crate) media_type: &'static str,
}

/// A chart as it is pushed: layers and configuration, then the manifest.
#[derive(Debug, Clone)]
pub(crate) struct Push {
    pub(crate) blobs: Vec<Blob>,
    pub(crate) manifest: Blob,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Manifest<'a> {
    schema_version: u8,
    config: Descriptor<'a>,
    layers: Vec<Descriptor<'a>>,
    annotations: BTreeMap<String, String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Descriptor<'a> {
    media_type: &'a str,
    digest: &'a str,
    size: usize,
}

impl Blob {
    fn new(media_type: &'static str, data: Vec<u8>) -> Self {
        let digest = format!("sha256:{}", hex::encode(Sha256::digest(&data)));
        Self {
            data,
            digest,
            media_type,
        }
    }

    fn descriptor(&self) -> Descriptor<'_> {
        Descriptor {
            media_type: self.media_type,
            digest: &self.digest,
            size: self.data.len(),
        }
    }
}

impl Push {
    /// Puts a chart together; `created` is when the archive was written, in RFC 3339.
    pub(crate) fn new(
        metadata: &Metadata,
        archive: Vec<u8>,
        provenance: Option<Vec<u8>>,
        created: &str,
    ) -> Self {
        let config = Blob::new(CONFIG, go::json(metadata).into_bytes());
        let mut layers = vec![Blob::new(CHART, archive)];
        layers.extend(provenance.map(|data| Blob::new(PROVENANCE, data)));
        layers.sort_by(|one, other| one.digest.cmp(&other.digest));
        let manifest = Manifest {
            schema_version: 2,
            config: config.descriptor(),
            layers: layers.iter().map(Blob::descriptor).collect(),
            annotations: annotations(metadata, created),
        };
        let manifest = Blob::new(
            oci_client::manifest::OCI_IMAGE_MEDIA_TYPE,
            go::json(&manifest).into_bytes(),
        );
        layers.push(config);
        Self {
            blobs: layers,
            manifest,
        }
    }
}

fn annotations(metadata: &Metadata, created: &str) -> BTreeMap<String, String> {
    let authors: Vec<String> = metadata
        .maintainers
        .iter()
        .map(|maintainer| match maintainer.email.as_str() {
            "" => maintainer.name.clone(),
            email => format!("{} ({email})", maintainer.name),
        })
        .collect();
    let source = metadata.sources.first().cloned().unwrap_or_default();
    let mut annotations: BTreeMap<String, String> = [
        ("description", metadata.description.clone()),
        ("title", metadata.name.clone()),
        ("version", metadata.version.clone()),
        ("url", metadata.home.clone()),
        ("created", created.to_owned()),
        ("source", source),
        ("authors", authors.join(", ")),
    ]
    .into_iter()
    .filter(|(_, value)| !value.trim().is_empty())
    .map(|(name, value)| (format!("org.opencontainers.image.{name}"), value))
    .collect();
    for (name, value) in &metadata.annotations {
        if !FIXED_ANNOTATIONS.contains(&name.as_str()) {
            annotations.insert(name.clone(), value.clone());
        }
    }
    annotations
}

/// Takes bytes up to a bound.
#[derive(Debug)]
pub(crate) struct BoundedSink {
    data: Vec<u8>,
    bytes_max: u64,
    is_full: bool,
}

impl BoundedSink {
    pub(crate) fn new(bytes_max: u64) -> Self {
        Self {
            data: Vec::new(),
            bytes_max,
            is_full: false,
        }
    }

    /// Tells whether more came than is taken.
    pub(crate) fn is_full(&self) -> bool {
        self.is_full
    }

    pub(crate) fn into_data(self) -> Vec<u8> {
        self.data
    }
}

impl AsyncWrite for BoundedSink {
    fn poll_write(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        data: &[u8],
    ) -> Poll<io::Result<usize>> {
        if (self.data.len() + data.len()) as u64 > self.bytes_max {
            self.is_full = true;
            return Poll::Ready(Err(io::ErrorKind::FileTooLarge.into()));
        }
        self.data.extend_from_slice(data);
        Poll::Ready(Ok(data.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manifest_says_of_a_chart_what_helm_says() {
        let mut metadata = Metadata {
            name: "web".into(),
            version: "1.0.0+b".into(),
            api_version: "v2".into(),
            description: "a < b".into(),
            sources: vec!["https://one".into(), "https://two".into()],
            maintainers: vec![
                chart::metadata::Maintainer {
                    name: "Ann".into(),
                    email: "ann@example.com".into(),
                    url: String::new(),
                },
                chart::metadata::Maintainer {
                    name: "Ben".into(),
                    ..chart::metadata::Maintainer::default()
                },
            ],
            ..Metadata::default()
        };
        metadata
            .annotations
            .insert("org.opencontainers.image.title".into(), "other".into());
        metadata
            .annotations
            .insert("a.example/b".into(), "c".into());
        let push = Push::new(&metadata, b"archive".to_vec(), None, "2026-01-02T03:04:05Z");
        let text = String::from_utf8(push.manifest.data).expect("text");
        assert!(
            text.starts_with(&format!(
                "{{\"schemaVersion\":2,\"config\":{{\"mediaType\":\"{CONFIG}\","
            )),
            "{text}"
        );
        assert!(text.ends_with("\"annotations\":{\"a.example/b\":\"c\",\"org.opencontainers.image.authors\":\"Ann (ann@example.com), Ben\",\"org.opencontainers.image.created\":\"2026-01-02T03:04:05Z\",\"org.opencontainers.image.description\":\"a \\u003c b\",\"org.opencontainers.image.source\":\"https://one\",\"org.opencontainers.image.title\":\"web\",\"org.opencontainers.image.version\":\"1.0.0+b\"}}"), "{text}");
    }
}
