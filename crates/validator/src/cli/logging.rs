//! Logs for operators, on stderr.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::FmtSpan;

use super::arguments::LogForm;

/// Tells whether logs at info level or below will be written.
pub(super) fn is_talkative(verbose: u8) -> bool {
    verbose > 0 || std::env::var_os("RUST_LOG").is_some()
}

/// Installs the subscriber: warnings unless `-v` or RUST_LOG ask for more.
pub(super) fn install(verbose: u8, form: LogForm) {
    let default = match verbose {
        0 => "validator=warn,error",
        1 => "validator=info,warn",
        2 => "validator=debug,info",
        _ => "trace",
    };
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(default));
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_span_events(FmtSpan::NONE)
        .with_ansi(std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none())
        .with_writer(std::io::stderr);
    // Only a subscriber that is already there can stand in the way; logging goes on through it.
    let _ = match form {
        LogForm::Text => builder.try_init(),
        LogForm::Json => builder.json().try_init(),
    };
}
