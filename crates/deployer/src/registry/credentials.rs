//! Credentials of registries: Helm's file, then Docker's, and the programs that these name.
//!
//! Source: Helm 3.22 `pkg/registry/client.go`, whose store is that of ORAS.

use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use base64::engine::{DecodePaddingMode, general_purpose::STANDARD};
use serde_json::{Map, Value, json};

use super::access::Secret;
use super::error::RegistryError;
use super::files::{Lock, read_if_there, write_whole};
use super::helper::Helper;
use super::places::Places;

/// Docker Hub's credentials stand under this key for historical reasons.
const DOCKER_HUB_KEY: &str = "https://index.docker.io/v1/";

/// With or without the padding: both are found in the wild.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// How one proves to a registry who asks.
#[derive(Debug, Clone)]
pub(crate) enum Credentials {
    User {
        name: String,
        password: Secret,
    },
    /// A token that the registry's token server takes in place of a password.
    IdentityToken(Secret),
}

fn key(registry: &str) -> &str {
    match registry {
        "docker.io" | "registry-1.docker.io" | "index.docker.io" => DOCKER_HUB_KEY,
        other => other,
    }
}

/// Looks a registry up; none where nobody has logged in.
pub(crate) async fn find(
    places: &Places,
    registry: &str,
) -> Result<Option<Credentials>, RegistryError> {
    for path in [&places.registry_config, &places.docker_config] {
        let config = load(path)?;
        let key = key(registry);
        let found = match helper(&config, key) {
            // Where a helper is named, it alone counts.
            Some(name) => Helper { name, registry }.get(key).await?,
            None => entry_of(&config, key)
                .map(|entry| read_entry(entry, path, registry))
                .transpose()?
                .flatten(),
        };
        if found.is_some() {
            return Ok(found);
        }
    }
    Ok(None)
}

/// Keeps a user of a registry in Helm's file, or in the helper that it names.
///
/// # Errors
/// A file that is not such a file or cannot be written, or a helper that fails; what was kept
/// before stays.
pub async fn store(
    places: &Places,
    registry: &str,
    username: &str,
    password: &Secret,
) -> Result<(), RegistryError> {
    let path = &places.registry_config;
    let _lock = Lock::take(path).await?;
    let mut config = load(path)?;
    let key = key(registry);
    if let Some(name) = helper(&config, key) {
        return Helper { name, registry }
            .store(key, username, password)
            .await;
    }
    let auth = STANDARD.encode(format!("{username}:{}", password.reveal()));
    auths(&mut config, path)?.insert(key.to_owned(), json!({"auth": auth}));
    save(path, config)
}

/// Removes the user of a registry from Helm's file, or from the helper that it names.
///
/// # Errors
/// As [`store`].
pub async fn forget(places: &Places, registry: &str) -> Result<(), RegistryError> {
    let path = &places.registry_config;
    let _lock = Lock::take(path).await?;
    let mut config = load(path)?;
    let key = key(registry);
    if let Some(name) = helper(&config, key) {
        return Helper { name, registry }.erase(key).await;
    }
    if auths(&mut config, path)?.remove(key).is_none() {
        return Ok(());
    }
    save(path, config)
}

fn load(path: &Path) -> Result<Map<String, Value>, RegistryError> {
    let data = read_if_there(path)?.unwrap_or_default();
    if data.iter().all(u8::is_ascii_whitespace) {
        return Ok(Map::new());
    }
    match serde_json::from_slice(&data) {
        Ok(Value::Object(config)) => Ok(config),
        Ok(_) => Err(broken(path, "it is not a JSON object")),
        // The text names a line and a column, and shows nothing of the file.
        Err(error) => Err(broken(path, &format!("it is not JSON: {error}"))),
    }
}

fn broken(path: &Path, problem: &str) -> RegistryError {
    RegistryError::Content {
        doing: format!("`{}` is not a file of credentials", path.display()),
        problem: format!("{problem}; mend or remove it (it was left as it is)"),
    }
}

fn auths<'config>(
    config: &'config mut Map<String, Value>,
    path: &Path,
) -> Result<&'config mut Map<String, Value>, RegistryError> {
    let entry = config.entry("auths").or_insert(Value::Null);
    if entry.is_null() {
        *entry = json!({});
    }
    entry
        .as_object_mut()
        .ok_or_else(|| broken(path, "its `auths` is not an object"))
}

/// Finds an entry under the host, or under an address of the host as older programs wrote it.
fn entry_of<'config>(config: &'config Map<String, Value>, key: &str) -> Option<&'config Value> {
    let auths = config.get("auths")?.as_object()?;
    auths.get(key).or_else(|| {
        let mut entries = auths.iter();
        entries
            .find(|(address, _)| host(address) == key)
            .map(|(_, entry)| entry)
    })
}

fn host(address: &str) -> &str {
    let plain = ["http://", "https://"]
        .iter()
        .find_map(|scheme| address.strip_prefix(scheme))
        .unwrap_or(address);
    plain.split('/').next().unwrap_or(plain)
}

/// Reads one entry; none where it is empty, as beside a helper.
fn read_entry(
    entry: &Value,
    path: &Path,
    registry: &str,
) -> Result<Option<Credentials>, RegistryError> {
    let text = |name: &str| {
        let text = entry.get(name).and_then(Value::as_str);
        text.filter(|text| !text.is_empty()).map(str::to_owned)
    };
    if let Some(token) = text("identitytoken") {
        return Ok(Some(Credentials::IdentityToken(Secret::from(token))));
    }
    let user = |name: String, password: String| Credentials::User {
        name,
        password: Secret::from(password),
    };
    let Some(auth) = text("auth") else {
        let given = text("username").zip(text("password"));
        return Ok(given.map(|(name, password)| user(name, password)));
    };
    let decoded = LENIENT.decode(auth).ok();
    let decoded = decoded.and_then(|bytes| String::from_utf8(bytes).ok());
    let pair = decoded.as_deref().and_then(|text| text.split_once(':'));
    let (name, password) = pair.ok_or_else(|| RegistryError::Credentials {
        registry: registry.to_owned(),
        problem: format!(
            "its `auth` in `{}` is not the base64 of USER:PASSWORD",
            path.display()
        ),
    })?;
    Ok(Some(user(name.to_owned(), password.to_owned())))
}

/// Keys in order and tabs, as ORAS and Docker write the file.
fn save(path: &Path, mut config: Map<String, Value>) -> Result<(), RegistryError> {
    auths(&mut config, path)?.sort_keys();
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

fn helper<'config>(config: &'config Map<String, Value>, key: &str) -> Option<&'config str> {
    let text = |value: Option<&'config Value>| {
        let text = value.and_then(Value::as_str);
        text.filter(|text| !text.is_empty())
    };
    text(config.get("credHelpers").and_then(|all| all.get(key)))
        .or_else(|| text(config.get("credsStore")))
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

    async fn user_of(places: &Places, registry: &str) -> Option<(String, String)> {
        match find(places, registry).await.expect("read")? {
            Credentials::User { name, password } => Some((name, password.reveal().to_owned())),
            Credentials::IdentityToken(token) => {
                Some(("a token".to_owned(), token.reveal().to_owned()))
            }
        }
    }

    fn pair(name: &str, word: &str) -> Option<(String, String)> {
        Some((name.to_owned(), word.to_owned()))
    }

    #[tokio::test]
    async fn a_login_is_stored_as_helm_does_found_and_forgotten() {
        let folder = tempfile::tempdir().expect("folder");
        let places = places(folder.path());
        let word = Secret::from("wo:rd".to_owned());
        assert_eq!(user_of(&places, "localhost:5000").await, None);
        store(&places, "localhost:5000", "me", &word)
            .await
            .expect("stored");
        store(&places, "a.example.com", "you", &word)
            .await
            .expect("stored");
        let text = std::fs::read_to_string(&places.registry_config).expect("file");
        assert_eq!(
            text,
            "{\n\t\"auths\": {\n\t\t\"a.example.com\": {\n\t\t\t\"auth\": \"eW91OndvOnJk\"\n\t\t},\n\t\t\"localhost:5000\": {\n\t\t\t\"auth\": \"bWU6d286cmQ=\"\n\t\t}\n\t}\n}"
        );
        assert_eq!(
            user_of(&places, "localhost:5000").await,
            pair("me", "wo:rd")
        );
        let found = find(&places, "localhost:5000").await.expect("read");
        assert!(!format!("{found:?}").contains("wo:rd"));
        forget(&places, "localhost:5000").await.expect("forgotten");
        assert_eq!(user_of(&places, "localhost:5000").await, None);
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn logins_at_one_time_are_all_kept() {
        let folder = tempfile::tempdir().expect("folder");
        let places = places(folder.path());
        let hosts: Vec<String> = (0..20).map(|number| format!("h{number}.example")).collect();
        let stored = hosts.iter().cloned().map(|host| {
            let places = places.clone();
            tokio::spawn(async move {
                let word = Secret::from("w".to_owned());
                store(&places, &host, "me", &word).await
            })
        });
        for task in stored.collect::<Vec<_>>() {
            task.await.expect("ran").expect("stored");
        }
        for host in &hosts {
            assert_eq!(user_of(&places, host).await, pair("me", "w"), "{host}");
        }
    }

    #[tokio::test]
    async fn dockers_file_is_read_after_helms_in_all_its_forms() {
        let folder = tempfile::tempdir().expect("folder");
        let places = places(folder.path());
        write_whole(&places.registry_config, b"", 0o600).expect("empty");
        let docker = json!({"auths": {
            DOCKER_HUB_KEY: {"auth": STANDARD.encode("hub:x")},
            "https://old.example/v1/": {"auth": STANDARD.encode("old:y").trim_end_matches('=')},
            "plain.example": {"username": "plain", "password": "z"},
            "token.example": {"auth": STANDARD.encode("0:"), "identitytoken": "t"},
            "empty.example": {},
        }});
        write_whole(&places.docker_config, docker.to_string().as_bytes(), 0o600).expect("docker");
        for (registry, expected) in [
            ("docker.io", pair("hub", "x")),
            ("old.example", pair("old", "y")),
            ("plain.example", pair("plain", "z")),
            ("token.example", pair("a token", "t")),
            ("empty.example", None),
        ] {
            assert_eq!(user_of(&places, registry).await, expected, "{registry}");
        }
    }

    #[tokio::test]
    async fn a_broken_file_is_told_with_its_place_and_left_as_it_is() {
        let folder = tempfile::tempdir().expect("folder");
        let places = places(folder.path());
        let word = Secret::from("w".to_owned());
        for (text, problem) in [
            (
                "{\"auths\": {",
                "it is not JSON: EOF while parsing an object at line 1 column 11",
            ),
            ("[]", "it is not a JSON object"),
            ("{\"auths\": [1]}", "its `auths` is not an object"),
        ] {
            write_whole(&places.registry_config, text.as_bytes(), 0o600).expect("written");
            let stored = store(&places, "h.example", "me", &word).await;
            let error = stored.expect_err("refused").to_string();
            assert!(error.contains("registry/config.json"), "{error}");
            assert!(error.contains(problem), "{error}");
            assert!(forget(&places, "h.example").await.is_err());
            let kept = std::fs::read_to_string(&places.registry_config).expect("file");
            assert_eq!(kept, text);
        }
        std::fs::remove_file(&places.registry_config).expect("removed");
        write_whole(&places.docker_config, b"[", 0o600).expect("broken");
        let error = find(&places, "h.example").await.expect_err("refused");
        assert!(error.to_string().contains("docker/config.json"), "{error}");
        let coded = json!({"auths": {"h.example": {"auth": "a secret"}}}).to_string();
        write_whole(&places.docker_config, coded.as_bytes(), 0o600).expect("written");
        let error = find(&places, "h.example").await.expect_err("refused");
        assert!(error.to_string().contains("base64"), "{error}");
        assert!(!error.to_string().contains("a secret"), "{error}");
    }
}
