//! Ctrl-C: the first asks the operation to stop and go back, the third ends the process.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use crate::output::{Printer, Style};

/// Returns a token that the first Ctrl-C or SIGTERM cancels.
///
/// A third signal ends the process at once; the release is then recovered by the next command.
pub(crate) fn cancel_on_signal(printer: Arc<Printer>) -> CancellationToken {
    let token = CancellationToken::new();
    let cancelled = token.clone();
    tokio::spawn(async move {
        let mut count = 0;
        loop {
            if wait_for_signal().await.is_err() {
                return;
            }
            count += 1;
            match count {
                1 => {
                    let word = printer.paint_error(Style::Warning, "interrupted:");
                    printer.say(&format!(
                        "{word} stopping, and going back to the last good state if asked to (twice more ends at once)"
                    ));
                    cancelled.cancel();
                }
                2 => printer.say("still going back; once more ends at once and leaves the release to `deployer recover`"),
                _ => end_now(),
            }
        }
    });
    token
}

/// Ends the process at the next Ctrl-C or SIGTERM, once `before` is done.
pub(crate) fn end_on_signal(before: impl FnOnce() + Send + 'static) {
    tokio::spawn(async move {
        if wait_for_signal().await.is_ok() {
            before();
            end_now();
        }
    });
}

#[expect(
    clippy::exit,
    reason = "the person asked for it, or for the third time"
)]
fn end_now() {
    std::process::exit(130);
}

#[cfg(unix)]
async fn wait_for_signal() -> std::io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        result = tokio::signal::ctrl_c() => result,
        _ = terminate.recv() => Ok(()),
    }
}

#[cfg(not(unix))]
async fn wait_for_signal() -> std::io::Result<()> {
    tokio::signal::ctrl_c().await
}
