//! Models and data on S3, and every way in which a store refuses.

use std::path::Path;

use anyhow::Result;
use harness::cluster::demand;
use harness::s3::{FORBIDDEN_BUCKET, Server};
use harness::{datasets, parquet_files::Table};
use tempfile::TempDir;

use crate::run::Gate;

const MODELS: &str = "ml-models";
const DATA: &str = "ml-data";
const PREFIX: &str = "validation/fraud/2026-01/";

struct Store {
    server: Server,
    _folder: TempDir,
}

fn store() -> Result<Store> {
    let folder = tempfile::tempdir()?;
    let server = Server::start(folder.path())?;
    server.put(MODELS, "fraud/model.pt", &datasets::model("champion")?)?;
    server.put(DATA, PREFIX, &datasets::validation()?)?;
    server.write(FORBIDDEN_BUCKET, "fraud/model.pt", b"never read")?;
    server.bucket("empty")?;
    Ok(Store {
        server,
        _folder: folder,
    })
}

impl Store {
    fn gate(&self, model: &str, dataset: &str) -> Result<Gate> {
        let gate = Gate::new()?
            .model(Path::new(model))
            .dataset(Path::new(dataset))
            .env("MINIMUM_AUC", "0.85");
        let environment = self.server.environment();
        Ok(environment
            .into_iter()
            .fold(gate, |gate, (name, value)| gate.env(name, &value)))
    }
}

fn model() -> String {
    format!("s3://{MODELS}/fraud/model.pt")
}

fn data() -> String {
    format!("s3://{DATA}/{PREFIX}")
}

#[test]
fn s3_and_local_files_give_the_same_metrics() -> Result<()> {
    let store = store()?;
    let remote = store.gate(&model(), &data())?.expect(0)?;
    let local = Gate::of("champion")?.env("MINIMUM_AUC", "0.85").expect(0)?;
    for field in ["value", "lower_bound", "upper_bound", "samples"] {
        let (remote, local) = (&remote.check("auc")?[field], &local.check("auc")?[field]);
        demand(remote == local, || {
            format!("{field}: {remote} from S3, {local} from files")
        })?;
    }
    for (part, field) in [
        ("model", "sha256"),
        ("dataset", "digest"),
        ("dataset", "rows"),
    ] {
        let (remote, local) = (&remote.brief()?[part][field], &local.brief()?[part][field]);
        demand(remote == local && !local.is_null(), || {
            format!("{part}.{field}: {remote} from S3, {local} from files")
        })?;
    }
    Ok(())
}

#[test]
fn more_objects_than_one_page_of_a_listing_are_all_read() -> Result<()> {
    let store = store()?;
    let rows = Table::validation(40)?;
    let folder = tempfile::tempdir()?;
    rows.write(&folder.path().join("part.parquet"))?;
    let files = 1_100;
    for number in 0..files {
        let key = format!("many/part-{number:05}.parquet");
        store
            .server
            .put(DATA, &key, &folder.path().join("part.parquet"))?;
    }
    let finished = store
        .gate(&model(), &format!("s3://{DATA}/many/"))?
        .env("MINIMUM_AUC", "0")
        .env("MAXIMUM_P99_LATENCY_MS", "10000")
        .run()?;
    let counted = finished.brief()?["dataset"]["rows"].as_u64();
    let expected = u64::try_from(rows.rows() * files)?;
    demand(counted == Some(expected), || {
        format!(
            "{counted:?} of {expected} rows\n{}",
            finished.output.describe()
        )
    })
}

#[test]
fn a_bucket_that_does_not_exist_is_named() -> Result<()> {
    let store = store()?;
    store
        .gate(&model(), "s3://no-such-bucket/validation/")?
        .refuses(2, &["no-such-bucket"])?;
    Ok(())
}

#[test]
fn a_model_that_does_not_exist_is_named() -> Result<()> {
    let store = store()?;
    store
        .gate(&format!("s3://{MODELS}/fraud/other.pt"), &data())?
        .refuses(2, &["fraud/other.pt"])?;
    Ok(())
}

#[test]
fn denied_access_is_told_from_absence() -> Result<()> {
    let store = store()?;
    let model = format!("s3://{FORBIDDEN_BUCKET}/fraud/model.pt");
    let finished = store
        .gate(&model, &data())?
        .refuses(2, &[FORBIDDEN_BUCKET])?;
    let text = finished.output.stderr.to_lowercase();
    demand(text.contains("denied"), || finished.output.describe())
}

#[test]
fn a_wrong_secret_is_refused_and_never_shown() -> Result<()> {
    let store = store()?;
    let secret = "not-the-secret-of-this-key";
    let finished = store
        .gate(&model(), &data())?
        .env("AWS_SECRET_ACCESS_KEY", secret)
        .refuses(2, &[MODELS])?;
    demand(!finished.output.describe().contains(secret), || {
        "the secret is shown".to_owned()
    })
}

#[test]
fn missing_credentials_are_named_with_the_way_to_give_them() -> Result<()> {
    let store = store()?;
    store
        .gate(&model(), &data())?
        .with(|program| {
            let home = std::env::temp_dir().join("e2e-home-without-credentials");
            program
                .without("AWS_ACCESS_KEY_ID")
                .without("AWS_SECRET_ACCESS_KEY")
                .env("HOME", home)
        })
        .refuses(2, &["no credentials were found"])?
        .output
        .says(&["AWS_ACCESS_KEY_ID"])?;
    Ok(())
}

#[test]
fn an_empty_prefix_is_named() -> Result<()> {
    let store = store()?;
    store
        .gate(&model(), "s3://empty/validation/")?
        .refuses(3, &["s3://empty/validation/"])?;
    Ok(())
}

#[test]
fn an_unreachable_store_is_the_one_retryable_error() -> Result<()> {
    let store = store()?;
    store
        .gate(&model(), &data())?
        .env("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
        .refuses(5, &["127.0.0.1:1"])?;
    Ok(())
}

#[test]
fn a_truncated_object_is_a_data_error_that_names_the_object() -> Result<()> {
    let store = store()?;
    let folder = tempfile::tempdir()?;
    let whole = folder.path().join("whole.parquet");
    Table::validation(500)?.write(&whole)?;
    let bytes = std::fs::read(&whole)?;
    store
        .server
        .write(DATA, "truncated/part.parquet", &bytes[..bytes.len() / 2])?;
    store
        .gate(&model(), &format!("s3://{DATA}/truncated/"))?
        .refuses(3, &["truncated/part.parquet"])?;
    Ok(())
}
