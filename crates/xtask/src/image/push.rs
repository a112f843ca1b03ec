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

/// Names the newest image that was pushed, beside the tag of its own.
const MOVING_TAG: &str = "dev";

/// The image that is pushed first and holds libtorch.
const DONOR: &str = "ml-deployer/validator";

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
        donor: DONOR,
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
    for tag in [tag.as_str(), MOVING_TAG] {
        client
            .manifest(&image.manifest, tag)
            .with_context(|| format!("failed to push the manifest of `{name}` to `{registry}`"))?;
    }
    Ok(format!("{registry}/{repository}:{tag}"))
}

struct Client {
    agent: Agent,
    /// `http://HOST/v2/REPOSITORY`
    base: String,
    /// A repository that may hold the same layers.
    donor: &'static str,
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
        // A layer that another image brought is taken over; where that cannot be, the answer begins an upload.
        let started = self
            .agent
            .post(format!(
                "{}/blobs/uploads/?mount=sha256:{digest}&from={}",
                self.base, self.donor
            ))
            .send_empty()?;
        if started.status() == 201 {
            return Ok(());
        }
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

#[cfg(test)]
mod tests {
    use super::super::layer;
    use super::*;
    use std::net::TcpListener;
    use std::path::Path;
    use std::process::{Child, Command, Stdio};
    use std::time::Instant;

    struct Registry {
        child: Child,
        name: String,
        _folder: tempfile::TempDir,
    }

    impl Registry {
        /// Starts Debian's registry on loopback; none, aloud, where it is not installed.
        fn start() -> Option<Self> {
            let Some(program) = crate::tools::find("docker-registry") else {
                crate::output::say("SKIPPED xtask: push: docker-registry is not installed");
                return None;
            };
            let folder = tempfile::tempdir().unwrap();
            let port = TcpListener::bind("127.0.0.1:0")
                .unwrap()
                .local_addr()
                .unwrap()
                .port();
            let settings = serde_json::json!({
                "version": "0.1",
                "storage": {"filesystem": {"rootdirectory": folder.path().join("storage")}},
                "http": {"addr": format!("127.0.0.1:{port}")},
            });
            let path = folder.path().join("registry.yaml");
            std::fs::write(&path, settings.to_string()).unwrap();
            let child = Command::new(program)
                .arg("serve")
                .arg(&path)
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .unwrap();
            let registry = Self {
                child,
                name: format!("127.0.0.1:{port}"),
                _folder: folder,
            };
            let deadline = Instant::now() + Duration::from_secs(20);
            while ureq::get(format!("http://{}/v2/", registry.name))
                .call()
                .is_err()
            {
                assert!(Instant::now() < deadline, "the registry did not start");
                std::thread::sleep(Duration::from_millis(20));
            }
            Some(registry)
        }

        fn get(&self, path: &str) -> Vec<u8> {
            let url = format!("http://{}/v2/{path}", self.name);
            let mut response = ureq::get(url)
                .header("accept", MANIFEST_TYPE)
                .call()
                .unwrap();
            response.body_mut().read_to_vec().unwrap()
        }
    }

    impl Drop for Registry {
        fn drop(&mut self) {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }

    fn image(folder: &Path, text: &str) -> Image {
        let root = folder.join("root");
        std::fs::create_dir_all(root.join("usr/local/bin")).unwrap();
        std::fs::write(root.join("usr/local/bin/validator"), text).unwrap();
        std::fs::write(root.join("system"), "seldom changes").unwrap();
        let layers = layer::pack(&root, &folder.join("layers")).unwrap();
        Image::with_entrypoint(layers, "/usr/local/bin/validator", None).unwrap()
    }

    #[test]
    fn a_registry_serves_what_was_pushed_and_a_new_image_has_a_new_tag() {
        let Some(registry) = Registry::start() else {
            return;
        };
        let folder = tempfile::tempdir().unwrap();
        let first = image(folder.path(), "one");
        let reference = push(&first, &registry.name, "validator").unwrap();
        let tag = reference.rsplit(':').next().unwrap();
        assert_eq!(
            registry.get(&format!("ml-deployer/validator/manifests/{tag}")),
            first.manifest
        );
        for layer in &first.layers {
            let served = registry.get(&format!(
                "ml-deployer/validator/blobs/sha256:{}",
                layer.digest
            ));
            assert_eq!(digest::of_bytes(&served), layer.digest);
        }
        assert_eq!(
            push(&first, &registry.name, "validator").unwrap(),
            reference,
            "the same image moved"
        );

        let other = push(&first, &registry.name, "model-server").unwrap();
        let tag = other.rsplit(':').next().unwrap();
        assert_eq!(
            registry.get(&format!("ml-deployer/model-server/manifests/{tag}")),
            first.manifest
        );

        let second = image(folder.path(), "two");
        assert_ne!(
            push(&second, &registry.name, "validator").unwrap(),
            reference
        );
        assert_eq!(
            first.layers[0].digest, second.layers[0].digest,
            "the system layer is not shared"
        );
    }

    #[test]
    fn an_unreachable_registry_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let address = TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
            .to_string();
        let error = push(&image(folder.path(), "one"), &address, "validator").unwrap_err();
        assert!(format!("{error:#}").contains(&address), "{error:#}");
    }
}
