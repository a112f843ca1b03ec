//! What was gathered of the environments, before anything is compared.

use std::collections::HashMap;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use serde_json::Value;

use crate::cluster::ObjectId;
use crate::plan::{ManifestObject, RandomParts};
use crate::release::{Namespace, Revision, Status};

/// An environment as it was found.
#[derive(Debug, Clone)]
pub struct EnvironmentState {
    /// Its name.
    pub name: String,
    /// The cluster or folder, in words.
    pub target: String,
    /// The namespace of its releases.
    pub namespace: Namespace,
    /// Its releases, or why it could not be asked.
    pub releases: Result<Vec<ReleaseState>, String>,
}

/// A release in an environment.
#[derive(Debug, Clone)]
pub struct ReleaseState {
    /// Its name.
    pub name: String,
    /// What the files say.
    pub desired: Desired,
    /// What of that is made anew at each rendering.
    pub random: RandomParts,
    /// The revision that is deployed.
    pub deployed: Option<Recorded>,
    /// The objects of that revision.
    pub record: Vec<ManifestObject>,
    /// The live ones among them.
    pub live: HashMap<ObjectId, Arc<Value>>,
    /// The last revision, when it is not the deployed one: one that failed or was left pending.
    pub last: Option<(Revision, Status)>,
    /// Every revision that once was good, oldest first, the deployed one included.
    pub history: Vec<Recorded>,
}

/// What the files say about a release.
#[derive(Debug, Clone)]
pub enum Desired {
    /// It is not meant to be there.
    Absent,
    /// Its objects.
    Objects(Vec<ManifestObject>),
    /// They cannot be rendered, and why.
    Broken(String),
}

/// A revision in the records.
#[derive(Debug, Clone)]
pub struct Recorded {
    /// The revision.
    pub revision: Revision,
    /// When it was deployed.
    pub at: Option<DateTime<Utc>>,
    /// Its manifest.
    pub manifest: String,
}
