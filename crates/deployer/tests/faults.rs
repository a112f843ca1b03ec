//! The signature test: every operation is broken at every call, in every way, and afterwards all
//! is well.
//!
//! For each operation and each kind of fault, call k goes wrong for every k that the operation
//! makes: calls to the cluster, to the records and to the hooks alike. Then a fresh process
//! recovers, the invariants are checked, and the operation is run again until it has its way.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
#![expect(clippy::print_stdout, reason = "the counts, for `--nocapture`")]

mod support;

use deployer::action::{self, ActionError, Deployer};
use deployer::cluster::{Fault, FaultPlan, WaitStrategy};
use support::{ScriptedChart, World, install, name, rollback, uninstall, upgrade};

const OLD: [(&str, &str); 3] = [("kept", "1"), ("changed", "1"), ("dropped", "1")];
const NEW: [(&str, &str); 3] = [("kept", "1"), ("changed", "2"), ("added", "1")];
/// What a second process deploys while the first is frozen.
const OTHER: [(&str, &str); 3] = [("kept", "3"), ("changed", "3"), ("other", "3")];
/// A bound on k, far above what any of the operations makes.
const CALLS_MAX: u64 = 400;

const FAULTS: [Fault; 12] = [
    Fault::DiesBefore,
    Fault::DiesAfter,
    Fault::Answers(409),
    Fault::Answers(429),
    Fault::Answers(500),
    Fault::Reset,
    Fault::AnswerLost,
    Fault::TimesOut,
    Fault::TimesOutAfter,
    Fault::DropsWatch,
    Fault::Outage,
    Fault::Interrupts,
];

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Operation {
    Install,
    AtomicInstallThatFails,
    UpgradeThatInstalls,
    Upgrade,
    UpgradeThatCleansUp,
    AtomicUpgrade,
    AtomicUpgradeThatFails,
    AtomicUpgradeRefused,
    AtomicUpgradeWithRollbackHook,
    UpgradeThatPrunes,
    UpgradeAfterFailure,
    Rollback,
    RollbackWithHooks,
    Uninstall,
    UninstallWithHooks,
    UninstallKeepingHistory,
}

const OPERATIONS: [Operation; 16] = [
    Operation::Install,
    Operation::AtomicInstallThatFails,
    Operation::UpgradeThatInstalls,
    Operation::Upgrade,
    Operation::UpgradeThatCleansUp,
    Operation::AtomicUpgrade,
    Operation::AtomicUpgradeThatFails,
    Operation::AtomicUpgradeRefused,
    Operation::AtomicUpgradeWithRollbackHook,
    Operation::UpgradeThatPrunes,
    Operation::UpgradeAfterFailure,
    Operation::Rollback,
    Operation::RollbackWithHooks,
    Operation::Uninstall,
    Operation::UninstallWithHooks,
    Operation::UninstallKeepingHistory,
];

fn old() -> ScriptedChart {
    ScriptedChart::of(&OLD)
}

fn new() -> ScriptedChart {
    ScriptedChart::of(&NEW)
}

fn never_ready() -> ScriptedChart {
    ScriptedChart {
        never_ready: true,
        ..new()
    }
}

fn with_hooks(chart: ScriptedChart) -> ScriptedChart {
    ScriptedChart {
        after_hook: true,
        rollback_hook: Some("pass"),
        ..chart.gated("pass")
    }
}

impl Operation {
    /// Brings the world to where the operation starts.
    async fn prepare(self, world: &World) {
        let healthy = world.healthy();
        let first = match self {
            Self::Install | Self::AtomicInstallThatFails | Self::UpgradeThatInstalls => return,
            Self::AtomicUpgradeWithRollbackHook
            | Self::RollbackWithHooks
            | Self::UninstallWithHooks => with_hooks(old()),
            _ => old(),
        };
        action::install(&healthy, &install(first, false))
            .await
            .unwrap();
        let also = match self {
            Self::Rollback | Self::UpgradeThatPrunes => new(),
            Self::RollbackWithHooks => with_hooks(new()),
            Self::UpgradeAfterFailure => {
                let failed = upgrade(new().gated("fail"), false);
                action::upgrade(&healthy, &failed).await.unwrap_err();
                return;
            }
            _ => return,
        };
        action::upgrade(&healthy, &upgrade(also, false))
            .await
            .unwrap();
    }

    async fn run(self, process: &Deployer) -> Result<(), ActionError> {
        let upgraded = |chart, atomic| async move {
            action::upgrade(process, &upgrade(chart, atomic))
                .await
                .map(|_| ())
        };
        match self {
            Self::Install => {
                let chart = with_hooks(old());
                action::install(process, &install(chart, true))
                    .await
                    .map(|_| ())
            }
            Self::AtomicInstallThatFails => action::install(process, &install(never_ready(), true))
                .await
                .map(|_| ()),
            Self::UpgradeThatInstalls => {
                let mut options = upgrade(old(), false);
                options.install = true;
                action::upgrade(process, &options).await.map(|_| ())
            }
            Self::Upgrade | Self::UpgradeAfterFailure => upgraded(new(), false).await,
            Self::UpgradeThatCleansUp => {
                let mut options = upgrade(never_ready(), false);
                options.change.cleanup_on_fail = true;
                options.change.wait = WaitStrategy::Watcher;
                action::upgrade(process, &options).await.map(|_| ())
            }
            Self::AtomicUpgrade => upgraded(with_hooks(new()), true).await,
            Self::AtomicUpgradeThatFails => upgraded(never_ready(), true).await,
            Self::AtomicUpgradeRefused => upgraded(new().gated("fail"), true).await,
            Self::AtomicUpgradeWithRollbackHook => upgraded(with_hooks(never_ready()), true).await,
            Self::UpgradeThatPrunes => {
                let mut options = upgrade(old(), false);
                options.change.history_max = 2;
                action::upgrade(process, &options).await.map(|_| ())
            }
            Self::Rollback | Self::RollbackWithHooks => {
                action::rollback(process, &rollback(1)).await.map(|_| ())
            }
            Self::Uninstall | Self::UninstallWithHooks => {
                action::uninstall(process, &uninstall(false))
                    .await
                    .map(|_| ())
            }
            Self::UninstallKeepingHistory => action::uninstall(process, &uninstall(true))
                .await
                .map(|_| ()),
        }
    }

    /// What is live when the operation was repeated until it had its way; none where a failure
    /// that is not undone leaves what the flags say.
    fn wanted(self) -> Option<Vec<(&'static str, &'static str)>> {
        match self {
            Self::Install
            | Self::UpgradeThatInstalls
            | Self::AtomicUpgradeThatFails
            | Self::AtomicUpgradeRefused
            | Self::AtomicUpgradeWithRollbackHook
            | Self::UpgradeThatPrunes
            | Self::Rollback
            | Self::RollbackWithHooks => Some(OLD.to_vec()),
            Self::Upgrade | Self::UpgradeAfterFailure | Self::AtomicUpgrade => Some(NEW.to_vec()),
            Self::AtomicInstallThatFails
            | Self::Uninstall
            | Self::UninstallWithHooks
            | Self::UninstallKeepingHistory => Some(Vec::new()),
            Self::UpgradeThatCleansUp => None,
        }
    }

    /// Whether a failure that is survived leaves objects half-way by design, as Helm does.
    fn leaves_failures_as_they_are(self, fault: Fault) -> bool {
        let is_undone = matches!(
            fault,
            Fault::DiesBefore | Fault::DiesAfter | Fault::Interrupts
        );
        match self {
            Self::UpgradeThatCleansUp => true,
            Self::Upgrade
            | Self::UpgradeThatInstalls
            | Self::UpgradeAfterFailure
            | Self::UpgradeThatPrunes
            | Self::Uninstall
            | Self::UninstallWithHooks
            | Self::UninstallKeepingHistory => !is_undone,
            _ => false,
        }
    }
}

fn live(world: &World) -> Vec<(String, String)> {
    let content =
        |data: &serde_json::Value| data["content"].as_str().unwrap_or_default().to_owned();
    world
        .live()
        .iter()
        .map(|(name, data)| (name.clone(), content(data)))
        .collect()
}

fn sorted(objects: &[(&str, &str)]) -> Vec<(String, String)> {
    let mut objects: Vec<_> = objects
        .iter()
        .map(|(name, text)| ((*name).to_owned(), (*text).to_owned()))
        .collect();
    objects.sort();
    objects
}

/// What must hold whatever was left as it is: no pending revision, one deployed at most, no lease.
fn of_records(broken: &[String]) -> Vec<&String> {
    broken
        .iter()
        .filter(|text| !text.starts_with("live "))
        .collect()
}

/// How one fault at one call ended.
enum Ended {
    /// The operation makes fewer calls.
    Beyond,
    /// The call was none that this fault concerns.
    Spared,
    /// The fault came about, and was survived.
    Survived,
}

/// Runs one operation with one fault.
async fn one(operation: Operation, fault: Fault, at: u64) -> Result<Ended, String> {
    let world = World::new();
    operation.prepare(&world).await;
    let plan = FaultPlan::new(at, fault);
    let outcome = operation.run(&world.process("faulty", &plan)).await;
    if plan.calls() < at {
        return Ok(Ended::Beyond);
    }
    if !plan.was_injected() {
        return Ok(Ended::Spared);
    }
    // Ctrl-C leaves nothing for others to recover.
    let broken = world.broken_invariants().await;
    if fault == Fault::Interrupts
        && !broken.is_empty()
        && !operation.leaves_failures_as_they_are(fault)
    {
        return Err(format!(
            "{broken:?} without recovery after {outcome:?}; {:?}",
            world.statuses().await
        ));
    }
    let healthy = world.healthy();
    action::recover(&healthy, Some(&name()), false)
        .await
        .map_err(|error| format!("recover: {error:?} after {outcome:?}"))?;
    let broken = world.broken_invariants().await;
    let counts = if operation.leaves_failures_as_they_are(fault) {
        of_records(&broken)
    } else {
        broken.iter().collect()
    };
    if !counts.is_empty() {
        return Err(format!(
            "{counts:?} after {outcome:?}; {:?}",
            world.statuses().await
        ));
    }
    let again = operation.run(&healthy).await;
    let broken = world.broken_invariants().await;
    let wrong = match operation.wanted() {
        Some(wanted) => !broken.is_empty() || live(&world) != sorted(&wanted),
        None => !of_records(&broken).is_empty(),
    };
    if wrong {
        return Err(format!(
            "rerun ended in {broken:?}, live {:?}, {again:?} after {outcome:?}; {:?}",
            live(&world),
            world.statuses().await
        ));
    }
    Ok(Ended::Survived)
}

#[test]
fn every_operation_survives_every_fault_at_every_call() {
    sweep(
        "faults",
        &OPERATIONS,
        &FAULTS,
        async |operation, fault, at| one(operation, fault, at).await,
    );
}

/// Tries every fault at every call of every operation, each operation in a thread with a time of
/// its own, and demands that all are survived.
fn sweep(
    what: &str,
    operations: &[Operation],
    faults: &[Fault],
    one: impl AsyncFn(Operation, Fault, u64) -> Result<Ended, String> + Sync,
) {
    let of_operation = async |operation: Operation| {
        let (mut injected, mut failures) = (0_u64, Vec::new());
        for fault in faults {
            for at in 1..=CALLS_MAX {
                match one(operation, *fault, at).await {
                    Ok(Ended::Beyond) => break,
                    Ok(Ended::Spared) => continue,
                    Ok(Ended::Survived) => {}
                    Err(why) => {
                        failures.push(format!("{operation:?} {fault:?} at call {at}: {why}"));
                    }
                }
                injected += 1;
            }
        }
        (operation, injected, failures)
    };
    let outcomes: Vec<_> = std::thread::scope(|scope| {
        let run = |operation: &Operation| {
            let operation = *operation;
            let of_operation = &of_operation;
            scope.spawn(move || paused_runtime().block_on(of_operation(operation)))
        };
        let threads: Vec<_> = operations.iter().map(run).collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .collect()
    });
    let (mut total, mut all) = (0, Vec::new());
    for (operation, injected, failures) in outcomes {
        let survived = injected - failures.len() as u64;
        println!("{operation:32?} {survived:5} of {injected:5} {what} survived");
        total += injected;
        all.extend(failures);
    }
    println!("{total} {what} injected, {} not survived", all.len());
    assert!(total > 400, "only {total} points were tried");
    assert!(
        all.is_empty(),
        "{} of {total}:\n{}",
        all.len(),
        all.join("\n")
    );
}

fn paused_runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap()
}

/// Freezes a process at one call, lets another take the release over and deploy, and thaws it.
async fn frozen(operation: Operation, fault: Fault, at: u64) -> Result<Ended, String> {
    let world = World::new();
    operation.prepare(&world).await;
    let plan = FaultPlan::new(at, fault);
    let zombie = world.process("zombie", &plan);
    let healthy = world.healthy();
    let successor = async {
        plan.frozen().await;
        let held = deployer::storage::ReleaseStore::lease(&world.store, &name())
            .await
            .unwrap();
        let mut options = upgrade(ScriptedChart::of(&OTHER), false);
        options.install = true;
        let outcome = action::upgrade(&healthy, &options).await;
        plan.thaw();
        (held.is_some(), outcome.err())
    };
    tokio::pin!(successor);
    let mut ended = Box::pin(operation.run(&zombie));
    let (had_lease, failed, outcome) = tokio::select! {
        outcome = &mut ended => {
            drop(outcome);
            return Ok(Ended::Beyond);
        }
        (had_lease, failed) = &mut successor => (had_lease, failed, ended.await),
    };
    if let Some(error) = failed {
        return Err(format!("the successor failed: {error:?}"));
    }
    let broken = world.broken_invariants().await;
    // Who had no lease yet when it froze may begin afterwards, as any other command.
    let is_others = !had_lease || live(&world) == sorted(&OTHER);
    if broken.is_empty() && is_others {
        return Ok(Ended::Survived);
    }
    Err(format!(
        "{broken:?}, live {:?} after {outcome:?}; {:?}",
        live(&world),
        world.statuses().await
    ))
}

#[test]
fn a_process_that_wakes_up_after_another_took_over_changes_nothing() {
    // One that fails as asked leaves what the flags say, and no invariant tells whose it is.
    let operations: Vec<_> = OPERATIONS
        .into_iter()
        .filter(|operation| *operation != Operation::UpgradeThatCleansUp)
        .collect();
    let faults = [Fault::FreezesBefore, Fault::FreezesAfter];
    sweep(
        "freezes",
        &operations,
        &faults,
        async |operation, fault, at| frozen(operation, fault, at).await,
    );
}
