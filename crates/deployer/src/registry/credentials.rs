//! Credentials of registries: Helm's file, then Docker's, and the programs that these name.
//!
//! Source: Helm 3.22 `pkg/registry/client.go`, whose store is that of ORAS.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use docker_credential::{CredentialRetrievalError, DockerCredential};
use serde_json::{Map, Value, json};

use super::access::Secret;
use super::error::RegistryError;
use super::files::{read_if_there, write_whole};
use super::places::Places;

/// Docker Hub's credentials stand under this key for historical reasons.
const DOCKER_HUB_KEY: &str = "https://index.docker.io/v1/";

/// A user of a registry.
#[derive(Debug, Clone)]
pub(crate) struct Login {
    pub(crate) username: String,
    pub(crate) password: Secret,
}

fn key(registry: &str) -> &str {
    match registry {
        "docker.io" | "registry-1.docker.io" | "index.docker.io" => DOCKER_HUB_KEY,
        other => other,
    }
}

/// Looks a registry up; none where nobody has logged in.
pub(crate) fn find(places: &Places, registry: &str) -> Result<Option<Login>, RegistryError> {
    for path in [&places.registry_config, &places.docker_config] {
        let Some(data) = read_if_there(path)? else {
            continue;
        };
        if data.iter().all(u8::is_ascii_whitespace) {
            continue;
        }
        let failed = |problem: String| RegistryError::Credentials {
            registry: registry.to_owned(),
            problem,
        };
        match docker_credential::get_credential_from_reader(data.as_slice(), key(registry)) {
            Ok(DockerCredential::UsernamePassword(username, password)) => {
                return Ok(Some(Login {
                    username,
                    password: Secret::from(password),
                }));
            }
            Ok(DockerCredential::IdentityToken(_)) => {
                return Err(failed(
                    "an identity token is stored, and only user and password are supported"
                        .to_owned(),
                ));
            }
            Err(CredentialRetrievalError::NoCredentialConfigured) => {}
            Err(CredentialRetrievalError::HelperFailure { helper, stdout, .. }) => {
                // The helpers' protocol says so on stdout; anything else there may be a secret.
                if !stdout.contains("credentials not found") {
                    return Err(failed(format!("`{helper}` failed")));
                }
            }
            Err(CredentialRetrievalError::HelperCommunicationError) => {
                return Err(failed(format!(
                    "the credential helper that `{}` names cannot be run",
                    path.display()
                )));
            }
            Err(_) => return Err(failed(format!("`{}` cannot be read", path.display()))),
        }
    }
    Ok(None)
}

/// Keeps a user of a registry in Helm's file, or in the helper that it names.
///
/// # Errors
/// A file that is not such a file or cannot be written, or a helper that fails.
pub fn store(
    places: &Places,
    registry: &str,
    username: &str,
    password: &Secret,
) -> Result<(), RegistryError> {
    let mut config = load(&places.registry_config)?;
    let key = key(registry);
    if let Some(helper) = helper(&config, key) {
        let input = json!({"ServerURL": key, "Username": username, "Secret": password.reveal()});
        return run_helper(&helper, "store", &input.to_string(), registry);
    }
    let auth = STANDARD.encode(format!("{username}:{}", password.reveal()));
    auths(&mut config).insert(key.to_owned(), json!({"auth": auth}));
    save(&places.registry_config, config)
}

/// Removes the user of a registry from Helm's file, or from the helper that it names.
///
/// # Errors
/// As [`store`].
pub fn forget(places: &Places, registry: &str) -> Result<(), RegistryError> {
    let mut config = load(&places.registry_config)?;
    let key = key(registry);
    if let Some(helper) = helper(&config, key) {
        return run_helper(&helper, "erase", key, registry);
    }
    if auths(&mut config).remove(key).is_none() {
        return Ok(());
    }
    save(&places.registry_config, config)
}

fn load(path: &Path) -> Result<Map<String, Value>, RegistryError> {
    let data = read_if_there(path)?.unwrap_or_default();
    if data.iter().all(u8::is_ascii_whitespace) {
        return Ok(Map::new());
    }
    serde_json::from_slice(&data).map_err(|_| RegistryError::Content {
        doing: format!("`{}` is not a file of credentials", path.display()),
        problem: "it is not a JSON object".to_owned(),
    })
}

fn auths(config: &mut Map<String, Value>) -> &mut Map<String, Value> {
    let entry = config.entry("auths").or_insert_with(|| json!({}));
    if !entry.is_object() {
        *entry = json!({});
    }
    entry.as_object_mut().expect("it was just made an object")
}

/// Keys in order and tabs, as ORAS and Docker write the file.
fn save(path: &Path, mut config: Map<String, Value>) -> Result<(), RegistryError> {
    auths(&mut config).sort_keys();
    config.sort_keys();
    let mut text = Vec::new();
    let formatter = serde_json::ser::PrettyFormatter::with_indent(b"\t");
    let mut serializer = serde_json::Serializer::with_formatter(&mut text, formatter);
    serde::Serialize::serialize(&config, &mut serializer).map_err(|error| {
        RegistryError::Content {
            doing: format!("cannot write `{}`", path.display()),
            problem: error.to_string(),
        }
    })?;
    write_whole(path, &text, 0o600)
}

fn helper(config: &Map<String, Value>, key: &str) -> Option<String> {
    let text = |value: Option<&Value>| {
        let text = value.and_then(Value::as_str)?;
        (!text.is_empty()).then(|| text.to_owned())
    };
    text(config.get("credHelpers").and_then(|all| all.get(key)))
        .or_else(|| text(config.get("credsStore")))
}

fn run_helper(name: &str, verb: &str, input: &str, registry: &str) -> Result<(), RegistryError> {
    let program = format!("docker-credential-{name}");
    let failed = |problem: String| RegistryError::Credentials {
        registry: registry.to_owned(),
        problem,
    };
    let mut process = Command::new(&program)
        .arg(verb)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|error| failed(format!("`{program}` cannot be run: {error}")))?;
    if let Some(mut stdin) = process.stdin.take() {
        // A helper that does not read its input fails below.
        let _ = stdin.write_all(input.as_bytes());
    }
    let status = process
        .wait()
        .map_err(|error| failed(format!("`{program}` cannot be awaited: {error}")))?;
    if status.success() {
        return Ok(());
    }
    Err(failed(format!("`{program} {verb}` failed with {status}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(folder: &Path) -> Places {
        Places {
            repositories: folder.join("repositories.yaml"),
            cache: folder.join("cache"),
            registry_config: folder.join("registry/config.json"),
            docker_config: folder.join("docker/config.json"),
        }
    }

    #[test]
    fn a_login_is_stored_as_helm_does_found_and_forgotten() {
        let folder = tempfile::tempdir().expect("folder");
        let places = places(folder.path());
        let word = Secret::from("wo:rd".to_owned());
        assert!(find(&places, "localhost:5000").expect("none").is_none());
        store(&places, "localhost:5000", "me", &word).expect("stored");
        store(&places, "a.example.com", "you", &word).expect("stored");
        let text = std::fs::read_to_string(&places.registry_config).expect("file");
        assert_eq!(
            text,
            "{\n\t\"auths\": {\n\t\t\"a.example.com\": {\n\t\t\t\"auth\": \"eW91OndvOnJk\"\n\t\t},\n\t\t\"localhost:5000\": {\n\t\t\t\"auth\": \"bWU6d286cmQ=\"\n\t\t}\n\t}\n}"
        );
        let login = find(&places, "localhost:5000")
            .expect("read")
            .expect("there");
        assert_eq!(
            (login.username.as_str(), login.password.reveal()),
            ("me", "wo:rd")
        );
        assert!(!format!("{login:?}").contains("wo:rd"));
        forget(&places, "localhost:5000").expect("forgotten");
        assert!(find(&places, "localhost:5000").expect("none").is_none());
    }

    #[test]
    fn dockers_file_is_read_after_helms() {
        let folder = tempfile::tempdir().expect("folder");
        let places = places(folder.path());
        write_whole(&places.registry_config, b"", 0o600).expect("empty");
        let docker = json!({"auths": {DOCKER_HUB_KEY: {"auth": STANDARD.encode("hub:x")}}});
        write_whole(&places.docker_config, docker.to_string().as_bytes(), 0o600).expect("docker");
        let login = find(&places, "docker.io").expect("read").expect("there");
        assert_eq!(login.username, "hub");
        write_whole(&places.docker_config, b"[", 0o600).expect("broken");
        assert!(find(&places, "docker.io").is_err());
    }
}
