//! Fetching files of chart repositories over HTTP, with bounds on size and time.
//!
//! Source: Helm 3.22 `pkg/getter/httpgetter.go`.

use std::io::Read;
use std::path::Path;
use std::time::Duration;

use futures::StreamExt;
use reqwest::{Certificate, Client, Identity};
use url::Url;

use super::access::{Access, TlsFiles};
use super::error::{RegistryError, shown};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
const REDIRECTS_MAX: usize = 10;

/// The name under which servers see us; some count or filter by Helm's.
pub(crate) const USER_AGENT: &str = concat!("deployer/", env!("CARGO_PKG_VERSION"), " (Helm)");

/// Fetches a file. Credentials go to the host of `owner` alone, unless the access says otherwise.
pub(crate) async fn get(
    url: &str,
    owner: &str,
    access: &Access,
    bytes_max: u64,
) -> Result<Vec<u8>, RegistryError> {
    let target = parse(url)?;
    let client = client(access)?;
    let transfer = |source: reqwest::Error| RegistryError::Transfer {
        url: shown(url),
        // The address stands in the message already, and may hold a signature.
        source: source.without_url(),
    };
    let mut request = client
        .get(target.clone())
        .header("Accept", "application/gzip,application/octet-stream, */*");
    let is_owner = parse(owner).is_ok_and(|owner| owner.origin() == target.origin());
    let has_credentials = !access.username.is_empty() && !access.password.reveal().is_empty();
    if has_credentials && (access.pass_credentials || is_owner) {
        request = request.basic_auth(&access.username, Some(access.password.reveal()));
    }
    let response = request.send().await.map_err(transfer)?;
    let status = response.status();
    if status != reqwest::StatusCode::OK {
        return Err(RegistryError::Status {
            url: shown(url),
            status: status.to_string(),
        });
    }
    bounded_body(response, url, bytes_max).await
}

/// Reads what a server sends, up to a bound.
pub(crate) async fn bounded_body(
    response: reqwest::Response,
    url: &str,
    bytes_max: u64,
) -> Result<Vec<u8>, RegistryError> {
    let too_large = || RegistryError::TooLarge {
        url: shown(url),
        bytes_max,
    };
    if response
        .content_length()
        .is_some_and(|size| size > bytes_max)
    {
        return Err(too_large());
    }
    let mut data = Vec::new();
    let mut chunks = response.bytes_stream();
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk.map_err(|source| RegistryError::Transfer {
            url: shown(url),
            source: source.without_url(),
        })?;
        if data.len() as u64 + chunk.len() as u64 > bytes_max {
            return Err(too_large());
        }
        data.extend_from_slice(&chunk);
    }
    Ok(data)
}

/// Unpacks a text that a server compressed though nobody asked for it.
pub(crate) fn unzipped(data: Vec<u8>, url: &str, bytes_max: u64) -> Result<Vec<u8>, RegistryError> {
    if !data.starts_with(&[0x1f, 0x8b]) {
        return Ok(data);
    }
    let mut text = Vec::new();
    let read = flate2::read::MultiGzDecoder::new(data.as_slice())
        .take(bytes_max + 1)
        .read_to_end(&mut text);
    match read {
        Ok(size) if size as u64 > bytes_max => Err(RegistryError::TooLarge {
            url: shown(url),
            bytes_max,
        }),
        Ok(_) => Ok(text),
        Err(source) => Err(RegistryError::file(
            format!("cannot unpack {}", shown(url)),
            source,
        )),
    }
}

fn parse(url: &str) -> Result<Url, RegistryError> {
    let parsed = Url::parse(url)
        .map_err(|_| RegistryError::Request(format!("invalid chart URL format: {}", shown(url))))?;
    match parsed.scheme() {
        "http" | "https" => Ok(parsed),
        scheme => Err(RegistryError::Request(format!(
            "scheme {scheme:?} not supported"
        ))),
    }
}

/// Makes a client; TLS is rustls on ring, as everywhere in the program.
pub(crate) fn client(access: &Access) -> Result<Client, RegistryError> {
    use_ring();
    let mut builder = Client::builder()
        .user_agent(USER_AGENT)
        .connect_timeout(CONNECT_TIMEOUT)
        .timeout(access.timeout())
        .redirect(reqwest::redirect::Policy::limited(REDIRECTS_MAX))
        .tls_danger_accept_invalid_certs(access.tls.accept_any);
    if let Some(path) = &access.tls.ca {
        builder = builder.tls_certs_only(authorities(path)?);
    }
    if let Some(identity) = identity(&access.tls)? {
        builder = builder.identity(identity);
    }
    builder.build().map_err(|source| RegistryError::Content {
        doing: "cannot prepare the connection".to_owned(),
        problem: source.to_string(),
    })
}

/// Chooses rustls's cryptography for what leaves it open; the first choice of a process stays.
pub(crate) fn use_ring() {
    let _ = rustls::crypto::ring::default_provider().install_default();
}

fn authorities(path: &Path) -> Result<Vec<Certificate>, RegistryError> {
    pem_certificates(path)?
        .iter()
        .map(|pem| Certificate::from_pem(pem).map_err(|_| no_certificate(path)))
        .collect()
}

fn no_certificate(path: &Path) -> RegistryError {
    RegistryError::Content {
        doing: format!("cannot use `{}` as certificate authorities", path.display()),
        problem: "it holds no certificate in PEM form".to_owned(),
    }
}

/// Returns the certificates of a file, each in PEM form.
pub(crate) fn pem_certificates(path: &Path) -> Result<Vec<Vec<u8>>, RegistryError> {
    const END: &str = "-----END CERTIFICATE-----";
    let data = read(path)?;
    let text = String::from_utf8_lossy(&data);
    let mut rest = &*text;
    let mut certificates = Vec::new();
    while let Some(start) = rest.find("-----BEGIN CERTIFICATE-----") {
        let Some(length) = rest[start..].find(END) else {
            break;
        };
        let end = start + length + END.len();
        certificates.push(rest.as_bytes()[start..end].to_vec());
        rest = &rest[end..];
    }
    if certificates.is_empty() {
        return Err(no_certificate(path));
    }
    Ok(certificates)
}

fn identity(tls: &TlsFiles) -> Result<Option<Identity>, RegistryError> {
    let (Some(certificate), Some(key)) = (&tls.certificate, &tls.key) else {
        return Ok(None);
    };
    let mut pem = read(certificate)?;
    pem.push(b'\n');
    pem.extend(read(key)?);
    Identity::from_pem(&pem)
        .map(Some)
        .map_err(|_| RegistryError::Content {
            doing: format!(
                "cannot use `{}` and `{}`",
                certificate.display(),
                key.display()
            ),
            problem: "they are not a certificate and its key in PEM form".to_owned(),
        })
}

pub(crate) fn read(path: &Path) -> Result<Vec<u8>, RegistryError> {
    std::fs::read(path)
        .map_err(|source| RegistryError::file(format!("cannot read `{}`", path.display()), source))
}
