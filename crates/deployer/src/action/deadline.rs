//! The time that a whole operation has (`--deadline`), beside the time of each step.

use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::Cause;

/// Stops an operation when its time is up, in the same good order as Ctrl-C does.
pub(super) struct Deadline {
    user: CancellationToken,
    stop: CancellationToken,
    timer: Option<JoinHandle<()>>,
}

impl Deadline {
    /// Begins to watch; `user` is cancelled by Ctrl-C.
    pub(super) fn watch(user: &CancellationToken, end: Option<Instant>) -> Self {
        let stop = user.child_token();
        let timer = end.map(|end| {
            let stop = stop.clone();
            tokio::spawn(async move {
                tokio::time::sleep_until(end).await;
                stop.cancel();
            })
        });
        Self {
            user: user.clone(),
            stop,
            timer,
        }
    }

    /// Returns what the operation listens to.
    pub(super) fn stop(&self) -> CancellationToken {
        self.stop.clone()
    }

    /// Tells a person's interrupt from the end of the time.
    pub(super) fn explain(&self, cause: Cause) -> Cause {
        match cause {
            Cause::Cancelled if !self.user.is_cancelled() => Cause::DeadlineExceeded,
            cause => cause,
        }
    }
}

impl Drop for Deadline {
    fn drop(&mut self) {
        if let Some(timer) = &self.timer {
            timer.abort();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[tokio::test(start_paused = true)]
    async fn the_end_of_the_time_is_told_from_an_interrupt() {
        let user = CancellationToken::new();
        let deadline = Deadline::watch(&user, Some(Instant::now() + Duration::from_secs(5)));
        deadline.stop().cancelled().await;
        assert!(matches!(
            deadline.explain(Cause::Cancelled),
            Cause::DeadlineExceeded
        ));
        user.cancel();
        assert!(matches!(
            deadline.explain(Cause::Cancelled),
            Cause::Cancelled
        ));
    }

    #[tokio::test(start_paused = true)]
    async fn without_a_deadline_only_the_user_stops() {
        let user = CancellationToken::new();
        let deadline = Deadline::watch(&user, None);
        assert!(!deadline.stop().is_cancelled());
        user.cancel();
        assert!(deadline.stop().is_cancelled());
    }
}
