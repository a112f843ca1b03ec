//! Addresses of repositories and charts, compared and put together as Helm does.
//!
//! Source: Helm 3.22 `internal/urlutil/urlutil.go` and `pkg/repo/chartrepo.go`
//! (ResolveReferenceURL).

use url::Url;

/// Tells whether two addresses are the same but for how their paths are written.
pub fn equal(one: &str, other: &str) -> bool {
    match (Url::parse(one), Url::parse(other)) {
        (Ok(one), Ok(other)) => normal(one) == normal(other),
        (Err(_), Err(_)) => clean(one) == clean(other),
        _ => false,
    }
}

fn normal(mut url: Url) -> Url {
    let path = clean(url.path());
    url.set_path(&path);
    url
}

/// Shortens a path: no doubled slashes, no slash at its end, `.` and `..` resolved.
fn clean(path: &str) -> String {
    let rooted = path.starts_with('/');
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => drop(parts.pop()),
            ".." if rooted => {}
            part => parts.push(part),
        }
    }
    match (rooted, parts.join("/")) {
        (true, path) => format!("/{path}"),
        (false, path) if path.is_empty() => ".".to_owned(),
        (false, path) => path,
    }
}

/// Appends parts of a path to an address, or to a path where it is none.
pub fn join(base: &str, parts: &[&str]) -> String {
    let path_of = |start: &str| {
        let all: Vec<&str> = std::iter::once(start)
            .chain(parts.iter().copied())
            .filter(|part| !part.is_empty())
            .collect();
        if all.is_empty() {
            String::new()
        } else {
            clean(&all.join("/"))
        }
    };
    match Url::parse(base) {
        Ok(mut url) if url.has_host() => {
            let path = path_of(url.path());
            url.set_path(&path);
            url.to_string()
        }
        _ => path_of(base),
    }
}

/// Resolves the address of a chart against that of its repository; what is whole stays as it is.
///
/// # Errors
/// A repository whose address is none.
pub fn resolve(base: &str, reference: &str) -> Result<String, url::ParseError> {
    match Url::parse(reference) {
        Ok(_) => return Ok(reference.to_owned()),
        Err(url::ParseError::RelativeUrlWithoutBase) => {}
        Err(error) => return Err(error),
    }
    let mut base = Url::parse(base)?;
    let query = base.query().map(str::to_owned);
    let folder = format!("{}/", base.path().trim_end_matches('/'));
    base.set_path(&folder);
    let mut resolved = base.join(reference)?;
    resolved.set_query(query.as_deref());
    Ok(resolved.to_string())
}

/// Puts the address of a chart below that of its repository, as Helm does for dependencies: a
/// leading slash and `..` count from the repository, and what is whole stays as it is.
///
/// Source: Helm 3.22 `pkg/downloader/manager.go` (normalizeURL).
///
/// # Errors
/// A repository whose address is none.
pub fn below(base: &str, reference: &str) -> Result<String, url::ParseError> {
    match Url::parse(reference) {
        Ok(_) => return Ok(reference.to_owned()),
        Err(url::ParseError::RelativeUrlWithoutBase) => {}
        Err(error) => return Err(error),
    }
    let mut base = Url::parse(base)?;
    let path = clean(&format!("{}/{reference}", base.path()));
    base.set_path(&path);
    Ok(base.to_string())
}

/// Returns the name under which what an address points at is stored.
///
/// `None` where its path names no file.
pub fn file_name(url: &str) -> Option<String> {
    let url = Url::parse(url).ok()?;
    let name = url.path().trim_end_matches('/').rsplit('/').next()?;
    let name = name.replace("%2B", "+").replace("%2b", "+");
    (!matches!(name.as_str(), "" | "." | "..") && !name.contains('%')).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// From Helm 3.22 `internal/urlutil/urlutil_test.go`.
    #[test]
    fn addresses_are_equal_as_in_helm() {
        for (one, other, expected) in [
            ("http://example.com", "http://example.com", true),
            ("http://example.com", "http://another.example.com", false),
            ("https://example.com", "https://example.com", true),
            ("http://example.com/", "http://example.com", true),
            ("https://example.com", "http://example.com", false),
            ("http://example.com/foo", "http://example.com/foo/", true),
            (
                "http://example.com/foo//bar/",
                "http://example.com/foo/bar",
                true,
            ),
            ("stable/nginx", "stable/nginx", true),
            ("/foo", "/foo", true),
            ("/foo", "/foo/", true),
            ("/foo", "/bar", false),
        ] {
            assert_eq!(equal(one, other), expected, "{one} {other}");
        }
    }

    #[test]
    fn parts_are_appended_as_in_helm() {
        assert_eq!(
            join("http://example.com", &["foo/bar.tgz"]),
            "http://example.com/foo/bar.tgz"
        );
        assert_eq!(
            join("http://example.com/foo?bar=baz", &["bar", "wibble.tgz"]),
            "http://example.com/foo/bar/wibble.tgz?bar=baz"
        );
        assert_eq!(join("", &["sub"]), "sub");
        assert_eq!(join("", &[""]), "");
        assert_eq!(join("charts", &["a.tgz"]), "charts/a.tgz");
    }

    #[test]
    fn a_chart_is_found_relative_to_its_repository() {
        for (base, reference, expected) in [
            (
                "http://localhost:8123/charts/",
                "nginx-0.2.0.tgz",
                "http://localhost:8123/charts/nginx-0.2.0.tgz",
            ),
            (
                "http://localhost:8123/charts",
                "nginx-0.2.0.tgz",
                "http://localhost:8123/charts/nginx-0.2.0.tgz",
            ),
            (
                "http://localhost:8123",
                "https://charts.example.com/a.tgz",
                "https://charts.example.com/a.tgz",
            ),
            (
                "http://localhost:8123/charts?k=1",
                "a.tgz",
                "http://localhost:8123/charts/a.tgz?k=1",
            ),
            (
                "http://localhost:8123/charts",
                "/other/a.tgz",
                "http://localhost:8123/other/a.tgz",
            ),
        ] {
            assert_eq!(resolve(base, reference).as_deref(), Ok(expected));
        }
    }

    /// The first three are those of Helm 3.22 `pkg/downloader/manager_test.go`, TestNormalizeURL.
    #[test]
    fn a_chart_of_a_dependency_is_found_below_its_repository() {
        for (base, reference, expected) in [
            (
                "https://example.com",
                "http://helm.sh/foo",
                "http://helm.sh/foo",
            ),
            (
                "https://helm.sh/charts",
                "foo",
                "https://helm.sh/charts/foo",
            ),
            (
                "https://helm.sh/a%2Fb/charts",
                "foo",
                "https://helm.sh/a%2Fb/charts/foo",
            ),
            (
                "http://example.com/foo/",
                "/charts/../a.tgz",
                "http://example.com/foo/a.tgz",
            ),
            (
                "http://example.com/foo?k=1",
                "./a.tgz",
                "http://example.com/foo/a.tgz?k=1",
            ),
        ] {
            assert_eq!(below(base, reference).as_deref(), Ok(expected));
        }
    }

    #[test]
    fn a_file_name_never_leads_out_of_its_folder() {
        assert_eq!(
            file_name("https://h/c/a-1.0.0%2Bb.tgz?x=1").as_deref(),
            Some("a-1.0.0+b.tgz")
        );
        assert_eq!(file_name("https://h/"), None);
        assert_eq!(file_name("https://h/c/%2e%2e"), None);
        assert_eq!(file_name("https://h/c/..%2fx"), None);
    }
}
