//! `rbac`

use std::collections::BTreeSet;

use clap::{Args, ValueEnum};

use super::arguments::{ChartArgs, RenderArgs, ValueArgs};
use super::chart_source::LoadedChart;
use super::error::CliError;
use super::global::DriverChoice;
use super::session::Session;
use crate::action::{ActionError, ChartSource as _, Operation, RenderRequest, ValuesReuse};
use crate::hook::{is_workload, ordered_hooks};
use crate::plan::rights::{RecordStorage, RightsInput, defined_kinds, rights};
use crate::plan::{ManifestObject, read_manifest_of, write_yaml};
use crate::release::{HookEvent, Namespace, ReleaseName, Revision};

/// Print the smallest Role that a command needs for a chart
///
/// Renders the chart as the command would and prints Roles (a ClusterRole where objects have no
/// namespace) with their bindings: for the release's records and lease, the chart's kinds, its
/// hooks and what they leave behind, and, where readiness is awaited, the pods, logs and events that explain a failure. No
/// cluster is asked. An upgrade that removes kinds which the chart no longer has needs `delete`
/// on those too: print the Role for both charts.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  deployer rbac ./charts/fraud-model --command upgrade -n prod -f values-prod.yaml | kubectl apply -f -\n  deployer rbac ./charts/fraud-model --command uninstall --release fraud-model --service-account ci -n prod"
)]
pub(crate) struct RbacCommand {
    /// The chart, as for `install`
    chart_reference: String,
    /// What is to be done with it
    #[arg(long, value_enum, default_value = "upgrade", value_name = "COMMAND")]
    command: CommandChoice,
    /// Name of the release
    #[arg(long, default_value = "release-name", value_name = "NAME")]
    release: String,
    /// ServiceAccount of the namespace that gets the rights
    #[arg(long, default_value = "deployer", value_name = "NAME")]
    service_account: String,
    /// Without --wait and --atomic: readiness is not awaited
    #[arg(long)]
    no_wait: bool,
    /// With --no-hooks: hooks do not run
    #[arg(long)]
    no_hooks: bool,
    /// With --force-replace: objects are replaced whole
    #[arg(long, alias = "force")]
    force_replace: bool,
    /// With --create-namespace: the namespace may have to be created
    #[arg(long)]
    create_namespace: bool,
    #[command(flatten)]
    chart: ChartArgs,
    #[command(flatten)]
    values: ValueArgs,
    #[command(flatten)]
    render: RenderArgs,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum CommandChoice {
    Install,
    Upgrade,
    Rollback,
    Uninstall,
    Test,
}

impl RbacCommand {
    pub(crate) async fn run(self, session: &Session) -> Result<(), CliError> {
        let release = ReleaseName::new(self.release.as_str())?;
        let namespace = match session.namespace_flag()? {
            Some(namespace) => namespace,
            None => Namespace::new("default")?,
        };
        let chart = LoadedChart::load(
            session,
            &self.chart_reference,
            &self.chart,
            &self.values,
            &self.render,
        )
        .await?;
        let operation = self.command.operation();
        let rendered = chart
            .render(&RenderRequest {
                release: &release,
                namespace: &namespace,
                revision: Revision::FIRST,
                is_upgrade: operation != Operation::Install,
                capabilities: None,
                previous: None,
                reuse: ValuesReuse::Reset,
            })
            .map_err(|error| CliError::Action(error.into()))?;
        let mut objects = read(&rendered.manifest)?;
        let installs = operation == Operation::Install && !self.render.skip_crds;
        if installs || self.render.upgrade_crds {
            for text in &rendered.crds {
                objects.extend(read(text)?);
            }
        }
        let mut hooks = Vec::new();
        for event in self.command.events().iter().filter(|_| !self.no_hooks) {
            for index in ordered_hooks(&rendered.hooks, event) {
                hooks.extend(read(&rendered.hooks[index].manifest)?);
            }
        }
        let mut remains = Vec::new();
        if operation != Operation::Test {
            for hook in rendered.hooks.iter().filter(|hook| is_workload(hook)) {
                remains.extend(read(&hook.manifest)?);
            }
        }
        let found = rights(&RightsInput {
            operation,
            namespace: &namespace,
            objects: &objects,
            hooks: &hooks,
            remains: &remains,
            storage: match session.global.driver {
                DriverChoice::Secret => RecordStorage::Secrets,
                DriverChoice::ConfigMap => RecordStorage::ConfigMaps,
                DriverChoice::Memory => RecordStorage::Elsewhere,
            },
            waits: !self.no_wait,
            replaces: self.force_replace,
            creates_namespace: self.create_namespace,
            kinds: &defined_kinds(objects.iter().map(|object| &object.value)),
        });
        for kind in &found.guessed {
            session.printer.warn(&format!(
                "where objects of {kind} live is guessed: the chart does not define that kind; check its rule"
            ));
        }
        let texts: BTreeSet<String> = objects
            .iter()
            .filter_map(|object| object.id.namespace.clone())
            .filter(|other| *other != namespace.as_str())
            .collect();
        for other in texts {
            session.printer.warn(&format!(
                "the chart has objects in namespace `{other}`: a Role there is printed too"
            ));
        }
        let mut text = String::new();
        for object in found.manifests(operation, &release, &namespace, &self.service_account) {
            text.push_str("---\n");
            text.push_str(&write_yaml(&object));
        }
        Ok(session.printer.data(&text)?)
    }
}

impl CommandChoice {
    fn operation(self) -> Operation {
        match self {
            Self::Install => Operation::Install,
            Self::Upgrade => Operation::Upgrade,
            Self::Rollback => Operation::Rollback,
            Self::Uninstall => Operation::Uninstall,
            Self::Test => Operation::Test,
        }
    }

    /// The events whose hooks run, those of the way back from a failure among them.
    fn events(self) -> &'static [HookEvent] {
        match self {
            Self::Install => &[
                HookEvent::PreInstall,
                HookEvent::PostInstall,
                HookEvent::PreDelete,
                HookEvent::PostDelete,
            ],
            Self::Upgrade => &[
                HookEvent::PreUpgrade,
                HookEvent::PostUpgrade,
                HookEvent::PreRollback,
                HookEvent::PostRollback,
            ],
            Self::Rollback => &[HookEvent::PreRollback, HookEvent::PostRollback],
            Self::Uninstall => &[HookEvent::PreDelete, HookEvent::PostDelete],
            Self::Test => &[HookEvent::Test],
        }
    }
}

fn read(manifest: &str) -> Result<Vec<ManifestObject>, ActionError> {
    Ok(read_manifest_of(manifest, "the rendered chart")?)
}
