//! As whom S3 is asked, for the report: a wrong role is the commonest reason of a refusal.

use std::time::Duration;

use aws_credential_types::Credentials;
use aws_credential_types::credential_feature::AwsCredentialFeature;
use aws_sdk_s3::config::ProvideCredentials;
use verdict::report::S3Identity;

use super::s3_client::S3Client;

/// How long the credentials are waited for; they have been had once already.
const TIMEOUT: Duration = Duration::from_secs(5);
/// At most this many characters of an access key's id are told, and never half of it.
const KEY_SHOWN: usize = 4;

/// Returns where S3 is and where the credentials come from; nothing where there are none.
pub async fn s3_identity(client: &S3Client) -> Option<S3Identity> {
    let provider = client.config.credentials_provider()?;
    let asked = tokio::time::timeout(TIMEOUT, provider.provide_credentials()).await;
    let credentials = asked.ok()?.ok()?;
    Some(S3Identity {
        endpoint: client.endpoint.clone(),
        credentials: source(&credentials).to_owned(),
        access_key_ends_in: ending(credentials.access_key_id()),
        regions: client.followed(),
    })
}

/// Names where credentials come from, in the words of AWS's documentation.
fn source(credentials: &Credentials) -> &'static str {
    use AwsCredentialFeature as From;
    let features = credentials.get_property::<Vec<From>>();
    let has = |feature: &From| features.is_some_and(|all| all.contains(feature));
    let known: [(From, &str); 12] = [
        // What was asked last comes first: a role assumed by a web identity is named as such.
        (
            From::CredentialsStsAssumeRoleWebId,
            "role of the web identity",
        ),
        (
            From::CredentialsEnvVarsStsWebIdToken,
            "role of the web identity",
        ),
        (From::CredentialsStsAssumeRole, "assumed role of a profile"),
        (From::CredentialsProfileSso, "SSO session of a profile"),
        (From::CredentialsSso, "SSO session"),
        (From::CredentialsProfileProcess, "process of a profile"),
        (From::CredentialsProcess, "process"),
        (From::CredentialsProfileLogin, "login of a profile"),
        (From::CredentialsHttp, "container credentials"),
        (From::CredentialsImds, "role of the machine"),
        (From::CredentialsProfile, "profile"),
        (From::CredentialsEnvVars, "environment variables"),
    ];
    known
        .iter()
        .find(|(feature, _)| has(feature))
        .map_or("unknown source", |(_, name)| name)
}

/// Returns the end of an access key's id: enough to tell two apart, not enough to use one.
fn ending(key: &str) -> Option<String> {
    let count = key.chars().count();
    (count >= 2 * KEY_SHOWN).then(|| key.chars().skip(count - KEY_SHOWN).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_are_named_and_secrets_are_not() {
        let mut credentials = Credentials::new("AKIDEXAMPLE", "secret", None, None, "test");
        assert_eq!(source(&credentials), "unknown source");
        credentials
            .get_property_mut_or_default::<Vec<AwsCredentialFeature>>()
            .push(AwsCredentialFeature::CredentialsEnvVars);
        assert_eq!(source(&credentials), "environment variables");
        credentials
            .get_property_mut_or_default::<Vec<AwsCredentialFeature>>()
            .push(AwsCredentialFeature::CredentialsStsAssumeRoleWebId);
        assert_eq!(source(&credentials), "role of the web identity");
        assert_eq!(ending("AKIDEXAMPLE").as_deref(), Some("MPLE"));
        assert_eq!(ending("short"), None);
    }
}
