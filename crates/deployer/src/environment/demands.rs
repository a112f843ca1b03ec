//! What an environment demands of a change, and what of it a command breaks (pure).

use std::time::Duration;

use super::file::DemandsPart;
use crate::plan::sensitive::looks_sensitive;

/// A change, as far as demands are about it.
#[derive(Debug, Clone, Default)]
pub struct Asked<'a> {
    /// The chart as the command or the file names it; none where no chart comes in.
    pub chart: Option<&'a str>,
    /// How long a hook or wait may take.
    pub timeout: Option<Duration>,
    /// Whether hooks are switched off.
    pub skips_hooks: bool,
    /// Assignments such as `--set a.b=c`, without the flag.
    pub assignments: Vec<&'a str>,
    /// Whether this is a promotion.
    pub is_promotion: bool,
}

/// Returns what a change breaks, each as a sentence with what mends it; nothing when it may be made.
pub fn broken(demands: &DemandsPart, asked: &Asked<'_>) -> Vec<String> {
    let mut broken = Vec::new();
    if demands.gate && asked.skips_hooks {
        broken.push("a gate has to pass, and hooks are switched off: leave `--no-hooks` and `--hooks skip` out".to_owned());
    }
    if demands.signed_verdict.is_some() && asked.skips_hooks && !demands.gate {
        broken.push("a signed verdict is demanded, and hooks are switched off, whose gate says which model it has to be about: leave `--no-hooks` and `--hooks skip` out".to_owned());
    }
    let longest = demands.timeout_max.as_deref();
    let longest = longest.and_then(|text| Some((text, crate::duration::parse_timeout(text).ok()?)));
    if let (Some((text, longest)), Some(timeout)) = (longest, asked.timeout)
        && timeout > longest
    {
        broken.push(format!(
            "a timeout is at most {text}, and this one is {} s",
            timeout.as_secs()
        ));
    }
    if let (true, Some(chart)) = (demands.chart_by_digest, asked.chart)
        && !(chart.starts_with("oci://") && chart.contains("@sha256:"))
    {
        broken.push(format!(
            "charts come from a registry by digest, and `{chart}` does not: name it as `oci://…@sha256:…`, or give its `digest` in the file"
        ));
    }
    if demands.no_secret_values {
        for assignment in &asked.assignments {
            let (key, value) = assignment.split_once('=').unwrap_or((assignment, ""));
            if looks_secret(key, value) {
                broken.push(format!(
                    "`{key}` looks like a secret, which shell history, process lists and the release record keep readable: put it into a Secret and name that"
                ));
            }
        }
    }
    if demands.promotion && !asked.is_promotion && asked.chart.is_some() {
        broken.push("releases come by `deployer promote`, and no other way".to_owned());
    }
    broken
}

/// Beginnings of well-known tokens and keys.
const SECRET_TEXTS: [&str; 9] = [
    "-----BEGIN",
    "AKIA",
    "ASIA",
    "ghp_",
    "github_pat_",
    "glpat-",
    "xoxb-",
    "eyJhbGciOi",
    "sk-",
];

/// Tells whether an assignment carries a secret in the open.
///
/// A key such as `credentialsSecret` or `tokenFile` names where a secret lies, and is none; a switch
/// is none either.
pub fn looks_secret(key: &str, value: &str) -> bool {
    let value = value.trim();
    if SECRET_TEXTS
        .iter()
        .any(|beginning| value.starts_with(beginning))
    {
        return true;
    }
    let last = key.rsplit(['.', ']']).next().unwrap_or_default();
    let lower = last.to_lowercase();
    let names_one =
        lower.ends_with("secret") && lower != "secret" && !lower.ends_with("clientsecret");
    !matches!(value, "" | "null" | "true" | "false") && looks_sensitive(last) && !names_one
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_that_carries_a_secret_is_told_from_one_that_names_it() {
        for (key, value, expected) in [
            ("redis.password", "hunter2", true),
            ("db.PASSWORD", "x", true),
            ("api-key", "x", true),
            ("slack.token", "abc", true),
            ("oauth.clientSecret", "abc", true),
            ("auth.secret", "abc", true),
            ("env[0].value", "AKIAIOSFODNN7EXAMPLE", true),
            ("tls.crt", "-----BEGIN PRIVATE KEY-----", true),
            ("objectStore.credentialsSecret", "object-store", false),
            ("auth.existingSecret", "redis-prod", false),
            ("tokenFile", "/run/token", false),
            ("passwordSecretName", "db", false),
            ("auth.password", "", false),
            ("automountServiceAccountToken", "false", false),
            ("image.tag", "v2", false),
            ("monkey", "banana", false),
        ] {
            assert_eq!(looks_secret(key, value), expected, "{key}={value}");
        }
    }

    #[test]
    fn each_broken_demand_is_named() {
        let demands = DemandsPart {
            atomic: true,
            timeout_max: Some("10m".into()),
            gate: true,
            chart_by_digest: true,
            no_secret_values: true,
            promotion: true,
            ..DemandsPart::default()
        };
        let asked = Asked {
            chart: Some("./charts/web"),
            timeout: Some(Duration::from_secs(3600)),
            skips_hooks: true,
            assignments: vec!["db.password=hunter2", "image.tag=v2"],
            is_promotion: false,
        };
        let found = broken(&demands, &asked);
        assert_eq!(found.len(), 5, "{found:#?}");
        assert!(!found.join(" ").contains("hunter2"), "{found:#?}");
        let digest = "a".repeat(64);
        let chart = format!("oci://registry.example.com/ml/web@sha256:{digest}");
        let fine = Asked {
            chart: Some(&chart),
            timeout: Some(Duration::from_secs(600)),
            is_promotion: true,
            ..Asked::default()
        };
        assert_eq!(broken(&demands, &fine), Vec::<String>::new());
        assert_eq!(
            broken(&DemandsPart::default(), &asked),
            Vec::<String>::new()
        );
    }
}
