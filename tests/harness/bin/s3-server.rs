//! Serves a folder over S3 until it is stopped: what the demo and a curious reader use.

use std::io::Write;
use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::Result;
use clap::Parser;
use harness::s3::{Credentials, Server};

/// Serve a folder over S3, verifying signatures
///
/// Each folder below ROOT is a bucket. The endpoints are printed on stdout, one per line, once they
/// accept connections; the server runs until it is interrupted.
#[derive(Debug, Parser)]
#[command(
    after_help = "Example:\n  s3-server --root ./data --access-key demo --secret-key demo-secret --listen 127.0.0.1:9000"
)]
struct Arguments {
    /// Folder that holds the buckets
    #[arg(long)]
    root: PathBuf,
    /// Address to listen on, port 0 for a free one; can be repeated
    #[arg(long = "listen", default_value = "127.0.0.1:0")]
    listen: Vec<SocketAddr>,
    /// Access key that is let in
    #[arg(long, env = "AWS_ACCESS_KEY_ID")]
    access_key: String,
    /// Secret of that key
    #[arg(long, env = "AWS_SECRET_ACCESS_KEY", hide_env_values = true)]
    secret_key: String,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let credentials = Credentials {
        access_key: arguments.access_key,
        secret_key: arguments.secret_key,
    };
    // The server owns a runtime, so it has to be made and dropped outside of this one.
    let server = tokio::task::spawn_blocking(move || {
        Server::start_on(&arguments.root, credentials, &arguments.listen)
    })
    .await??;
    let mut stdout = std::io::stdout();
    for endpoint in server.endpoints() {
        writeln!(stdout, "{endpoint}")?;
    }
    stdout.flush()?;
    wait_for_signal().await?;
    tokio::task::spawn_blocking(move || drop(server)).await?;
    Ok(())
}

async fn wait_for_signal() -> Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        interrupted = tokio::signal::ctrl_c() => interrupted?,
        _ = terminate.recv() => {}
    }
    Ok(())
}
