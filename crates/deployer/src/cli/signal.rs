//! Ctrl-C: the first asks the operation to stop and go back, the third ends the process.

use std::sync::Arc;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::output::{Printer, Style};

/// Returns a token that the first Ctrl-C or SIGTERM cancels.
///
/// A third signal ends the process at once; the release is then recovered by the next command.
pub(crate) fn cancel_on_signal(printer: Arc<Printer>) -> CancellationToken {
    let token = CancellationToken::new();
    let cancelled = token.clone();
    // Without a handler, a signal ends the process at once, as the third one does.
    let Ok(mut signals) = Signals::new() else {
        return token;
    };
    tokio::spawn(async move {
        let mut count = 0;
        loop {
            signals.next().await;
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

/// Ends the process at the next Ctrl-C or SIGTERM, once `before` is done. A signal counts from the
/// return of this on.
///
/// # Errors
/// When the system takes no more handlers of signals.
pub(crate) fn end_on_signal(before: impl FnOnce() + Send + 'static) -> std::io::Result<()> {
    let mut signals = Signals::new()?;
    tokio::spawn(async move {
        signals.next().await;
        before();
        end_now();
    });
    Ok(())
}

#[expect(
    clippy::exit,
    reason = "the person asked for it, or for the third time"
)]
fn end_now() {
    std::process::exit(130);
}

/// Ctrl-C and SIGTERM, heard from the time that this is made.
struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    fn new() -> std::io::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
        })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}
