//! `preprocessing`: the front of the serving stack.
//!
//! ```text
//! raw event -> features of its entity (feature store) -> row in the model's order
//!           -> prediction (cache, else model server)  -> result queue -> answer
//! ```
//!
//! The cache may fail, then the model is asked. Of the others each is needed: a request that
//! finds one failing is refused with 503, and nothing is half done.

mod config;
mod error;
mod event;
mod http;
mod metrics;
mod peers;
mod routes;

use std::io::Write;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context;
use clap::Parser;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;

use config::{Arguments, Configuration, LogFormat};
use peers::Peers;
use routes::Server;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    start_logging(arguments.log_format);
    match run(arguments) {
        Ok(code) => code,
        Err(error) => {
            drop(writeln!(std::io::stderr(), "error: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

#[tokio::main(worker_threads = 2)]
async fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let configuration = Configuration::try_from(arguments)?;
    let peers = Peers::new(&configuration)?;
    if configuration.check {
        return check(&peers, configuration.features.len()).await;
    }
    let listener = TcpListener::bind((configuration.host, configuration.port))
        .await
        .with_context(|| format!("failed to listen on port {}", configuration.port))?;
    let address = listener
        .local_addr()
        .context("failed to read the own address")?;
    let server = Arc::new(Server::new(configuration, peers));
    tracing::info!(%address, "listening");

    let stopping = Arc::clone(&server);
    let serving = axum::serve(listener, routes::router(Arc::clone(&server)))
        .with_graceful_shutdown(async move { stopping.until_stopped().await });
    tokio::select! {
        result = serving => result.context("failed to serve")?,
        () = server.watch_peers() => {}
        () = server.until_stop_overdue() => tracing::warn!("requests were still running at the end"),
    }
    tracing::info!("stopped");
    Ok(ExitCode::SUCCESS)
}

/// Asks each peer once and tells on stdout how it stands.
async fn check(peers: &Peers, width: usize) -> anyhow::Result<ExitCode> {
    let mut code = ExitCode::SUCCESS;
    let mut stdout = std::io::stdout().lock();
    for (name, outcome) in peers.check(width).await {
        match outcome {
            Ok(()) => writeln!(stdout, "{name:14} ok")?,
            Err(error) => {
                code = ExitCode::FAILURE;
                writeln!(stdout, "{name:14} FAILED: {:#}", anyhow::Error::from(error))?;
            }
        }
    }
    Ok(code)
}

/// Waits for a signal to end; tells whether it came from an orchestrator.
async fn ending_signal() -> std::io::Result<SignalKind> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(tokio::select! {
        _ = terminate.recv() => SignalKind::terminate(),
        _ = interrupt.recv() => SignalKind::interrupt(),
    })
}

fn start_logging(format: LogFormat) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr);
    match format {
        LogFormat::Text => builder.with_ansi(false).init(),
        LogFormat::Json => builder.json().init(),
    }
}
