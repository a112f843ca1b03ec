//! The real server by HTTP, between a model server and a feature store of the test.
//!
//! What it does with a Redis that works is shown on the cluster, where there is one.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

const DEADLINE: Duration = Duration::from_secs(30);

/// A peer that answers by path, and keeps what it was asked.
struct Peer {
    url: String,
    answers: Arc<Mutex<BTreeMap<String, (u16, Value)>>>,
    requests: Arc<Mutex<Vec<(String, Value)>>>,
    /// Requests that end without an answer, as when the peer's pod does.
    drops: Arc<AtomicUsize>,
}

impl Peer {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let peer = Self {
            url: format!("http://{}", listener.local_addr().unwrap()),
            answers: Arc::default(),
            requests: Arc::default(),
            drops: Arc::default(),
        };
        let (answers, requests) = (Arc::clone(&peer.answers), Arc::clone(&peer.requests));
        let drops = Arc::clone(&peer.drops);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (answers, requests) = (Arc::clone(&answers), Arc::clone(&requests));
                let drops = Arc::clone(&drops);
                std::thread::spawn(move || serve(stream.unwrap(), &answers, &requests, &drops));
            }
        });
        peer
    }

    fn answers(&self, path: &str, status: u16, body: Value) {
        let mut answers = self.answers.lock().unwrap();
        answers.insert(path.to_owned(), (status, body));
    }

    fn bodies(&self, path: &str) -> Vec<Value> {
        let requests = self.requests.lock().unwrap();
        let of_path = requests.iter().filter(|(asked, _)| asked == path);
        of_path.map(|(_, body)| body.clone()).collect()
    }

    fn model_server() -> Self {
        let peer = Self::start();
        let model = json!({"path": "m.pt", "sha256": "abc", "version": "v1"});
        peer.answers(
            "/health/ready",
            200,
            json!({"model": model, "decision_threshold": 0.5, "width": 2}),
        );
        peer.answers(
            "/predict",
            200,
            json!({"predictions": [0.75], "decisions": [true], "scores": [1.1], "decision_threshold": 0.5, "model": model}),
        );
        peer
    }
}

fn serve(
    stream: TcpStream,
    answers: &Mutex<BTreeMap<String, (u16, Value)>>,
    requests: &Mutex<Vec<(String, Value)>>,
    drops: &AtomicUsize,
) {
    let mut reader = BufReader::new(stream);
    loop {
        let (mut head, mut bytes) = (String::new(), 0);
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line).unwrap_or(0) == 0 {
                return;
            }
            if let Some(length) = line.to_lowercase().strip_prefix("content-length:") {
                bytes = length.trim().parse().unwrap();
            }
            if line == "\r\n" {
                break;
            }
            head.push_str(&line);
        }
        let mut body = vec![0; bytes];
        reader.read_exact(&mut body).unwrap();
        let path = head.split(' ').nth(1).unwrap().to_owned();
        let is_dropped = |left: usize| left.checked_sub(1);
        if path == "/predict"
            && drops
                .fetch_update(Ordering::Relaxed, Ordering::Relaxed, is_dropped)
                .is_ok()
        {
            return;
        }
        let answer = answers.lock().unwrap().get(&path).cloned();
        requests
            .lock()
            .unwrap()
            .push((path, serde_json::from_slice(&body).unwrap_or_default()));
        let (status, text) = answer.map_or((404, String::new()), |(status, body)| {
            (status, body.to_string())
        });
        let response = format!(
            "HTTP/1.1 {status} X\r\nContent-Length: {}\r\n\r\n{text}",
            text.len()
        );
        reader.get_mut().write_all(response.as_bytes()).unwrap();
    }
}

/// A port at which nobody listens.
fn closed() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().to_string()
}

fn command(model_server: &str, store: Option<&str>) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_preprocessing"));
    command
        .env_clear()
        .env("FEATURES", "a,b")
        .env("MODEL_SERVER_URL", model_server)
        .env("HOST", "127.0.0.1")
        .env("PORT", "0")
        .env("SHUTDOWN_DELAY_S", "0")
        .stderr(Stdio::piped());
    command.envs(store.map(|store| ("FEATURE_STORE_URL", store)));
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
            assert_ne!(stderr.read_line(&mut line).unwrap(), 0, "it has ended");
        }
        let address = line.split("address=").nth(1).unwrap().trim().to_owned();
        std::thread::spawn(move || std::io::copy(&mut stderr, &mut std::io::sink()));
        Self { child, address }
    }

    fn request(&self, head: &str, body: &str) -> (u16, String) {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        let length = body.len();
        write!(
            stream,
            "{head} HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}"
        )
        .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let status = answer.split(' ').nth(1).unwrap().parse().unwrap();
        (status, answer.split_once("\r\n\r\n").unwrap().1.to_owned())
    }

    fn predict(&self, body: &str) -> (u16, Value) {
        let (status, body) = self.request("POST /predict", body);
        (status, serde_json::from_str(&body).unwrap())
    }

    fn is_ready(&self) -> bool {
        self.request("GET /health/ready", "").0 == 200
    }

    fn wait_until_ready(&self) {
        let started = Instant::now();
        while !self.is_ready() {
            assert!(started.elapsed() < DEADLINE, "not ready in time");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

#[test]
fn an_event_is_joined_with_stored_features_in_the_models_order() {
    let (model, store) = (Peer::model_server(), Peer::start());
    store.answers("/features/card-1", 200, json!({"a": 1.5, "b": 9, "z": 0}));
    let server = Server::start(command(&model.url, Some(&store.url)));
    server.wait_until_ready();

    let (status, answer) = server.predict(r#"{"entity":"card-1","features":{"b":2}}"#);
    assert_eq!(status, 200, "{answer}");
    let expected = json!({
        "id": null, "entity": "card-1", "prediction": 0.75, "decision": true, "decision_threshold": 0.5,
        "model": {"sha256": "abc", "version": "v1"}, "cache": "off",
    });
    assert_eq!(answer, expected);
    assert_eq!(
        model.bodies("/predict"),
        [json!({"instances": [[1.5, 2.0]]})]
    );

    // An event that has all of it costs the store nothing.
    let (status, _) = server.predict(r#"{"entity":"card-2","features":{"a":1,"b":2}}"#);
    assert_eq!(status, 200);
    assert!(store.bodies("/features/card-2").is_empty());

    let (status, answer) = server.predict(r#"{"entity":"nobody","features":{"b":2}}"#);
    assert_eq!(
        (status, answer["error"]["code"].as_str()),
        (422, Some("missing_features"))
    );
    assert!(answer["error"]["message"].as_str().unwrap().contains("`a`"));

    let (_, metrics) = server.request("GET /metrics", "");
    for line in [
        "preprocessing_ready 1",
        "preprocessing_requests_total{status=\"200\"} 2",
        "preprocessing_requests_total{status=\"422\"} 1",
        "preprocessing_feature_lookups_total 2",
    ] {
        assert!(
            metrics.lines().any(|text| text == line),
            "no {line} in {metrics}"
        );
    }
}

#[test]
fn what_a_peer_fails_at_is_named_and_nothing_is_answered() {
    let (model, store) = (Peer::model_server(), Peer::start());
    let server = Server::start(command(&model.url, Some(&store.url)));
    server.wait_until_ready();
    let whole = r#"{"entity":"e","features":{"a":1,"b":2}}"#;
    let code = |answer: &Value| answer["error"]["code"].as_str().unwrap().to_owned();

    store.answers("/features/e", 500, json!("down"));
    let (status, answer) = server.predict(r#"{"entity":"e","features":{"a":1}}"#);
    assert_eq!(
        (status, code(&answer).as_str()),
        (503, "feature_store"),
        "{answer}"
    );
    store.answers("/features/e", 200, json!({"b": "two"}));
    let (status, answer) = server.predict(r#"{"entity":"e","features":{"a":1}}"#);
    assert_eq!(
        (status, code(&answer).as_str()),
        (503, "feature_store"),
        "{answer}"
    );

    model.answers("/predict", 400, json!({"error": {"code": "wrong_width"}}));
    let (status, answer) = server.predict(whole);
    assert_eq!(
        (status, code(&answer).as_str()),
        (502, "model_refused"),
        "{answer}"
    );
    model.answers("/predict", 200, json!({"predictions": []}));
    let (status, answer) = server.predict(whole);
    assert_eq!(
        (status, code(&answer).as_str()),
        (503, "model_server"),
        "{answer}"
    );

    let (status, _) = server.predict("{");
    assert_eq!(status, 400);
    let (status, _) = server.predict(&format!(r#"{{"entity":"{}"}}"#, "e".repeat(100_000)));
    assert_eq!(status, 413);
    // A peer that fails costs requests, not the endpoint.
    assert!(server.is_ready());
}

#[test]
fn a_connection_that_ends_with_its_pod_costs_no_request() {
    let model = Peer::model_server();
    let server = Server::start(command(&model.url, None));
    server.wait_until_ready();
    let whole = r#"{"entity":"e","features":{"a":1,"b":2}}"#;
    model.drops.store(2, Ordering::Relaxed);
    let (status, answer) = server.predict(whole);
    assert_eq!(status, 200, "{answer}");
    model.drops.store(100, Ordering::Relaxed);
    let (status, answer) = server.predict(whole);
    assert_eq!(
        (status, answer["error"]["code"].as_str()),
        (503, Some("model_server"))
    );
}

#[test]
fn a_failing_cache_is_passed_by_and_a_failing_queue_is_not() {
    let model = Peer::model_server();
    let body = r#"{"entity":"e","features":{"a":1,"b":2}}"#;
    let mut with_cache = command(&model.url, None);
    let server = Server::start({
        with_cache.env("CACHE_ADDRESS", closed());
        with_cache
    });
    server.wait_until_ready();
    // Until the model is known, the cache is not asked for it.
    let started = Instant::now();
    loop {
        let (status, answer) = server.predict(body);
        assert_eq!(status, 200, "{answer}");
        if answer["cache"] == "failed" {
            break;
        }
        assert!(started.elapsed() < DEADLINE, "{answer}");
    }

    let mut with_queue = command(&model.url, None);
    with_queue.env("QUEUE_ADDRESS", closed());
    let server = Server::start(with_queue);
    let (status, answer) = server.predict(body);
    assert_eq!(
        (status, answer["error"]["code"].as_str()),
        (503, Some("result_queue"))
    );
    assert!(!server.is_ready());
}

#[test]
fn the_check_names_each_peer_and_fails_with_one() {
    let (model, store) = (Peer::model_server(), Peer::start());
    let output = command(&model.url, Some(&store.url))
        .arg("--check")
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{text}");
    assert_eq!(text, "model server   ok\nfeature store  ok\n");
    assert_eq!(
        model.bodies("/predict"),
        [json!({"instances": [[0.0, 0.0]]})]
    );

    let output = command(&model.url, None)
        .env("QUEUE_ADDRESS", closed())
        .env("QUEUE_PASSWORD", "hunter2")
        .arg("--check")
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(
        text.contains("result queue   FAILED") && !text.contains("hunter2"),
        "{text}"
    );
}

#[test]
fn it_ends_in_order_when_told() {
    let model = Peer::model_server();
    let mut server = Server::start(command(&model.url, None));
    server.wait_until_ready();
    let kill = Command::new("kill")
        .arg(server.child.id().to_string())
        .status();
    assert!(kill.unwrap().success());
    let started = Instant::now();
    let status = loop {
        if let Some(status) = server.child.try_wait().unwrap() {
            break status;
        }
        assert!(started.elapsed() < DEADLINE, "it does not end");
        std::thread::sleep(Duration::from_millis(20));
    };
    assert!(status.success(), "{status}");
}
