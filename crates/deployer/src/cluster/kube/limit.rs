//! How many requests are under way at once, adapted to what the server takes.
//!
//! Additive increase, multiplicative decrease: a window of answers without refusal allows one
//! request more, a refusal (429) halves the window. Source: Jacobson (1988), Congestion avoidance
//! and control.

use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use tracing::debug;

/// Requests at once in the beginning.
const START: usize = 32;
/// Requests at once in the end; more would only queue in the server.
pub(super) const MAX: usize = 64;

/// A window of requests.
#[derive(Debug)]
pub(super) struct Limit {
    window: Mutex<Window>,
    freed: Notify,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Window {
    size: usize,
    in_flight: usize,
    /// Answers since the window was last changed.
    answers: usize,
    /// Requests that were under way when it was last halved: their refusals tell nothing new.
    stale: usize,
}

impl Window {
    fn answered(&mut self) {
        self.in_flight -= 1;
        self.stale = self.stale.saturating_sub(1);
        self.answers += 1;
        if self.answers >= self.size {
            self.answers = 0;
            self.size = (self.size + 1).min(MAX);
        }
    }

    fn refused(&mut self) {
        self.in_flight -= 1;
        if self.stale > 0 {
            self.stale -= 1;
            return;
        }
        self.size = (self.size / 2).max(1);
        self.answers = 0;
        self.stale = self.in_flight;
    }
}

/// The right to have one request under way; given back when dropped.
#[derive(Debug)]
pub(super) struct Permit<'a> {
    limit: &'a Limit,
    is_refused: bool,
}

impl Permit<'_> {
    /// Notes that the server refused the request as one too many.
    pub(super) fn refused(mut self) {
        self.is_refused = true;
    }
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        let mut window = self.limit.lock();
        let before = window.size;
        if self.is_refused {
            window.refused();
        } else {
            window.answered();
        }
        if window.size < before {
            debug!(
                size = window.size,
                "the server refuses: fewer requests at once"
            );
        }
        let has_grown = window.size > before;
        drop(window);
        self.limit.freed.notify_one();
        if has_grown {
            self.limit.freed.notify_one();
        }
    }
}

impl Limit {
    pub(super) fn new() -> Self {
        Self {
            window: Mutex::new(Window {
                size: START,
                in_flight: 0,
                answers: 0,
                stale: 0,
            }),
            freed: Notify::new(),
        }
    }

    /// Waits until one more request may be under way.
    pub(super) async fn acquire(&self) -> Permit<'_> {
        loop {
            let freed = self.freed.notified();
            {
                let mut window = self.lock();
                if window.in_flight < window.size {
                    window.in_flight += 1;
                    return Permit {
                        limit: self,
                        is_refused: false,
                    };
                }
            }
            freed.await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, Window> {
        self.window.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn round(limit: &Limit, refused: bool) -> usize {
        let size = limit.lock().size;
        let mut permits = Vec::new();
        for _ in 0..size {
            permits.push(limit.acquire().await);
        }
        for permit in permits {
            if refused {
                permit.refused();
            }
        }
        limit.lock().size
    }

    #[tokio::test]
    async fn a_refusal_halves_the_window_once_and_answers_widen_it_again() {
        let limit = Limit::new();
        assert_eq!(round(&limit, false).await, START + 1);
        // All of one window are refused together: that is one refusal.
        assert_eq!(round(&limit, true).await, START.div_ceil(2));
        assert_eq!(round(&limit, true).await, (START + 1) / 4);
        assert_eq!(round(&limit, false).await, (START + 1) / 4 + 1);
    }

    #[tokio::test]
    async fn the_window_is_bounded_on_both_sides() {
        let limit = Limit::new();
        for _ in 0..10 {
            round(&limit, true).await;
        }
        assert_eq!(limit.lock().size, 1);
        for _ in 0..2 * MAX {
            round(&limit, false).await;
        }
        assert_eq!(limit.lock().size, MAX);
        assert_eq!(limit.lock().in_flight, 0);
    }

    #[tokio::test]
    async fn a_request_waits_until_another_has_ended() {
        let limit = Limit::new();
        let mut permits = Vec::new();
        for _ in 0..START {
            permits.push(limit.acquire().await);
        }
        let mut waiting = std::pin::pin!(limit.acquire());
        assert!(futures::poll!(&mut waiting).is_pending());
        permits.pop();
        assert!(futures::poll!(&mut waiting).is_ready());
    }
}
