//! Writes an object.

use std::path::Path;

use aws_sdk_s3::Client;
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
    put_stream(client, bucket, key, ByteStream::from(bytes)).await
}

/// Writes a file as an object, in one request.
///
/// # Errors
/// As [`put`], and when the file cannot be read.
pub async fn put_file(
    client: &S3Client,
    bucket: &str,
    key: &str,
    file: &Path,
) -> Result<(), SourceError> {
    let stream = ByteStream::from_path(file).await;
    let stream = stream.map_err(|error| SourceError::Failed {
        uri: file.display().to_string(),
        source: error.into(),
    })?;
    put_stream(client, bucket, key, stream).await
}

async fn put_stream(
    client: &S3Client,
    bucket: &str,
    key: &str,
    body: ByteStream,
) -> Result<(), SourceError> {
    let body = body.into_inner();
    let request = move |s3: Client| {
        let body = body.try_clone().expect("bytes and files are sent again");
        let request = s3.put_object().bucket(bucket).key(key);
        request.body(ByteStream::new(body)).send()
    };
    match client.send(bucket, request).await {
        Ok(_) => Ok(()),
        Err(error) => {
            let uri = format!("s3://{bucket}/{key}");
            Err(classify(client, &uri, bucket, error).await)
        }
    }
}
