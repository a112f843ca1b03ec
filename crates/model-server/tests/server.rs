//! The real server over the real scorer, by HTTP.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::Once;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

const DEADLINE: Duration = Duration::from_secs(60);

fn datasets() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../datasets")
}

/// Returns the scorer beside the server. A build of the workspace has put it there; a run of this
/// package alone builds it first, with the features of the workspace.
fn scorer() -> PathBuf {
    static BUILD: Once = Once::new();
    let path = Path::new(env!("CARGO_BIN_EXE_model-server")).with_file_name("validator-scorer");
    BUILD.call_once(|| {
        if path.is_file() {
            return;
        }
        let release = path.parent().unwrap().ends_with("release");
        let status = Command::new(env!("CARGO"))
            .args([
                "build",
                "--quiet",
                "--workspace",
                "--bin",
                "validator-scorer",
            ])
            .args(release.then_some("--release"))
            .arg("--target-dir")
            .arg(path.parent().unwrap().parent().unwrap())
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .status()
            .unwrap();
        assert!(status.success(), "the scorer does not build");
    });
    path
}

fn command(model: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_model-server"));
    command
        .env_clear()
        .env("MODEL_PATH", datasets().join(model))
        .env("VALIDATOR_SCORER", scorer())
        .env("HOST", "127.0.0.1")
        .env("PORT", "0")
        .env("SHUTDOWN_DELAY_S", "0")
        .stderr(Stdio::piped());
    command
}

struct Server {
    child: Child,
    address: String,
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

impl Server {
    fn start(mut command: Command) -> Self {
        let mut child = command.spawn().unwrap();
        let mut stderr = BufReader::new(child.stderr.take().unwrap());
        let mut line = String::new();
        while !line.contains("address=") {
            line.clear();
            assert_ne!(
                stderr.read_line(&mut line).unwrap(),
                0,
                "the server has ended"
            );
        }
        let address = line.split("address=").nth(1).unwrap().trim().to_owned();
        std::thread::spawn(move || std::io::copy(&mut stderr, &mut std::io::sink()));
        Self { child, address }
    }

    fn start_ready(command: Command) -> Self {
        let server = Self::start(command);
        server.wait_until(|server| server.get("/health/ready").0 == 200);
        server
    }

    fn wait_until(&self, mut met: impl FnMut(&Self) -> bool) {
        let started = Instant::now();
        while !met(self) {
            assert!(
                started.elapsed() < DEADLINE,
                "the server did not come that far"
            );
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn request(&self, head: &str, body: &[u8]) -> (u16, String) {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        write!(
            stream,
            "{head} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
            body.len()
        )
        .unwrap();
        // The server may answer and close before it has read all of a body that is too large.
        drop(stream.write_all(body));
        let mut answer = Vec::new();
        drop(stream.read_to_end(&mut answer));
        let answer = String::from_utf8(answer).unwrap();
        let status = answer.split(' ').nth(1).unwrap().parse().unwrap();
        let body = answer.split_once("\r\n\r\n").unwrap().1.to_owned();
        (status, body)
    }

    fn get(&self, path: &str) -> (u16, String) {
        self.request(&format!("GET {path}"), b"")
    }

    fn predict(&self, body: &Value) -> (u16, Value) {
        let (status, body) = self.request("POST /predict", body.to_string().as_bytes());
        (status, serde_json::from_str(&body).unwrap())
    }

    fn metric(&self, name: &str) -> f64 {
        let (_, text) = self.get("/metrics");
        let line = text
            .lines()
            .find(|line| line.starts_with(&format!("{name} ")))
            .unwrap();
        line.rsplit(' ').next().unwrap().parse().unwrap()
    }

    fn scorer_process_id(&self) -> i32 {
        let path = format!("/proc/{0}/task/{0}/children", self.child.id());
        let of_main = std::fs::read_to_string(path).unwrap_or_default();
        let children = if of_main.trim().is_empty() {
            children_of_threads(self.child.id())
        } else {
            of_main
        };
        children.split_whitespace().next().unwrap().parse().unwrap()
    }
}

/// The scorer is a child of the thread that started it.
fn children_of_threads(process_id: u32) -> String {
    std::fs::read_dir(format!("/proc/{process_id}/task"))
        .unwrap()
        .filter_map(|task| std::fs::read_to_string(task.unwrap().path().join("children")).ok())
        .collect()
}

fn signal(process_id: i32, name: &str) {
    let status = Command::new("kill")
        .args([&format!("-{name}"), &process_id.to_string()])
        .status()
        .unwrap();
    assert!(status.success());
}

/// Two rows of the validation set: a hadron-like and a gamma-like shower.
fn instances() -> Value {
    json!([
        [
            162.052, 136.031, 4.0612, 0.0374, 0.0187, 116.741, -64.858, -45.216, 76.96, 256.788
        ],
        [
            28.7967, 16.0021, 2.6449, 0.3918, 0.1982, 27.7004, 22.011, -8.2027, 4.0, 81.8828
        ]
    ])
}

#[test]
fn predictions_are_probabilities_with_decisions_and_the_models_identity() {
    let mut command = command("champion.pt");
    command
        .env("DECISION_THRESHOLD", "0.75")
        .env("MODEL_VERSION", "v2.1.0")
        .env("REDIS_HOST", "redis-svc");
    command.env(
        "FEATURE_SERVER_URL",
        "http://user:secret@feature-server-svc:8081",
    );
    let server = Server::start_ready(command);
    let (status, answer) = server.predict(&json!({ "instances": instances() }));
    assert_eq!(status, 200, "{answer}");
    let predictions: Vec<f64> = serde_json::from_value(answer["predictions"].clone()).unwrap();
    let scores: Vec<f64> = serde_json::from_value(answer["scores"].clone()).unwrap();
    assert!(
        predictions[0] < 0.5 && predictions[1] > 0.75,
        "{predictions:?}"
    );
    for (prediction, score) in predictions.iter().zip(&scores) {
        assert!((prediction - 1.0 / (1.0 + (-score).exp())).abs() < 1e-12);
    }
    assert_eq!(answer["decisions"], json!([false, true]));
    assert_eq!(answer["model"]["version"], "v2.1.0");
    assert_eq!(answer["model"]["sha256"].as_str().unwrap().len(), 64);
    let (status, description) = server.get("/health/ready");
    assert_eq!(status, 200);
    let description: Value = serde_json::from_str(&description).unwrap();
    assert_eq!(description["width"], 10);
    assert_eq!(description["redis"], "redis-svc:6379");
    assert_eq!(
        description["feature_server_url"],
        "http://feature-server-svc:8081"
    );
    assert!(server.metric("model_server_rows_total") >= 2.0);
    assert!((server.metric("model_server_ready") - 1.0).abs() < f64::EPSILON);
    let (_, metrics) = server.get("/metrics");
    assert!(
        metrics.contains("model_server_requests_total{status=\"200\"} 1"),
        "{metrics}"
    );
}

#[test]
fn another_model_answers_otherwise() {
    let mut identities = Vec::new();
    for model in ["champion.pt", "better.pt"] {
        let server = Server::start_ready(command(model));
        let (_, answer) = server.predict(&json!({ "instances": instances() }));
        identities.push((answer["model"]["sha256"].clone(), answer["scores"].clone()));
    }
    assert_ne!(identities[0].0, identities[1].0);
    assert_ne!(identities[0].1, identities[1].1);
}

#[test]
fn requests_that_cannot_be_answered_say_why() {
    let mut command = command("champion.pt");
    command.env("REQUEST_BYTES_MAX", "1000");
    let server = Server::start_ready(command);
    let cases = [
        (json!({"instances": [[1.0, 2.0]]}), 400, "wrong_width"),
        (json!({"instances": []}), 400, "bad_request"),
        (json!({"rows": [[1.0]]}), 400, "bad_request"),
        (
            json!({"instances": vec![vec![1.0; 10]; 100]}),
            413,
            "too_large",
        ),
    ];
    for (body, status, code) in cases {
        let (found, answer) = server.predict(&body);
        assert_eq!(
            (found, answer["error"]["code"].as_str()),
            (status, Some(code)),
            "{answer}"
        );
    }
    let (_, answer) = server.predict(&json!({"instances": [[1.0, 2.0]]}));
    assert!(
        answer["error"]["message"].as_str().unwrap().contains("10"),
        "{answer}"
    );
    assert_eq!(server.get("/predict").0, 405);
    assert_eq!(server.get("/absent").0, 404);
    assert_eq!(server.get("/health/live").0, 200);
}

#[test]
fn many_callers_at_once_each_get_their_own_rows() {
    let server = Server::start_ready(command("champion.pt"));
    let expected: Vec<Value> = (0..8)
        .map(|index| server.predict(&row(index)).1["scores"].clone())
        .collect();
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let (server, expected) = (&server, &expected);
            scope.spawn(move || {
                for round in 0..20 {
                    let index = (thread + round) % 8;
                    let (status, answer) = server.predict(&row(index));
                    assert_eq!(status, 200, "{answer}");
                    let found = answer["scores"][0].as_f64().unwrap();
                    let wanted = expected[index][0].as_f64().unwrap();
                    assert!((found - wanted).abs() < 1e-4, "{found} is not {wanted}");
                }
            });
        }
    });
}

fn row(index: usize) -> Value {
    let mut instances = instances();
    instances[1][8] = json!(index as f64 * 10.0);
    json!({ "instances": [instances[1]] })
}

#[test]
fn a_killed_scorer_makes_the_server_unready_and_comes_back() {
    let server = Server::start_ready(command("champion.pt"));
    let first = server.scorer_process_id();
    signal(first, "KILL");
    server.wait_until(|server| server.get("/health/ready").0 == 503);
    assert_eq!(server.get("/health/live").0, 200);
    server.wait_until(|server| server.get("/health/ready").0 == 200);
    assert_ne!(server.scorer_process_id(), first);
    let (status, _) = server.predict(&json!({ "instances": instances() }));
    assert_eq!(status, 200);
    assert!(server.metric("model_server_scorer_failures_total") >= 1.0);
}

#[test]
fn a_model_that_raises_or_returns_no_number_spoils_only_its_request() {
    let server = Server::start_ready(command("hostile/models/raises.pt"));
    let (status, answer) = server.predict(&json!({ "instances": instances() }));
    assert_eq!(
        (status, answer["error"]["code"].as_str()),
        (422, Some("model_raised")),
        "{answer}"
    );
    assert_eq!(server.get("/health/ready").0, 200);
    let server = Server::start_ready(command("hostile/models/nan.pt"));
    let (status, answer) = server.predict(&json!({ "instances": instances() }));
    assert_eq!(
        (status, answer["error"]["code"].as_str()),
        (500, Some("not_a_number")),
        "{answer}"
    );
}

#[test]
fn sigterm_ends_the_server_quietly() {
    let mut server = Server::start_ready(command("champion.pt"));
    let scorer = server.scorer_process_id();
    signal(server.child.id().cast_signed(), "TERM");
    let status = server.child.wait().unwrap();
    assert_eq!(status.code(), Some(0));
    let started = Instant::now();
    while Path::new(&format!("/proc/{scorer}")).exists() {
        assert!(
            started.elapsed() < DEADLINE,
            "the scorer outlives its server"
        );
        std::thread::sleep(Duration::from_millis(10));
    }
}

type Change<'a> = &'a dyn Fn(&mut Command);

/// A store that takes connections and never answers stands for a model that takes long to fetch.
#[test]
fn a_server_that_still_fetches_its_model_is_alive_not_ready_and_heeds_sigterm() {
    let store = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let mut command = command("champion.pt");
    command
        .env("MODEL_PATH", "s3://models/model.pt")
        .env(
            "AWS_ENDPOINT_URL",
            format!("http://{}", store.local_addr().unwrap()),
        )
        .env("AWS_ACCESS_KEY_ID", "A")
        .env("AWS_SECRET_ACCESS_KEY", "B");
    let mut server = Server::start(command);
    assert_eq!(server.get("/health/live").0, 200);
    assert_eq!(server.get("/health/ready").0, 503);
    signal(server.child.id().cast_signed(), "TERM");
    assert_eq!(server.child.wait().unwrap().code(), Some(0));
}

#[test]
fn a_server_that_cannot_start_says_why_and_ends() {
    let run = |change: Change<'_>| -> Output {
        let mut command = command("champion.pt");
        change(&mut command);
        command.output().unwrap()
    };
    let cases: [(Change<'_>, &str); 5] = [
        (
            &|command| {
                command.env("MODEL_PATH", "/absent.pt");
            },
            "/absent.pt",
        ),
        (
            &|command| {
                command.env(
                    "MODEL_PATH",
                    datasets().join("hostile/models/state_dict.pt"),
                );
            },
            "state_dict",
        ),
        (
            &|command| {
                command.env("DECISION_THRESHOLD", "nan");
            },
            "DECISION_THRESHOLD",
        ),
        (
            &|command| {
                command.env("VALIDATOR_SCORER", "/absent");
            },
            "/absent",
        ),
        (
            &|command| {
                command.env("MODEL_PATH", "ftp://host/model.pt");
            },
            "ftp",
        ),
    ];
    for (change, word) in cases {
        let output = run(change);
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{text}");
        assert!(text.contains("error: ") && text.contains(word), "{text}");
    }
}
