//! Pushes an image to a registry by the OCI distribution API, over plain HTTP: for registries on loopback and of tests.

use super::digest;
use super::layout::{Image, MANIFEST_TYPE};
use anyhow::{Context, Result, bail};
use std::fs::File;
use std::io::{Cursor, Read};
use std::time::Duration;
use ureq::{Agent, SendBody};

/// Bounds one request; a layer of libtorch takes seconds.
const REQUEST_MAX: Duration = Duration::from_secs(300);

/// Pushes what the registry lacks, then the manifest; returns the reference, with a tag made from the digest.
///
/// # Errors
/// When the registry cannot be reached or refuses.
pub(super) fn push(image: &Image, registry: &str, name: &str) -> Result<String> {
    let registry = registry.trim_start_matches("http://").trim_end_matches('/');
    let repository = format!("ml-deployer/{name}");
    let client = Client {
        agent: Agent::config_builder()
            .http_status_as_error(false)
            .proxy(None)
            .timeout_global(Some(REQUEST_MAX))
            .build()
            .new_agent(),
        base: format!("http://{registry}/v2/{repository}"),
    };
    for layer in &image.layers {
        client
            .blob(&layer.digest, layer.bytes, || {
                Ok(Box::new(File::open(&layer.path)?))
            })
            .with_context(|| {
                format!(
                    "failed to push the layer {} of `{name}` to `{registry}`",
                    layer.name
                )
            })?;
    }
    let config = image.config.clone();
    client
        .blob(
            &digest::of_bytes(&image.config),
            image.config.len() as u64,
            || Ok(Box::new(Cursor::new(config))),
        )
        .with_context(|| format!("failed to push the configuration of `{name}` to `{registry}`"))?;
    let tag = image.tag();
    client
        .manifest(&image.manifest, &tag)
        .with_context(|| format!("failed to push the manifest of `{name}` to `{registry}`"))?;
    Ok(format!("{registry}/{repository}:{tag}"))
}

struct Client {
    agent: Agent,
    /// `http://HOST/v2/REPOSITORY`
    base: String,
}

impl Client {
    fn blob(
        &self,
        digest: &str,
        bytes: u64,
        open: impl FnOnce() -> Result<Box<dyn Read>>,
    ) -> Result<()> {
        let head = self
            .agent
            .head(format!("{}/blobs/sha256:{digest}", self.base))
            .call()?;
        if head.status() == 200 {
            return Ok(());
        }
        let started = self
            .agent
            .post(format!("{}/blobs/uploads/", self.base))
            .send_empty()?;
        let location = location(&started, &self.base)?;
        let separator = if location.contains('?') { '&' } else { '?' };
        let mut source = open()?;
        let response = self
            .agent
            .put(format!("{location}{separator}digest=sha256:{digest}"))
            .header("content-type", "application/octet-stream")
            .header("content-length", bytes.to_string())
            .send(SendBody::from_reader(&mut source))?;
        expect(response, 201, "the registry refused the blob")
    }

    fn manifest(&self, manifest: &[u8], tag: &str) -> Result<()> {
        let url = format!("{}/manifests/{tag}", self.base);
        let response = self
            .agent
            .put(url)
            .header("content-type", MANIFEST_TYPE)
            .send(manifest)?;
        expect(response, 201, "the registry refused the manifest")
    }
}

type Response = ureq::http::Response<ureq::Body>;

/// Reads where an upload goes on; registries may answer with a path alone.
fn location(response: &Response, base: &str) -> Result<String> {
    if response.status() != 202 {
        bail!(
            "the registry did not begin an upload: it answered {}",
            response.status()
        );
    }
    let location = response
        .headers()
        .get("location")
        .context("the registry named no place for the upload")?
        .to_str()?;
    if location.starts_with('/') {
        let host = base.split("/v2/").next().unwrap_or(base);
        return Ok(format!("{host}{location}"));
    }
    Ok(location.to_owned())
}

fn expect(mut response: Response, status: u16, problem: &str) -> Result<()> {
    if response.status() == status {
        return Ok(());
    }
    let text = response.body_mut().read_to_string().unwrap_or_default();
    bail!(
        "{problem}: it answered {}: {}",
        response.status(),
        text.trim()
    )
}
