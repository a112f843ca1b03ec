//! Who asks a registry, proved as it demands: with a password, or with a token of its token server.
//!
//! Source: the distribution project's `docs/spec/auth/token.md` and `oauth.md`.

use http_auth::ChallengeParser;
use reqwest::header::{HeaderMap, WWW_AUTHENTICATE};
use reqwest::{Client, StatusCode};
use serde::Deserialize;
use url::Url;

use super::access::Secret;
use super::credentials::Credentials;
use super::error::{RegistryError, shown};
use super::http;

/// The most that the answer of a token server may hold, in bytes.
const ANSWER_BYTES_MAX: u64 = 1024 * 1024;
/// Under which name the token server sees us.
const CLIENT_ID: &str = "deployer";

/// What a registry demands of who asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Challenge {
    /// Anybody may ask.
    None,
    /// User and password with each request.
    Basic,
    /// A token that `realm` gives.
    Bearer {
        realm: String,
        service: Option<String>,
    },
}

impl Challenge {
    /// Reads the challenges of an answer; a token is preferred to a password.
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let mut demands = Self::None;
        for header in headers.get_all(WWW_AUTHENTICATE) {
            let text = header.to_str().unwrap_or_default();
            for challenge in ChallengeParser::new(text).map_while(Result::ok) {
                let parameter = |name: &str| {
                    let mut all = challenge.params.iter();
                    all.find(|(known, _)| known.eq_ignore_ascii_case(name))
                        .map(|(_, value)| value.to_unescaped())
                };
                if challenge.scheme.eq_ignore_ascii_case("basic") && demands == Self::None {
                    demands = Self::Basic;
                } else if challenge.scheme.eq_ignore_ascii_case("bearer")
                    && let Some(realm) = parameter("realm")
                {
                    demands = Self::Bearer {
                        realm,
                        service: parameter("service"),
                    };
                }
            }
        }
        demands
    }
}

#[derive(Deserialize)]
struct Answer {
    #[serde(default)]
    token: String,
    #[serde(default)]
    access_token: String,
}

/// Fetches a token; none where the token server refuses the credentials.
///
/// An empty scope asks for nothing but to be known.
pub(super) async fn fetch(
    client: &Client,
    registry: &str,
    (realm, service): (&str, Option<&str>),
    scope: &str,
    credentials: Option<&Credentials>,
) -> Result<Option<Secret>, RegistryError> {
    let problem = |problem: &str| RegistryError::Registry {
        registry: registry.to_owned(),
        doing: "give a token".to_owned(),
        problem: problem.to_owned(),
    };
    let url = Url::parse(realm)
        .ok()
        .filter(|url| matches!(url.scheme(), "http" | "https"))
        .ok_or_else(|| problem("the address of its token server is none"))?;
    let mut fields: Vec<(&str, &str)> = Vec::new();
    fields.extend(service.map(|service| ("service", service)));
    fields.extend((!scope.is_empty()).then_some(("scope", scope)));
    let with_query = |fields: &[(&str, &str)]| {
        let mut url = url.clone();
        url.query_pairs_mut().extend_pairs(fields);
        client.get(url)
    };
    let request = match credentials {
        None => with_query(&fields),
        Some(Credentials::User { name, password }) => {
            fields.push(("account", name));
            with_query(&fields).basic_auth(name, Some(password.reveal()))
        }
        Some(Credentials::IdentityToken(token)) => {
            fields.extend([
                ("grant_type", "refresh_token"),
                ("client_id", CLIENT_ID),
                ("refresh_token", token.reveal()),
            ]);
            let mut body = url::form_urlencoded::Serializer::new(String::new());
            body.extend_pairs(&fields);
            let form = "application/x-www-form-urlencoded";
            client
                .post(url.clone())
                .header(reqwest::header::CONTENT_TYPE, form)
                .body(body.finish())
        }
    };
    let answer = request
        .send()
        .await
        .map_err(|source| RegistryError::Transfer {
            url: shown(realm),
            source: source.without_url(),
        })?;
    let status = answer.status();
    match status {
        StatusCode::OK => {}
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => return Ok(None),
        // So is a token refused that has expired.
        StatusCode::BAD_REQUEST if credentials.is_some() => return Ok(None),
        status => return Err(problem(&format!("its token server answered {status}"))),
    }
    let body = http::bounded_body(answer, realm, ANSWER_BYTES_MAX).await?;
    let answer: Answer = serde_json::from_slice(&body)
        .map_err(|_| problem("its token server answered with something else"))?;
    let tokens = [answer.token, answer.access_token];
    match tokens.into_iter().find(|token| !token.is_empty()) {
        Some(token) => Ok(Some(Secret::from(token))),
        None => Err(problem("its token server gave none")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_challenge_is_read_as_registries_write_it() {
        let of = |texts: &[&str]| {
            let mut headers = HeaderMap::new();
            for text in texts {
                headers.append(WWW_AUTHENTICATE, text.parse().expect("a header"));
            }
            Challenge::of(&headers)
        };
        let bearer = |realm: &str, service: Option<&str>| Challenge::Bearer {
            realm: realm.to_owned(),
            service: service.map(str::to_owned),
        };
        let hub = "Bearer realm=\"https://auth.example/token\",service=\"r.example\"";
        assert_eq!(of(&[]), Challenge::None);
        assert_eq!(of(&["Basic realm=\"charts\""]), Challenge::Basic);
        assert_eq!(
            of(&[hub]),
            bearer("https://auth.example/token", Some("r.example"))
        );
        assert_eq!(
            of(&["basic realm=\"x\"", "bearer Realm=\"https://a.example/t\""]),
            bearer("https://a.example/t", None)
        );
        assert_eq!(of(&["Bearer service=\"no realm\""]), Challenge::None);
    }
}
