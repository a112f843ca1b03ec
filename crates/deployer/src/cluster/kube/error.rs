//! What can go wrong between this process and the API server, in words that a person can act on.

use std::error::Error as StdError;
use std::io::ErrorKind;

use thiserror::Error;

/// Failures of talking to a Kubernetes API server.
#[derive(Debug, Error)]
pub enum KubeError {
    /// Neither a kubeconfig nor a pod's service account was found.
    #[error("no cluster is configured: neither a kubeconfig nor a pod's service account was found")]
    NoConfiguration {
        /// Why the kubeconfig could not be used.
        #[source]
        source: Box<kube::config::KubeconfigError>,
    },
    /// A kubeconfig exists but cannot be used as asked.
    #[error("the kubeconfig cannot be used{}", in_context(.context))]
    Configuration {
        /// The context asked for, if one was.
        context: Option<String>,
        /// What is wrong with it.
        #[source]
        source: Box<kube::config::KubeconfigError>,
    },
    /// A flag about the connection is malformed.
    #[error("`{flag}` cannot be used: {problem}")]
    Flag {
        /// The flag.
        flag: &'static str,
        /// What is wrong with its value.
        problem: String,
    },
    /// The client could not be built from the configuration.
    #[error("cannot prepare the connection to {server}")]
    Client {
        /// The server's address.
        server: String,
        /// The cause.
        #[source]
        source: Box<kube::Error>,
    },
    /// No answer came from the server.
    #[error("cannot reach the API server {server}: {problem}")]
    Unreachable {
        /// The server's address.
        server: String,
        /// The cause in short.
        problem: String,
    },
    /// The server did not accept who we are.
    #[error("the API server {server} does not accept these credentials: {message}")]
    Unauthorised {
        /// The server's address.
        server: String,
        /// The server's words.
        message: String,
    },
    /// The server answered with an error.
    #[error("{message}")]
    Api {
        /// The HTTP status.
        code: u16,
        /// The machine-readable reason, such as `NotFound`.
        reason: String,
        /// The server's words.
        message: String,
        /// The causes in detail, as `(reason, message, field)`.
        causes: Vec<ApiCause>,
        /// Whether an earlier attempt of the same request may have had its effect.
        retried: bool,
    },
    /// The answer was not what the API promises.
    #[error("the answer of {server} to {request} cannot be understood")]
    Answer {
        /// The server's address.
        server: String,
        /// Method and path.
        request: String,
        /// The cause.
        #[source]
        source: serde_json::Error,
    },
    /// The cluster serves no such kind.
    #[error("no matches for kind \"{kind}\" in version \"{api_version}\"")]
    UnknownKind {
        /// Group and version.
        api_version: String,
        /// The kind.
        kind: String,
    },
}

fn in_context(context: &Option<String>) -> String {
    match context {
        Some(name) => format!(" with context `{name}`"),
        None => String::new(),
    }
}

/// One cause in the details of an API error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiCause {
    /// Such as `FieldManagerConflict`.
    pub reason: String,
    /// The server's words.
    pub message: String,
    /// The field concerned, as `.spec.replicas`.
    pub field: String,
}

impl KubeError {
    /// Returns whether the object asked for does not exist.
    pub fn is_not_found(&self) -> bool {
        matches!(self, KubeError::Api { code: 404, .. })
    }

    /// Returns whether an object of that name exists already.
    pub fn is_already_exists(&self) -> bool {
        matches!(self, KubeError::Api { reason, .. } if reason == "AlreadyExists")
    }

    /// Returns whether a precondition (version, UID or field owner) did not hold.
    pub fn is_conflict(&self) -> bool {
        matches!(self, KubeError::Api { reason, .. } if reason == "Conflict")
    }

    /// Returns whether the watched version is too old to go on from.
    pub fn is_expired(&self) -> bool {
        matches!(self, KubeError::Api { code: 410, .. })
    }

    /// Returns whether the server forbade the request.
    pub fn is_forbidden(&self) -> bool {
        matches!(self, KubeError::Api { code: 403, .. })
    }

    /// Returns whether the object was refused as it stands.
    pub fn is_invalid(&self) -> bool {
        matches!(self, KubeError::Api { code: 422, .. })
    }

    /// Returns what the user can do about it, one hint a line.
    pub fn hints(&self) -> Vec<String> {
        match self {
            KubeError::NoConfiguration { .. } => vec![
                "name a kubeconfig with `--kubeconfig FILE` or KUBECONFIG".to_owned(),
                "without a cluster, deploy to a folder with `--target dir:PATH`".to_owned(),
            ],
            KubeError::Configuration { .. } => {
                vec!["`kubectl config get-contexts` lists the contexts there are".to_owned()]
            }
            KubeError::Unreachable { server, .. } => vec![
                format!("check that the API server runs: `curl -k {server}/readyz`"),
                "choose another cluster with `--kube-context NAME` or `--kubeconfig FILE`"
                    .to_owned(),
            ],
            KubeError::Unauthorised { .. } => vec![
                "log in again, or choose other credentials with `--kube-context NAME`".to_owned(),
            ],
            KubeError::Api { code: 403, .. } => {
                vec!["`kubectl auth can-i --list` shows what these credentials may do".to_owned()]
            }
            KubeError::UnknownKind { kind, .. } => vec![format!(
                "install the CRD that defines `{kind}` first, or put it into the chart's crds/ folder"
            )],
            _ => Vec::new(),
        }
    }
}

/// Tells in a few words why a connection failed, and whether trying again can help.
pub(crate) fn connection_problem(error: &kube::Error) -> (String, bool) {
    let mut current: Option<&(dyn StdError + 'static)> = Some(error);
    let mut innermost = error.to_string();
    let mut retryable = true;
    while let Some(cause) = current {
        innermost = cause.to_string();
        if let Some(io) = cause.downcast_ref::<std::io::Error>() {
            match io.kind() {
                ErrorKind::ConnectionRefused => return ("connection refused".to_owned(), true),
                ErrorKind::ConnectionReset | ErrorKind::BrokenPipe | ErrorKind::UnexpectedEof => {
                    return ("the connection was closed".to_owned(), true);
                }
                ErrorKind::TimedOut => return ("no answer in time".to_owned(), true),
                _ => {}
            }
        }
        if innermost.contains("certificate") {
            retryable = false;
        }
        current = cause.source();
    }
    let unresolved = innermost.contains("lookup address") || innermost.contains("dns error");
    (innermost, retryable && !unresolved)
}
