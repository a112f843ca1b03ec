//! A chart repository on loopback: the files of a folder over plain HTTP, and ways to misbehave.
//!
//! The first part of a path chooses how the rest is served:
//!
//! | path | what comes |
//! |---|---|
//! | `/private/…` | the file, for `USER` with `PASSWORD` alone |
//! | `/moved/…` | a redirect to the file |
//! | `/gzip/…` | the file, compressed though nobody asked |
//! | `/truncated/…` | the first half of the file, its whole length announced |
//! | `/broken/…` | 500 |
//! | `/huge/…` | an announced terabyte |
//! | anything else | the file, or 404 |

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::Result;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// The user that `/private/` knows.
pub const USER: &str = "ci";
/// The user's password; no output may show it.
pub const PASSWORD: &str = "wo:rd of the ci";

/// The server, until it is dropped.
#[derive(Debug)]
pub struct ChartServer {
    address: SocketAddr,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    folder: PathBuf,
    stops: AtomicBool,
    requests: Mutex<Vec<Request>>,
}

/// What somebody asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// The path with its query.
    pub path: String,
    /// Whether credentials came with it.
    pub has_credentials: bool,
}

impl ChartServer {
    /// Serves a folder on a free port.
    ///
    /// # Errors
    /// Fails when no port can be had.
    pub fn start(folder: &Path) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            folder: folder.to_path_buf(),
            stops: AtomicBool::new(false),
            requests: Mutex::default(),
        });
        let served = Arc::clone(&shared);
        let thread = std::thread::spawn(move || {
            for stream in listener.incoming() {
                if served.stops.load(Ordering::Acquire) {
                    break;
                }
                if let Ok(stream) = stream {
                    // A client that hangs up is its own affair.
                    let _ = serve(&served, stream);
                }
            }
        });
        Ok(Self {
            address,
            shared,
            thread: Some(thread),
        })
    }

    /// Returns an address of this server, such as `url("private")`.
    pub fn url(&self, path: &str) -> String {
        match path {
            "" => format!("http://{}", self.address),
            path => format!("http://{}/{path}", self.address),
        }
    }

    /// Returns the same under another name of this machine, which is another host for credentials.
    pub fn other_host(&self, path: &str) -> String {
        format!("http://localhost:{}/{path}", self.address.port())
    }

    /// Returns what was asked for since the last call.
    pub fn requests(&self) -> Vec<Request> {
        std::mem::take(&mut *lock(&self.shared.requests))
    }
}

impl Drop for ChartServer {
    fn drop(&mut self) {
        self.shared.stops.store(true, Ordering::Release);
        // Wakes the thread, which then sees that it is to stop.
        let _ = TcpStream::connect(self.address);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn serve(shared: &Shared, mut stream: TcpStream) -> Result<()> {
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    let (path, authorization) = read_request(&stream)?;
    lock(&shared.requests).push(Request {
        path: path.clone(),
        has_credentials: authorization.is_some(),
    });
    let plain = path.split('?').next().unwrap_or_default();
    let plain = plain.trim_start_matches('/');
    let (way, rest) = plain.split_once('/').unwrap_or(("", plain));
    let file = |name: &str| std::fs::read(shared.folder.join(name)).ok();
    let expected = format!("Basic {}", STANDARD.encode(format!("{USER}:{PASSWORD}")));
    let missing = || answer("404 Not Found", &[], b"nothing here");
    let whole = |name: &str| match file(name) {
        Some(data) => answer("200 OK", &[], &data),
        None => missing(),
    };
    let bytes = match way {
        "private" if authorization.as_deref() != Some(expected.as_str()) => answer(
            "401 Unauthorized",
            &["WWW-Authenticate: Basic realm=\"charts\""],
            b"who are you?",
        ),
        "private" => whole(rest),
        "moved" => answer("302 Found", &[&format!("Location: /{rest}")], b""),
        "gzip" => match file(rest) {
            Some(data) => {
                let mut packed =
                    flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
                packed.write_all(&data)?;
                answer("200 OK", &["Content-Encoding: gzip"], &packed.finish()?)
            }
            None => missing(),
        },
        "truncated" => match file(rest) {
            Some(data) => {
                let mut bytes = answer("200 OK", &[], &data);
                bytes.truncate(bytes.len() - data.len() / 2);
                bytes
            }
            None => missing(),
        },
        "broken" => answer("500 Internal Server Error", &[], b"out of order"),
        "huge" => {
            b"HTTP/1.1 200 OK\r\nContent-Length: 1099511627776\r\n\r\napiVersion: v1".to_vec()
        }
        _ => whole(plain),
    };
    stream.write_all(&bytes)?;
    Ok(())
}

fn read_request(stream: &TcpStream) -> Result<(String, Option<String>)> {
    let mut lines = BufReader::new(stream.take(64 * 1024)).lines();
    let first = lines.next().transpose()?.unwrap_or_default();
    let path = first.split(' ').nth(1).unwrap_or("/").to_owned();
    let mut authorization = None;
    for line in lines {
        let line = line?;
        if line.is_empty() {
            break;
        }
        if let Some((name, value)) = line.split_once(':')
            && name.eq_ignore_ascii_case("authorization")
        {
            authorization = Some(value.trim().to_owned());
        }
    }
    Ok((path, authorization))
}

fn answer(status: &str, headers: &[&str], data: &[u8]) -> Vec<u8> {
    let mut head = format!(
        "HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n",
        data.len()
    );
    for header in headers {
        head.push_str(header);
        head.push_str("\r\n");
    }
    head.push_str("\r\n");
    [head.as_bytes(), data].concat()
}
