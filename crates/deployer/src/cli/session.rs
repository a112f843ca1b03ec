//! What the flags of every command become: a printer, a target, a store, a runner of hooks.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::arguments::{HookArgs, HooksChoice};
use super::environment::Chosen;
use super::error::CliError;
use super::global::{DriverChoice, GlobalArgs, OutputFormat, TargetChoice};
use super::signal::cancel_on_signal;
use crate::action::{Deployer, DryRunMode};
use crate::clock::SystemClock;
use crate::cluster::kube::{Connection, KubeCluster, KubeError};
use crate::cluster::{Cluster, DirectoryCluster};
use crate::hook::cluster::ClusterHooks;
use crate::hook::{HookRunner, LocalHooks, LocalOptions, SkippedHooks};
use crate::output::{ConsoleProgress, Format, Printer};
use crate::release::Namespace;
use crate::storage::kube::{KubeStore, RecordKind};
use crate::storage::{DirectoryStore, MemoryStore, ReleaseStore};

/// One run of the program.
pub(crate) struct Session {
    pub(crate) global: GlobalArgs,
    pub(crate) printer: Arc<Printer>,
    pub(crate) progress: Arc<ConsoleProgress>,
    /// The environment that `--env` names.
    pub(crate) chosen: Option<Chosen>,
}

/// What a command is about to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Work {
    /// Read records: Ctrl-C ends the process.
    Read,
    /// Change a release: Ctrl-C stops the change in good order.
    Change,
}

/// A target with its records.
pub(crate) struct Target {
    pub(crate) cluster: Arc<dyn Cluster>,
    pub(crate) store: Arc<dyn ReleaseStore>,
    pub(crate) namespace: Namespace,
    /// The Kubernetes API, when it is the target.
    pub(crate) kube: Option<KubeCluster>,
}

impl Session {
    pub(crate) fn new(
        global: GlobalArgs,
        printer: Arc<Printer>,
        progress: Arc<ConsoleProgress>,
        chosen: Option<Chosen>,
    ) -> Self {
        Self {
            global,
            printer,
            progress,
            chosen,
        }
    }

    /// Returns the namespace of the flag, or of `HELM_NAMESPACE`.
    pub(crate) fn namespace_flag(&self) -> Result<Option<Namespace>, CliError> {
        match self.global.namespace.as_deref() {
            None | Some("") => Ok(None),
            Some(name) => Ok(Some(Namespace::new(name)?)),
        }
    }

    /// Whether the target is a cluster.
    pub(crate) fn is_kube(&self) -> bool {
        !matches!(self.global.target, Some(TargetChoice::Directory(_)))
    }

    /// Prepares target and records; nothing is sent yet.
    pub(crate) async fn target(&self) -> Result<Target, CliError> {
        let namespace = self.namespace_flag()?;
        if let Some(TargetChoice::Directory(path)) = &self.global.target {
            let namespace = match namespace {
                Some(namespace) => namespace,
                None => Namespace::new("default")?,
            };
            return Ok(Target {
                cluster: Arc::new(DirectoryCluster::new(path, namespace.clone())),
                store: Arc::new(DirectoryStore::new(path, namespace.clone())),
                namespace,
                kube: None,
            });
        }
        let cluster = KubeCluster::connect(&self.connection(), namespace).await?;
        let namespace = cluster.namespace().clone();
        let records = |kind| Arc::new(KubeStore::new(cluster.rest(), kind, namespace.clone()));
        let store: Arc<dyn ReleaseStore> = match self.global.driver {
            DriverChoice::Secret => records(RecordKind::Secret),
            DriverChoice::ConfigMap => records(RecordKind::ConfigMap),
            DriverChoice::Memory => Arc::new(MemoryStore::new(namespace.clone())),
        };
        Ok(Target {
            cluster: Arc::new(cluster.clone()),
            store,
            namespace,
            kube: Some(cluster),
        })
    }

    /// Prepares the target of an install; a dry run by the client alone needs no cluster, as with
    /// Helm.
    pub(crate) async fn target_of_install(&self, dry_run: DryRunMode) -> Result<Target, CliError> {
        match self.target().await {
            Err(CliError::Kube(KubeError::NoConfiguration { .. }))
                if dry_run == DryRunMode::Client =>
            {
                let namespace = match self.namespace_flag()? {
                    Some(namespace) => namespace,
                    None => Namespace::new("default")?,
                };
                // No objects, and no version or APIs of a cluster: templates see the defaults.
                let nowhere = Path::new("/dev/null");
                Ok(Target {
                    cluster: Arc::new(DirectoryCluster::new(nowhere, namespace.clone())),
                    store: Arc::new(MemoryStore::new(namespace.clone())),
                    namespace,
                    kube: None,
                })
            }
            target => target,
        }
    }

    /// Prepares everything that an action works with.
    pub(crate) fn deployer(
        &self,
        target: &Target,
        hooks: &HookArgs,
        work: Work,
    ) -> Result<Deployer, CliError> {
        Ok(Deployer {
            cluster: Arc::clone(&target.cluster),
            store: Arc::clone(&target.store),
            hooks: runner(target, self.hooks_choice(hooks.hooks), hooks)?,
            clock: Arc::new(SystemClock),
            progress: Arc::clone(&self.progress) as Arc<dyn crate::progress::ProgressSink>,
            cancel: match work {
                Work::Read => CancellationToken::new(),
                Work::Change => cancel_on_signal(Arc::clone(&self.printer)),
            },
            namespace: target.namespace.clone(),
            operator: operator(),
            lease_duration: Deployer::LEASE_DURATION,
        })
    }

    fn connection(&self) -> Connection {
        let global = &self.global;
        let given = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
        Connection {
            kubeconfig: global.kubeconfig.clone(),
            context: given(&global.kube_context),
            apiserver: given(&global.kube_apiserver),
            token: given(&global.kube_token),
            as_user: given(&global.kube_as_user),
            as_groups: global
                .kube_as_group
                .iter()
                .filter(|group| !group.is_empty())
                .cloned()
                .collect(),
            ca_file: global
                .kube_ca_file
                .clone()
                .filter(|path| path != Path::new("")),
            tls_server_name: given(&global.kube_tls_server_name),
            insecure_skip_tls_verify: global.kube_insecure_skip_tls_verify,
        }
    }
}

impl OutputFormat {
    /// Returns the format in the words of `output`.
    pub(crate) fn format(self) -> Format {
        match self {
            OutputFormat::Table => Format::Table,
            OutputFormat::Json => Format::Json,
            OutputFormat::Yaml => Format::Yaml,
        }
    }
}

fn runner(
    target: &Target,
    choice: Option<HooksChoice>,
    arguments: &HookArgs,
) -> Result<Arc<dyn HookRunner>, CliError> {
    let default = if target.kube.is_some() {
        HooksChoice::Cluster
    } else {
        HooksChoice::Local
    };
    Ok(match (choice.unwrap_or(default), &target.kube) {
        (HooksChoice::Skip, _) => Arc::new(SkippedHooks),
        (HooksChoice::Local, _) => {
            let options = LocalOptions {
                environment: arguments.hook_env.clone(),
                commands: paths(&arguments.hook_command),
                mounts: paths(&arguments.hook_mount),
            };
            let cluster = Arc::clone(&target.cluster);
            Arc::new(LocalHooks::new(options, cluster, Arc::new(SystemClock)))
        }
        (HooksChoice::Cluster, Some(cluster)) => Arc::new(ClusterHooks::new(cluster.clone())),
        (HooksChoice::Cluster, None) => {
            return Err(CliError::usage("`--hooks cluster` needs a cluster, and the target is a folder")
                .with_hint("run hooks as local processes with `--hooks local`, or not at all with `--hooks skip`"));
        }
    })
}

fn paths(pairs: &[(String, String)]) -> Vec<(String, PathBuf)> {
    pairs
        .iter()
        .map(|(name, path)| (name.clone(), PathBuf::from(path)))
        .collect()
}

/// Returns who works here: user, host, process and moment, unique to the run and readable.
fn operator() -> String {
    let user = std::env::var("USER")
        .or_else(|_| std::env::var("LOGNAME"))
        .unwrap_or_else(|_| "unknown".to_owned());
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname")
        .ok()
        .or_else(|| std::env::var("HOSTNAME").ok())
        .unwrap_or_default();
    let moment = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .map_or(0, |elapsed| elapsed.subsec_nanos());
    let host = match host.trim() {
        "" => "localhost",
        host => host,
    };
    format!("{user}@{host}/{}/{moment:x}", std::process::id())
}
