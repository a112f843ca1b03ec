//! `promote`

use std::sync::Arc;
use std::time::Duration;

use attest::parse_age;
use chrono::Utc;
use clap::Args;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use super::arguments::{AccessArgs, ChartArgs, HookArgs, OriginArgs, RenderArgs, ValueArgs};
use super::chart_source::{LoadedChart, computed_values};
use super::duration::parse_timeout;
use super::environment::{Chosen, Inputs, find_file};
use super::error::CliError;
use super::gather::{Wanted, gather, in_environment};
use super::global::OutputArgs;
use super::options::chart_lookup;
use super::session::{Session, Target, Work};
use super::signed::VerdictArgs;
use crate::action::{
    ChangeOptions, CrdPolicy, DryRunMode, ExitCode, Outcome, UpgradeOptions, ValuesReuse,
    VerdictDemand, upgrade,
};
use crate::environment::drift::{Drift, EnvironmentState, compare};
use crate::environment::{
    Asked, Candidate, Condition, Environments, Resolved, VERDICT_AGE_MAX, conditions, deployed,
    origin, pick, variable,
};
use crate::output::drift::sentence;
use crate::output::{PromotionView, changes, print_promotion};
use crate::release::{Evidence, GateVerdict, Promotion, Release, ReleaseName, SignatureDemand};
use crate::words::chain;

/// Take exactly what is deployed in one environment to the next
///
/// The chart must be the one that is deployed there, by its digest; image and model are taken along
/// as they are there, above the values of the next environment. It is refused where the first
/// environment drifts, and where the verdict on its model is missing, failed, too old, about another
/// model or dataset, or not signed where a signature is demanded. Then the next environment's own
/// gate judges the same model, and the release is upgraded atomically. Who promoted what from where
/// is kept with the revision.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  deployer promote fraud-model --from staging --to prod --dry-run\n  deployer promote fraud-model --to prod\n  deployer promote fraud-model --to prod --max-age 12h -o json | jq '.conditions[] | select(.met | not)'"
)]
pub(crate) struct PromoteCommand {
    /// Name of the release
    release: String,
    /// Environment to take it from; the one before --to in `promotion` where unset
    #[arg(long, value_name = "ENVIRONMENT")]
    from: Option<String>,
    /// Environment to take it to
    #[arg(long, value_name = "ENVIRONMENT")]
    to: String,
    /// How old the verdict may be, as in 7d or 12h (default: as the file says, else 7d)
    #[arg(long, value_name = "AGE", value_parser = parse_age)]
    max_age: Option<Duration>,
    /// Show each condition, and what would change
    #[arg(long)]
    dry_run: bool,
    /// Take fields over that another manager owns, as after a hand edit
    #[arg(long)]
    force_conflicts: bool,
    /// Time for any single hook or wait, as in 5m0s (default: as the file says, else 5m)
    #[arg(long, value_parser = parse_timeout, value_name = "DURATION")]
    timeout: Option<Duration>,
    /// Send user and password to every host, not to the repository's alone
    #[arg(long, help_heading = "Repositories and registries")]
    pass_credentials: bool,
    #[command(flatten)]
    access: AccessArgs,
    #[command(flatten)]
    verdict: VerdictArgs,
    #[command(flatten)]
    hooks: HookArgs,
    #[command(flatten)]
    pub(super) output: OutputArgs,
}

/// What is deployed in the environment that a release is taken from.
struct Source {
    session: Session,
    target: Target,
    resolved: Resolved,
    deployed: Option<Release>,
    evidence: Option<Evidence>,
    state: EnvironmentState,
    drift: Drift,
}

/// The environment that it goes to, with the chart and values that would go there.
struct Goal {
    session: Session,
    target: Target,
    inputs: Inputs,
    chart: Result<LoadedChart, CliError>,
    /// The values that go along.
    values: Map<String, Value>,
    /// Whose signature is demanded there, where one is.
    signed: Option<SignatureDemand>,
    /// What the promotion breaks of its demands; none where it has no demands.
    broken_demands: Option<Vec<String>>,
}

impl PromoteCommand {
    pub(crate) async fn run(self, session: &Session) -> Result<(), CliError> {
        if session.chosen.is_some() {
            return Err(
                CliError::usage("`promote` names its environments by `--from` and `--to`")
                    .with_hint("leave `--env` out"),
            );
        }
        let environments = Environments::read(&find_file(&session.global)?)?;
        let release = ReleaseName::new(self.release.as_str())?;
        environments.release(release.as_str())?;
        environments.place(&self.to)?;
        let from = self.from(&environments)?;
        environments.place(&from)?;
        let source = self.source(session, &environments, &from, &release).await?;
        let goal = self.goal(session, &environments, &release, &source).await?;
        let conditions = self.conditions(&environments, &source, &goal);
        let mut view = self.view(&from, &source, &goal, conditions);
        if !view.allowed {
            print_promotion(&session.printer, self.output.output.format(), &view)?;
            return Err(refused(&view));
        }
        let seen = self.upgrade(&source, &goal, &release, true).await?;
        view.changes = changes(&seen.plan);
        if self.dry_run {
            view.plan = seen.shown;
            return Ok(print_promotion(
                &session.printer,
                self.output.output.format(),
                &view,
            )?);
        }
        for line in crate::output::condition_lines(&session.printer, &view.conditions) {
            session.printer.say(&line);
        }
        let outcome = self.upgrade(&source, &goal, &release, false).await?;
        outcome
            .warnings
            .iter()
            .for_each(|warning| session.printer.warn(warning));
        view.revision = Some(outcome.release.version);
        print_promotion(&session.printer, self.output.output.format(), &view)?;
        Ok(())
    }

    fn from(&self, environments: &Environments) -> Result<String, CliError> {
        let before = environments.before(&self.to);
        let from = self.from.as_deref().or(before).ok_or_else(|| {
            CliError::usage(format!("nothing comes before `{}`", self.to))
                .with_hint("order the environments in the file's `promotion`")
        })?;
        Ok(from.to_owned())
    }

    async fn source(
        &self,
        session: &Session,
        environments: &Environments,
        from: &str,
        release: &ReleaseName,
    ) -> Result<Source, CliError> {
        let absent = || {
            CliError::usage(format!(
                "release `{release}` is not meant to be in environment `{from}`"
            ))
        };
        let resolved = environments
            .resolve(release.as_str(), from)?
            .ok_or_else(absent)?;
        let wanted = Wanted {
            environments: Arc::new(environments.clone()),
            names: vec![from.to_owned()],
            releases: vec![release.to_string()],
            timeout: Duration::from_secs(60),
        };
        let mut states = gather(session, &wanted).await?;
        let allowed = &environments.file.allowed_differences;
        let drift = compare(&states, allowed, Utc::now());
        let state = states.pop().ok_or_else(absent)?;
        if let Err(problem) = &state.releases {
            return Err(CliError::Found {
                message: format!("environment `{from}` cannot be looked at: {problem}"),
            });
        }
        let there = in_environment(session, Chosen::of(environments, from)?);
        let target = there.target().await?;
        let history = target.store.history(release).await?;
        let current = deployed(&history).cloned();
        let evidence = match &current {
            None => None,
            Some(current) => {
                let origin = origin(&history, current);
                let record = target.store.evidence(release, origin.version).await?;
                record
                    .map(|record| record.evidence)
                    .filter(|evidence| evidence.tells_of(origin))
            }
        };
        Ok(Source {
            session: there,
            target,
            resolved,
            deployed: current,
            evidence,
            state,
            drift,
        })
    }

    async fn goal(
        &self,
        session: &Session,
        environments: &Environments,
        release: &ReleaseName,
        source: &Source,
    ) -> Result<Goal, CliError> {
        let there = in_environment(session, Chosen::of(environments, &self.to)?);
        let chart = ChartArgs {
            origin: OriginArgs {
                pass_credentials: self.pass_credentials,
                access: self.access.clone(),
                ..OriginArgs::default()
            },
            ..ChartArgs::default()
        };
        let mut inputs = there.inputs(release, None, &chart, &ValueArgs::default())?;
        let mut change = ChangeOptions::default();
        there.apply_rules(&mut change);
        let broken_demands = there.broken_demands(&Asked {
            chart: Some(&inputs.reference),
            timeout: Some(self.timeout.unwrap_or(change.timeout)),
            skips_hooks: there.skips_hooks(&change, &self.hooks),
            assignments: Vec::new(),
            is_promotion: true,
        });
        let signed = self.verdict.demand(&there)?;
        let values = match &source.deployed {
            Some(deployed) => pick(&computed_values(deployed), &source.resolved.promoted_values),
            None => Map::new(),
        };
        let name = format!("values of {}", source.resolved.place.environment);
        inputs
            .values
            .below
            .push((name, Value::Object(values.clone()).to_string()));
        let target = there.target().await?;
        let chart = LoadedChart::load(
            &there,
            &inputs.reference,
            &inputs.chart,
            &inputs.values,
            &RenderArgs::default(),
        )
        .await;
        Ok(Goal {
            session: there,
            target,
            inputs,
            chart,
            values,
            signed,
            broken_demands,
        })
    }

    fn conditions(
        &self,
        environments: &Environments,
        source: &Source,
        goal: &Goal,
    ) -> Vec<Condition> {
        let from = &source.resolved.place.environment;
        let drift: Vec<String> = source.drift.of(&self.release, from).map(sentence).collect();
        let problems = source
            .drift
            .environments
            .iter()
            .flat_map(|row| &row.problems);
        let drift: Vec<String> = drift.into_iter().chain(problems.cloned()).collect();
        let provenance = source
            .evidence
            .as_ref()
            .and_then(|evidence| evidence.provenance.as_ref());
        let verdicts = verdicts(source);
        let (next, problem) = match &goal.chart {
            Ok(chart) => (chart.digest(), String::new()),
            Err(error) => (String::new(), chain(error)),
        };
        let states = source.state.releases.iter().flatten();
        let model_now = model_now(source);
        let mut found = conditions(&Candidate {
            from,
            to: &self.to,
            before: environments.before(&self.to),
            deployed: source.deployed.as_ref(),
            last: states.into_iter().find_map(|state| state.last),
            drift: &drift,
            chart_deployed: provenance.map(|provenance| provenance.chart_digest.as_str()),
            chart_next: match goal.chart {
                Ok(_) => Ok(&next),
                Err(_) => Err(&problem),
            },
            verdicts: &verdicts,
            wanted: &source.resolved.verdict,
            model_now: model_now.as_deref(),
            age_max: self
                .max_age
                .or(source.resolved.verdict_age_max)
                .unwrap_or(VERDICT_AGE_MAX),
            signature: signature(goal, &verdicts),
            now: Utc::now(),
        });
        found.extend(demands(&self.to, goal.broken_demands.as_deref()));
        found
    }

    fn view(
        &self,
        from: &str,
        source: &Source,
        goal: &Goal,
        conditions: Vec<Condition>,
    ) -> PromotionView {
        PromotionView {
            schema_version: PromotionView::SCHEMA_VERSION,
            release: self.release.clone(),
            from: from.to_owned(),
            from_revision: source.deployed.as_ref().map(|release| release.version),
            to: self.to.clone(),
            dry_run: self.dry_run,
            allowed: conditions.iter().all(|condition| condition.met),
            conditions,
            chart_digest: goal.chart.as_ref().ok().map(LoadedChart::digest),
            values: goal.values.clone(),
            changes: Vec::new(),
            plan: None,
            revision: None,
        }
    }

    /// Upgrades the release in its next environment, or shows what that would change.
    async fn upgrade(
        &self,
        source: &Source,
        goal: &Goal,
        release: &ReleaseName,
        is_dry: bool,
    ) -> Result<Outcome, CliError> {
        let mut change = ChangeOptions {
            atomic: true,
            force_conflicts: self.force_conflicts,
            ..ChangeOptions::default()
        };
        goal.session.apply_rules(&mut change);
        change.timeout = self.timeout.unwrap_or(change.timeout);
        if is_dry {
            change.dry_run = match goal.session.is_kube() {
                true => DryRunMode::Server,
                false => DryRunMode::Client,
            };
        }
        let chart = LoadedChart::load(
            &goal.session,
            &goal.inputs.reference,
            &goal.inputs.chart,
            &goal.inputs.values,
            &RenderArgs::default(),
        )
        .await?
        .with_lookup(chart_lookup(&goal.target, change.dry_run));
        let work = if is_dry { Work::Read } else { Work::Change };
        let deployer = goal.session.deployer(&goal.target, &self.hooks, work)?;
        let promotion = promotion(source, goal, &chart, &deployer.operator);
        change.description = Some(format!(
            "Promoted from {} (revision {}) by {}",
            promotion.from, promotion.from_revision, promotion.by
        ));
        let models: Vec<String> = verdicts(source)
            .iter()
            .filter_map(|verdict| verdict.model_digest().map(str::to_owned))
            .collect();
        change.verdict = VerdictDemand::SameModels { sha256: models };
        let reference = &goal.inputs.reference;
        change.provenance = Some(goal.session.provenance(reference, &chart, Some(promotion)));
        let options = UpgradeOptions {
            release: release.clone(),
            chart: Arc::new(chart),
            change,
            reuse: ValuesReuse::Reset,
            install: true,
            create_namespace: goal.session.creates_namespace(),
            crds: CrdPolicy::Create,
        };
        Ok(upgrade(&deployer, &options).await?)
    }
}

fn promotion(source: &Source, goal: &Goal, chart: &LoadedChart, operator: &str) -> Promotion {
    let verdicts = verdicts(source);
    let first = verdicts.first();
    // Process and moment make the operator unique for leases; who did it is user and host.
    let by = operator.split('/').next().unwrap_or(operator).to_owned();
    Promotion {
        from: source.resolved.place.environment.clone(),
        from_namespace: source.resolved.place.namespace.clone(),
        from_target: source.target.cluster.describe(),
        from_revision: source
            .deployed
            .as_ref()
            .map(|release| release.version)
            .unwrap_or_default(),
        by,
        at: Utc::now(),
        chart_digest: chart.digest(),
        model_sha256: first
            .and_then(|verdict| verdict.model_digest())
            .map(str::to_owned),
        dataset_digest: first
            .and_then(|verdict| verdict.dataset_digest())
            .map(str::to_owned),
        signed: matches!(signature(goal, &verdicts), Some(Ok(_))),
        values: goal.values.clone(),
    }
}

fn verdicts(source: &Source) -> Vec<GateVerdict> {
    let recorded = source
        .evidence
        .iter()
        .flat_map(|evidence| &evidence.verdicts);
    recorded.map(|recorded| recorded.verdict.clone()).collect()
}

/// Returns the digest of the model file as it is now, where hooks run on this machine and the model
/// is a file here: a path inside a container says nothing here.
fn model_now(source: &Source) -> Option<String> {
    let is_here = source.session.hooks_run_here();
    let places = variable(source.deployed.as_ref(), "MODEL_PATH");
    let [path] = places.as_slice() else {
        return None;
    };
    let mut file = std::fs::File::open(path).ok().filter(|_| is_here)?;
    let mut hash = Sha256::new();
    std::io::copy(&mut file, &mut hash).ok()?;
    Some(hex::encode(hash.finalize()))
}

/// Checks the signatures of the verdicts where the next environment demands them.
fn signature(goal: &Goal, verdicts: &[GateVerdict]) -> Option<Result<String, String>> {
    let verdicts: Vec<&GateVerdict> = verdicts.iter().collect();
    Some(goal.signed.as_ref()?.check(&verdicts, Utc::now()))
}

/// A condition for each demand of the next environment that is broken, or one that all are kept.
fn demands(to: &str, broken: Option<&[String]>) -> Vec<Condition> {
    let condition = |met, text| Condition {
        name: "demands",
        met,
        text,
    };
    match broken {
        None => Vec::new(),
        Some([]) => vec![condition(true, format!("what {to} demands is kept"))],
        Some(broken) => broken
            .iter()
            .map(|why| condition(false, format!("{to} demands: {why}")))
            .collect(),
    }
}

fn refused(view: &PromotionView) -> CliError {
    let unmet: Vec<&Condition> = view
        .conditions
        .iter()
        .filter(|condition| !condition.met)
        .collect();
    let is_verdict = unmet.iter().any(|condition| condition.name == "verdict");
    CliError::Refused {
        message: format!(
            "promotion of release `{}` from `{}` to `{}` refused: {} of {} conditions are not met",
            view.release,
            view.from,
            view.to,
            unmet.len(),
            view.conditions.len()
        ),
        code: if is_verdict {
            ExitCode::GateRefused
        } else {
            ExitCode::Failed
        },
    }
}
