//! Gathers what is deployed in environments, all at once: what `drift` and `promote` compare.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use futures::future::try_join_all;
use serde_json::Value;

use super::arguments::{ChartArgs, RenderArgs, ValueArgs};
use super::chart_source::LoadedChart;
use super::environment::{Chosen, settle};
use super::error::CliError;
use super::session::{Session, Target};
use crate::action::{ActionError, ChartSource, RenderRequest, ValuesReuse};
use crate::cluster::{Capabilities, ObjectId, get_served};
use crate::environment::drift::{Desired, EnvironmentState, Recorded, ReleaseState};
use crate::environment::{Environments, deployed};
use crate::plan::{ManifestObject, RandomParts, read_manifest};
use crate::release::{Release, ReleaseName, Revision};
use crate::storage::Stored;
use crate::words::chain;

/// What is gathered.
#[derive(Debug, Clone)]
pub(crate) struct Wanted {
    pub(crate) environments: Arc<Environments>,
    /// Names of environments.
    pub(crate) names: Vec<String>,
    /// Names of releases.
    pub(crate) releases: Vec<String>,
    /// How long one environment may take.
    pub(crate) timeout: Duration,
}

/// Looks at every environment, each on its own: one that does not answer holds up no other.
pub(crate) async fn gather(
    session: &Session,
    wanted: &Wanted,
) -> Result<Vec<EnvironmentState>, CliError> {
    let mut tasks = Vec::new();
    for name in &wanted.names {
        let chosen = Chosen::of(&wanted.environments, name)?;
        let state = EnvironmentState {
            name: name.clone(),
            target: String::new(),
            namespace: chosen.place.namespace.clone(),
            releases: Ok(Vec::new()),
        };
        let (session, wanted) = (in_environment(session, chosen), wanted.clone());
        let limit = wanted.timeout;
        let task = tokio::spawn(async move { look(&session, &wanted).await });
        tasks.push((state, limit, task));
    }
    let mut states = Vec::new();
    for (mut state, limit, task) in tasks {
        match tokio::time::timeout(limit, task).await {
            Ok(Ok((target, releases))) => {
                state.target = target;
                state.releases = releases.map_err(|error| chain(&error));
            }
            Ok(Err(stopped)) => state.releases = Err(stopped.to_string()),
            Err(_) => state.releases = Err(format!("no answer within {} s", limit.as_secs())),
        }
        states.push(state);
    }
    Ok(states)
}

/// Returns a session that works in another environment.
pub(crate) fn in_environment(session: &Session, chosen: Chosen) -> Session {
    let mut global = session.global.clone();
    settle(&mut global, &chosen.place);
    Session::new(
        global,
        Arc::clone(&session.printer),
        Arc::clone(&session.progress),
        Some(chosen),
    )
}

/// Returns the target in words, and the releases or why they cannot be had.
async fn look(session: &Session, wanted: &Wanted) -> (String, Result<Vec<ReleaseState>, CliError>) {
    let target = match session.target().await {
        Ok(target) => target,
        Err(error) => return (String::new(), Err(error)),
    };
    let described = target.cluster.describe();
    (described, releases(session, &target, wanted).await)
}

async fn releases(
    session: &Session,
    target: &Target,
    wanted: &Wanted,
) -> Result<Vec<ReleaseState>, CliError> {
    let names = wanted
        .releases
        .iter()
        .map(|name| ReleaseName::new(name.as_str()));
    let names: Vec<ReleaseName> = names.collect::<Result<_, _>>()?;
    let (capabilities, histories) = futures::future::try_join(
        async {
            Ok::<_, CliError>(
                target
                    .cluster
                    .capabilities()
                    .await
                    .map_err(ActionError::from)?,
            )
        },
        try_join_all(
            names
                .iter()
                .map(|name| async { Ok::<_, CliError>(target.store.history(name).await?) }),
        ),
    )
    .await?;
    let mut records = Vec::new();
    for history in &histories {
        records.push(match deployed(history) {
            Some(release) => objects(release)?,
            None => Vec::new(),
        });
    }
    // One question for everything: objects of a kind are listed, not read one by one.
    let ids: Vec<ObjectId> = records
        .iter()
        .flatten()
        .map(|object| object.id.clone())
        .collect();
    let live = live(target, ids).await?;
    let environment = session
        .chosen
        .as_ref()
        .map(|chosen| chosen.place.environment.clone());
    let environment = environment.unwrap_or_default();
    let mut states = Vec::new();
    for ((name, history), record) in names.iter().zip(&histories).zip(records) {
        let resolved = wanted.environments.resolve(name.as_str(), &environment)?;
        let (desired, random) = match resolved {
            None => (Desired::Absent, RandomParts::default()),
            Some(_) => match desired(session, target, name, history, &capabilities).await {
                Ok((objects, random)) => (Desired::Objects(objects), random),
                Err(error) => (Desired::Broken(chain(&error)), RandomParts::default()),
            },
        };
        let there = |object: &ManifestObject| {
            let live = live.get(&object.id)?;
            Some((object.id.clone(), live.clone()))
        };
        let current = deployed(history);
        let last = history.last().map(|last| &last.release);
        let good = history.iter().map(|stored| &stored.release);
        let good = good.filter(|release| release.info.status.was_good());
        states.push(ReleaseState {
            name: name.to_string(),
            desired,
            random,
            deployed: current.map(recorded),
            live: record.iter().filter_map(there).collect(),
            record,
            last: last
                .filter(|last| current.is_none_or(|current| current.version != last.version))
                .map(|last| (last.version, last.info.status)),
            history: good.map(recorded).collect(),
        });
    }
    Ok(states)
}

/// Renders what the files say, as the deployed revision was rendered; once more where that is not
/// what is deployed, to tell what is made anew each time.
async fn desired(
    session: &Session,
    target: &Target,
    name: &ReleaseName,
    history: &[Stored],
    capabilities: &Capabilities,
) -> Result<(Vec<ManifestObject>, RandomParts), CliError> {
    let mut inputs = session.inputs(name, None, &ChartArgs::default(), &ValueArgs::default())?;
    session
        .keep_promoted_of(target, history, &mut inputs)
        .await?;
    let current = deployed(history);
    let chart = LoadedChart::load(
        session,
        &inputs.reference,
        &inputs.chart,
        &inputs.values,
        &RenderArgs::default(),
    )
    .await?
    .with_lookup(target.kube.as_ref());
    let revision = current.map_or(Revision::FIRST, |release| release.version);
    let request = RenderRequest {
        release: name,
        namespace: &target.namespace,
        revision,
        is_upgrade: revision != Revision::FIRST,
        capabilities: Some(capabilities),
        previous: None,
        reuse: ValuesReuse::Reset,
    };
    let read = |manifest: &str| {
        read_manifest(manifest).map_err(|error| CliError::usage(error.to_string()))
    };
    let once = chart.render(&request).map_err(ActionError::from)?.manifest;
    let objects = read(&once)?;
    let is_other = current.is_some_and(|release| release.manifest != once);
    let later = chart.at_another_time().filter(|_| is_other);
    let again = later.and_then(|chart| chart.render(&request).ok());
    let random = match again.and_then(|again| read(&again.manifest).ok()) {
        Some(again) => RandomParts::of(&objects, &again, &target.namespace),
        None => RandomParts::default(),
    };
    Ok((objects, random))
}

fn objects(release: &Release) -> Result<Vec<ManifestObject>, CliError> {
    read_manifest(&release.manifest).map_err(|error| {
        CliError::usage(format!(
            "the record of revision {} cannot be read: {error}",
            release.version
        ))
    })
}

fn recorded(release: &Release) -> Recorded {
    Recorded {
        revision: release.version,
        at: release.info.last_deployed.utc(),
        manifest: release.manifest.clone(),
    }
}

/// Returns the live objects; one whose kind is not served any more is not there.
async fn live(
    target: &Target,
    ids: Vec<ObjectId>,
) -> Result<HashMap<ObjectId, Arc<Value>>, CliError> {
    let found = get_served(&*target.cluster, ids, |_| true).await;
    Ok(found.map_err(ActionError::from)?)
}
