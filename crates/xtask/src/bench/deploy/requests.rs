//! How many requests a program made, from the API server's audit log: exact, and the same count for every program.

use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader, Seek, SeekFrom};
use std::path::PathBuf;
use std::time::Duration;

/// An entry may be written a moment after the program got its answer.
const LAG: Duration = Duration::from_millis(100);

/// The audit log of a cluster.
#[derive(Debug)]
pub(super) struct RequestLog {
    path: PathBuf,
}

/// A place in the log.
#[derive(Debug)]
pub(super) struct Mark(u64);

/// Requests of one run.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub(super) struct Requests {
    pub(super) total: usize,
    /// By the API's verb: get, list, create, patch, update, delete.
    pub(super) verbs: BTreeMap<String, usize>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Entry {
    verb: String,
    #[serde(default)]
    user_agent: String,
}

impl RequestLog {
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path }
    }

    /// Returns the present end.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub(super) fn mark(&self) -> Result<Mark> {
        Ok(Mark(self.open()?.seek(SeekFrom::End(0))?))
    }

    /// Counts the requests of a deployer or Helm since `mark`.
    ///
    /// # Errors
    /// When the log cannot be read or has no such request.
    pub(super) fn since(&self, mark: &Mark) -> Result<Requests> {
        std::thread::sleep(LAG);
        let mut file = self.open()?;
        file.seek(SeekFrom::Start(mark.0))?;
        let requests = count(BufReader::new(file))?;
        ensure!(
            requests.total > 0,
            "the audit log `{}` shows no request of the program",
            self.path.display()
        );
        Ok(requests)
    }

    fn open(&self) -> Result<File> {
        File::open(&self.path)
            .with_context(|| format!("failed to open the audit log `{}`", self.path.display()))
    }
}

fn count(log: impl BufRead) -> Result<Requests> {
    let mut requests = Requests::default();
    for line in log.lines() {
        let entry: Entry = serde_json::from_str(&line?).context("an audit entry is no JSON")?;
        let is_ours = ["deployer/", "Helm/"]
            .iter()
            .any(|agent| entry.user_agent.starts_with(agent));
        if is_ours {
            requests.total += 1;
            *requests.verbs.entry(entry.verb).or_default() += 1;
        }
    }
    Ok(requests)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_requests_of_the_programs_count() {
        let log = r#"{"verb":"get","userAgent":"Helm/3.22.0","requestURI":"/api"}
{"verb":"update","userAgent":"kube-controller-manager/v1.34.4"}
{"verb":"patch","userAgent":"deployer/0.1.0"}
{"verb":"get","userAgent":"kubectl/v1.34.4"}
"#;
        let requests = count(log.as_bytes()).unwrap();
        assert_eq!(requests.total, 2);
        assert_eq!(
            requests.verbs,
            BTreeMap::from([("get".to_owned(), 1), ("patch".to_owned(), 1)])
        );
    }
}
