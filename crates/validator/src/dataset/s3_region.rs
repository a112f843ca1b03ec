//! In which region a bucket lies, where that is not the one that is set up.
//!
//! S3 answers a request in a wrong region with a refusal that names the right one. A bucket is followed
//! there once, by a client of its own, as AWS's other tools do: the region that is set up is often the
//! machine's, not the bucket's.
//!
//! Source: boto's `S3RegionRedirectorv2`; the header `x-amz-bucket-region` and the error's `Region`.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use aws_config::Region;
use aws_sdk_s3::Client;
use aws_sdk_s3::error::SdkError;

use super::s3_client::S3Client;

/// Where an answer names the region of the bucket that was asked for.
const REGION_HEADER: &str = "x-amz-bucket-region";
/// More characters than any region has.
const REGION_CHARACTERS_MAX: usize = 32;

/// Clients of the buckets that lie elsewhere, by bucket.
#[derive(Clone, Debug, Default)]
pub(super) struct Elsewhere(Arc<Mutex<BTreeMap<String, (Region, Client)>>>);

impl Elsewhere {
    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, (Region, Client)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl S3Client {
    /// Sends a request to where a bucket lies: once more, in the region that the store names, where
    /// it refuses the first.
    ///
    /// # Errors
    /// What the last request ended with.
    pub(super) async fn send<T, E, F>(
        &self,
        bucket: &str,
        request: impl Fn(Client) -> F,
    ) -> Result<T, SdkError<E>>
    where
        F: Future<Output = Result<T, SdkError<E>>>,
    {
        loop {
            let (region, client) = self.of(bucket);
            match request(client).await {
                Err(error) if self.follow(bucket, &region, &error) => {}
                other => return other,
            }
        }
    }

    /// Returns the buckets that were followed, with their regions.
    pub(super) fn followed(&self) -> BTreeMap<String, String> {
        let elsewhere = self.elsewhere.lock();
        let regions = elsewhere.iter();
        regions
            .map(|(bucket, (region, _))| (bucket.clone(), region.to_string()))
            .collect()
    }

    /// Returns where a bucket is asked for, for messages.
    pub(super) fn endpoint_of(&self, bucket: &str) -> String {
        if self.is_custom {
            return self.endpoint.clone();
        }
        let (region, _) = self.of(bucket);
        super::s3_client::endpoint_of_region(&region)
    }

    fn of(&self, bucket: &str) -> (Region, Client) {
        let elsewhere = self.elsewhere.lock().get(bucket).cloned();
        elsewhere.unwrap_or_else(|| (self.region.clone(), self.client.clone()))
    }

    /// Notes the region that a refusal names; tells whether asking there is worth it, which it is
    /// once a bucket.
    fn follow<E>(&self, bucket: &str, asked: &Region, error: &SdkError<E>) -> bool {
        let Some(region) = named_region(error).filter(|region| region != asked) else {
            return false;
        };
        let mut elsewhere = self.elsewhere.lock();
        if let Some((known, _)) = elsewhere.get(bucket) {
            // Another request has found out meanwhile.
            return known != asked;
        }
        tracing::info!(bucket, %region, "the store says that the bucket lies in another region");
        let settings = self.client.config().to_builder().region(region.clone());
        let client = Client::from_conf(settings.build());
        elsewhere.insert(bucket.to_owned(), (region, client));
        true
    }
}

/// Returns the region that a refusal names for the bucket.
pub(super) fn named_region<E>(error: &SdkError<E>) -> Option<Region> {
    let response = error.raw_response()?;
    // Redirects, and 400: a signature for another region.
    if !(300..=400).contains(&response.status().as_u16()) {
        return None;
    }
    let header = response.headers().get(REGION_HEADER);
    let body = || {
        let text = std::str::from_utf8(response.body().bytes()?).ok()?;
        let (_, rest) = text.split_once("<Region>")?;
        Some(rest.split_once("</Region>")?.0)
    };
    let name = header.or_else(body)?.trim();
    is_region(name).then(|| Region::new(name.to_owned()))
}

/// Tells whether a text can be a region: it becomes a part of the host's name.
fn is_region(name: &str) -> bool {
    let is_letter = |letter: u8| letter.is_ascii_lowercase() || letter.is_ascii_digit();
    !name.is_empty()
        && name.len() <= REGION_CHARACTERS_MAX
        && name
            .bytes()
            .all(|letter| is_letter(letter) || letter == b'-')
        && !name.starts_with('-')
        && !name.ends_with('-')
}

#[cfg(test)]
mod tests {
    use super::is_region;

    #[test]
    fn what_cannot_be_a_region_is_no_part_of_a_host() {
        for name in ["eu-central-1", "us-gov-west-1", "local", "r2"] {
            assert!(is_region(name), "{name}");
        }
        for name in [
            "",
            "-",
            "eu-",
            "EU",
            "evil.example",
            "a/b",
            "a#",
            "a:1",
            "ü",
        ] {
            assert!(!is_region(name), "{name}");
        }
        assert!(!is_region(&"a".repeat(33)));
    }
}
