//! What every action works with.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::cluster::Cluster;
use crate::hook::{HookContext, HookRunner};
use crate::progress::{ProgressEvent, ProgressSink, Work};
use crate::release::{HookEvent, Namespace, Release};
use crate::storage::ReleaseStore;

/// The target, the records, the hooks and the ways to tell and to be told.
#[derive(Clone)]
pub struct Deployer {
    /// What is deployed to; its default namespace is `namespace`.
    pub cluster: Arc<dyn Cluster>,
    /// The records of `namespace`.
    pub store: Arc<dyn ReleaseStore>,
    /// What runs hooks.
    pub hooks: Arc<dyn HookRunner>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Who is told.
    pub progress: Arc<dyn ProgressSink>,
    /// Cancelled by the first Ctrl-C.
    pub cancel: CancellationToken,
    /// The namespace of the releases.
    pub namespace: Namespace,
    /// Who works here, readable and unique to the process (`alice@laptop/4711/5f3a`).
    pub operator: String,
    /// For how long the lease of a release is taken at a time.
    pub lease_duration: Duration,
}

impl Deployer {
    /// For how long a lease is taken at a time, unless told otherwise; so long takes the next
    /// command to be sure that the process before it is dead.
    pub const LEASE_DURATION: Duration = Duration::from_secs(15);

    pub(crate) fn tell(&self, event: ProgressEvent) {
        self.progress.event(event);
    }

    pub(crate) fn stage(&self, text: impl Into<String>) {
        self.stage_of(text, Work::Other);
    }

    pub(crate) fn stage_of(&self, text: impl Into<String>, work: Work) {
        self.tell(ProgressEvent::Stage {
            text: text.into(),
            work,
        });
    }

    /// Returns for what hooks of a release run.
    pub(super) fn hook_context<'a>(
        &'a self,
        release: &'a Release,
        event: HookEvent,
        timeout: Duration,
        cancel: &'a CancellationToken,
    ) -> HookContext<'a> {
        HookContext {
            release: &release.name,
            namespace: &release.namespace,
            revision: release.version,
            event,
            timeout,
            progress: &*self.progress,
            cancel,
        }
    }

    pub(crate) fn warn(&self, text: impl Into<String>) {
        self.tell(ProgressEvent::Warning { text: text.into() });
    }
}
