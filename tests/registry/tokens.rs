//! A registry that takes tokens alone, with its token server: what is stored for a registry may be
//! an identity token in place of user and password. Neither server is to be trusted with our memory.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::json;
use sha2::{Digest, Sha256};

use crate::home::Home;

const IDENTITY: &str = "an identity token";
const TOKEN: &str = "a-token-for-ml-web";
const CHART: &str = "application/vnd.cncf.helm.chart.content.v1.tar+gzip";
const CONFIG: &str = "application/vnd.cncf.helm.config.v1+json";

/// The servers, both on one port, until they are dropped.
struct TokenRegistry {
    address: SocketAddr,
    stops: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

/// What is there for the right token: a status line's end, and a body, by path.
type Files = BTreeMap<String, Vec<u8>>;

impl TokenRegistry {
    fn start(chart: Vec<u8>) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let digest = |data: &[u8]| format!("sha256:{:x}", Sha256::digest(data));
        let config = b"{}".to_vec();
        let descriptor = |media_type: &str, data: &[u8]| json!({"mediaType": media_type, "digest": digest(data), "size": data.len()});
        let manifest = json!({
            "schemaVersion": 2,
            "config": descriptor(CONFIG, &config),
            "layers": [descriptor(CHART, &chart)],
        });
        let files = Files::from([
            (
                "ml/web/manifests/0.1.0".to_owned(),
                manifest.to_string().into_bytes(),
            ),
            (format!("ml/web/blobs/{}", digest(&chart)), chart),
            (
                "ml/web/tags/list".to_owned(),
                br#"{"name":"ml/web","tags":["0.1.0"]}"#.to_vec(),
            ),
        ]);
        let stops = Arc::new(AtomicBool::new(false));
        let asked = Arc::clone(&stops);
        let thread = std::thread::spawn(move || {
            for stream in listener.incoming() {
                if asked.load(Ordering::Acquire) {
                    break;
                }
                if let Ok(stream) = stream {
                    // A client that hangs up is its own affair.
                    let _ = serve(stream, address, &files);
                }
            }
        });
        Ok(Self {
            address,
            stops,
            thread: Some(thread),
        })
    }

    fn url(&self, repository: &str) -> String {
        format!("oci://{}/{repository}", self.address)
    }
}

impl Drop for TokenRegistry {
    fn drop(&mut self) {
        self.stops.store(true, Ordering::Release);
        // Wakes the thread, which then sees that it is to stop.
        let _ = TcpStream::connect(self.address);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn serve(mut stream: TcpStream, address: SocketAddr, files: &Files) -> Result<()> {
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut first = String::new();
    reader.read_line(&mut first)?;
    let (mut length, mut authorization) = (0, String::new());
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let Some((name, value)) = line.trim_end().split_once(": ") else {
            break;
        };
        match name.to_lowercase().as_str() {
            "content-length" => length = value.parse()?,
            "authorization" => value.clone_into(&mut authorization),
            _ => {}
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    let body = String::from_utf8(body)?;
    let mut words = first.split(' ');
    let (method, path) = (words.next(), words.next().unwrap_or_default());
    let path = path.split('?').next().unwrap_or_default();
    let file = path.strip_prefix("/v2/").unwrap_or_default();
    let challenge =
        format!("WWW-Authenticate: Bearer realm=\"http://{address}/token\",service=\"charts\"\r\n");
    let is_known = authorization == format!("Bearer {TOKEN}");
    let (status, header, data) = match (method, path) {
        // The fields as the specification of tokens names them.
        (Some("POST"), "/token") => {
            let fields = [
                "service=charts",
                "scope=repository%3Aml%2F",
                "grant_type=refresh_token",
                "client_id=",
                &format!("refresh_token={}", IDENTITY.replace(' ', "+")),
            ];
            if fields.iter().all(|field| body.contains(field)) {
                let answer = json!({"access_token": TOKEN, "expires_in": 300}).to_string();
                ("200 OK", "", answer.into_bytes())
            } else {
                ("401 Unauthorized", "", b"no".to_vec())
            }
        }
        (_, "/token") => ("401 Unauthorized", "", b"no".to_vec()),
        _ if !is_known => ("401 Unauthorized", challenge.as_str(), b"{}".to_vec()),
        (_, "/v2/") => ("200 OK", "", b"{}".to_vec()),
        _ if file.starts_with("ml/endless") => {
            // More than anybody wants to hear, and its length is not said.
            stream.write_all(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")?;
            for _ in 0..64 {
                stream.write_all(&[b' '; 1024 * 1024])?;
            }
            return Ok(());
        }
        _ => match files.get(file) {
            Some(data) => ("200 OK", "", data.clone()),
            None => ("404 Not Found", "", b"{}".to_vec()),
        },
    };
    let length = data.len();
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n{header}\r\n"
    );
    stream.write_all(head.as_bytes())?;
    if method != Some("HEAD") {
        stream.write_all(&data)?;
    }
    Ok(())
}

fn keep_identity(home: &Home, registry: &TokenRegistry, token: &str) -> Result<()> {
    std::fs::create_dir_all(home.path("docker"))?;
    let config = json!({"auths": {registry.address.to_string(): {"identitytoken": token}}});
    std::fs::write(home.path("docker/config.json"), config.to_string())?;
    Ok(())
}

#[test]
fn an_identity_token_is_exchanged_for_one_of_the_repository() -> Result<()> {
    let home = Home::new()?;
    let archive = home.pack("dist", "web", "0.1.0")?;
    let registry = TokenRegistry::start(std::fs::read(&archive)?)?;
    let pull = format!("pull {} -d out -vv", registry.url("ml/web"));
    home.fails(&pull)?.says(&["asks for a login"])?;
    keep_identity(&home, &registry, IDENTITY)?;
    let output = home.run(&pull)?;
    let said = output.describe();
    ensure!(!said.contains(TOKEN) && !said.contains(IDENTITY), "{said}");
    let pulled = std::fs::read(home.path("out/web-0.1.0.tgz")).context("nothing was pulled")?;
    ensure!(pulled == std::fs::read(&archive)?, "another archive");
    keep_identity(&home, &registry, "an old one")?;
    let output = home.fails(&pull)?;
    output.says(&["refused the identity token", "deployer registry login"])?;
    ensure!(!output.describe().contains("an old one"));
    Ok(())
}

#[test]
fn a_registry_that_talks_without_end_is_stopped() -> Result<()> {
    let home = Home::new()?;
    let archive = home.pack("dist", "web", "0.1.0")?;
    let registry = TokenRegistry::start(std::fs::read(&archive)?)?;
    keep_identity(&home, &registry, IDENTITY)?;
    let pull = format!("pull {} -d out", registry.url("ml/endless"));
    for flags in ["", " --version 0.1.0"] {
        home.fails(&format!("{pull}{flags}"))?
            .says(&["holds more than 4194304 bytes"])?;
    }
    ensure!(home.names("out")?.is_empty());
    Ok(())
}
