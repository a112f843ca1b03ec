//! URLs, taken apart and put together as Go's `net/url` does.

use std::{collections::BTreeMap, net::Ipv6Addr, rc::Rc};

use super::{
    Context, Function, Returned,
    Type::{Map, Str},
    arguments::{map, string},
};
use crate::{bytes, quote::quoted, value::Value};

pub(super) const FUNCTIONS: &[Function] = &[
    Function::new("urlParse", &[Str], url_parse),
    Function::new("urlJoin", &[Map], url_join),
];

/// The part of a URL that is escaped, which decides what must be.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Path,
    Host,
    Zone,
    User,
    Query,
    Fragment,
}

fn is_escaped(byte: u8, part: Part) -> bool {
    if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~') {
        return false;
    }
    match part {
        Part::Host | Part::Zone => !b"!$&'()*+,;=:[]<>\"".contains(&byte),
        Part::Path => !b"$&+,/:;=@".contains(&byte),
        Part::User => !b"$&+,;=".contains(&byte),
        Part::Query => true,
        Part::Fragment => !b"$&+,/:;=?@!()*".contains(&byte),
    }
}

fn escaped(text: &str, part: Part) -> String {
    let mut out = String::with_capacity(text.len());
    for &byte in bytes::of(text).iter() {
        match byte {
            b' ' if part == Part::Query => out.push('+'),
            _ if is_escaped(byte, part) => out.push_str(&format!("%{byte:02X}")),
            _ => out.push(char::from(byte)),
        }
    }
    // What was not escaped is ASCII, but for parts of a host in other letters.
    out
}

/// Go's `url.QueryEscape`.
pub(super) fn query_escaped(text: &str) -> String {
    escaped(text, Part::Query)
}

fn unescaped(text: &str, part: Part) -> Result<String, String> {
    let content = text.as_bytes();
    let mut out = Vec::with_capacity(content.len());
    let mut index = 0;
    while index < content.len() {
        let byte = content[index];
        if byte == b'%' {
            let code = text
                .get(index + 1..index + 3)
                .filter(|code| code.bytes().all(|digit| digit.is_ascii_hexdigit()));
            let Some(code) = code.and_then(|code| u8::from_str_radix(code, 16).ok()) else {
                let bad: String = text[index..].chars().take(3).collect();
                return Err(format!("invalid URL escape {}", quoted(&bad)));
            };
            let is_percent = code == b'%';
            let is_forbidden = part == Part::Host && code < 0x80 && !is_percent
                || part == Part::Zone
                    && !is_percent
                    && code != b' '
                    && is_escaped(code, Part::Host);
            if is_forbidden {
                return Err(format!(
                    "invalid URL escape {}",
                    quoted(&text[index..index + 3])
                ));
            }
            out.push(code);
            index += 3;
            continue;
        }
        if matches!(part, Part::Host | Part::Zone) && byte < 0x80 && is_escaped(byte, part) {
            return Err(format!(
                "invalid character {} in host name",
                quoted(&text[index..=index])
            ));
        }
        out.push(byte);
        index += 1;
    }
    Ok(bytes::text(&out))
}

/// A URL as far as those need it who only check one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UrlParts {
    /// Empty where the text names none.
    pub scheme: String,
    pub host: String,
    pub path: String,
}

impl UrlParts {
    /// Takes a URL without fragment apart; `None` where Go's `url.ParseRequestURI` finds a mistake
    /// in it other than a missing scheme.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let url = Url::parse_main(text).ok()?;
        Some(Self {
            scheme: url.scheme,
            host: url.host,
            path: url.path,
        })
    }
}

/// Says in Go's words what is wrong with an absolute address.
///
/// # Errors
/// The text of `url.Parse`, or that it names no scheme.
pub fn check_url(text: &str) -> Result<(), String> {
    let url = Url::parse(text)?;
    match url.scheme.is_empty() {
        true => Err("relative url".to_owned()),
        false => Ok(()),
    }
}

#[derive(Default)]
struct Url {
    scheme: String,
    opaque: String,
    user: Option<String>,
    host: String,
    path: String,
    raw_path: String,
    omit_host: bool,
    query: String,
    force_query: bool,
    fragment: String,
}

impl Url {
    fn parse(text: &str) -> Result<Self, String> {
        let (main, fragment) = text.split_once('#').unwrap_or((text, ""));
        let mut url =
            Self::parse_main(main).map_err(|reason| format!("parse {}: {reason}", quoted(main)))?;
        url.fragment = unescaped(fragment, Part::Fragment)
            .map_err(|reason| format!("parse {}: {reason}", quoted(text)))?;
        Ok(url)
    }

    fn parse_main(text: &str) -> Result<Self, String> {
        if text.bytes().any(|byte| byte < b' ' || byte == 0x7f) {
            return Err("net/url: invalid control character in URL".to_owned());
        }
        let mut url = Self::default();
        if text == "*" {
            url.path = "*".to_owned();
            return Ok(url);
        }
        let (scheme, mut rest) = scheme(text)?;
        url.scheme = scheme.to_ascii_lowercase();
        if rest.ends_with('?') && rest.matches('?').count() == 1 {
            url.force_query = true;
            rest = &rest[..rest.len() - 1];
        } else if let Some((before, query)) = rest.split_once('?') {
            query.clone_into(&mut url.query);
            rest = before;
        }
        if !rest.starts_with('/') {
            if !url.scheme.is_empty() {
                rest.clone_into(&mut url.opaque);
                return Ok(url);
            }
            if rest
                .split('/')
                .next()
                .is_some_and(|segment| segment.contains(':'))
            {
                return Err("first path segment in URL cannot contain colon".to_owned());
            }
        }
        if (!url.scheme.is_empty() || !rest.starts_with("///")) && rest.starts_with("//") {
            let authority = &rest[2..];
            let end = authority.find('/').unwrap_or(authority.len());
            rest = &authority[end..];
            url.set_authority(&authority[..end])?;
        } else if !url.scheme.is_empty() && rest.starts_with('/') {
            url.omit_host = true;
        }
        url.path = unescaped(rest, Part::Path)?;
        if escaped(&url.path, Part::Path) != rest {
            rest.clone_into(&mut url.raw_path);
        }
        Ok(url)
    }

    fn set_authority(&mut self, authority: &str) -> Result<(), String> {
        let (user, host) = match authority.rsplit_once('@') {
            Some((user, host)) => (Some(user), host),
            None => (None, authority),
        };
        self.host = self.parse_host(host)?;
        if let Some(user) = user {
            let is_valid =
                |next: char| next.is_ascii_alphanumeric() || "-._:~!$&'()*+,;=%@".contains(next);
            if !user.chars().all(is_valid) {
                return Err("net/url: invalid userinfo".to_owned());
            }
            let mut parts = user.splitn(2, ':');
            let name = escaped(
                &unescaped(parts.next().unwrap_or_default(), Part::User)?,
                Part::User,
            );
            self.user = Some(match parts.next() {
                Some(password) => format!(
                    "{name}:{}",
                    escaped(&unescaped(password, Part::User)?, Part::User)
                ),
                None => name,
            });
        }
        Ok(())
    }

    fn parse_host(&self, host: &str) -> Result<String, String> {
        match host.rfind('[') {
            Some(0) => return bracketed_host(host),
            Some(_) => return Err("invalid IP-literal".to_owned()),
            None => {}
        }
        if let Some(first) = host.find(':') {
            let is_web = matches!(self.scheme.as_str(), "http" | "https");
            let start = if is_web {
                first
            } else {
                host.rfind(':').unwrap_or(first)
            };
            check_port(&host[start..])?;
        }
        unescaped(host, Part::Host)
    }

    fn escaped_path(&self) -> String {
        let is_valid =
            |byte: u8| b"!$&'()*+,;=:@[]%".contains(&byte) || !is_escaped(byte, Part::Path);
        if !self.raw_path.is_empty() && self.raw_path.bytes().all(is_valid) {
            return self.raw_path.clone();
        }
        if self.path == "*" {
            self.path.clone()
        } else {
            escaped(&self.path, Part::Path)
        }
    }

    fn text(&self) -> String {
        let mut out = String::new();
        if !self.scheme.is_empty() {
            out.push_str(&self.scheme);
            out.push(':');
        }
        if self.opaque.is_empty() {
            self.push_hierarchy(&mut out);
        } else {
            out.push_str(&self.opaque);
        }
        if self.force_query || !self.query.is_empty() {
            out.push('?');
            out.push_str(&self.query);
        }
        if !self.fragment.is_empty() {
            out.push('#');
            out.push_str(&escaped(&self.fragment, Part::Fragment));
        }
        out
    }

    fn push_hierarchy(&self, out: &mut String) {
        let has_authority = !self.host.is_empty() || self.user.is_some();
        if has_authority || !self.scheme.is_empty() && !self.omit_host && !self.path.is_empty() {
            out.push_str("//");
            if let Some(user) = &self.user {
                out.push_str(user);
                out.push('@');
            }
            out.push_str(&escaped(&self.host, Part::Host));
        }
        let path = self.escaped_path();
        if !path.is_empty() && !path.starts_with('/') && !self.host.is_empty() {
            out.push('/');
        }
        if out.is_empty()
            && path
                .split('/')
                .next()
                .is_some_and(|segment| segment.contains(':'))
        {
            out.push_str("./");
        }
        out.push_str(&path);
    }

    /// The host without port and brackets.
    fn host_name(&self) -> &str {
        let host = match self.host.rfind(':') {
            Some(colon) if check_port(&self.host[colon..]).is_ok() => &self.host[..colon],
            _ => &self.host,
        };
        host.strip_prefix('[')
            .and_then(|host| host.strip_suffix(']'))
            .unwrap_or(host)
    }
}

fn scheme(text: &str) -> Result<(&str, &str), String> {
    for (index, byte) in text.bytes().enumerate() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' => {}
            b'0'..=b'9' | b'+' | b'-' | b'.' if index > 0 => {}
            b':' if index == 0 => return Err("missing protocol scheme".to_owned()),
            b':' => return Ok((&text[..index], &text[index + 1..])),
            _ => break,
        }
    }
    Ok(("", text))
}

fn check_port(port: &str) -> Result<(), String> {
    let is_valid = match port.strip_prefix(':') {
        Some(digits) => digits.bytes().all(|byte| byte.is_ascii_digit()),
        None => port.is_empty(),
    };
    if is_valid {
        Ok(())
    } else {
        Err(format!("invalid port {} after host", quoted(port)))
    }
}

fn bracketed_host(host: &str) -> Result<String, String> {
    let Some(end) = host.rfind(']') else {
        return Err("missing ']' in host".to_owned());
    };
    check_port(&host[end + 1..])?;
    let inner = &host[1..end];
    let name = match inner.find("%25") {
        Some(zone) => {
            unescaped(&inner[..zone], Part::Host)? + &unescaped(&inner[zone..], Part::Zone)?
        }
        None => unescaped(inner, Part::Host)?,
    };
    let address = name.split('%').next().unwrap_or_default();
    if address.parse::<Ipv6Addr>().is_err() {
        return Err(format!(
            "invalid host: ParseAddr({}): unable to parse IP",
            quoted(&name)
        ));
    }
    Ok(format!("[{name}]{}", &host[end + 1..]))
}

fn url_parse(_context: &mut Context<'_>, arguments: &[Value]) -> Returned {
    let url = Url::parse(string(arguments, 0))
        .map_err(|reason| format!("unable to parse url: {reason}"))?;
    let host_name = url.host_name().to_owned();
    let entries = [
        ("scheme", url.scheme),
        ("host", url.host),
        ("hostname", host_name),
        ("path", url.path),
        ("query", url.query),
        ("opaque", url.opaque),
        ("fragment", url.fragment),
        ("userinfo", url.user.unwrap_or_default()),
    ];
    let entries: BTreeMap<Rc<str>, Value> = entries
        .into_iter()
        .map(|(key, text)| (Rc::from(key), Value::string(text)))
        .collect();
    Ok(Value::map(entries))
}

fn url_join(_context: &mut Context<'_>, arguments: &[Value]) -> Returned {
    let entries = map(arguments, 0);
    let text = |key: &str| match entries.borrow().get(key) {
        None => Ok(String::new()),
        Some(Value::Str(text)) => Ok(text.to_string()),
        Some(other) => {
            let kind = other.kind().name();
            Err(format!(
                "unable to parse {key} key, must be of type string, but {kind} found"
            ))
        }
    };
    let mut url = Url {
        scheme: text("scheme")?,
        host: text("host")?,
        path: text("path")?,
        query: text("query")?,
        opaque: text("opaque")?,
        fragment: text("fragment")?,
        ..Url::default()
    };
    let user = text("userinfo")?;
    if !user.is_empty() {
        let parsed = Url::parse(&format!("proto://{user}@host"))
            .map_err(|reason| format!("unable to parse userinfo in dict: {reason}"))?;
        url.user = parsed.user;
    }
    Ok(Value::string(url.text()))
}
