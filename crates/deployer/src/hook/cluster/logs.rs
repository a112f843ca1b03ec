//! The logs of a hook's containers, each followed once from its start.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use futures::{AsyncBufReadExt, AsyncReadExt};
use serde_json::Value;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::outcome::statuses;
use crate::cluster::kube::{Rest, escape};

/// The longest line that is passed on in one piece, in bytes.
const LINE_BYTES_MAX: u64 = 64 << 10;
/// Lines that wait to be shown; a faster container is held up by this.
const LINES_WAITING_MAX: usize = 1024;
/// How often a log that does not begin is tried again.
const ATTEMPTS_MAX: u32 = 5;

/// Follows the containers of the pods that it is shown.
pub(super) struct LogFollower {
    rest: Arc<Rest>,
    sender: mpsc::Sender<String>,
    receiver: mpsc::Receiver<String>,
    followed: HashSet<(String, String, i64)>,
    tasks: JoinSet<()>,
}

impl LogFollower {
    pub(super) fn new(rest: Arc<Rest>) -> Self {
        let (sender, receiver) = mpsc::channel(LINES_WAITING_MAX);
        Self {
            rest,
            sender,
            receiver,
            followed: HashSet::new(),
            tasks: JoinSet::new(),
        }
    }

    /// Begins to follow every container that has started and is not followed yet.
    pub(super) fn see(&mut self, pod: &Value) {
        let uid = pod["metadata"]["uid"].as_str().unwrap_or_default();
        let has_many = pod["spec"]["containers"].as_array().map_or(0, Vec::len)
            + pod["spec"]["initContainers"].as_array().map_or(0, Vec::len)
            > 1;
        for status in statuses(pod) {
            let has_started =
                status["state"]["running"].is_object() || status["state"]["terminated"].is_object();
            let name = status["name"].as_str().unwrap_or_default();
            let restarts = status["restartCount"].as_i64().unwrap_or_default();
            let key = (uid.to_owned(), name.to_owned(), restarts);
            if !has_started || !self.followed.insert(key) {
                continue;
            }
            let address = format!(
                "/api/v1/namespaces/{}/pods/{}/log?container={}&follow=true",
                pod["metadata"]["namespace"].as_str().unwrap_or_default(),
                escape(pod["metadata"]["name"].as_str().unwrap_or_default()),
                escape(name)
            );
            let prefix = if has_many {
                format!("{name}: ")
            } else {
                String::new()
            };
            self.tasks.spawn(follow(
                Arc::clone(&self.rest),
                address,
                prefix,
                self.sender.clone(),
            ));
        }
    }

    /// Returns the next line; pending while there is none.
    pub(super) async fn next_line(&mut self) -> String {
        match self.receiver.recv().await {
            Some(line) => line,
            // The follower holds a sender itself, so the channel never closes.
            None => std::future::pending().await,
        }
    }

    /// Collects what is still to come, at most `longest`.
    pub(super) async fn finish(mut self, longest: Duration) -> Vec<String> {
        let mut lines = Vec::new();
        drop(self.sender);
        let collect = async {
            while let Some(line) = self.receiver.recv().await {
                lines.push(line);
            }
        };
        // What comes later than this is not waited for: the hook has ended.
        let _ = tokio::time::timeout(longest, collect).await;
        lines
    }
}

async fn follow(rest: Arc<Rest>, address: String, prefix: String, lines: mpsc::Sender<String>) {
    for attempt in 1..=ATTEMPTS_MAX {
        match rest.stream(&address).await {
            Ok(stream) => {
                futures::pin_mut!(stream);
                loop {
                    let mut line = Vec::new();
                    let mut limited = (&mut stream).take(LINE_BYTES_MAX);
                    match limited.read_until(b'\n', &mut line).await {
                        Ok(0) | Err(_) => return,
                        Ok(_) => {}
                    }
                    let text = String::from_utf8_lossy(&line);
                    let text = text.trim_end_matches(['\n', '\r']);
                    if lines.send(format!("{prefix}{text}")).await.is_err() {
                        return;
                    }
                }
            }
            Err(error) => {
                tracing::debug!(address, attempt, %error, "log cannot be followed yet");
                tokio::time::sleep(Duration::from_millis(200 * u64::from(attempt))).await;
            }
        }
    }
}
