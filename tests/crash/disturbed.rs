//! The deployer is killed, interrupted or badly answered at request k; the next command ends well.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use harness::api_proxy::{ApiProxy, PlainApi, Trouble};
use harness::cluster::{Cluster, Helm, Namespace, demand};
use harness::command::Program;
use harness::skip;
use rustix::process::Signal;

use crate::scenario::{Scenario, change};
use crate::state::Place;

/// How many kills a test run tries, unless `SOAK_KILLS` says otherwise: a few more than the twenty
/// that it promises, since an operation that polls makes fewer requests at times.
const KILLS: u64 = 24;
/// Releases that are worked on at once; most of the time they wait for a lease.
const WORKERS: usize = 10;

/// A way to disturb the deployer at one of its requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Disturbance {
    /// SIGKILL, before or after the server carried the request out.
    Kill(Trouble),
    /// SIGTERM or Ctrl-C while the request goes on.
    Signal(&'static str),
    /// The server or the network misbehaves once.
    Misbehave(Trouble),
}

impl Disturbance {
    const KILLS: [Self; 2] = [
        Self::Kill(Trouble::StopBefore),
        Self::Kill(Trouble::StopAfter),
    ];
    const SIGNALS: [Self; 2] = [Self::Signal("TERM"), Self::Signal("INT")];
    const MISBEHAVIOUR: [Self; 5] = [
        Self::Misbehave(Trouble::Answer(409)),
        Self::Misbehave(Trouble::Answer(429)),
        Self::Misbehave(Trouble::Answer(500)),
        Self::Misbehave(Trouble::Reset),
        Self::Misbehave(Trouble::AnswerLost),
    ];

    fn trouble(self) -> Trouble {
        match self {
            Self::Kill(trouble) | Self::Misbehave(trouble) => trouble,
            Self::Signal(_) => Trouble::Tell,
        }
    }
}

#[derive(Debug, Clone, Copy)]
struct Point {
    scenario: Scenario,
    at: u64,
    disturbance: Disturbance,
}

#[test]
fn e2e_killed_at_any_request_the_next_command_ends_well() -> Result<()> {
    sweep("kills", &Disturbance::KILLS, kills())
}

#[test]
fn e2e_sigterm_and_ctrl_c_at_any_request_end_in_a_good_state() -> Result<()> {
    sweep("signals", &Disturbance::SIGNALS, kills() / 2)
}

#[test]
fn e2e_a_bad_answer_at_any_request_is_survived() -> Result<()> {
    sweep("bad answers", &Disturbance::MISBEHAVIOUR, kills() / 2)
}

fn kills() -> u64 {
    let asked = std::env::var("SOAK_KILLS").ok();
    asked.and_then(|text| text.parse().ok()).unwrap_or(KILLS)
}

/// Disturbs each scenario at points spread over its requests, and demands that all end well.
fn sweep(what: &str, disturbances: &[Disturbance], points_total: u64) -> Result<()> {
    let Some(cluster) = Cluster::from_environment()? else {
        return Ok(());
    };
    let api = PlainApi::start(&cluster)?;
    let counts = count(&cluster, &api)?;
    let points = spread(&counts, disturbances, points_total);
    let waiting: Mutex<VecDeque<(usize, Point)>> =
        Mutex::new(points.iter().copied().enumerate().collect());
    let ended: Mutex<Vec<(Point, Result<bool>)>> = Mutex::default();
    let work = || -> Result<()> {
        let namespace = cluster.namespace("crash")?;
        loop {
            let Some((index, point)) = lock(&waiting).pop_front() else {
                return Ok(());
            };
            let outcome = one(&api, &namespace, index, point);
            lock(&ended).push((point, outcome));
        }
    };
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..WORKERS).map(|_| scope.spawn(work)).collect();
        let mut outcome = Ok(());
        for worker in workers {
            let joined = worker.join().map_err(|_| anyhow!("a worker panicked"));
            outcome = outcome.and(joined.and_then(|outcome| outcome));
        }
        outcome
    })?;
    report(what, &counts, &lock(&ended))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn report(what: &str, counts: &[(Scenario, u64)], ended: &[(Point, Result<bool>)]) -> Result<()> {
    let mut failures = Vec::new();
    let mut total = 0;
    for (scenario, requests) in counts {
        let of_scenario = ended
            .iter()
            .filter(|(point, _)| point.scenario == *scenario);
        let (mut survived, mut injected) = (0, 0);
        for (point, outcome) in of_scenario {
            match outcome {
                Ok(false) => continue,
                Ok(true) => survived += 1,
                Err(error) => failures.push(format!("{point:?}: {error:#}")),
            }
            injected += 1;
        }
        total += injected;
        skip::note(&format!(
            "{scenario:?}, {requests} requests: {survived} of {injected} {what} survived"
        ));
    }
    let failed = failures.len();
    skip::note(&format!("{total} {what}, {failed} not survived"));
    demand(failures.is_empty() && total > 0, || failures.join("\n\n"))
}

/// Counts the requests of each scenario.
fn count(cluster: &Cluster, api: &PlainApi) -> Result<Vec<(Scenario, u64)>> {
    let namespace = cluster.namespace("crash-count")?;
    let mut counts = Vec::new();
    for (index, scenario) in Scenario::ALL.into_iter().enumerate() {
        let release = format!("count{index}");
        scenario.prepare(&namespace, &release)?;
        let proxy = ApiProxy::start(api, 0, Trouble::Tell)?;
        let folder = tempfile::tempdir()?;
        let output = proxied(
            &proxy,
            folder.path(),
            scenario.program(&namespace, &release)?,
        )?;
        let output = output.run()?;
        let place = Place {
            api,
            namespace: namespace.name(),
            release: &release,
        };
        let (live, wanted) = (place.live()?, place.expected(scenario.wanted()));
        demand(live == wanted, || {
            format!("{scenario:?} left {live:?}\n{}", output.describe())
        })?;
        counts.push((scenario, proxy.requests()));
    }
    Ok(counts)
}

/// Spreads points over all requests of all scenarios, each disturbance in its turn.
fn spread(counts: &[(Scenario, u64)], disturbances: &[Disturbance], total: u64) -> Vec<Point> {
    let ways = disturbances.len() as u64;
    let all: Vec<(Scenario, u64)> = counts
        .iter()
        .flat_map(|(scenario, requests)| (0..requests * ways).map(|number| (*scenario, number)))
        .collect();
    let total = total.min(all.len() as u64);
    (0..total)
        .map(|point| {
            let index = usize::try_from(point * all.len() as u64 / total).unwrap_or_default();
            let (scenario, number) = all[index];
            Point {
                scenario,
                at: number / ways + 1,
                disturbance: disturbances[usize::try_from((number + point) % ways).unwrap_or(0)],
            }
        })
        .collect()
}

fn proxied(proxy: &ApiProxy, folder: &Path, program: Program) -> Result<Program> {
    let kubeconfig = folder.join("kubeconfig");
    proxy.write_kubeconfig(&kubeconfig)?;
    Ok(program.env("KUBECONFIG", kubeconfig))
}

/// Disturbs one operation; returns whether it made that many requests.
fn one(api: &PlainApi, namespace: &Namespace, index: usize, point: Point) -> Result<bool> {
    let release = format!("r{index}");
    let place = Place {
        api,
        namespace: namespace.name(),
        release: &release,
    };
    point.scenario.prepare(namespace, &release)?;
    let proxy = ApiProxy::start(api, point.at, point.disturbance.trouble())?;
    let folder = tempfile::tempdir()?;
    let program = point.scenario.program(namespace, &release)?;
    let mut running = proxied(&proxy, folder.path(), program)?.start()?;
    let request = loop {
        if let Some(request) = proxy.stopped_at(Duration::from_millis(50)) {
            break Some(request);
        }
        if running.has_ended()? {
            break proxy.stopped_at(Duration::ZERO);
        }
    };
    let Some(request) = request else {
        return Ok(false);
    };
    match point.disturbance {
        Disturbance::Kill(_) => running.signal(Signal::KILL)?,
        // It may have ended just now, with its last request.
        Disturbance::Signal("TERM") => drop(running.signal(Signal::TERM)),
        Disturbance::Signal(_) => drop(running.signal(Signal::INT)),
        Disturbance::Misbehave(_) => {}
    }
    let output = running.wait()?;
    drop(proxy);
    let told = |what: &str| format!("{what} after {request}\n{}", output.describe());
    settles(&place, namespace, index, point).with_context(|| told("it did not settle"))?;
    converges(&place, namespace, point).with_context(|| told("it did not converge"))?;
    helm_operates(&place, namespace, index, point).with_context(|| told("Helm cannot go on"))?;
    Ok(true)
}

/// Demands that the invariants hold: by itself after a signal or a bad answer, by `recover` after
/// a kill. Every other kill is left to the next change to recover.
fn settles(place: &Place<'_>, namespace: &Namespace, index: usize, point: Point) -> Result<()> {
    let broken = match point.disturbance {
        Disturbance::Kill(_) if index.is_multiple_of(2) => return Ok(()),
        Disturbance::Kill(_) => {
            namespace
                .deployer()?
                .args(["recover", place.release])
                .expect(0)?;
            place.broken()?
        }
        Disturbance::Signal(_) => place.broken()?,
        Disturbance::Misbehave(_) if point.scenario.leaves_failures_as_they_are() => {
            place.broken_records()?
        }
        Disturbance::Misbehave(_) => place.broken()?,
    };
    demand(broken.is_empty(), || {
        format!("{broken:?}; {:?}", place.statuses())
    })
}

/// Runs the same command again and demands that it has its way now.
fn converges(place: &Place<'_>, namespace: &Namespace, point: Point) -> Result<()> {
    let again = point.scenario.program(namespace, place.release)?.run()?;
    again.is_orderly()?;
    let mut broken = place.broken()?;
    let (live, wanted) = (place.live()?, place.expected(point.scenario.wanted()));
    if live != wanted {
        broken.push(format!("live is {live:?}, wanted {wanted:?}"));
    }
    demand(broken.is_empty(), || {
        format!("{broken:?}; {:?}\n{}", place.statuses(), again.describe())
    })
}

/// Demands that Helm upgrades and uninstalls what is left.
fn helm_operates(
    place: &Place<'_>,
    namespace: &Namespace,
    index: usize,
    point: Point,
) -> Result<()> {
    if point.scenario.wanted().is_none() {
        return Ok(());
    }
    let helm = Helm::ALL[index / 2 % 2];
    change(namespace.helm(helm)?, "upgrade", place.release, "white").expect(0)?;
    let live = place.live()?;
    demand(live == place.expected(Some("white")), || {
        format!("{live:?} after {}", helm.name())
    })?;
    namespace
        .helm(helm)?
        .args(["uninstall", place.release])
        .expect(0)?;
    Ok(())
}
