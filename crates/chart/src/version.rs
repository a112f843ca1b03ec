//! Versions and ranges of charts and of Kubernetes.

/// Tells whether a text is a version, leniently: `v1.2` is one.
pub(crate) fn is_valid(text: &str) -> bool {
    lenient(text).is_some()
}

/// Tells whether a version lies in a range; what cannot be read never does.
pub fn is_compatible(range: &str, version: &str) -> bool {
    let Some(version) = lenient(version) else {
        return false;
    };
    range.split("||").any(|range| {
        semver::VersionReq::parse(range.trim().trim_start_matches('v'))
            .is_ok_and(|range| range.matches(&version))
    })
}

fn lenient(text: &str) -> Option<semver::Version> {
    let text = text.strip_prefix('v').unwrap_or(text);
    semver::Version::parse(text).ok()
}
