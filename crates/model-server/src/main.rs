//! `model-server`: answers predictions of one TorchScript model over HTTP.
//!
//! ```text
//! routes (axum) -> queue (bounded) -> worker (one thread) -> validator-scorer (child process)
//! ```
//!
//! The same scorer judges the model in the gate and serves it here. The child is started again
//! when the model crashes it; meanwhile the server is alive and not ready.

mod config;
mod error;
mod metrics;
mod routes;
mod worker;

use std::io::Write;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context;
use clap::Parser;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;
use validator::dataset::Location;
use validator::model_file;

use config::{Arguments, Configuration, LogFormat};
use metrics::Metrics;
use routes::Server;
use worker::Worker;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    start_logging(arguments.log_format);
    match run(arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            drop(writeln!(std::io::stderr(), "error: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

#[tokio::main(worker_threads = 2)]
async fn run(arguments: Arguments) -> anyhow::Result<()> {
    let configuration = Configuration::try_from(arguments)?;
    let listener = TcpListener::bind((configuration.host, configuration.port))
        .await
        .with_context(|| format!("failed to listen on port {}", configuration.port))?;
    let address = listener
        .local_addr()
        .context("failed to read the own address")?;
    let location = Location::parse(&configuration.model_path).context("MODEL_PATH is no place")?;
    let metrics = Arc::new(Metrics::default());
    let (fetched, model) = std::sync::mpsc::channel();
    let worker = Worker::start(&configuration, model, Arc::clone(&metrics));
    let server = Arc::new(Server::new(configuration, worker, metrics));
    tracing::info!(%address, "listening");

    let loading = Arc::clone(&server);
    // Beside serving: a large model must cost neither the liveness nor the ear for signals.
    let failed_to_load = async move {
        // Kept to the end: a fetched file is removed with it, and a restart of the scorer
        // needs it.
        let model_file = match model_file::fetch(&location, &mut None).await {
            Ok(model_file) => model_file,
            Err(error) => return anyhow::Error::from(error).context("failed to fetch the model"),
        };
        // A worker that has ended says so below.
        drop(fetched.send(model_file.path().to_owned()));
        loading.worker.failed().await.into()
    };
    let stopping = Arc::clone(&server);
    let serving = axum::serve(listener, routes::router(Arc::clone(&server)))
        .with_graceful_shutdown(async move { stopping.until_stopped().await });
    tokio::select! {
        result = serving => result.context("failed to serve")?,
        error = failed_to_load => return Err(error),
        () = server.until_stop_overdue() => tracing::warn!("requests were still running at the end"),
    }
    tracing::info!("stopped");
    Ok(())
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
