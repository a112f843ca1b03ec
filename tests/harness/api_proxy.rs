//! The API server behind a proxy that counts requests and, at the one that was chosen, stops the
//! program that makes them or answers as a bad day would.
//!
//! `kubectl proxy` speaks TLS to the server; what stands before it here is HTTP/1.1 with one
//! request for each connection, so that bytes are only counted and passed on.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use crate::cluster::Cluster;
use crate::command::Running;
use crate::poll;

/// How long the API server may take to be reached.
const PATIENCE: Duration = Duration::from_secs(30);
/// The longest head of a request or response, in bytes.
const HEAD_BYTES_MAX: usize = 64 << 10;

/// The API server without TLS, on a Unix socket; ends when dropped.
#[derive(Debug)]
pub struct PlainApi {
    socket: PathBuf,
    _process: Running,
    _folder: tempfile::TempDir,
}

impl PlainApi {
    /// Starts `kubectl proxy` and waits until the server answers.
    ///
    /// # Errors
    /// Fails when the server cannot be reached.
    pub fn start(cluster: &Cluster) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let socket = folder.path().join("api");
        let process = cluster
            .kubectl()
            .args(["proxy", "--reject-paths=^$", "--unix-socket"])
            .arg(&socket)
            .time_limit(Duration::from_secs(86_400))
            .start()?;
        let api = Self {
            socket,
            _process: process,
            _folder: folder,
        };
        poll::until("the API server behind kubectl proxy", PATIENCE, || {
            Ok(api.get("/version").ok().flatten())
        })?;
        Ok(api)
    }

    /// Reads a path; none when nothing is there.
    ///
    /// # Errors
    /// Fails when the server answers with another status than 200 and 404.
    pub fn get(&self, path: &str) -> Result<Option<Value>> {
        let mut stream = UnixStream::connect(&self.socket)?;
        write!(
            stream,
            "GET {path} HTTP/1.0\r\nHost: localhost\r\nAccept: application/json\r\n\r\n"
        )?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer)?;
        let (head, rest) = split_head(&answer).context("an answer without a head")?;
        match status_of(head) {
            Some(200) => Ok(Some(
                serde_json::from_slice(rest).with_context(|| format!("the answer of {path}"))?,
            )),
            Some(404) => Ok(None),
            status => bail!(
                "{path}: status {status:?}: {}",
                String::from_utf8_lossy(rest)
            ),
        }
    }

    /// Reads the items of a list.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub fn items(&self, path: &str) -> Result<Vec<Value>> {
        let list = self.get(path)?.unwrap_or_default();
        Ok(list["items"].as_array().cloned().unwrap_or_default())
    }
}

/// What happens at the chosen request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    /// The server never hears of the request, and [`ApiProxy::stopped_at`] says that it is time.
    StopBefore,
    /// The server carries the request out, and the answer stays here.
    StopAfter,
    /// The request goes on as ever, once somebody who was told lets it.
    Tell,
    /// The server answers with this status, without effect.
    Answer(u16),
    /// The connection breaks before the server hears of it.
    Reset,
    /// The server carries the request out, and the connection breaks.
    AnswerLost,
}

/// A proxy before the API server; ends when dropped.
#[derive(Debug)]
pub struct ApiProxy {
    address: SocketAddr,
    shared: Arc<Shared>,
    told: mpsc::Receiver<String>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    socket: PathBuf,
    requests: AtomicU64,
    at: u64,
    trouble: Trouble,
    tell: Mutex<mpsc::Sender<String>>,
    /// After a stop nothing more gets through.
    is_stopped: AtomicBool,
    ends: AtomicBool,
}

impl ApiProxy {
    /// Listens on a free port of loopback. Request number `at`, the first being 1, meets the
    /// trouble; 0 only counts.
    ///
    /// # Errors
    /// Fails when no port can be had.
    pub fn start(api: &PlainApi, at: u64, trouble: Trouble) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let (sender, told) = mpsc::channel();
        let shared = Arc::new(Shared {
            socket: api.socket.clone(),
            requests: AtomicU64::new(0),
            at,
            trouble,
            tell: Mutex::new(sender),
            is_stopped: AtomicBool::new(false),
            ends: AtomicBool::new(false),
        });
        let served = Arc::clone(&shared);
        let thread = std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if served.ends.load(Ordering::Acquire) {
                    break;
                }
                let shared = Arc::clone(&served);
                // A client that hangs up, or was killed, is its own affair.
                std::thread::spawn(move || drop(serve(&shared, stream)));
            }
        });
        Ok(Self {
            address,
            shared,
            told,
            thread: Some(thread),
        })
    }

    /// Writes a kubeconfig that leads here.
    ///
    /// # Errors
    /// Fails when the file cannot be written.
    pub fn write_kubeconfig(&self, path: &Path) -> Result<()> {
        let config = json!({"apiVersion": "v1", "kind": "Config", "current-context": "p",
            "clusters": [{"name": "p", "cluster": {"server": format!("http://{}", self.address)}}],
            "contexts": [{"name": "p", "context": {"cluster": "p", "user": "p"}}],
            "users": [{"name": "p", "user": {}}]});
        Ok(std::fs::write(path, config.to_string())?)
    }

    /// Returns how many requests came.
    pub fn requests(&self) -> u64 {
        self.shared.requests.load(Ordering::SeqCst)
    }

    /// Waits a moment for the chosen request; returns it, such as `PATCH /api/…`, once it is time.
    pub fn stopped_at(&self, patience: Duration) -> Option<String> {
        self.told.recv_timeout(patience).ok()
    }
}

impl Drop for ApiProxy {
    fn drop(&mut self) {
        self.shared.ends.store(true, Ordering::Release);
        // Wakes the listener.
        drop(TcpStream::connect(self.address));
        if let Some(thread) = self.thread.take() {
            // A panic of the listener has been printed.
            let _ = thread.join();
        }
    }
}

fn serve(shared: &Shared, mut client: TcpStream) -> Result<()> {
    let Some(request) = read_request(&mut client)? else {
        return Ok(());
    };
    if shared.is_stopped.load(Ordering::SeqCst) {
        return Ok(());
    }
    let number = shared.requests.fetch_add(1, Ordering::SeqCst) + 1;
    if number != shared.at {
        return pass_on(shared, &request, Some(&mut client)).map(drop);
    }
    let line = String::from_utf8_lossy(&request)
        .lines()
        .next()
        .map(|line| line.trim_end_matches(" HTTP/1.1").to_owned())
        .unwrap_or_default();
    let tell = || {
        let sender = shared.tell.lock().unwrap_or_else(PoisonError::into_inner);
        // Nobody listens any more when the test has ended.
        drop(sender.send(line.clone()));
    };
    match shared.trouble {
        Trouble::StopBefore => {
            shared.is_stopped.store(true, Ordering::SeqCst);
            tell();
            wait_for_the_end(&mut client);
        }
        Trouble::StopAfter => {
            pass_on(shared, &request, None)?;
            shared.is_stopped.store(true, Ordering::SeqCst);
            tell();
            wait_for_the_end(&mut client);
        }
        Trouble::Tell => {
            tell();
            pass_on(shared, &request, Some(&mut client))?;
        }
        Trouble::Answer(status) => {
            let body =
                json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": status,
                "message": format!("answered with {status} by the test"), "reason": reason(status)})
                .to_string();
            write!(
                client,
                "HTTP/1.1 {status} Trouble\r\nContent-Type: application/json\r\nRetry-After: 1\r\n\
                 Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
                body.len()
            )?;
            tell();
        }
        Trouble::Reset => tell(),
        Trouble::AnswerLost => {
            pass_on(shared, &request, None)?;
            tell();
        }
    }
    Ok(())
}

fn reason(status: u16) -> &'static str {
    match status {
        409 => "Conflict",
        429 => "TooManyRequests",
        _ => "InternalError",
    }
}

/// Holds the request until the program that made it is gone.
fn wait_for_the_end(client: &mut TcpStream) {
    let mut nothing = [0; 64];
    while client.read(&mut nothing).is_ok_and(|bytes| bytes > 0) {}
}

/// Sends the request to the server and its answer back, or nowhere.
fn pass_on(shared: &Shared, request: &[u8], client: Option<&mut TcpStream>) -> Result<u64> {
    let mut server = UnixStream::connect(&shared.socket)?;
    server.write_all(request)?;
    let Some(client) = client else {
        // An answer that never ends is a watch: its first bytes show that it has begun.
        server.set_read_timeout(Some(Duration::from_secs(5)))?;
        let mut answer = [0; 16 << 10];
        while server.read(&mut answer).is_ok_and(|bytes| bytes > 0) {}
        return Ok(0);
    };
    let mut passed = 0;
    let mut buffer = [0; 16 << 10];
    loop {
        let bytes = server.read(&mut buffer)?;
        if bytes == 0 || shared.is_stopped.load(Ordering::SeqCst) {
            return Ok(passed);
        }
        client.write_all(&buffer[..bytes])?;
        passed += bytes as u64;
    }
}

/// Reads one request and makes it the only one of its connection; none when the client is gone.
fn read_request(client: &mut TcpStream) -> Result<Option<Vec<u8>>> {
    let mut bytes = Vec::new();
    let mut buffer = [0; 16 << 10];
    let head_end = loop {
        if let Some(end) = find_head(&bytes) {
            break end;
        }
        if bytes.len() > HEAD_BYTES_MAX {
            bail!("the head of the request is too long");
        }
        match client.read(&mut buffer)? {
            0 => return Ok(None),
            read => bytes.extend_from_slice(&buffer[..read]),
        }
    };
    let head = String::from_utf8_lossy(&bytes[..head_end]).into_owned();
    let length: usize = header(&head, "content-length")
        .and_then(|text| text.parse().ok())
        .unwrap_or_default();
    while bytes.len() < head_end + length {
        match client.read(&mut buffer)? {
            0 => return Ok(None),
            read => bytes.extend_from_slice(&buffer[..read]),
        }
    }
    let kept = head
        .trim_end()
        .lines()
        .filter(|line| !line.to_ascii_lowercase().starts_with("connection:"));
    let mut request: Vec<u8> = kept.collect::<Vec<_>>().join("\r\n").into_bytes();
    request.extend_from_slice(b"\r\nConnection: close\r\n\r\n");
    request.extend_from_slice(&bytes[head_end..]);
    Ok(Some(request))
}

fn find_head(bytes: &[u8]) -> Option<usize> {
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n")?;
    Some(end + 4)
}

fn split_head(answer: &[u8]) -> Option<(&str, &[u8])> {
    let (head, rest) = answer.split_at(find_head(answer)?);
    Some((std::str::from_utf8(head).ok()?, rest))
}

fn status_of(head: &str) -> Option<u16> {
    head.split_whitespace().nth(1)?.parse().ok()
}

fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines().find_map(|line| {
        let (found, value) = line.split_once(':')?;
        found.eq_ignore_ascii_case(name).then(|| value.trim())
    })
}
