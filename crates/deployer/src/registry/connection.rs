//! A connection to one registry, with the credentials that it is asked with.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use oci_client::client::{Certificate, CertificateEncoding, ClientConfig, ClientProtocol};
use oci_client::errors::{OciDistributionError, OciEnvelope};
use oci_client::manifest::OciDescriptor;
use oci_client::secrets::RegistryAuth;
use oci_client::{Client, RegistryOperation};
use reqwest::StatusCode;
use sha2::{Digest, Sha256};
use tokio::sync::{Mutex, OnceCell};

use super::access::{Access, Secret};
use super::credentials::Credentials;
use super::error::RegistryError;
use super::http;
use super::loopback::is_plain_loopback;
use super::manifest::{Blob, BoundedSink};
use super::reference::OciReference;
use super::token::{self, Challenge};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// A registry that is silent for so long is given up.
const READ_TIMEOUT: Duration = Duration::from_secs(60);
/// How long one layer may take, however steadily it comes.
const BLOB_TIMEOUT: Duration = Duration::from_secs(15 * 60);
/// The most that one layer may hold, in bytes: as much as a chart.
const LAYER_BYTES_MAX: u64 = chart::load::CHART_BYTES_MAX;
/// The most that a manifest or a page of tags may hold, in bytes; registries take no larger ones.
const BODY_BYTES_MAX: u64 = 4 * 1024 * 1024;
/// How long a token is used again; none lasts shorter.
const TOKEN_AGE_MAX: Duration = Duration::from_secs(30);

/// One registry, and who asks it.
pub(crate) struct Connection {
    /// Moves blobs.
    client: Client,
    /// Asks for everything that is small.
    http: reqwest::Client,
    registry: String,
    scheme: &'static str,
    /// Who asks; none for anybody.
    credentials: Option<Credentials>,
    challenge: OnceCell<Challenge>,
    /// By scope.
    tokens: Mutex<HashMap<String, (Secret, Instant)>>,
}

impl std::fmt::Debug for Connection {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Connection")
    }
}

impl Connection {
    /// Prepares a connection; on loopback the registry is asked what it speaks.
    pub(crate) async fn open(
        access: &Access,
        registry: &str,
        credentials: Option<Credentials>,
    ) -> Result<Self, RegistryError> {
        http::use_ring();
        if access.tls.certificate.is_some() {
            return Err(RegistryError::Request(
                "client certificates (`--cert-file`, `--key-file`) are not supported with registries; use a user and a password".to_owned(),
            ));
        }
        let is_plain = access.plain_http || is_plain_loopback(access, registry).await?;
        let authorities = match &access.tls.ca {
            Some(path) => http::pem_certificates(path)?
                .into_iter()
                .map(|data| Certificate {
                    encoding: CertificateEncoding::Pem,
                    data,
                })
                .collect(),
            None => Vec::new(),
        };
        let config = ClientConfig {
            protocol: if is_plain {
                ClientProtocol::Http
            } else {
                ClientProtocol::Https
            },
            accept_invalid_certificates: access.tls.accept_any,
            tls_certs_only: authorities,
            connect_timeout: Some(CONNECT_TIMEOUT),
            read_timeout: Some(READ_TIMEOUT),
            user_agent: http::USER_AGENT,
            ..ClientConfig::default()
        };
        let client = Client::try_from(config).map_err(|error| RegistryError::Registry {
            registry: registry.to_owned(),
            doing: "be connected".to_owned(),
            problem: error.to_string(),
        })?;
        Ok(Self {
            client,
            http: http::client(access)?,
            registry: registry.to_owned(),
            scheme: if is_plain { "http" } else { "https" },
            credentials,
            challenge: OnceCell::new(),
            tokens: Mutex::default(),
        })
    }

    /// Checks the credentials with the registry.
    ///
    /// # Errors
    /// A registry that refuses them, cannot be reached, or is none.
    pub(crate) async fn log_in(&self) -> Result<(), RegistryError> {
        let answer = self.ping(&RegistryAuth::Anonymous).await?;
        let status = match Challenge::of(answer.headers()) {
            _ if answer.status() != StatusCode::UNAUTHORIZED => answer.status(),
            Challenge::Bearer { realm, service } => {
                let place = (realm.as_str(), service.as_deref());
                let who = self.credentials.as_ref();
                let token = token::fetch(&self.http, &self.registry, place, "", who).await?;
                return token.map(drop).ok_or_else(|| self.login_error());
            }
            Challenge::None | Challenge::Basic => {
                let auth = self.basic()?;
                self.ping(&auth).await?.status()
            }
        };
        match status {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Err(self.login_error()),
            status if status.is_success() => Ok(()),
            status => Err(RegistryError::Registry {
                registry: self.registry.clone(),
                doing: "log in".to_owned(),
                problem: format!("it answered {status}, which no registry does"),
            }),
        }
    }

    async fn ping(&self, auth: &RegistryAuth) -> Result<reqwest::Response, RegistryError> {
        let url = format!("{}://{}/v2/", self.scheme, self.host());
        let request = with_auth(self.http.get(&url), auth);
        request
            .send()
            .await
            .map_err(|source| RegistryError::Transfer {
                url,
                source: source.without_url(),
            })
    }

    /// Docker Hub is reached under another name than its own.
    fn host(&self) -> &str {
        match self.registry.as_str() {
            "docker.io" => "index.docker.io",
            other => other,
        }
    }

    fn basic(&self) -> Result<RegistryAuth, RegistryError> {
        match &self.credentials {
            None => Ok(RegistryAuth::Anonymous),
            Some(Credentials::User { name, password }) => Ok(RegistryAuth::Basic(
                name.clone(),
                password.reveal().to_owned(),
            )),
            Some(Credentials::IdentityToken(_)) => Err(RegistryError::Credentials {
                registry: self.registry.clone(),
                problem: "an identity token is stored, and the registry takes only user and password; log in anew".to_owned(),
            }),
        }
    }

    /// Proves who asks, and lets the client know of it.
    async fn authorize(
        &self,
        reference: &OciReference,
        operation: RegistryOperation,
    ) -> Result<RegistryAuth, RegistryError> {
        let challenge = self.challenge.get_or_try_init(|| async {
            match self.ping(&RegistryAuth::Anonymous).await {
                Ok(answer) => Ok(Challenge::of(answer.headers())),
                Err(RegistryError::Transfer { source, .. }) => Err(RegistryError::Transfer {
                    url: format!("oci://{reference}"),
                    source,
                }),
                Err(error) => Err(error),
            }
        });
        let auth = match challenge.await? {
            Challenge::None => RegistryAuth::Anonymous,
            Challenge::Basic => self.basic()?,
            Challenge::Bearer { realm, service } => {
                let verbs = match operation {
                    RegistryOperation::Pull => "pull",
                    RegistryOperation::Push => "pull,push",
                };
                let scope = format!("repository:{}:{verbs}", reference.repository);
                let token = self.token((realm, service.as_deref()), scope).await?;
                RegistryAuth::Bearer(token.reveal().to_owned())
            }
        };
        if auth != RegistryAuth::Anonymous {
            let image = reference.to_client();
            // Before it pushes a blob the client asks, as one who pulls, whether it is there.
            for operation in [RegistryOperation::Pull, operation] {
                let known = self.client.auth(&image, &auth, operation).await;
                known.map_err(|error| self.explain(reference, "log in", error))?;
            }
        }
        Ok(auth)
    }

    async fn token(
        &self,
        place: (&str, Option<&str>),
        scope: String,
    ) -> Result<Secret, RegistryError> {
        let mut tokens = self.tokens.lock().await;
        if let Some((token, fetched)) = tokens.get(&scope)
            && fetched.elapsed() < TOKEN_AGE_MAX
        {
            return Ok(token.clone());
        }
        let who = self.credentials.as_ref();
        let token = token::fetch(&self.http, &self.registry, place, &scope, who).await?;
        let token = token.ok_or_else(|| self.login_error())?;
        tokens.insert(scope, (token.clone(), Instant::now()));
        Ok(token)
    }

    fn login_error(&self) -> RegistryError {
        let registry = self.registry.clone();
        match &self.credentials {
            None => RegistryError::LoginNeeded { registry },
            Some(Credentials::User { name, .. }) => RegistryError::LoginRefused {
                registry,
                username: name.clone(),
            },
            Some(Credentials::IdentityToken(_)) => RegistryError::TokenRefused { registry },
        }
    }

    /// Fetches a manifest; returns its bytes and their digest.
    pub(crate) async fn manifest(
        &self,
        reference: &OciReference,
        media_type: &str,
        doing: &str,
    ) -> Result<(Vec<u8>, String), RegistryError> {
        let image = reference.to_client();
        let name = image.digest().or(image.tag()).unwrap_or_default();
        let path = format!("manifests/{name}");
        let (body, announced) = self.get(reference, &path, media_type, doing).await?;
        let digest = format!("sha256:{}", hex::encode(Sha256::digest(&body)));
        let is_other = |wanted: &String| wanted.starts_with("sha256:") && *wanted != digest;
        if reference.digest.iter().chain(&announced).any(is_other) {
            return Err(RegistryError::Digest {
                reference: format!("oci://{reference}"),
            });
        }
        Ok((body, digest))
    }

    /// Fetches a page of the tags, those behind `last`.
    pub(crate) async fn tags(
        &self,
        reference: &OciReference,
        last: Option<&str>,
    ) -> Result<Vec<String>, RegistryError> {
        /// What the registry holds under a name; none where it has a name and nothing else.
        #[derive(serde::Deserialize)]
        struct Page {
            tags: Option<Vec<String>>,
        }
        let path = match last {
            Some(last) => {
                let start = "tags/list?".to_owned();
                let length = start.len();
                let mut query = url::form_urlencoded::Serializer::for_suffix(start, length);
                query.append_pair("last", last);
                query.finish()
            }
            None => "tags/list".to_owned(),
        };
        let (body, _) = self
            .get(reference, &path, "application/json", "list")
            .await?;
        let page: Page = serde_json::from_slice(&body).map_err(|_| RegistryError::Registry {
            registry: self.registry.clone(),
            doing: format!("list `{reference}`"),
            problem: "it answered with something else than tags".to_owned(),
        })?;
        Ok(page.tags.unwrap_or_default())
    }

    /// Fetches something small; returns it with the digest that the registry says it has.
    async fn get(
        &self,
        reference: &OciReference,
        path: &str,
        accept: &str,
        doing: &str,
    ) -> Result<(Vec<u8>, Option<String>), RegistryError> {
        let auth = self.authorize(reference, RegistryOperation::Pull).await?;
        let (host, repository) = (self.host(), &reference.repository);
        let url = format!("{}://{host}/v2/{repository}/{path}", self.scheme);
        let request = self.http.get(&url).header(reqwest::header::ACCEPT, accept);
        let answer = with_auth(request, &auth).send().await;
        let answer = answer.map_err(|error| {
            self.explain(reference, doing, OciDistributionError::RequestError(error))
        })?;
        let status = answer.status();
        let announced = answer.headers().get("docker-content-digest");
        let announced = announced.and_then(|text| text.to_str().ok().map(str::to_owned));
        let body =
            http::bounded_body(answer, &format!("oci://{reference}"), BODY_BYTES_MAX).await?;
        if status == StatusCode::OK {
            return Ok((body, announced));
        }
        let error = match serde_json::from_slice::<OciEnvelope>(&body) {
            Ok(envelope) if status.is_client_error() && status != StatusCode::UNAUTHORIZED => {
                OciDistributionError::RegistryError { envelope, url }
            }
            _ => OciDistributionError::ServerError {
                code: status.as_u16(),
                url,
                message: String::new(),
            },
        };
        Err(self.explain(reference, doing, error))
    }

    /// Pushes what the registry does not have.
    pub(crate) async fn push_blob(
        &self,
        reference: &OciReference,
        blob: Blob,
    ) -> Result<(), RegistryError> {
        self.authorize(reference, RegistryOperation::Push).await?;
        let image = reference.to_client();
        let Blob { data, digest, .. } = blob;
        let push = async {
            if !self.client.blob_exists(&image, &digest).await? {
                self.client.push_blob(&image, data, &digest).await?;
            }
            Ok(())
        };
        self.in_time(reference, "push", push).await
    }

    /// Pushes a manifest, which gives its blobs a name.
    pub(crate) async fn push_manifest(
        &self,
        reference: &OciReference,
        manifest: Blob,
    ) -> Result<(), RegistryError> {
        self.authorize(reference, RegistryOperation::Push).await?;
        let image = reference.to_client();
        let media_type = ::http::HeaderValue::from_static(manifest.media_type);
        let push = async {
            let pushed = self
                .client
                .push_manifest_raw(&image, manifest.data, media_type);
            pushed.await.map(drop)
        };
        self.in_time(reference, "push", push).await
    }

    /// Bounds what the client takes, which it does not do itself.
    async fn in_time<T>(
        &self,
        reference: &OciReference,
        doing: &str,
        work: impl Future<Output = Result<T, OciDistributionError>>,
    ) -> Result<T, RegistryError> {
        match tokio::time::timeout(BLOB_TIMEOUT, work).await {
            Ok(done) => done.map_err(|error| self.explain(reference, doing, error)),
            Err(_) => Err(RegistryError::Registry {
                registry: self.registry.clone(),
                doing: format!("{doing} `{reference}`"),
                problem: format!("it took longer than {} s", BLOB_TIMEOUT.as_secs()),
            }),
        }
    }

    pub(crate) async fn blob(
        &self,
        reference: &OciReference,
        layer: &OciDescriptor,
    ) -> Result<Vec<u8>, RegistryError> {
        let too_large = || RegistryError::TooLarge {
            url: format!("oci://{reference}"),
            bytes_max: LAYER_BYTES_MAX,
        };
        if u64::try_from(layer.size).is_ok_and(|size| size > LAYER_BYTES_MAX) {
            return Err(too_large());
        }
        self.authorize(reference, RegistryOperation::Pull).await?;
        let image = reference.to_client();
        let mut sink = BoundedSink::new(LAYER_BYTES_MAX);
        let pull = self.client.pull_blob(&image, layer, &mut sink);
        let pulled = self.in_time(reference, "pull", pull).await;
        if sink.is_full() {
            return Err(too_large());
        }
        pulled?;
        Ok(sink.into_data())
    }

    /// Puts an error of the library in the words of a user.
    fn explain(
        &self,
        reference: &OciReference,
        doing: &str,
        error: OciDistributionError,
    ) -> RegistryError {
        let registry = reference.registry.clone();
        let login = || self.login_error();
        let missing = || RegistryError::not_found(format!("`oci://{reference}` not found"));
        match error {
            OciDistributionError::UnauthorizedError { .. }
            | OciDistributionError::AuthenticationFailure(_)
            | OciDistributionError::ServerError { code: 401, .. } => login(),
            OciDistributionError::ImageManifestNotFoundError(_)
            | OciDistributionError::ServerError { code: 404, .. } => missing(),
            OciDistributionError::RegistryError { envelope, .. } => {
                let texts: Vec<String> = envelope
                    .errors
                    .iter()
                    .map(|error| format!("{:?}: {}", error.code, error.message))
                    .collect();
                let text = texts.join("; ");
                if text.contains("Unknown") {
                    missing()
                } else if text.starts_with("Unauthorized") || text.starts_with("Denied") {
                    login()
                } else {
                    RegistryError::Registry {
                        registry,
                        doing: format!("{doing} `{reference}`"),
                        problem: text,
                    }
                }
            }
            OciDistributionError::DigestError(_) => RegistryError::Digest {
                reference: format!("oci://{reference}"),
            },
            OciDistributionError::RequestError(source)
                if source.status() == Some(StatusCode::UNAUTHORIZED) =>
            {
                login()
            }
            OciDistributionError::RequestError(source) => RegistryError::Transfer {
                url: format!("oci://{reference}"),
                source: source.without_url(),
            },
            // Some servers answer with a whole page.
            OciDistributionError::ServerError { code, .. } => RegistryError::Registry {
                registry,
                doing: format!("{doing} `{reference}`"),
                problem: format!("it answered {code}"),
            },
            other => RegistryError::Registry {
                registry,
                doing: format!("{doing} `{reference}`"),
                problem: other.to_string(),
            },
        }
    }
}

fn with_auth(request: reqwest::RequestBuilder, auth: &RegistryAuth) -> reqwest::RequestBuilder {
    match auth {
        RegistryAuth::Anonymous => request,
        RegistryAuth::Basic(name, password) => request.basic_auth(name, Some(password)),
        RegistryAuth::Bearer(token) => request.bearer_auth(token),
    }
}
