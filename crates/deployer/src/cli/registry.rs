//! `registry`

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::arguments::parse_secret;
use super::error::CliError;
use super::password::{password_from_stdin, prompt};
use super::session::Session;
use crate::registry::{Access, Secret, TlsFiles, forget, login, store};

/// Log in to and out of registries
#[derive(Debug, Args)]
pub(crate) struct RegistryCommand {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    Login(Box<LoginCommand>),
    Logout(LogoutCommand),
}

impl RegistryCommand {
    pub(crate) async fn run(self, session: &Session) -> Result<(), CliError> {
        match self.verb {
            Verb::Login(command) => command.run(session).await,
            Verb::Logout(command) => command.run(session).await,
        }
    }
}

/// Check user and password with a registry, and keep them
///
/// They are kept where Helm keeps them, or in the credential helper that its file names.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  echo \"$TOKEN\" | deployer registry login registry.example.com -u ci --password-stdin"
)]
struct LoginCommand {
    /// Host of the registry, with its port where it has one
    host: String,
    /// User
    #[arg(short, long, value_name = "USER")]
    username: Option<String>,
    /// Password (visible to other processes: prefer --password-stdin)
    #[arg(short, long, value_name = "PASSWORD", value_parser = parse_secret)]
    password: Option<Secret>,
    /// Read the password from stdin
    #[arg(long)]
    password_stdin: bool,
    /// Do not check the registry's certificate; the connection is then open to interception
    #[arg(long)]
    insecure: bool,
    /// Certificate authorities of the registry, in place of the system's
    #[arg(long, value_name = "FILE")]
    ca_file: Option<PathBuf>,
    /// Certificate to show to the registry
    #[arg(long, value_name = "FILE")]
    cert_file: Option<PathBuf>,
    /// Key of that certificate
    #[arg(long, value_name = "FILE")]
    key_file: Option<PathBuf>,
    /// Speak HTTP without TLS (on loopback it is found out)
    #[arg(long)]
    plain_http: bool,
}

impl LoginCommand {
    async fn run(self, session: &Session) -> Result<(), CliError> {
        let host = host_of(&self.host);
        let (username, password) = self.user(session)?;
        let access = Access {
            tls: TlsFiles {
                ca: self.ca_file,
                certificate: self.cert_file,
                key: self.key_file,
                accept_any: self.insecure,
            },
            plain_http: self.plain_http,
            ..Access::default()
        };
        login(&access, host, &username, &password).await?;
        store(&session.global.places(), host, &username, &password).await?;
        session.printer.say("Login Succeeded");
        Ok(())
    }

    fn user(&self, session: &Session) -> Result<(String, Secret), CliError> {
        let printer = &session.printer;
        let given = self
            .password
            .clone()
            .filter(|word| !word.reveal().is_empty());
        let ask_user = || -> Result<String, CliError> {
            match self.username.as_deref().unwrap_or_default() {
                "" => Ok(prompt(printer, "Username: ", false)?
                    .reveal()
                    .trim()
                    .to_owned()),
                name => Ok(name.to_owned()),
            }
        };
        if self.password_stdin {
            return match self.username.as_deref().unwrap_or_default() {
                "" => Err(CliError::usage("--password-stdin needs --username")),
                name => Ok((name.to_owned(), password_from_stdin()?)),
            };
        }
        if let Some(password) = given {
            printer.warn("Using --password via the CLI is insecure. Use --password-stdin.");
            return Ok((ask_user()?, password));
        }
        let username = ask_user()?;
        Ok((username, prompt(printer, "Password: ", true)?))
    }
}

/// Forget what is kept of a registry
#[derive(Debug, Args)]
struct LogoutCommand {
    /// Host of the registry, with its port where it has one
    host: String,
}

impl LogoutCommand {
    async fn run(self, session: &Session) -> Result<(), CliError> {
        let host = host_of(&self.host);
        forget(&session.global.places(), host).await?;
        session
            .printer
            .say(&format!("Removing login credentials for {host}"));
        Ok(())
    }
}

/// People paste whole addresses.
fn host_of(text: &str) -> &str {
    let plain = ["oci://", "http://", "https://"]
        .iter()
        .find_map(|scheme| text.strip_prefix(scheme))
        .unwrap_or(text);
    plain.split('/').next().unwrap_or(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_taken_out_of_an_address() {
        assert_eq!(host_of("oci://localhost:5000/ml"), "localhost:5000");
        assert_eq!(host_of("registry.example.com"), "registry.example.com");
    }
}
