//! Which objects use an API version that Kubernetes has deprecated.
//!
//! Source: Helm v3.22 pkg/lint/rules/deprecations.go.

use crate::capabilities::KubeVersion;

const TABLE: &str = include_str!("deprecations.txt");

/// One line of the table.
struct Row<'table> {
    api_version: &'table str,
    deprecated_minor: u32,
    removed_minor: &'table str,
    replacement: &'table str,
    kinds: &'table str,
}

impl<'table> Row<'table> {
    fn parse(line: &'table str) -> Option<Self> {
        let mut parts = line.splitn(5, ' ');
        Some(Self {
            api_version: parts.next()?,
            deprecated_minor: parts.next()?.parse().ok()?,
            removed_minor: parts.next()?,
            replacement: parts.next()?,
            kinds: parts.next()?,
        })
    }

    /// Returns the kind to use in place of a kind that this line is about.
    fn replacement_of<'kind>(&self, kind: &'kind str) -> Option<&'kind str>
    where
        'table: 'kind,
    {
        self.kinds.split(' ').find_map(|entry| {
            if let Some((name, other)) = entry.split_once('=') {
                return (name == kind).then_some(other);
            }
            let (name, has_list) = match entry.strip_suffix('+') {
                Some(name) => (name, true),
                None => (entry, false),
            };
            let is_meant = name == kind || has_list && kind.strip_suffix("List") == Some(name);
            is_meant.then_some(kind)
        })
    }
}

/// Checks an object against the Kubernetes that it is meant for.
///
/// # Errors
/// Kubernetes' warning about the API version.
pub(super) fn check(api_version: &str, kind: &str, kube: &KubeVersion) -> Result<(), String> {
    let rows = TABLE.lines().filter(|line| !line.starts_with('#'));
    let found = rows.filter_map(Row::parse).find_map(|row| {
        let replacement = (row.api_version == api_version).then(|| row.replacement_of(kind))??;
        Some((row, replacement))
    });
    let Some((row, replacement)) = found else {
        return Ok(());
    };
    let number = |text: &str| text.parse::<u32>().unwrap_or(0);
    let current = (number(&kube.major), number(&kube.minor));
    if (1, row.deprecated_minor) > current {
        return Ok(());
    }
    let mut text = format!(
        "{api_version} {kind} is deprecated in v1.{}+",
        row.deprecated_minor
    );
    if row.removed_minor != "-" {
        text.push_str(&format!(", unavailable in v1.{}+", row.removed_minor));
    }
    if row.replacement != "-" {
        text.push_str(&format!("; use {} {replacement}", row.replacement));
    }
    Err(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_of_the_table_can_be_read() {
        let lines = TABLE.lines().filter(|line| !line.starts_with('#'));
        let rows: Vec<Option<Row<'_>>> = lines.map(Row::parse).collect();
        assert!(rows.len() > 50);
        assert!(rows.iter().all(Option::is_some));
    }

    #[test]
    fn a_deprecated_version_is_told_with_what_to_use_instead() {
        let of = |api_version: &str, kind: &str, version: &str| {
            check(
                api_version,
                kind,
                &KubeVersion::parse(version, template::Compat::Helm3).unwrap(),
            )
            .err()
        };
        assert_eq!(
            of("policy/v1beta1", "PodDisruptionBudgetList", "1.21.0").as_deref(),
            Some(
                "policy/v1beta1 PodDisruptionBudgetList is deprecated in v1.21+, unavailable in v1.25+; use policy/v1 PodDisruptionBudgetList"
            )
        );
        assert_eq!(
            of("v1", "Endpoints", "1.33.0").as_deref(),
            Some("v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice")
        );
        assert_eq!(of("v1", "Endpoints", "1.32.0"), None);
        assert_eq!(of("apps/v1", "Deployment", "1.40.0"), None);
        assert_eq!(of("policy/v1beta1", "PodDisruption", "1.40.0"), None);
    }
}
