//! A feature store: features by entity over HTTP, as a proxy in the cluster reaches it.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, Result};
use serde_json::Value;

/// What the threads of the store share.
#[derive(Debug, Default)]
struct Shared {
    entities: Mutex<BTreeMap<String, Value>>,
    requests: AtomicUsize,
    is_failing: AtomicBool,
    is_stopped: AtomicBool,
}

/// A running store; it stops when dropped.
#[derive(Debug)]
pub struct FeatureStore {
    address: SocketAddr,
    shared: Arc<Shared>,
}

impl FeatureStore {
    /// Listens on an address of this machine, on a free port.
    ///
    /// # Errors
    /// Fails when the port cannot be had.
    pub fn start(host: IpAddr) -> Result<Self> {
        let listener =
            TcpListener::bind((host, 0)).with_context(|| format!("failed to listen on {host}"))?;
        let address = listener.local_addr()?;
        let shared = Arc::<Shared>::default();
        let of_thread = Arc::clone(&shared);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if of_thread.is_stopped.load(Ordering::Relaxed) {
                    return;
                }
                let shared = Arc::clone(&of_thread);
                std::thread::spawn(move || serve(stream, &shared));
            }
        });
        Ok(Self { address, shared })
    }

    /// Returns the store's address as pods reach it.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Stores the features of an entity.
    pub fn put(&self, entity: &str, features: Value) {
        let entities = &self.shared.entities;
        let mut entities = entities.lock().unwrap_or_else(PoisonError::into_inner);
        entities.insert(entity.to_owned(), features);
    }

    /// Returns how often the store was asked.
    pub fn requests(&self) -> usize {
        self.shared.requests.load(Ordering::Relaxed)
    }

    /// Makes the store answer 500, or well again.
    pub fn fail(&self, is_failing: bool) {
        self.shared.is_failing.store(is_failing, Ordering::Relaxed);
    }
}

impl Drop for FeatureStore {
    fn drop(&mut self) {
        self.shared.is_stopped.store(true, Ordering::Relaxed);
        // Wakes the listener up, which then sees that it is to stop.
        drop(TcpStream::connect(self.address));
    }
}

fn serve(stream: TcpStream, shared: &Shared) {
    let mut reader = BufReader::new(stream);
    loop {
        let mut head = String::new();
        loop {
            let before = head.len();
            if reader.read_line(&mut head).unwrap_or(0) == 0 {
                return;
            }
            if head[before..].trim().is_empty() {
                break;
            }
        }
        shared.requests.fetch_add(1, Ordering::Relaxed);
        let path = head.split(' ').nth(1).unwrap_or_default();
        let entity = path.strip_prefix("/features/").unwrap_or_default();
        let entities = &shared.entities;
        let entities = entities.lock().unwrap_or_else(PoisonError::into_inner);
        let (status, body) = match entities.get(entity) {
            _ if shared.is_failing.load(Ordering::Relaxed) => ("500 Failing", String::new()),
            Some(features) => ("200 OK", features.to_string()),
            None => ("404 Not Found", String::new()),
        };
        drop(entities);
        let answer = format!(
            "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        if reader.get_mut().write_all(answer.as_bytes()).is_err() {
            return;
        }
    }
}
