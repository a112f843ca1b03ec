//! Writes an object.

use aws_sdk_s3::primitives::ByteStream;

use super::s3_client::S3Client;
use super::s3_error::classify;
use super::source::SourceError;

/// Writes an object in one request; a reader sees the old one or the whole new one.
///
/// # Errors
/// [`SourceError`]; the old object, if any, stands.
pub async fn put(
    client: &S3Client,
    bucket: &str,
    key: &str,
    bytes: Vec<u8>,
) -> Result<(), SourceError> {
    let request = client.client.put_object().bucket(bucket).key(key);
    match request.body(ByteStream::from(bytes)).send().await {
        Ok(_) => Ok(()),
        Err(error) => {
            let uri = format!("s3://{bucket}/{key}");
            Err(classify(client, &uri, bucket, error).await)
        }
    }
}
