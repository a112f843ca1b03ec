//! What an S3 failure means to the person who has to mend it.

use std::error::Error;

use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_s3::config::ProvideCredentials;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};

use super::s3_client::S3Client;
use super::s3_region::named_region;
use super::source::{Cause, SourceError};

/// What the store itself said, without the client's own layers around it.
#[derive(Debug, thiserror::Error)]
#[error("{status} {code}: {message}")]
struct Said {
    status: u16,
    code: String,
    message: String,
}

/// What the client says of an endpoint that is no URL; it has no type for that.
const INVALID_ENDPOINT: &str = "was not a valid URI";

/// Turns a failed request into the error that a person can act on. Credentials are asked
/// for again when the request never left, since the failed request does not tell.
pub(super) async fn classify<E>(
    client: &S3Client,
    uri: &str,
    bucket: &str,
    error: SdkError<E>,
) -> SourceError
where
    E: Error + ProvideErrorMetadata + Send + Sync + 'static,
{
    let uri = uri.to_owned();
    let Some(response) = error.raw_response() else {
        return classify_unanswered(client, uri, bucket, error).await;
    };
    let status = response.status().as_u16();
    // A HEAD has no body and so no code; its status must do.
    let code = error.code().unwrap_or(match status {
        404 => "NoSuchKey",
        403 => "AccessDenied",
        _ => "",
    });
    let said = Said {
        status,
        code: code.to_owned(),
        message: error.message().unwrap_or("no further word").to_owned(),
    };
    let source: Cause = said.into();
    let followed = client.followed().remove(bucket);
    let region = followed.or_else(|| named_region(&error).map(|region| region.to_string()));
    let wrong_region = |source| SourceError::WrongRegion {
        uri: uri.clone(),
        region,
        endpoint: client.endpoint_of(bucket),
        source,
    };
    match code {
        "NoSuchBucket" | "InvalidBucketName" => SourceError::NoSuchBucket {
            bucket: bucket.to_owned(),
            uri,
        },
        "NoSuchKey" | "NotFound" => SourceError::NotFound { uri },
        "ExpiredToken" | "ExpiredTokenException" | "RequestExpired" | "TokenRefreshRequired" => {
            SourceError::ExpiredCredentials { uri, source }
        }
        "PermanentRedirect"
        | "AuthorizationHeaderMalformed"
        | "IllegalLocationConstraintException" => wrong_region(source),
        "SlowDown" | "RequestTimeTooSkewed" | "RequestTimeout" => {
            SourceError::Failed { uri, source }
        }
        _ if status == 401 || status == 403 => SourceError::Denied { uri, source },
        _ if (300..400).contains(&status) => wrong_region(source),
        _ => SourceError::Failed { uri, source },
    }
}

async fn classify_unanswered<E>(
    client: &S3Client,
    uri: String,
    bucket: &str,
    error: SdkError<E>,
) -> SourceError
where
    E: Error + Send + Sync + 'static,
{
    let is_timeout = matches!(error, SdkError::TimeoutError(_));
    if !is_timeout
        && let Some(provider) = client.config.credentials_provider()
        && let Err(source) = provider.provide_credentials().await
    {
        let words: Cause = innermost_words(&source).into();
        let is_failure = matches!(
            source,
            CredentialsError::ProviderError(_) | CredentialsError::ProviderTimedOut(_)
        );
        // With nothing set up, the last resort is the machine's own role; that it does not
        // answer means that there is none.
        return if is_failure && is_any_provider_set_up() {
            SourceError::Failed { uri, source: words }
        } else {
            SourceError::NoCredentials { uri, source: words }
        };
    }
    let words = innermost_words(&error);
    if words.contains(INVALID_ENDPOINT) {
        return SourceError::InvalidEndpoint {
            uri,
            source: words.into(),
        };
    }
    SourceError::Unreachable {
        uri,
        endpoint: client.endpoint_of(bucket),
        source: words.into(),
    }
}

/// Tells whether the environment names a way to get credentials.
fn is_any_provider_set_up() -> bool {
    [
        "AWS_ACCESS_KEY_ID",
        "AWS_PROFILE",
        "AWS_WEB_IDENTITY_TOKEN_FILE",
        "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
        "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    ]
    .into_iter()
    .any(|name| std::env::var_os(name).is_some())
}

/// Returns the distinct messages of the innermost two causes: the outer layers only say that
/// there is an inner one.
fn innermost_words(error: &dyn Error) -> String {
    let mut words = vec![error.to_string()];
    let mut source = error.source();
    while let Some(cause) = source {
        words.push(cause.to_string());
        source = cause.source();
    }
    words.dedup();
    let start = words.len().saturating_sub(2);
    words.split_off(start).join(": ")
}
