//! What counts as an e-mail address or a URL for the linter.
//!
//! The set that is accepted is that of the Go package `asaskevich/govalidator`, which Helm asks; the
//! expressions are put together from named parts here.

use std::sync::LazyLock;

use regex::Regex;
use template::UrlParts;

const URL_CHARACTERS_MAX: usize = 2083;
const URL_BYTES_MIN: usize = 3;

fn compiled(text: &str) -> Regex {
    Regex::new(text).expect("the expression is a constant of this module")
}

static EMAIL: LazyLock<Regex> = LazyLock::new(|| {
    // Letters beyond ASCII, without the parts that Unicode keeps for other uses.
    let wide = r"\u{A0}-\u{D7FF}\u{F900}-\u{FDCF}\u{FDF0}-\u{FFEF}";
    let atom = format!(r"[a-zA-Z0-9!#$%&'*+\-/=?^_`{{|}}~{wide}]+");
    let quoted = format!(r#""[ \t\x01-\x08\x0b\x0c\x0e-\x1f\x7f\x21\x23-\x5b\x5d-\x7e{wide}]*""#);
    let local = format!(r"(?:{atom}(?:\.{atom})*|{quoted})");
    let edge = format!("a-zA-Z0-9{wide}");
    let label = format!(r"[{edge}](?:[{edge}\-._~]*[{edge}])?");
    let last_edge = format!("a-zA-Z{wide}");
    let last = format!(r"[{last_edge}](?:[{edge}\-_~]*[{last_edge}])?");
    compiled(&format!(r"^{local}@(?:{label}\.)+{last}\.?$"))
});

static URL: LazyLock<Regex> = LazyLock::new(|| {
    let scheme = "(?:(?:ftp|tcp|udp|wss?|https?)://)";
    let not_space = r"[^\t\n\x0c\r ]";
    let user = format!("(?:{not_space}+(?::{not_space}*)?@)");
    let byte = r"(?:[0-9]{1,2}|1[0-9]{2}|2[0-4][0-9]|25[0-5])";
    let first_byte = r"(?:[1-9][0-9]?|1[0-9]{2}|2[01][0-9]|22[0-3]|24[0-9]|25[0-5])";
    let ipv4 = format!(r"{first_byte}(?:\.{byte}){{3}}");
    let ipv6 = r"\[[0-9a-fA-F:.%a-zA-Z]*:[0-9a-fA-F:.%a-zA-Z]*\]";
    let wide = r"a-zA-Z\u{A1}-\u{FFFF}";
    let dashed = r"[a-zA-Z0-9](?:[a-zA-Z0-9\-_]+)?[a-zA-Z0-9](?:[-.][a-zA-Z0-9]+)*";
    let subdomain = r"(?:www\.|[a-zA-Z0-9]+(?:[-_.]?[a-zA-Z0-9])*[a-zA-Z0-9]\.[a-zA-Z0-9]+)?";
    let domain = format!(r"(?:[{wide}0-9]+-?-?)*[{wide}0-9]+(?:\.[{wide}]+)?");
    let host = format!(r"(?:{ipv4}|{ipv6}|(?:{dashed}|{subdomain})?{domain})");
    let path = format!("(?:[/?#]{not_space}*)");
    compiled(&format!(
        r"^{scheme}?{user}?{host}\.?(?::[0-9]{{1,5}})?{path}?$"
    ))
});

/// Tells whether a text is an e-mail address.
pub(super) fn is_email(text: &str) -> bool {
    EMAIL.is_match(text)
}

/// Tells whether a text is a URL, for which a host's name is enough.
pub(super) fn is_url(text: &str) -> bool {
    if text.chars().count() >= URL_CHARACTERS_MAX
        || text.len() <= URL_BYTES_MIN
        || text.starts_with('.')
    {
        return false;
    }
    let with_scheme = if text.contains(':') && !text.contains("://") {
        format!("http://{text}")
    } else {
        text.to_owned()
    };
    let without_fragment = with_scheme.split('#').next().unwrap_or_default();
    let Some(parts) = UrlParts::parse(without_fragment) else {
        return false;
    };
    if parts.host.starts_with('.') {
        return false;
    }
    if parts.host.is_empty() && !parts.path.is_empty() && !parts.path.contains('.') {
        return false;
    }
    URL.is_match(text)
}

/// Tells whether a text is a URL with a scheme.
pub(super) fn is_request_url(text: &str) -> bool {
    UrlParts::parse(text).is_some_and(|parts| !parts.scheme.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_told_from_other_texts_as_helm_tells_them() {
        // Checked against govalidator.
        for (text, expected) in [
            ("a@example.com", true),
            ("first.last+tag@sub.example.co.uk", true),
            ("müller@exämple.de", true),
            ("\"quoted name\"@example.com", true),
            ("a@example", false),
            ("a b@example.com", false),
            ("a@-example.com", false),
            ("a@example.c0m", true),
            ("a@example.42", false),
            ("a.@example.com", false),
            ("", false),
        ] {
            assert_eq!(is_email(text), expected, "{text}");
        }
    }

    #[test]
    fn urls_are_told_from_other_texts_as_helm_tells_them() {
        for (text, expected) in [
            ("https://example.com", true),
            ("example.com", true),
            ("http://127.0.0.1:8080/x?y#z", true),
            ("http://[::1]/", true),
            ("https://user:secret@example.com", true),
            ("localhost:80", true),
            ("gopher://example.com", false),
            ("nohost", false),
            (".example.com", false),
            ("http://exa mple.com", false),
            ("http://example.com:999999", false),
            ("a.b", false),
        ] {
            assert_eq!(is_url(text), expected, "{text}");
        }
        for (text, expected) in [
            ("https://example.com/icon.png", true),
            ("mailto:team@example.com", true),
            ("data:image/png;base64,AA==", true),
            ("/icon.png", false),
            ("icon.png", false),
            ("", false),
            ("https://example.com/%zz", false),
            ("http://exa mple.com", false),
        ] {
            assert_eq!(is_request_url(text), expected, "{text}");
        }
    }
}
