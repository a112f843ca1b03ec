//! The real S3 server behind a proxy that spoils its answers: what is tried again, what is not, and
//! what is said.

use std::path::Path;
use std::time::Duration;

use anyhow::Result;
use harness::cluster::demand;
use harness::datasets;
use harness::s3::Server;
use harness::s3_proxy::{Fault, FaultyProxy, Told};
use tempfile::TempDir;

use crate::run::{Finished, Gate};

const PREFIX: &str = "validation/";
/// More than any client tries.
const ALWAYS: usize = 1000;

struct Store {
    server: Server,
    proxy: FaultyProxy,
    folder: TempDir,
}

fn store() -> Result<Store> {
    let folder = tempfile::tempdir()?;
    let server = Server::start(folder.path())?;
    server.put("models", "model.pt", &datasets::model("champion")?)?;
    server.put("data", PREFIX, &datasets::validation()?)?;
    let proxy = FaultyProxy::start(&server.endpoint())?;
    Ok(Store {
        server,
        proxy,
        folder,
    })
}

impl Store {
    fn gate(&self) -> Result<Gate> {
        let gate = Gate::new()?
            .model(Path::new("s3://models/model.pt"))
            .dataset(Path::new("s3://data/validation/"))
            .env("MINIMUM_AUC", "0.85")
            .env("MAXIMUM_P99_LATENCY_MS", "10000")
            .env("VALIDATOR_TIME_BUDGET", "5");
        let environment = self.server.environment();
        let gate = environment
            .into_iter()
            .fold(gate, |gate, (name, value)| gate.env(name, &value));
        Ok(gate.env("AWS_ENDPOINT_URL", &self.proxy.endpoint()))
    }

    /// The run passes although that many answers were spoilt, on all rows.
    fn passes(&self, spoilt: usize) -> Result<Finished> {
        let finished = self.gate()?.expect(0)?;
        let found = self.proxy.spoilt();
        demand(found == spoilt, || {
            format!("{found} answers were spoilt, not {spoilt}")
        })?;
        let rows = &finished.brief()?["dataset"]["rows"];
        demand(*rows == 6000, || format!("{rows} rows"))?;
        Ok(finished)
    }
}

#[test]
fn a_store_that_asks_to_slow_down_is_asked_again() -> Result<()> {
    let store = store()?;
    for (method, part) in [
        ("HEAD", "model.pt"),
        ("GET", "list-type"),
        ("GET", "part-0001"),
    ] {
        let fault = Fault::Refuse(503, "SlowDown");
        store.proxy.spoil(method, part, 0, 2, fault);
    }
    store.passes(6)?;
    Ok(())
}

#[test]
fn a_store_that_never_answers_well_is_the_retryable_error() -> Result<()> {
    let store = store()?;
    let fault = Fault::Refuse(503, "SlowDown");
    store.proxy.spoil("GET", "part-0001", 0, ALWAYS, fault);
    let finished = store
        .gate()?
        .refuses(5, &["part-0001.parquet", "SlowDown"])?;
    let report = finished.report.unwrap_or_default();
    demand(report["error"]["retryable"] == true, || {
        report["error"].to_string()
    })
}

#[test]
fn slow_answers_are_waited_for() -> Result<()> {
    let store = store()?;
    let delay = Fault::Slow(Duration::from_millis(400));
    store.proxy.spoil("GET", "part-000", 0, 3, delay);
    store.passes(3)?;
    Ok(())
}

#[test]
fn a_body_that_ends_early_is_read_again_and_given_up_by_name() -> Result<()> {
    let store = store()?;
    store.proxy.spoil("GET", "part-0002", 0, 2, Fault::Truncate);
    store.passes(2)?;
    store
        .proxy
        .spoil("GET", "part-0002", 0, ALWAYS, Fault::Truncate);
    store.gate()?.refuses(5, &["part-0002.parquet"])?;
    Ok(())
}

#[test]
fn a_connection_that_is_reset_is_tried_again_and_given_up_by_name() -> Result<()> {
    let store = store()?;
    store.proxy.spoil("GET", "part-0000", 0, 2, Fault::Reset);
    store.passes(2)?;
    store
        .proxy
        .spoil("GET", "part-0000", 0, ALWAYS, Fault::Reset);
    store
        .gate()?
        .refuses(5, &["part-0000.parquet"])?
        .output
        .says(&["cannot be reached"])?;
    Ok(())
}

#[test]
fn a_model_that_is_replaced_between_two_requests_is_no_mixture() -> Result<()> {
    let store = store()?;
    let model = store.folder.path().join("models/model.pt");
    let other = std::fs::read(datasets::model("degraded")?)?;
    // After the HEAD that pins its ETag, before the first byte is read. The same size, so that the
    // ETag alone tells.
    let bytes = std::fs::metadata(&model)?.len() as usize;
    let mut replaced = other;
    replaced.resize(bytes, 0);
    let replace = Fault::Before(Box::new(move || {
        std::fs::write(&model, &replaced).expect("the server's own folder");
    }));
    store.proxy.spoil("GET", "model.pt", 0, 1, replace);
    store
        .gate()?
        .refuses(5, &["s3://models/model.pt", "changed"])?;
    Ok(())
}

#[test]
fn data_that_is_replaced_after_the_listing_is_named() -> Result<()> {
    let store = store()?;
    let part = store
        .folder
        .path()
        .join("data/validation/part-0002.parquet");
    let other = std::fs::read(datasets::validation()?.join("part-0000.parquet"))?;
    let replace = Fault::Before(Box::new(move || {
        std::fs::write(&part, &other).expect("the server's own folder");
    }));
    store.proxy.spoil("GET", "part-0002", 0, 1, replace);
    store
        .gate()?
        .refuses(5, &["part-0002.parquet", "changed"])?;
    Ok(())
}

#[test]
fn a_store_that_heeds_if_match_says_that_data_was_replaced() -> Result<()> {
    let store = store()?;
    let fault = Fault::Refuse(412, "PreconditionFailed");
    store.proxy.spoil("GET", "part-0001", 0, ALWAYS, fault);
    store
        .gate()?
        .refuses(5, &["part-0001.parquet", "changed"])?;
    // Such a small file is one request, and that is not worth another try.
    let asked = store.proxy.spoilt();
    demand(asked == 1, || format!("it was asked {asked} times"))
}

#[test]
fn a_token_that_expires_during_the_run_is_told_with_its_identity() -> Result<()> {
    let store = store()?;
    let fault = Fault::Refuse(400, "ExpiredToken");
    store.proxy.spoil("GET", "part-0001", 0, ALWAYS, fault);
    let finished = store
        .gate()?
        .refuses(5, &["part-0001.parquet", "have expired"])?;
    let credentials = store.server.credentials();
    finished
        .output
        .says(&["credentials from environment variables, access key …UITE"])?;
    let text = finished.output.describe();
    for secret in [&credentials.secret_key, &credentials.access_key] {
        demand(!text.contains(secret), || format!("`{secret}` is shown"))?;
    }
    let report = finished.report.unwrap_or_default();
    let identity = &report["environment"]["s3"];
    demand(
        identity["access_key_ends_in"] == "UITE"
            && identity["credentials"] == "environment variables",
        || identity.to_string(),
    )
}

/// The real server checks each signature, which is made for the region that the bucket lies in.
#[test]
fn a_bucket_of_another_region_is_followed_there_once() -> Result<()> {
    for told in [Told::Moved, Told::Malformed] {
        let store = store()?;
        store.server.bucket("verdicts")?;
        store.proxy.lies_in("models", "eu-central-1", told);
        store.proxy.lies_in("data", "ap-south-2", told);
        store.proxy.lies_in("verdicts", "eu-west-3", told);
        let run = || {
            store
                .gate()?
                .with(|program| program.args(["--reuse-verdict", "s3://verdicts/kept/", "-v"]))
                .expect(0)
        };
        let finished = run()?;
        // A verdict is kept by a client of its own, after the run.
        for (bucket, clients) in [("models", 1), ("data", 1), ("verdicts", 2)] {
            let refused = store.proxy.refused_for_region(bucket);
            demand(refused == clients, || {
                format!("{bucket}: {refused} refusals")
            })?;
        }
        demand(finished.brief()?["dataset"]["rows"] == 6000, || {
            finished.output.describe()
        })?;
        finished.output.says(&[
            "bucket=\"models\"",
            "region=eu-central-1",
            "lies in another region",
        ])?;
        let regions = &finished
            .report
            .as_ref()
            .map(|report| &report["environment"]["s3"]["regions"]);
        let expected = serde_json::json!({
            "models": "eu-central-1", "data": "ap-south-2", "verdicts": "eu-west-3"
        });
        demand(*regions == Some(&expected), || format!("{regions:?}"))?;
        demand(
            finished
                .output
                .stdout
                .contains("bucket `data` in ap-south-2"),
            || finished.output.describe(),
        )?;
        // The verdict was written there, too, and is found again.
        let again = run()?;
        demand(!again.brief()?["reused"].is_null(), || {
            again.output.describe()
        })?;
    }
    Ok(())
}

#[test]
fn a_bucket_that_cannot_be_followed_is_told_with_the_reason() -> Result<()> {
    let store = store()?;
    store.proxy.lies_in("data", "eu-central-1", Told::Nowhere);
    store
        .gate()?
        .refuses(2, &["not served by this region", "no answer names another"])?
        .output
        .says(&["AWS_REGION", "PermanentRedirect"])?;
    // A name that is no region would be a part of a host's name.
    store.proxy.lies_in("data", "evil.example/#", Told::Moved);
    let finished = store.gate()?.refuses(2, &["no answer names another"])?;
    demand(!finished.output.describe().contains("evil"), || {
        finished.output.describe()
    })?;
    // A store that sends from one region to the next is followed once.
    store.proxy.lies_in("data", "eu-central-1", Told::Moved);
    let fault = Fault::Refuse(301, "PermanentRedirect");
    store.proxy.spoil("GET", "list-type", 1, ALWAYS, fault);
    store
        .gate()?
        .refuses(2, &["lies in `eu-central-1`, and refuses"])?;
    let refused = (store.proxy.refused_for_region("data"), store.proxy.spoilt());
    demand(refused == (1, 1), || format!("{refused:?}"))
}

#[test]
fn a_passing_run_says_as_whom_it_has_read() -> Result<()> {
    let store = store()?;
    let finished = store.passes(0)?;
    demand(
        finished.output.stdout.contains(&store.proxy.endpoint())
            && finished.output.stdout.contains("access key …UITE"),
        || finished.output.describe(),
    )
}
