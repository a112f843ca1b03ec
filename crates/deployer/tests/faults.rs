//! The signature test: every operation fails or dies at every call, and afterwards all is well.
//!
//! For each operation and each kind of fault, call k fails for every k that the operation makes.
//! Then a fresh process recovers, the invariants are checked, and the operation is run again.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::time::Duration;

use deployer::action::{self, ActionError, Deployer};
use deployer::cluster::{Fault, FaultPlan};
use support::{ScriptedChart, World, install, rollback, uninstall, upgrade};

const OLD: [(&str, &str); 3] = [("kept", "1"), ("changed", "1"), ("dropped", "1")];
const NEW: [(&str, &str); 3] = [("kept", "1"), ("changed", "2"), ("added", "1")];
/// A bound on k, far above what any of the operations makes.
const CALLS_MAX: u64 = 400;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operation {
    Install,
    AtomicInstallThatFails,
    Upgrade,
    AtomicUpgrade,
    AtomicUpgradeThatFails,
    AtomicUpgradeRefused,
    Rollback,
    Uninstall,
    UninstallKeepingHistory,
}

const OPERATIONS: [Operation; 9] = [
    Operation::Install,
    Operation::AtomicInstallThatFails,
    Operation::Upgrade,
    Operation::AtomicUpgrade,
    Operation::AtomicUpgradeThatFails,
    Operation::AtomicUpgradeRefused,
    Operation::Rollback,
    Operation::Uninstall,
    Operation::UninstallKeepingHistory,
];

impl Operation {
    /// Brings the world to where the operation starts.
    async fn prepare(self, world: &World) {
        if matches!(self, Self::Install | Self::AtomicInstallThatFails) {
            return;
        }
        let healthy = world.healthy();
        action::install(&healthy, &install(ScriptedChart::of(&OLD), false))
            .await
            .unwrap();
        if self == Self::Rollback {
            action::upgrade(&healthy, &upgrade(ScriptedChart::of(&NEW), false))
                .await
                .unwrap();
        }
    }

    async fn run(self, process: &Deployer) -> Result<(), ActionError> {
        let never_ready = ScriptedChart {
            never_ready: true,
            ..ScriptedChart::of(&NEW)
        };
        match self {
            Self::Install => {
                let chart = ScriptedChart::of(&OLD).gated("pass");
                action::install(process, &install(chart, true))
                    .await
                    .map(|_| ())
            }
            Self::AtomicInstallThatFails => action::install(process, &install(never_ready, true))
                .await
                .map(|_| ()),
            Self::Upgrade => action::upgrade(process, &upgrade(ScriptedChart::of(&NEW), false))
                .await
                .map(|_| ()),
            Self::AtomicUpgrade => {
                let chart = ScriptedChart::of(&NEW).gated("pass");
                action::upgrade(process, &upgrade(chart, true))
                    .await
                    .map(|_| ())
            }
            Self::AtomicUpgradeThatFails => action::upgrade(process, &upgrade(never_ready, true))
                .await
                .map(|_| ()),
            Self::AtomicUpgradeRefused => {
                let chart = ScriptedChart::of(&NEW).gated("fail");
                action::upgrade(process, &upgrade(chart, true))
                    .await
                    .map(|_| ())
            }
            Self::Rollback => action::rollback(process, &rollback(1)).await.map(|_| ()),
            Self::Uninstall => action::uninstall(process, &uninstall(false))
                .await
                .map(|_| ()),
            Self::UninstallKeepingHistory => action::uninstall(process, &uninstall(true))
                .await
                .map(|_| ()),
        }
    }

    /// What is live when the operation was repeated until it had its way.
    fn wanted(self) -> Vec<(&'static str, &'static str)> {
        match self {
            Self::Install
            | Self::AtomicUpgradeThatFails
            | Self::AtomicUpgradeRefused
            | Self::Rollback => OLD.to_vec(),
            Self::Upgrade | Self::AtomicUpgrade => NEW.to_vec(),
            Self::AtomicInstallThatFails | Self::Uninstall | Self::UninstallKeepingHistory => {
                Vec::new()
            }
        }
    }

    /// Whether a failure that is survived leaves objects half-way by design, as Helm does.
    fn leaves_failures_as_they_are(self, fault: Fault) -> bool {
        let dies = matches!(fault, Fault::DiesBefore | Fault::DiesAfter);
        !dies
            && matches!(
                self,
                Self::Upgrade | Self::Uninstall | Self::UninstallKeepingHistory
            )
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

/// Runs one operation with one fault; returns whether the fault was reached.
async fn one(operation: Operation, fault: Fault, at: u64) -> Result<bool, String> {
    let world = World::new();
    operation.prepare(&world).await;
    let plan = FaultPlan::new(at, fault);
    let outcome = operation.run(&world.process("faulty", &plan)).await;
    let reached = plan.calls() >= at;
    if plan.is_dead() {
        // The lease of the dead runs out; nobody gives it back.
        world.clock.advance(Duration::from_secs(31));
    }
    let healthy = world.healthy();
    action::recover(&healthy, None, false)
        .await
        .map_err(|error| format!("recover: {error:?} after {outcome:?}"))?;
    let broken = world.broken_invariants().await;
    if !broken.is_empty() && !operation.leaves_failures_as_they_are(fault) {
        return Err(format!(
            "{broken:?} after {outcome:?}; {:?}",
            world.statuses().await
        ));
    }
    let again = operation.run(&healthy).await;
    let broken = world.broken_invariants().await;
    if !broken.is_empty() || live(&world) != sorted(&operation.wanted()) {
        return Err(format!(
            "rerun ended in {broken:?}, live {:?}, {again:?} after {outcome:?}; {:?}",
            live(&world),
            world.statuses().await
        ));
    }
    Ok(reached)
}

#[tokio::test(start_paused = true)]
async fn every_operation_survives_every_fault_at_every_call() {
    let faults = [
        Fault::DiesBefore,
        Fault::DiesAfter,
        Fault::Fails,
        Fault::AnswerLost,
        Fault::Conflicts,
    ];
    let mut points = 0;
    let mut failures = Vec::new();
    for operation in OPERATIONS {
        for fault in faults {
            for at in 1..=CALLS_MAX {
                match one(operation, fault, at).await {
                    Ok(true) => points += 1,
                    Ok(false) => break,
                    Err(why) => {
                        points += 1;
                        failures.push(format!("{operation:?} {fault:?} at call {at}: {why}"));
                    }
                }
            }
        }
    }
    println!("{points} faults injected, {} not survived", failures.len());
    assert!(points > 500, "only {points} faults were injected");
    assert!(
        failures.is_empty(),
        "{} of {points}:\n{}",
        failures.len(),
        failures.join("\n")
    );
}
