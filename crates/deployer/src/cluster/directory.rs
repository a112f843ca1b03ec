//! A folder as target: the rendered-manifests pattern, one YAML file per object.
//!
//! ```text
//! PATH/<namespace>/<release>/manifests/deployment-web.yaml    what is deployed
//! PATH/<namespace>/<release>/.next/                           a revision that is being written
//! PATH/<namespace>/hooks/configmap-scripts.yaml               objects made by hooks
//! ```
//! Between [`Cluster::begin`] and [`Cluster::commit`] changes go to `.next`; the commit exchanges
//! the two folders in one step of the file system, so that a reader, and a process killed at any
//! point, sees the whole of one revision.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use rustix::fs::{CWD, RenameFlags, renameat_with};
use serde_json::Value;

use super::{
    Applied, ApplyOptions, Capabilities, Cluster, ClusterError, DeleteOptions, Diagnosis, DryRun,
    NotReady, ObjectId, RevisionScope, WaitOptions, object_id,
};
use crate::plan::{read_yaml, write_yaml};
use crate::progress::{AppliedChange, ProgressSink};
use crate::release::{Namespace, ReleaseName};

const MANIFESTS: &str = "manifests";
const NEXT: &str = ".next";
const HOOKS: &str = "hooks";

/// Objects as files below a folder.
#[derive(Debug)]
pub struct DirectoryCluster {
    root: PathBuf,
    namespace: Namespace,
    open: Mutex<Option<ReleaseName>>,
}

impl DirectoryCluster {
    /// Uses the folder `root`, which is made when something is first written.
    pub fn new(root: impl Into<PathBuf>, namespace: Namespace) -> Self {
        Self {
            root: root.into(),
            namespace,
            open: Mutex::new(None),
        }
    }

    /// Returns the folder of what is deployed of a release.
    pub fn manifests(&self, release: &ReleaseName) -> PathBuf {
        self.home(release).join(MANIFESTS)
    }

    fn home(&self, release: &ReleaseName) -> PathBuf {
        self.root
            .join(self.namespace.as_str())
            .join(release.as_str())
    }

    fn hooks(&self) -> PathBuf {
        self.root.join(self.namespace.as_str()).join(HOOKS)
    }

    fn opened(&self) -> Option<ReleaseName> {
        self.open
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn set_opened(&self, release: Option<ReleaseName>) {
        *self.open.lock().unwrap_or_else(PoisonError::into_inner) = release;
    }

    /// Where a change goes now.
    fn writing_folder(&self) -> PathBuf {
        match self.opened() {
            Some(release) => self.home(&release).join(NEXT),
            None => self.hooks(),
        }
    }

    /// Finds the file of an object: in the revision being written, then in any release.
    fn find(&self, id: &ObjectId) -> Result<Option<PathBuf>, ClusterError> {
        let name = self.file_name(id)?;
        let opened = self.opened();
        let mut folders = vec![self.writing_folder()];
        let namespace = self.root.join(self.namespace.as_str());
        for entry in read_folder(&namespace)? {
            let being_written = opened
                .as_ref()
                .is_some_and(|release| entry.ends_with(release.as_str()));
            if !being_written {
                folders.push(entry.join(MANIFESTS));
            }
        }
        folders.push(self.hooks());
        Ok(folders
            .into_iter()
            .map(|folder| folder.join(&name))
            .find(|path| path.is_file()))
    }

    /// Names the file of an object after its kind and name; a foreign API group and a namespace
    /// other than the release's are part of it.
    fn file_name(&self, id: &ObjectId) -> Result<String, ClusterError> {
        let safe = |text: &str| {
            !text.is_empty()
                && !text.starts_with('.')
                && !text.contains(['/', '\\', '\0'])
                && text.len() < 200
        };
        if !safe(&id.kind)
            || !safe(&id.name)
            || id
                .namespace
                .as_deref()
                .is_some_and(|namespace| !safe(namespace))
        {
            return Err(ClusterError::InvalidObject {
                reason: format!(
                    "kind `{}` and name `{}` do not make a file name",
                    id.kind, id.name
                ),
            });
        }
        let mut kind = id.kind.to_lowercase();
        if id.group().contains('.') && !id.group().ends_with(".k8s.io") {
            kind = format!("{kind}.{}", id.group());
        }
        Ok(match &id.namespace {
            Some(namespace) if *namespace != self.namespace.as_str() => {
                format!("{kind}-{}@{namespace}.yaml", id.name)
            }
            _ => format!("{kind}-{}.yaml", id.name),
        })
    }

    fn read(&self, path: &Path) -> Result<Value, ClusterError> {
        let text = fs::read_to_string(path).map_err(|error| request("reading", path, error))?;
        read_yaml(&text).map_err(|message| ClusterError::InvalidObject {
            reason: format!("`{}` is not valid YAML: {message}", path.display()),
        })
    }

    fn write(
        &self,
        object: &Value,
        dry_run: DryRun,
    ) -> Result<(ObjectId, AppliedChange), ClusterError> {
        let id = object_id(object).ok_or_else(|| ClusterError::InvalidObject {
            reason: "kind, version or name is missing".into(),
        })?;
        let name = self.file_name(&id)?;
        let change = match self.find(&id)? {
            None => AppliedChange::Created,
            Some(path) if self.read(&path).ok().as_ref() == Some(object) => {
                AppliedChange::Unchanged
            }
            Some(_) => AppliedChange::Changed,
        };
        let folder = self.writing_folder();
        let path = folder.join(name);
        if dry_run == DryRun::Off {
            let write = || {
                fs::create_dir_all(&folder)?;
                fs::write(&path, write_yaml(object))
            };
            write().map_err(|error| request("writing", &path, error))?;
        }
        Ok((id, change))
    }
}

#[async_trait]
impl Cluster for DirectoryCluster {
    fn describe(&self) -> String {
        format!("folder `{}`", self.root.display())
    }

    async fn capabilities(&self) -> Result<Capabilities, ClusterError> {
        Ok(Capabilities {
            kube_version: String::new(),
            api_versions: Vec::new(),
        })
    }

    async fn get(&self, id: &ObjectId) -> Result<Option<Value>, ClusterError> {
        self.find(id)?.map(|path| self.read(&path)).transpose()
    }

    async fn get_many(&self, ids: &[ObjectId]) -> Result<Vec<Option<Arc<Value>>>, ClusterError> {
        ids.iter()
            .map(|id| {
                let found = self.find(id)?.map(|path| self.read(&path)).transpose()?;
                Ok(found.map(Arc::new))
            })
            .collect()
    }

    async fn apply(&self, object: &Value, options: &ApplyOptions) -> Result<Applied, ClusterError> {
        let (_, change) = self.write(object, options.dry_run)?;
        Ok(Applied {
            change,
            object: Arc::new(object.clone()),
            yielded: Vec::new(),
        })
    }

    async fn create(&self, object: &Value, dry_run: DryRun) -> Result<Value, ClusterError> {
        if let Some(id) = object_id(object)
            && self.find(&id)?.is_some()
        {
            return Err(ClusterError::AlreadyExists { object: id });
        }
        self.write(object, dry_run)?;
        Ok(object.clone())
    }

    async fn delete(&self, id: &ObjectId, _options: &DeleteOptions) -> Result<bool, ClusterError> {
        // Files have no UIDs: a name is all that there is.
        let path = self.writing_folder().join(self.file_name(id)?);
        match fs::remove_file(&path) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(request("deleting", &path, error)),
        }
    }

    async fn wait_ready(
        &self,
        ids: &[ObjectId],
        _options: &WaitOptions,
        _progress: &dyn ProgressSink,
    ) -> Result<(), ClusterError> {
        // A file is all that it can become as soon as it is there.
        let mut failed = Vec::new();
        for id in ids {
            if self.find(id)?.is_none() {
                failed.push(NotReady {
                    object: id.clone(),
                    reason: "its file is not there".into(),
                });
            }
        }
        if failed.is_empty() {
            Ok(())
        } else {
            Err(ClusterError::Failed { failed })
        }
    }

    async fn wait_deleted(
        &self,
        ids: &[(ObjectId, Option<String>)],
        timeout: Duration,
    ) -> Result<(), ClusterError> {
        let mut pending = Vec::new();
        for (id, _) in ids {
            if self.find(id)?.is_some() {
                pending.push(NotReady {
                    object: id.clone(),
                    reason: "its file is still there".into(),
                });
            }
        }
        if pending.is_empty() {
            Ok(())
        } else {
            Err(ClusterError::Timeout {
                pending,
                after: timeout,
            })
        }
    }

    async fn diagnose(&self, _ids: &[ObjectId]) -> Vec<Diagnosis> {
        Vec::new()
    }

    async fn namespace_exists(&self) -> Result<bool, ClusterError> {
        // A folder is made when it is needed; nobody has to have made it before.
        Ok(true)
    }

    async fn ensure_namespace(&self) -> Result<(), ClusterError> {
        let path = self.root.join(self.namespace.as_str());
        fs::create_dir_all(&path).map_err(|error| request("making", &path, error))
    }

    async fn begin(&self, scope: &RevisionScope) -> Result<(), ClusterError> {
        let next = self.home(&scope.release).join(NEXT);
        let manifests = self.manifests(&scope.release);
        let copy = || {
            remove_folder(&next)?;
            fs::create_dir_all(&next)?;
            if !manifests.is_dir() {
                return Ok(());
            }
            for entry in fs::read_dir(&manifests)? {
                let path = entry?.path();
                if let Some(name) = path.file_name().filter(|_| path.is_file()) {
                    fs::copy(&path, next.join(name))?;
                }
            }
            Ok(())
        };
        copy().map_err(|error| request("preparing", &next, error))?;
        self.set_opened(Some(scope.release.clone()));
        Ok(())
    }

    async fn commit(&self, scope: &RevisionScope) -> Result<(), ClusterError> {
        let next = self.home(&scope.release).join(NEXT);
        let manifests = self.manifests(&scope.release);
        let exchange = || {
            fs::create_dir_all(&manifests)?;
            renameat_with(CWD, &next, CWD, &manifests, RenameFlags::EXCHANGE)?;
            remove_folder(&next)
        };
        exchange().map_err(|error: io::Error| request("exchanging", &manifests, error))?;
        self.set_opened(None);
        if fs::read_dir(&manifests).is_ok_and(|mut entries| entries.next().is_none()) {
            // Nothing is left of the release: an empty folder would say that there is.
            fs::remove_dir(&manifests).map_err(|error| request("deleting", &manifests, error))?;
        }
        Ok(())
    }

    async fn abort(&self, scope: &RevisionScope) -> Result<(), ClusterError> {
        self.set_opened(None);
        let next = self.home(&scope.release).join(NEXT);
        remove_folder(&next).map_err(|error| request("deleting", &next, error))
    }
}

fn request(doing: &str, path: &Path, error: io::Error) -> ClusterError {
    ClusterError::Request {
        doing: format!("{doing} `{}`", path.display()),
        source: error.into(),
    }
}

fn remove_folder(path: &Path) -> io::Result<()> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn read_folder(path: &Path) -> Result<Vec<PathBuf>, ClusterError> {
    match fs::read_dir(path) {
        Ok(entries) => Ok(entries
            .filter_map(|entry| Some(entry.ok()?.path()))
            .filter(|path| path.is_dir())
            .collect()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(request("reading", path, error)),
    }
}
