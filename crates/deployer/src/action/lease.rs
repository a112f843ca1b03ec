//! The right to change a release, held for as long as an action runs.
//!
//! As in client-go's leader election no clocks are compared: whoever finds a lease looks on, and
//! takes it only when it did not change for its whole duration by the onlooker's own clock. The
//! holder stops well before that, by its own clock, unless it could prolong the lease. Source:
//! `k8s.io/client-go/tools/leaderelection/leaderelection.go`.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use std::time::Duration;

use tokio::task::JoinHandle;

use super::retry::repeated;
use super::{ActionError, Deployer};
use crate::progress::ProgressEvent;
use crate::release::ReleaseName;
use crate::storage::{Lease, LeaseRequest, StorageError};

/// The holder prolongs the lease this many times in its duration, and an onlooker looks as often.
const LOOKS: u32 = 5;

/// Does `work` while this process holds the lease of the release.
///
/// `work` gets no further once the lease may be another's: it is dropped where it stands.
///
/// # Errors
/// [`StorageError::LeaseHeld`] when another process works on the release,
/// [`StorageError::LeaseLost`] when one took it over, and what `work` fails with.
pub(super) async fn with_lease<T>(
    deployer: &Deployer,
    name: &ReleaseName,
    work: impl AsyncFnOnce(&LeaseGuard) -> Result<T, ActionError>,
) -> Result<T, ActionError> {
    let lease = LeaseGuard::take(deployer, name).await?;
    let outcome = lease.guard(work(&lease)).await;
    lease.release().await;
    outcome?
}

/// Holds the lease of a release and prolongs it until it is given back or dropped.
pub(super) struct LeaseGuard {
    deployer: Deployer,
    held: Arc<Mutex<Held>>,
    heartbeat: JoinHandle<()>,
}

/// The lease as it was last written, and until when it counts.
#[derive(Debug, Clone)]
struct Held {
    lease: Lease,
    /// By [`crate::clock::Clock::elapsed`]; a third before an onlooker could take it.
    trusted_until: Duration,
    /// Set once it is lost: to whom, or to nobody.
    lost_to: Option<Option<String>>,
}

impl LeaseGuard {
    async fn take(deployer: &Deployer, name: &ReleaseName) -> Result<Self, StorageError> {
        let asked_at = deployer.clock.elapsed();
        let (lease, asked_at) = match acquire(deployer, name, None).await {
            Ok(lease) => (lease, asked_at),
            Err(StorageError::LeaseHeld { lease }) => take_over(deployer, *lease).await?,
            Err(error) => return Err(error),
        };
        let held = Arc::new(Mutex::new(Held {
            trusted_until: asked_at + trusted_for(lease.duration),
            lease,
            lost_to: None,
        }));
        let heartbeat = tokio::spawn(beat(deployer.clone(), Arc::clone(&held)));
        Ok(Self {
            deployer: deployer.clone(),
            held,
            heartbeat,
        })
    }

    /// Makes sure that the lease is still ours, before a write.
    pub(super) async fn ensure(&self) -> Result<(), StorageError> {
        let held = lock(&self.held).clone();
        if let Some(holder) = held.lost_to {
            return Err(StorageError::LeaseLost {
                name: held.lease.name,
                holder,
            });
        }
        if self.deployer.clock.elapsed() < held.trusted_until {
            return Ok(());
        }
        prolong(&self.deployer, &self.held).await
    }

    /// Polls `work` only while the lease is known to be ours; between two polls the process may
    /// have slept, and an answer that it waited for may have come after others took over.
    async fn guard<T>(&self, work: impl Future<Output = T>) -> Result<T, StorageError> {
        let mut work = pin!(work);
        loop {
            tokio::select! {
                biased;
                () = self.doubt() => self.ensure().await?,
                outcome = &mut work => return Ok(outcome),
            }
        }
    }

    /// Ends when the lease has to be asked for before anything else happens.
    async fn doubt(&self) {
        let is_doubtful = || {
            let held = lock(&self.held);
            held.lost_to.is_some() || self.deployer.clock.elapsed() >= held.trusted_until
        };
        // The clock is read whenever anything of the work goes on, and at the end of the trust.
        let mut tick = pin!(tokio::time::sleep(
            self.deployer.lease_duration / (2 * LOOKS)
        ));
        poll_fn(|context| {
            if is_doubtful() {
                return Poll::Ready(());
            }
            while tick.as_mut().poll(context).is_ready() {
                let next = tokio::time::Instant::now() + self.deployer.lease_duration / (2 * LOOKS);
                tick.as_mut().reset(next);
            }
            Poll::Pending
        })
        .await;
    }

    /// Gives the lease back; a failure is told, and the lease then counts as dead in time.
    async fn release(self) {
        self.heartbeat.abort();
        let held = lock(&self.held).lease.clone();
        if let Err(error) = repeated(|| self.deployer.store.release_lease(&held)).await {
            tracing::warn!(release = %held.name, %error, "the lease was not given back; it will be found dead");
        }
    }
}

impl Drop for LeaseGuard {
    fn drop(&mut self) {
        self.heartbeat.abort();
    }
}

fn trusted_for(duration: Duration) -> Duration {
    duration * 2 / 3
}

async fn acquire(
    deployer: &Deployer,
    name: &ReleaseName,
    dead: Option<Lease>,
) -> Result<Lease, StorageError> {
    let request = LeaseRequest {
        name: name.clone(),
        holder: deployer.operator.clone(),
        duration: deployer.lease_duration,
        now: deployer.clock.now(),
        dead,
    };
    // Asking twice does no harm: what is ours already is taken again.
    repeated(|| deployer.store.acquire_lease(&request)).await
}

/// Looks on until another's lease proves to be dead, and takes it; returns when that was asked.
///
/// # Errors
/// [`StorageError::LeaseHeld`] as soon as it changes or is given back: its holder lives.
async fn take_over(deployer: &Deployer, found: Lease) -> Result<(Lease, Duration), StorageError> {
    let name = found.name.clone();
    let seen_at = deployer.clock.elapsed();
    deployer.tell(ProgressEvent::Note {
        text: format!(
            "`{}` holds release `{name}`; taking it over if its process gives no sign of life within {} s",
            found.holder,
            found.duration.as_secs()
        ),
    });
    let alive = || StorageError::LeaseHeld {
        lease: Box::new(found.clone()),
    };
    loop {
        tokio::time::sleep(found.duration / LOOKS).await;
        if deployer.cancel.is_cancelled() {
            return Err(alive());
        }
        let asked_at = deployer.clock.elapsed();
        let present = repeated(|| deployer.store.lease(&name)).await?;
        if present.as_ref() != Some(&found) {
            return Err(alive());
        }
        if asked_at.saturating_sub(seen_at) >= found.duration {
            let lease = acquire(deployer, &name, Some(found.clone())).await?;
            return Ok((lease, asked_at));
        }
    }
}

/// Prolongs the lease until it is known whose it is; a server that does not answer for long is
/// the caller's error.
async fn prolong(deployer: &Deployer, held: &Mutex<Held>) -> Result<(), StorageError> {
    let before = lock(held).lease.clone();
    let asked_at = deployer.clock.elapsed();
    let now = deployer.clock.now();
    let renewed = repeated(|| deployer.store.renew_lease(&before, now)).await;
    let mut held = lock(held);
    match renewed {
        Ok(lease) => {
            let until = asked_at + trusted_for(lease.duration);
            held.trusted_until = held.trusted_until.max(until);
            held.lease = lease;
            Ok(())
        }
        Err(error) => {
            if let StorageError::LeaseLost { holder, .. } = &error {
                held.lost_to = Some(holder.clone());
            }
            Err(error)
        }
    }
}

async fn beat(deployer: Deployer, held: Arc<Mutex<Held>>) {
    let mut ticks = tokio::time::interval(deployer.lease_duration / LOOKS);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    ticks.tick().await;
    loop {
        ticks.tick().await;
        match prolong(&deployer, &held).await {
            Ok(()) => {}
            Err(StorageError::LeaseLost { name, holder }) => {
                tracing::error!(release = %name, ?holder, "the lease was lost");
                return;
            }
            Err(error) => tracing::warn!(%error, "the lease was not prolonged; trying again"),
        }
    }
}

fn lock(held: &Mutex<Held>) -> MutexGuard<'_, Held> {
    held.lock().unwrap_or_else(PoisonError::into_inner)
}
