//! One contract suite for everything that files are read from: local disk and S3.

mod common;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_s3::config::{Credentials, SharedCredentialsProvider};
use common::s3_server::{ACCESS_KEY, S3Server, SECRET_KEY};
use tempfile::TempDir;
use validator::dataset::{LocalSource, Object, ObjectSource, S3Client, S3Source, SourceError};
use verdict::exit::ExitCode;

/// A place that a source reads, and a way to put files there.
trait Stage {
    fn put(&self, name: &str, bytes: &[u8]);
    fn path(&self, name: &str) -> PathBuf;
    /// The source for a folder or file of the stage.
    fn source(&self, name: &str) -> Arc<dyn ObjectSource>;
}

struct LocalStage(TempDir);

impl Stage for LocalStage {
    fn put(&self, name: &str, bytes: &[u8]) {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
        std::fs::write(path, bytes).expect("a file");
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn source(&self, name: &str) -> Arc<dyn ObjectSource> {
        Arc::new(LocalSource::new(self.path(name)))
    }
}

struct S3Stage(S3Server);

fn client(endpoint: &str, secret: &str) -> S3Client {
    let http = aws_smithy_http_client::Builder::new().build_http();
    let credentials = Credentials::new(ACCESS_KEY, secret, None, None, "tests");
    let config = SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .endpoint_url(endpoint)
        .http_client(http)
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .build();
    S3Client::from_config(config)
}

impl Stage for S3Stage {
    fn put(&self, name: &str, bytes: &[u8]) {
        self.0.put("bucket", name, bytes);
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path("bucket", name)
    }

    fn source(&self, name: &str) -> Arc<dyn ObjectSource> {
        let client = client(&self.0.endpoint(), SECRET_KEY);
        Arc::new(S3Source::new(client, "bucket", name).with_page_keys_max(7))
    }
}

fn stages() -> Vec<Box<dyn Stage>> {
    vec![
        Box::new(LocalStage(tempfile::tempdir().expect("a folder"))),
        Box::new(S3Stage(S3Server::start())),
    ]
}

async fn names(source: &dyn ObjectSource) -> Vec<String> {
    let objects = source.list().await.expect("lists");
    objects.into_iter().map(|object| object.name).collect()
}

async fn only(source: &dyn ObjectSource) -> Object {
    let mut objects = source.list().await.expect("lists");
    assert_eq!(objects.len(), 1, "{objects:?}");
    objects.remove(0)
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_below_is_listed_in_order_and_nothing_beside_or_hidden() {
    for stage in stages() {
        for name in [
            "data/b.parquet",
            "data/a.parquet",
            "data/day=1/c.parquet",
            "data/_SUCCESS",
            "data/.a.parquet.crc",
            "data/_temporary/0/d.parquet",
            "database/e.parquet",
            "data.parquet",
        ] {
            stage.put(name, b"x");
        }
        for folder in ["data/", "data"] {
            let found = names(&*stage.source(folder)).await;
            assert_eq!(
                found,
                ["a.parquet", "b.parquet", "day=1/c.parquet"],
                "{folder}"
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_listing_of_many_pages_is_complete() {
    for stage in stages() {
        for number in 0..40 {
            stage.put(&format!("many/part-{number:03}.parquet"), b"x");
        }
        let found = names(&*stage.source("many/")).await;
        assert_eq!(found.len(), 40);
        assert!(found.is_sorted());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn names_of_any_letters_are_listed_and_read() {
    let odd = [
        "50%.parquet",
        "a b+c.parquet",
        "day=1&2/ü €.parquet",
        "x?y#z.parquet",
    ];
    for stage in stages() {
        for name in odd {
            stage.put(&format!("odd names+/{name}"), name.as_bytes());
        }
        let source = stage.source("odd names+/");
        let objects = source.list().await.expect("lists");
        let found: Vec<&str> = objects.iter().map(|object| object.name.as_str()).collect();
        assert_eq!(found, odd);
        for object in &objects {
            let whole = 0..object.bytes;
            let read = source.read(object, std::slice::from_ref(&whole)).await;
            assert_eq!(read.expect("reads")[0], object.name.as_bytes());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_named_is_the_only_object() {
    for stage in stages() {
        stage.put("data/a.bin", b"12345");
        stage.put("data/a.bin.bak", b"12");
        let object = only(&*stage.source("data/a.bin")).await;
        assert_eq!((object.name.as_str(), object.bytes), ("a.bin", 5));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn ranges_come_back_in_the_order_asked_for_and_exactly() {
    let content: Vec<u8> = (0..10_000_000u32)
        .map(|position| (position % 251) as u8)
        .collect();
    for stage in stages() {
        stage.put("big/part.parquet", &content);
        let source = stage.source("big/");
        let object = only(&*source).await;
        let ranges = [
            9_999_990..10_000_000,
            0..4,
            5..5,
            100..9_000_000,
            3_000_000..3_000_001,
        ];
        let read = source.read(&object, &ranges).await.expect("reads");
        for (range, bytes) in ranges.iter().zip(&read) {
            let expected = &content[range.start as usize..range.end as usize];
            assert!(bytes == expected, "{range:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_range_behind_the_end_is_refused() {
    for stage in stages() {
        stage.put("data/a.parquet", b"12345");
        let source = stage.source("data/");
        let object = only(&*source).await;
        let error = source
            .read(&object, std::slice::from_ref(&(3..6)))
            .await
            .expect_err("out of range");
        assert!(
            matches!(error, SourceError::OutOfRange { bytes: 5, .. }),
            "{error:?}"
        );
        assert_eq!(error.exit_code(), ExitCode::Data);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_that_is_replaced_after_the_listing_is_not_read() {
    for stage in stages() {
        stage.put("data/a.parquet", b"12345");
        let source = stage.source("data/");
        let object = only(&*source).await;
        stage.put("data/a.parquet", b"54321");
        // Far enough for stores that keep seconds.
        let later = SystemTime::now() + Duration::from_secs(5);
        let file = std::fs::File::options()
            .write(true)
            .open(stage.path("data/a.parquet"))
            .expect("opens");
        file.set_modified(later).expect("sets the time");
        let error = source
            .read(&object, std::slice::from_ref(&(0..5)))
            .await
            .expect_err("changed");
        assert!(matches!(error, SourceError::Changed { .. }), "{error:?}");
        assert_eq!(error.exit_code(), ExitCode::Infrastructure);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_never_there_is_missing_or_empty() {
    let [local, s3]: [Box<dyn Stage>; 2] = stages().try_into().ok().expect("two stages");
    let error = local.source("nothing/").list().await.expect_err("missing");
    assert!(matches!(error, SourceError::NotFound { .. }), "{error:?}");
    assert_eq!(error.exit_code(), ExitCode::Usage);
    s3.put("something", b"x");
    assert_eq!(names(&*s3.source("nothing/")).await, [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_refuses_is_told_from_one_that_is_away() {
    let server = S3Server::start();
    server.put("bucket", "a", b"x");
    let list = |client: S3Client, bucket: &str| {
        let source = S3Source::new(client, bucket, "");
        async move { source.list().await.expect_err("refused") }
    };
    let error = list(client(&server.endpoint(), "wrong"), "bucket").await;
    assert!(matches!(error, SourceError::Denied { .. }), "{error:?}");
    assert_eq!(error.exit_code(), ExitCode::Usage);
    assert!(
        !format!("{error:?}").contains("wrong\""),
        "the secret shows"
    );
    let error = list(client(&server.endpoint(), SECRET_KEY), "other").await;
    assert!(
        matches!(error, SourceError::NoSuchBucket { .. }),
        "{error:?}"
    );
    assert_eq!(error.exit_code(), ExitCode::Usage);
    let error = list(client("http://127.0.0.1:1", SECRET_KEY), "bucket").await;
    assert!(
        matches!(&error, SourceError::Unreachable { endpoint, .. } if endpoint.ends_with(":1")),
        "{error:?}"
    );
    assert_eq!(error.exit_code(), ExitCode::Infrastructure);
    let missing = S3Source::new(client(&server.endpoint(), SECRET_KEY), "bucket", "b");
    let error = missing.object().await.expect_err("missing");
    assert!(matches!(error, SourceError::NotFound { .. }), "{error:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint_that_is_no_url_is_a_matter_of_configuration() {
    for endpoint in ["localhost:9000", "not a url"] {
        let source = S3Source::new(client(endpoint, SECRET_KEY), "bucket", "data/");
        let error = source.list().await.expect_err("no URL");
        assert!(
            matches!(error, SourceError::InvalidEndpoint { .. }),
            "{error:?}"
        );
        assert_eq!(error.exit_code(), ExitCode::Usage);
    }
}
