//! Programs that keep credentials: `docker-credential-NAME`, one verb, JSON on stdin and stdout.
//!
//! Source: the protocol of github.com/docker/docker-credential-helpers.

use std::process::{Output, Stdio};
use std::time::Duration;

use serde::Deserialize;
use serde_json::json;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

use super::access::Secret;
use super::credentials::Credentials;
use super::error::RegistryError;

/// How long a helper may take; it may have to ask a person.
const TIMEOUT: Duration = Duration::from_secs(120);
/// What a helper says on stdout for a server that it does not know.
const NOT_FOUND: &str = "credentials not found";
/// The user name that marks an identity token.
const TOKEN_USER: &str = "<token>";

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Answer {
    username: String,
    secret: String,
}

/// A helper, by the name that a configuration gives it.
pub(super) struct Helper<'a> {
    pub(super) name: &'a str,
    /// The registry that is spoken of, for errors.
    pub(super) registry: &'a str,
}

impl Helper<'_> {
    /// Asks for the credentials of a server; none where the helper knows none.
    pub(super) async fn get(&self, key: &str) -> Result<Option<Credentials>, RegistryError> {
        let output = self.run("get", key).await?;
        if !output.status.success() {
            // The protocol says so on stdout; anything else there may be a secret.
            if String::from_utf8_lossy(&output.stdout).contains(NOT_FOUND) {
                return Ok(None);
            }
            return Err(self.failed("get", &output));
        }
        let answer: Answer = serde_json::from_slice(&output.stdout)
            .map_err(|_| self.problem("answered with something else than credentials"))?;
        let secret = Secret::from(answer.secret);
        Ok(Some(match answer.username.as_str() {
            TOKEN_USER => Credentials::IdentityToken(secret),
            _ => Credentials::User {
                name: answer.username,
                password: secret,
            },
        }))
    }

    pub(super) async fn store(
        &self,
        key: &str,
        username: &str,
        password: &Secret,
    ) -> Result<(), RegistryError> {
        let entry = json!({"ServerURL": key, "Username": username, "Secret": password.reveal()});
        self.change("store", &entry.to_string()).await
    }

    pub(super) async fn erase(&self, key: &str) -> Result<(), RegistryError> {
        self.change("erase", key).await
    }

    async fn change(&self, verb: &str, input: &str) -> Result<(), RegistryError> {
        let output = self.run(verb, input).await?;
        if output.status.success() {
            return Ok(());
        }
        Err(self.failed(verb, &output))
    }

    async fn run(&self, verb: &str, input: &str) -> Result<Output, RegistryError> {
        let mut command = Command::new(format!("docker-credential-{}", self.name));
        command.arg(verb);
        let talked = talk(command, input).await;
        talked.map_err(|what| self.problem(&what))
    }

    fn failed(&self, verb: &str, output: &Output) -> RegistryError {
        self.problem(&format!("failed at `{verb}` with {}", output.status))
    }

    fn problem(&self, what: &str) -> RegistryError {
        RegistryError::Credentials {
            registry: self.registry.to_owned(),
            problem: format!(
                "the credential helper `docker-credential-{}` {what}",
                self.name
            ),
        }
    }
}

/// Runs a program to its end, or ends it when its time is over; an error is the rest of a sentence.
async fn talk(mut command: Command, input: &str) -> Result<Output, String> {
    let mut process = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| format!("cannot be run: {error}"))?;
    let stdin = process.stdin.take();
    let talk = async {
        if let Some(mut stdin) = stdin {
            // A helper that does not read its input fails by itself.
            let _ = stdin.write_all(input.as_bytes()).await;
        }
        process.wait_with_output().await
    };
    match tokio::time::timeout(TIMEOUT, talk).await {
        Ok(ended) => ended.map_err(|error| format!("cannot be awaited: {error}")),
        Err(_) => Err(format!(
            "did not answer within {} s and was ended",
            TIMEOUT.as_secs()
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The clock of the test stands still and jumps to the deadline once nothing else happens.
    #[tokio::test(start_paused = true)]
    async fn a_helper_that_never_answers_is_ended() {
        let mut silent = Command::new("sleep");
        silent.arg("1000");
        let problem = talk(silent, "h.example").await.expect_err("too late");
        assert_eq!(problem, "did not answer within 120 s and was ended");
    }
}
