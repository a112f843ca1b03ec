//! `--env NAME`: what `deployer.yaml` adds to a command line, and what it forbids.

use std::path::PathBuf;

use clap::ArgMatches;
use clap::parser::ValueSource;
use serde_json::Value;

use super::arguments::{ChartArgs, HookArgs, HooksChoice, ValueArgs};
use super::chart_source::LoadedChart;
use super::error::CliError;
use super::global::{GlobalArgs, TargetChoice};
use super::session::{Session, Target};
use crate::action::{ChangeOptions, VerdictDemand};
use crate::cluster::kube::current_context;
use crate::environment::file::DemandsPart;
use crate::environment::{
    Asked, Environments, HooksName, Place, PlaceTarget, Rules, broken, deployed, origin,
};
use crate::release::{Promotion, Provenance, ReleaseName};
use crate::storage::Stored;

/// The file's name where the command line names none.
pub(crate) const FILE_NAME: &str = "deployer.yaml";

/// The environment that `--env` names.
#[derive(Debug)]
pub(crate) struct Chosen {
    pub(crate) environments: Environments,
    pub(crate) place: Place,
    pub(crate) rules: Rules,
    timeout_was_given: bool,
}

/// What of the place the command line itself says.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Given {
    namespace: bool,
    context: bool,
    target: bool,
    timeout: bool,
}

impl Given {
    /// Looks at the flags of the innermost command, where flags of every command are found too.
    pub(crate) fn of(matches: &ArgMatches) -> Self {
        let mut leaf = matches;
        while let Some((_, below)) = leaf.subcommand() {
            leaf = below;
        }
        let given = |name: &str| {
            leaf.ids().any(|id| id == name)
                && leaf.value_source(name) == Some(ValueSource::CommandLine)
        };
        Self {
            namespace: given("namespace"),
            context: given("kube_context"),
            target: given("target"),
            timeout: given("timeout"),
        }
    }
}

/// Returns the environments file: the named one, or the nearest of this folder and those above.
pub(crate) fn find_file(global: &GlobalArgs) -> Result<PathBuf, CliError> {
    if let Some(path) = &global.config {
        return Ok(path.clone());
    }
    let here = std::env::current_dir().map_err(|source| CliError::File {
        doing: "this folder cannot be named".to_owned(),
        source,
    })?;
    let above = here.ancestors().map(|folder| folder.join(FILE_NAME));
    match above.into_iter().find(|path| path.is_file()) {
        // Short in messages where it lies right here.
        Some(path) if path.parent() == Some(here.as_path()) => Ok(PathBuf::from(FILE_NAME)),
        Some(path) => Ok(path),
        None => Err(CliError::usage(format!(
            "there is no `{FILE_NAME}` in this folder or one above"
        ))
        .with_hint("name one with `--config FILE`")
        .with_hint(
            "write one from what is deployed: `deployer init --from ENVIRONMENT=NAMESPACE`",
        )),
    }
}

/// Reads the environment that the flags name, and makes the flags say its place.
pub(crate) fn choose(global: &mut GlobalArgs, given: Given) -> Result<Option<Chosen>, CliError> {
    let Some(name) = global.env.clone().filter(|name| !name.is_empty()) else {
        return Ok(None);
    };
    let environments = Environments::read(&find_file(global)?)?;
    let mut chosen = Chosen::of(&environments, &name)?;
    chosen.timeout_was_given = given.timeout;
    contradiction(global, given, &chosen.place)?;
    settle(global, &chosen.place);
    Ok(Some(chosen))
}

/// Refuses a change that names the place of an environment with demands, but not the environment:
/// its demands would not be heard.
pub(crate) fn guard(global: &GlobalArgs) -> Result<(), CliError> {
    let Some(namespace) = global.namespace.as_deref() else {
        return Ok(());
    };
    // A file that cannot be read binds nobody; the command that needs it says what is wrong.
    let file = find_file(global).ok();
    let Some(environments) = file.and_then(|path| Environments::read(&path).ok()) else {
        return Ok(());
    };
    for name in environments.names() {
        let (place, rules) = (environments.place(name)?, environments.rules(name)?);
        let is_there = place.namespace.as_str() == namespace && is_same_target(global, &place);
        if is_there && rules.demands != DemandsPart::default() {
            return Err(CliError::usage(format!(
                "this is environment `{name}` of `{}`, which demands what this command would not heed",
                environments.path.display()
            ))
            .with_hint(format!("name it: `--env {name}` in place of `--namespace` and its kin"))
            .with_hint("nothing was changed"));
        }
    }
    Ok(())
}

fn is_same_target(global: &GlobalArgs, place: &Place) -> bool {
    match (&global.target, &place.target) {
        (Some(TargetChoice::Directory(one)), PlaceTarget::Directory(other)) => one
            .canonicalize()
            .ok()
            .is_some_and(|one| other.canonicalize().ok() == Some(one)),
        (
            None | Some(TargetChoice::Kube),
            PlaceTarget::Kube {
                kubeconfig,
                context,
            },
        ) => {
            let current = || current_context(global.kubeconfig.as_deref());
            let of_place = || current_context(kubeconfig.as_deref());
            let here = global.kube_context.clone().filter(|name| !name.is_empty());
            // Two files may call two clusters alike.
            let given = global.kubeconfig.clone();
            let given = given.or_else(|| std::env::var_os("KUBECONFIG").map(PathBuf::from));
            let is_same_file = match (kubeconfig, given) {
                (Some(one), Some(other)) => one.canonicalize().ok() == other.canonicalize().ok(),
                (Some(_), None) => false,
                (None, _) => true,
            };
            is_same_file && here.or_else(current) == context.clone().or_else(of_place)
        }
        _ => false,
    }
}

impl Chosen {
    /// Takes one environment of a file.
    pub(crate) fn of(environments: &Environments, name: &str) -> Result<Self, CliError> {
        Ok(Self {
            environments: environments.clone(),
            place: environments.place(name)?,
            rules: environments.rules(name)?,
            timeout_was_given: false,
        })
    }
}

/// Makes the flags say the place of an environment; variables of the shell have no say in it.
pub(crate) fn settle(global: &mut GlobalArgs, place: &Place) {
    global.namespace = Some(place.namespace.to_string());
    match &place.target {
        PlaceTarget::Directory(path) => {
            global.target = Some(TargetChoice::Directory(path.clone()));
        }
        PlaceTarget::Kube {
            kubeconfig,
            context,
        } => {
            global.target = Some(TargetChoice::Kube);
            global.kube_context.clone_from(context);
            // Where the credentials lie on this machine is the machine's business.
            if global.kubeconfig.is_none() {
                global.kubeconfig.clone_from(kubeconfig);
            }
        }
    }
}

/// A flag that names another place than the environment is a slip that would hit the wrong one.
fn contradiction(global: &GlobalArgs, given: Given, place: &Place) -> Result<(), CliError> {
    let target = match &place.target {
        PlaceTarget::Kube { .. } => TargetChoice::Kube,
        PlaceTarget::Directory(path) => TargetChoice::Directory(path.clone()),
    };
    let context = match &place.target {
        PlaceTarget::Kube { context, .. } => context.as_deref(),
        PlaceTarget::Directory(_) => None,
    };
    let flag = if given.namespace && global.namespace.as_deref() != Some(place.namespace.as_str()) {
        "--namespace"
    } else if given.context && global.kube_context.as_deref() != context {
        "--kube-context"
    } else if given.target && global.target.as_ref() != Some(&target) {
        "--target"
    } else {
        return Ok(());
    };
    Err(CliError::usage(format!(
        "`{flag}` names another place than environment `{}`",
        place.environment
    ))
    .with_hint("leave it out: `--env` says where"))
}

/// A chart with its values, as the command line and the file name them together.
pub(crate) struct Inputs {
    pub(crate) reference: String,
    pub(crate) chart: ChartArgs,
    pub(crate) values: ValueArgs,
}

impl Session {
    /// Returns chart and values of a release: the file's below those of the command line.
    ///
    /// # Errors
    /// When nothing names a chart, or the release is not meant to be in the environment.
    pub(crate) fn inputs(
        &self,
        release: &ReleaseName,
        reference: Option<&str>,
        chart: &ChartArgs,
        values: &ValueArgs,
    ) -> Result<Inputs, CliError> {
        let mut inputs = Inputs {
            reference: reference.unwrap_or_default().to_owned(),
            chart: chart.clone(),
            values: values.clone(),
        };
        let Some(chosen) = &self.chosen else {
            if reference.is_none() {
                return Err(CliError::usage("the chart is missing").with_hint(
                    "name it after the release, or an environment that names it: `--env NAME`",
                ));
            }
            return Ok(inputs);
        };
        let environment = &chosen.place.environment;
        let known = chosen
            .environments
            .file
            .releases
            .contains_key(release.as_str());
        if !known && reference.is_some() {
            return Ok(inputs);
        }
        let resolved = chosen.environments.resolve(release.as_str(), environment)?;
        let Some(resolved) = resolved else {
            return Err(CliError::usage(format!(
                "release `{release}` is not meant to be in environment `{environment}`"
            ))
            .with_hint(format!(
                "the file says `absent: true` at `releases.{release}.environments.{environment}`"
            )));
        };
        if reference.is_none() {
            inputs.reference.clone_from(&resolved.chart);
            let origin = &mut inputs.chart.origin;
            origin.version = origin.version.take().or_else(|| resolved.version.clone());
            origin.repo = origin.repo.take().or_else(|| resolved.repository.clone());
        }
        for path in &resolved.values {
            let name = path.display().to_string();
            let text = chart::values::read(&name).map_err(|error| {
                CliError::usage(error.to_string()).with_hint("nothing was changed")
            })?;
            inputs.values.below.push((name, text));
        }
        if let Some(text) = resolved.set_text() {
            let name = format!("{} (set)", chosen.environments.path.display());
            inputs.values.below.push((name, text));
        }
        Ok(inputs)
    }

    /// Puts what was promoted into the environment above the values of its files: a change of a
    /// threshold must not bring an old model back.
    pub(crate) async fn keep_promoted(
        &self,
        target: &Target,
        release: &ReleaseName,
        inputs: &mut Inputs,
    ) -> Result<Option<Promotion>, CliError> {
        if self.chosen.is_none() {
            return Ok(None);
        }
        let history = target.store.history(release).await?;
        self.keep_promoted_of(target, &history, inputs).await
    }

    /// As [`Self::keep_promoted`], where the release's history was read before.
    pub(crate) async fn keep_promoted_of(
        &self,
        target: &Target,
        history: &[Stored],
        inputs: &mut Inputs,
    ) -> Result<Option<Promotion>, CliError> {
        let promotion = promotion(target, history).await?;
        if let Some(promotion) = &promotion {
            let text = Value::Object(promotion.values.clone()).to_string();
            inputs
                .values
                .below
                .push(("promoted values".to_owned(), text));
        }
        Ok(promotion)
    }

    /// Fills in what the environment says of every change.
    pub(crate) fn apply_rules(&self, change: &mut ChangeOptions) {
        let Some(chosen) = &self.chosen else {
            return;
        };
        change.atomic |= chosen.rules.demands.atomic;
        if chosen.rules.demands.gate {
            change.verdict = VerdictDemand::Pass;
        }
        if let (Some(timeout), false) = (chosen.rules.timeout, chosen.timeout_was_given) {
            change.timeout = timeout;
        }
    }

    /// Refuses a change that breaks a demand of the environment.
    ///
    /// # Errors
    /// Names every demand that is broken, and how to keep it.
    pub(crate) fn check_demands(&self, asked: &Asked<'_>) -> Result<(), CliError> {
        match &self.chosen {
            Some(chosen) => refuse(&chosen.place.environment, &chosen.rules, asked),
            None => Ok(()),
        }
    }

    /// Returns what a change breaks of the environment's demands; nothing where it has none.
    pub(crate) fn broken_demands(&self, asked: &Asked<'_>) -> Option<Vec<String>> {
        let demands = &self.chosen.as_ref()?.rules.demands;
        (*demands != DemandsPart::default()).then(|| broken(demands, asked))
    }

    /// Whether a change runs no hooks.
    pub(crate) fn skips_hooks(&self, change: &ChangeOptions, hooks: &HookArgs) -> bool {
        !change.run_hooks || self.hooks_choice(hooks.hooks) == Some(HooksChoice::Skip)
    }

    /// Whether hooks run as processes of this machine.
    pub(crate) fn hooks_run_here(&self) -> bool {
        match self.hooks_choice(None) {
            Some(choice) => choice == HooksChoice::Local,
            None => !self.is_kube(),
        }
    }

    /// Whether the environment's namespace is made when it does not exist.
    pub(crate) fn creates_namespace(&self) -> bool {
        let chosen = self.chosen.as_ref();
        chosen.is_some_and(|chosen| chosen.rules.create_namespace)
    }

    /// Returns where a revision comes from, for its evidence.
    pub(crate) fn provenance(
        &self,
        reference: &str,
        chart: &LoadedChart,
        promotion: Option<Promotion>,
    ) -> Provenance {
        let chosen = self.chosen.as_ref();
        Provenance {
            environment: chosen.map(|chosen| chosen.place.environment.clone()),
            chart: reference.to_owned(),
            chart_digest: chart.digest(),
            promotion,
        }
    }

    /// Where hooks run: as the flag says, else as the environment does.
    pub(crate) fn hooks_choice(&self, flag: Option<HooksChoice>) -> Option<HooksChoice> {
        let of_file = self.chosen.as_ref().and_then(|chosen| chosen.rules.hooks);
        flag.or_else(|| of_file.map(HooksChoice::from))
    }
}

/// Refuses a change that breaks a demand.
pub(crate) fn refuse(environment: &str, rules: &Rules, asked: &Asked<'_>) -> Result<(), CliError> {
    let mut broken = broken(&rules.demands, asked);
    if broken.is_empty() {
        return Ok(());
    }
    let message = match broken.as_slice() {
        [one] => format!("environment `{environment}` refuses this: {one}"),
        _ => {
            broken.insert(0, format!("environment `{environment}` refuses this:"));
            broken.join("\n  - ")
        }
    };
    Err(CliError::usage(message).with_hint("nothing was changed"))
}

/// Returns the promotion that a release's deployed revision came by.
async fn promotion(target: &Target, history: &[Stored]) -> Result<Option<Promotion>, CliError> {
    let Some(deployed) = deployed(history) else {
        return Ok(None);
    };
    let origin = origin(history, deployed);
    let evidence = target.store.evidence(&origin.name, origin.version).await?;
    Ok(evidence
        .map(|record| record.evidence)
        .filter(|evidence| evidence.tells_of(origin))
        .and_then(|evidence| evidence.provenance?.promotion))
}

/// Every assignment of the flags, for a look at secrets.
pub(crate) fn assignments(values: &ValueArgs) -> Vec<&str> {
    let flags = [
        &values.set,
        &values.set_string,
        &values.set_json,
        &values.set_literal,
    ];
    flags
        .into_iter()
        .flatten()
        // `a=1,b=2` is two; a comma within a value splits too, and its tail then has no sign.
        .flat_map(|expression| expression.split(','))
        .filter(|assignment| assignment.contains('='))
        .collect()
}

impl From<HooksName> for HooksChoice {
    fn from(name: HooksName) -> Self {
        match name {
            HooksName::Cluster => Self::Cluster,
            HooksName::Local => Self::Local,
            HooksName::Skip => Self::Skip,
        }
    }
}
