//! What must not be shown: values whose keys look secret, and the data of Secrets.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::read_manifest;
use crate::release::Release;

/// What stands where something is not shown.
pub const MASKED: &str = "(masked)";
/// Shorter values are masked only where they are all of a text: else every `1` would go.
const INSIDE_TEXT_MIN: usize = 4;
/// Lines of a secret of several lines, such as a key, that are masked alone.
const LINE_MIN: usize = 8;

/// Words that make a key look secret.
const SECRET_WORDS: [&str; 12] = [
    "password",
    "passwd",
    "pwd",
    "passphrase",
    "secret",
    "token",
    "credential",
    "credentials",
    "apikey",
    "dsn",
    "privatekey",
    "secretkey",
];
/// Words before `key` that make a key look secret.
const KEY_WORDS: [&str; 8] = [
    "api",
    "private",
    "access",
    "secret",
    "encryption",
    "signing",
    "auth",
    "account",
];
/// Words before a `secret` at the end that make it one; after others it names a Secret.
const SECRET_OWNERS: [&str; 16] = [
    "client",
    "app",
    "application",
    "jwt",
    "session",
    "cookie",
    "shared",
    "webhook",
    "consumer",
    "api",
    "signing",
    "hmac",
    "csrf",
    "encryption",
    "oauth",
    "token",
];
/// Words at the end that say where a secret is rather than what it is.
const REFERENCE_WORDS: [&str; 24] = [
    "name",
    "ref",
    "file",
    "path",
    "enabled",
    "type",
    "ttl",
    "length",
    "policy",
    "mount",
    "store",
    "create",
    "provider",
    "url",
    "uri",
    "namespace",
    "annotations",
    "labels",
    "seconds",
    "class",
    "key",
    "keys",
    "id",
    "arn",
];

/// Tells whether a key looks as if its value were secret: `db.password`, `API_KEY`, `clientSecret`;
/// not `existingSecret`, `credentialsSecret`, `secretName`, `passwordKey`, which only say where it is.
pub fn looks_sensitive(key: &str) -> bool {
    let words = words(key);
    let Some(last) = words.last() else {
        return false;
    };
    if matches!(
        words[0].as_str(),
        "existing" | "external" | "use" | "create"
    ) {
        return false;
    }
    let is_secret_key = words
        .windows(2)
        .any(|pair| pair[1] == "key" && KEY_WORDS.contains(&pair[0].as_str()));
    if is_secret_key && last == "key" {
        return true;
    }
    if let [.., before, last] = words.as_slice()
        && matches!(last.as_str(), "secret" | "secrets")
    {
        return SECRET_OWNERS.contains(&before.as_str());
    }
    !REFERENCE_WORDS.contains(&last.as_str())
        && words
            .iter()
            .any(|word| SECRET_WORDS.contains(&word.as_str()))
}

fn words(key: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut before = ' ';
    for sign in key.chars() {
        let is_break = !sign.is_alphanumeric();
        if (is_break || (sign.is_uppercase() && before.is_lowercase()))
            && words.last().is_some_and(|word| !word.is_empty())
        {
            words.push(String::new());
        }
        if !is_break && let Some(word) = words.last_mut() {
            word.extend(sign.to_lowercase());
        }
        before = sign;
    }
    words.retain(|word| !word.is_empty());
    words
}

/// Values that are hidden wherever they occur. `Debug` does not show them.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct SensitiveValues {
    /// The longest first, so that a value inside another does not spoil it.
    texts: Vec<String>,
}

impl fmt::Debug for SensitiveValues {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "SensitiveValues({})", self.texts.len())
    }
}

impl SensitiveValues {
    /// Collects the values of a release whose keys look secret.
    pub fn of_values(values: &Value) -> Self {
        let mut found = Self::default();
        for (_, text) in sensitive_entries(values) {
            found.add(&text);
        }
        found
    }

    /// Collects what a revision must not show: its values whose keys look secret, and the data of its
    /// Secrets. What is also a name or a label of an object is no secret.
    pub fn of_release(release: &Release) -> Self {
        let mut found = Self::of_values(&Value::Object(release.config.clone()));
        if let Some(defaults) = release.chart.get("values") {
            found.extend(&Self::of_values(defaults));
        }
        let mut public = vec![
            release.name.to_string(),
            release.namespace.to_string(),
            release.chart_name().to_owned(),
            release.app_version().to_owned(),
        ];
        let hooks = release.hooks.iter().map(|hook| &hook.manifest);
        let texts = hooks.chain([&release.manifest]);
        // Most charts have neither: there is nothing to read then.
        if found.is_empty() && !texts.clone().any(|text| text.contains("Secret")) {
            return found;
        }
        for text in texts {
            for object in read_manifest(text).unwrap_or_default() {
                found.add_secret(&object.value);
                let labels = object.value["metadata"]["labels"].as_object();
                let labels = labels.into_iter().flatten();
                public.extend(labels.filter_map(|(_, value)| value.as_str().map(str::to_owned)));
                public.push(object.id.name);
            }
        }
        found.texts.retain(|text| !public.contains(text));
        found
    }

    /// Adds the data of an object when it is a Secret.
    pub fn add_secret(&mut self, object: &Value) {
        if object["kind"] != "Secret" || object["apiVersion"] != "v1" {
            return;
        }
        let texts = |section: &str| object[section].as_object().into_iter().flatten();
        for text in texts("stringData").filter_map(|(_, value)| value.as_str()) {
            self.add(text);
        }
        for text in texts("data").filter_map(|(_, value)| value.as_str()) {
            let encoded: String = text.split_ascii_whitespace().collect();
            let decoded = STANDARD.decode(&encoded).ok();
            match decoded.and_then(|bytes| String::from_utf8(bytes).ok()) {
                Some(plain) => self.add(&plain),
                None => self.insert(&encoded),
            }
        }
    }

    /// Adds a value, with its base64 form and, when it has several, its longer lines.
    pub fn add(&mut self, text: &str) {
        if text.trim().is_empty() || is_word_of_the_trade(text) {
            return;
        }
        self.insert(text);
        self.insert(text.trim());
        if text.len() >= INSIDE_TEXT_MIN {
            self.insert(&STANDARD.encode(text));
        }
        if text.contains('\n') {
            for line in text
                .lines()
                .map(str::trim)
                .filter(|line| line.len() >= LINE_MIN)
            {
                self.insert(line);
            }
        }
    }

    /// Adds all of another set.
    pub fn extend(&mut self, other: &Self) {
        for text in &other.texts {
            self.insert(text);
        }
    }

    /// Tells whether there is nothing to hide.
    pub fn is_empty(&self) -> bool {
        self.texts.is_empty()
    }

    fn insert(&mut self, text: &str) {
        let order = |known: &String| (std::cmp::Reverse(known.len()), known.clone());
        let key = (std::cmp::Reverse(text.len()), text.to_owned());
        if let Err(place) = self.texts.binary_search_by_key(&key, order) {
            self.texts.insert(place, text.to_owned());
        }
    }

    /// Returns a text with every hidden value in it masked.
    pub fn mask(&self, text: &str) -> String {
        let mut masked = text.to_owned();
        for secret in &self.texts {
            if masked == *secret {
                return MASKED.to_owned();
            }
            if secret.len() >= INSIDE_TEXT_MIN && masked.contains(secret.as_str()) {
                masked = masked.replace(secret.as_str(), MASKED);
            }
        }
        masked
    }
}

/// What Secrets and values hold beside secrets: hiding it would make every text unreadable.
fn is_word_of_the_trade(text: &str) -> bool {
    matches!(
        text.trim().to_lowercase().as_str(),
        "true"
            | "false"
            | "yes"
            | "no"
            | "on"
            | "off"
            | "null"
            | "none"
            | "default"
            | "admin"
            | "root"
            | "user"
    )
}

/// Returns the path and text of every value whose key looks secret; numbers and references to
/// secrets elsewhere (`ref+vault://…`) count only below a password.
pub fn sensitive_entries(values: &Value) -> Vec<(String, String)> {
    let mut found = Vec::new();
    collect(values, "", false, &mut found);
    found
}

fn collect(value: &Value, path: &str, inside: bool, found: &mut Vec<(String, String)>) {
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                let below = if path.is_empty() {
                    key.clone()
                } else {
                    format!("{path}.{key}")
                };
                let is_section = value.is_object()
                    && matches!(
                        key.to_lowercase().as_str(),
                        "secret" | "secrets" | "credentials" | "passwords"
                    );
                let hidden = match value {
                    Value::Object(_) => is_section,
                    Value::Array(_) => looks_sensitive(key),
                    _ => looks_sensitive(key) || (inside && !is_reference(key)),
                };
                collect(value, &below, hidden, found);
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                collect(item, &format!("{path}[{index}]"), inside, found);
            }
        }
        Value::String(text) if inside && !text.is_empty() && !text.starts_with("ref+") => {
            found.push((path.to_owned(), text.clone()));
        }
        Value::Number(number) if inside && path.to_lowercase().contains("pass") => {
            found.push((path.to_owned(), number.to_string()));
        }
        _ => {}
    }
}

fn is_reference(key: &str) -> bool {
    words(key)
        .last()
        .is_some_and(|last| REFERENCE_WORDS.contains(&last.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn keys_that_hold_a_secret_are_told_from_those_that_name_one() {
        for key in [
            "password",
            "dbPassword",
            "API_KEY",
            "apiKey",
            "clientSecret",
            "auth-token",
            "privateKey",
            "AWS_SECRET_ACCESS_KEY",
            "redis.password",
            "accessKey",
            "DATABASE_DSN",
        ] {
            assert!(looks_sensitive(key), "{key}");
        }
        for key in [
            "existingSecret",
            "credentialsSecret",
            "tlsSecret",
            "secretName",
            "passwordKey",
            "tokenPath",
            "secretKeyRef",
            "maxTokens",
            "imagePullSecrets",
            "key",
            "passwordPolicy",
            "image",
            "automountServiceAccountToken2Name",
            "",
        ] {
            assert!(!looks_sensitive(key), "{key}");
        }
    }

    #[test]
    fn values_are_found_by_their_keys_wherever_they_stand() {
        let values = json!({
            "db": {"password": "hunter2", "user": "app", "existingSecret": "db-auth"},
            "secrets": {"STRIPE": "sk_live_1", "name": "mine"},
            "list": [{"token": "abc"}],
            "pin": {"password": 1234},
            "maxTokens": 512
        });
        let paths: Vec<String> = sensitive_entries(&values)
            .into_iter()
            .map(|(path, _)| path)
            .collect();
        assert_eq!(
            paths,
            [
                "db.password",
                "secrets.STRIPE",
                "list[0].token",
                "pin.password"
            ]
        );
    }

    #[test]
    fn a_value_is_masked_in_plain_in_base64_and_line_by_line() {
        let mut sensitive = SensitiveValues::default();
        sensitive.add("hunter2");
        sensitive.add("-----BEGIN KEY-----\nMIIBOgIBAAJB\n-----END KEY-----\n");
        sensitive.add("ab");
        assert_eq!(sensitive.mask("pass hunter2!"), "pass (masked)!");
        assert_eq!(sensitive.mask("data: aHVudGVyMg=="), "data: (masked)");
        assert_eq!(sensitive.mask("    MIIBOgIBAAJB"), "    (masked)");
        assert_eq!(sensitive.mask("ab"), MASKED);
        assert_eq!(sensitive.mask("cab"), "cab");
        assert!(!format!("{sensitive:?}").contains("hunter2"));
    }

    #[test]
    fn the_data_of_a_secret_is_hidden_in_both_forms() {
        let mut sensitive = SensitiveValues::default();
        sensitive.add_secret(&json!({"apiVersion": "v1", "kind": "Secret",
            "stringData": {"a": "plain-one"}, "data": {"b": "aHVudGVyMg=="}}));
        assert_eq!(
            sensitive.mask("plain-one and hunter2"),
            "(masked) and (masked)"
        );
    }
}
