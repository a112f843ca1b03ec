use chrono::DateTime;

use super::*;
use crate::action::{Aftermath, Operation};
use crate::cluster::{ClusterError, NotReady, ObjectId};
use crate::release::{Evidence, HookEvent, Namespace, ReleaseName, Revision};

fn failure(cause: Cause, after: Aftermath, logs: Vec<EvidenceLog>) -> OperationFailure {
    let release = ReleaseName::new("fraud-model").expect("a name");
    let moment = DateTime::from_timestamp(1_700_000_000, 0).expect("a moment");
    let mut evidence = Evidence::begin(release.clone(), Revision(3), "upgrade", "me", moment);
    evidence.logs = logs;
    OperationFailure {
        operation: Operation::Upgrade,
        release,
        namespace: Namespace::new("fraud").expect("a namespace"),
        revision: Revision(3),
        cause,
        after,
        evidence: Box::new(evidence),
        also: Vec::new(),
    }
}

fn log(source: &str, text: &str) -> EvidenceLog {
    EvidenceLog::bounded(source, HookPhase::Failed, text)
}

fn rollout() -> OperationFailure {
    let pod = "fraud-model-6d9f7c8b5-x2lqp";
    let crash = format!(
        "pod `{pod}`, container `server`: CrashLoopBackOff: exited with code 1 (Error), restarted 2 times"
    );
    let object = ObjectId {
        api_version: "apps/v1".to_owned(),
        kind: "Deployment".to_owned(),
        namespace: Some("fraud".to_owned()),
        name: "fraud-model".to_owned(),
    };
    let words: Vec<String> = (1..=25)
        .map(|line| format!("loading shard {line} of 25"))
        .collect();
    failure(
        Cause::Cluster(ClusterError::Failed {
            failed: vec![NotReady {
                object: object.clone(),
                reason: crash.clone(),
            }],
        }),
        Aftermath::RolledBack {
            to: Revision(2),
            revision: Revision(4),
        },
        vec![
            log(
                &object.to_string(),
                "condition Available=False MinimumReplicasUnavailable: Deployment does not have minimum availability.",
            ),
            log(
                &format!("pod {pod}"),
                &format!(
                    "{crash}\nevent Warning BackOff: Back-off restarting failed container server in pod {pod} (x3)"
                ),
            ),
            log(
                &format!("pod {pod} (container server)"),
                &format!(
                    "exited with code 1\n{}\nthread 'main' panicked: model.pt is no TorchScript archive",
                    words.join("\n")
                ),
            ),
        ],
    )
}

fn gate(checks: usize) -> OperationFailure {
    let slices: String = (0..checks)
        .map(|index| {
            let outcome = if index % 4 == 0 { "fail" } else { "pass" };
            format!(
                r#",{{"metric":"auc_by_country","outcome":"{outcome}","value":0.87,"minimum":0.9,"slice":"country={index}","samples":500}}"#
            )
        })
        .collect();
    let verdict = GateVerdict::parse(&format!(
        r#"{{"kind":"validator/verdict","schema_version":1,"outcome":"fail","reasons":["auc 0.7631 is below the minimum 0.8500"],
        "checks":[{{"metric":"auc","outcome":"fail","value":0.7631,"minimum":0.85,"lower_bound":0.7519,"upper_bound":0.774,"samples":6000}},
                  {{"metric":"latency_ms_p99","outcome":"pass","value":0.03,"maximum":50.0,"lower_bound":0.02,"upper_bound":0.04,"samples":10000}}{slices}],
        "model":{{"uri":"s3://ml-models/degraded.pt","sha256":"abcdef0123456789"}},"dataset":{{"uri":"s3://ml-data/validation/","digest":"sha256:0123456789abcdef"}}}}"#
    ));
    failure(
        Cause::Hook {
            event: HookEvent::PreUpgrade,
            hook: "fraud-model-validate".to_owned(),
            kind: "job".to_owned(),
            reason:
                "auc 0.7631 is below the minimum 0.8500 (6,000 rows, 95% bounds 0.7519 and 0.7740)"
                    .to_owned(),
            verdict: verdict.map(Box::new),
        },
        Aftermath::Untouched {
            deployed: Some(Revision(2)),
        },
        Vec::new(),
    )
}

fn seen(failure: &OperationFailure, columns: Option<usize>) -> String {
    let screen = Screen {
        columns,
        colour: false,
        logs_were_shown: true,
        place_flags: String::new(),
    };
    screen.lines(failure).join("\n")
}

#[test]
fn a_failed_rollout_is_explained_on_one_screen() {
    assert_eq!(
        seen(&rollout(), Some(80)),
        "error: upgrade of release `fraud-model` in namespace `fraud` failed, and has
    been rolled back due to rollback-on-failure being set
  caused by: 1 object cannot become ready: Deployment `fraud-model` in
    namespace `fraud`: pod `fraud-model-6d9f7c8b5-x2lqp`, container `server`:
    CrashLoopBackOff: exited with code 1 (Error), restarted 2 times

Deployment `fraud-model` in namespace `fraud`: condition Available=False
    MinimumReplicasUnavailable: Deployment does not have minimum availability.
pod fraud-model-6d9f7c8b5-x2lqp:
  event Warning BackOff: Back-off restarting failed container server in pod
    fraud-model-6d9f7c8b5-x2lqp (x3)
pod fraud-model-6d9f7c8b5-x2lqp (container server):
  loading shard 19 of 25
  loading shard 20 of 25
  loading shard 21 of 25
  loading shard 22 of 25
  loading shard 23 of 25
  loading shard 24 of 25
  loading shard 25 of 25
  thread 'main' panicked: model.pt is no TorchScript archive

state: everything is as in revision 2 again (recorded as revision 4)
hint: logs and verdict are kept:
    `deployer history fraud-model --revision 3 -n fraud`"
    );
}

#[test]
fn a_refusal_by_the_gate_is_explained_on_one_screen() {
    assert_eq!(
        seen(&gate(0), Some(80)),
        "error: upgrade of release `fraud-model` in namespace `fraud` rejected by hook
    `fraud-model-validate`
  caused by: pre-upgrade hooks failed: job fraud-model-validate failed: auc
    0.7631 is below the minimum 0.8500 (6,000 rows, 95% bounds 0.7519 and
    0.7740)

VERDICT: FAIL
  auc 0.7631 (0.7519 to 0.7740) not >= 0.85 (n=6,000)
  p99 0.03 ms (0.02 to 0.04) <= 50 ms (n=10,000)
  model: s3://ml-models/degraded.pt (sha256:abcdef012345)
  dataset: s3://ml-data/validation/ (sha256:0123456789ab)

state: nothing was changed; revision 2 is still deployed
hint: logs and verdict are kept:
    `deployer history fraud-model --revision 3 -n fraud`"
    );
    let many = seen(&gate(40), Some(80));
    assert!(many.contains("more checks"), "{many}");
    assert!(many.contains("country=32] 0.8700 not >= 0.9"), "{many}");
}

#[test]
fn no_failure_takes_more_than_a_screen() {
    for columns in [60, 80, 120] {
        for failure in [rollout(), gate(0), gate(3), gate(40)] {
            let text = seen(&failure, Some(columns));
            // On a narrow terminal the same words take more lines.
            let rows = if columns < 80 { 30 } else { SCREEN_LINES };
            assert!(text.lines().count() <= rows, "{columns}:\n{text}");
            for line in text.lines() {
                assert!(line.chars().count() < columns, "{columns}: {line}");
            }
        }
        insist_on_the_parts(&seen(&rollout(), Some(columns)));
    }
    let plain = seen(&rollout(), None);
    insist_on_the_parts(&plain);
    assert!(plain.lines().count() <= SCREEN_LINES, "{plain}");
}

fn insist_on_the_parts(text: &str) {
    for part in ["error: ", "caused by: ", "panicked", "state: ", "hint: "] {
        assert!(text.contains(part), "{part}:\n{text}");
    }
}

#[test]
fn what_a_hook_said_is_repeated_only_where_it_was_not_shown() {
    let cause = || Cause::Hook {
        event: HookEvent::PreUpgrade,
        hook: "migrate".to_owned(),
        kind: "job".to_owned(),
        reason: "BackoffLimitExceeded".to_owned(),
        verdict: None,
    };
    let after = Aftermath::Left { deployed: None };
    let failed = failure(cause(), after, vec![log("hook migrate", "no such table\n")]);
    assert!(!seen(&failed, Some(80)).contains("no such table"));
    let screen = Screen {
        columns: None,
        colour: false,
        logs_were_shown: false,
        place_flags: "--target dir:./out".to_owned(),
    };
    let text = screen.lines(&failed).join("\n");
    assert!(text.contains("hook migrate:\n  no such table"), "{text}");
    assert!(text.contains("-n fraud --target dir:./out`"), "{text}");
}

#[test]
fn of_many_pods_those_that_are_named_say_something() {
    let logs = (0..9).map(|index| {
        let source = format!("pod web-{index} (container main)");
        log(&source, "still runs\nfirst\nsecond\nlast words\n")
    });
    let after = Aftermath::Left { deployed: None };
    let text = seen(&failure(Cause::Cancelled, after, logs.collect()), Some(60));
    let named = text.matches("(container main): still runs").count();
    assert!(named > 1, "{text}");
    assert_eq!(text.matches("  last words").count(), named, "{text}");
    assert!(
        text.contains(&format!("… and {} more", 9 - named)),
        "{text}"
    );
}

#[test]
fn a_cause_that_the_line_before_ends_with_is_not_repeated() {
    assert!(already_said("no value", "no value"));
    assert!(already_said("failed parsing: no value", "no value"));
    assert!(!already_said("failed parsing no value", "no value"));
    assert!(!already_said("cannot be rendered", "no value"));
}

#[test]
fn commands_in_hints_look_where_the_failed_command_did() {
    let hint = "kept: `deployer history web -n prod`, or `deployer list -A`; see `kubectl get`";
    assert_eq!(at_place(hint, ""), hint);
    assert_eq!(
        at_place(hint, "--target dir:./out"),
        "kept: `deployer history web -n prod --target dir:./out`, or `deployer list -A --target dir:./out`; see `kubectl get`"
    );
}
