//! How a hook's Job or Pod ended, judged from its object and its pods (pure).

use chrono::{DateTime, Utc};
use serde_json::Value;

use crate::cluster::kube::pod_trouble;
use crate::release::GateVerdict;

/// How far a workload is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Outcome {
    /// It goes on.
    Running,
    /// It ended well.
    Succeeded,
    /// It ended badly, and why.
    Failed(String),
    /// It cannot start, and waiting does not help.
    CannotStart(String),
}

/// Judges a Job by its conditions, a Pod by its phase, and both by pods that cannot start.
pub(super) fn outcome(object: &Value, pods: &[Value], now: DateTime<Utc>) -> Outcome {
    let ended = if object["kind"] == "Pod" {
        pod_outcome(object)
    } else {
        job_outcome(object)
    };
    if ended != Outcome::Running {
        return ended;
    }
    for pod in pods {
        let name = pod["metadata"]["name"].as_str().unwrap_or_default();
        // A Job counts its crashes itself, against its own limit.
        if let Some(trouble) = pod_trouble(pod, now)
            && trouble.is_final
            && !trouble.is_crash_loop()
        {
            return Outcome::CannotStart(trouble.sentence(name));
        }
    }
    Outcome::Running
}

fn pod_outcome(pod: &Value) -> Outcome {
    match pod["status"]["phase"].as_str() {
        Some("Succeeded") => Outcome::Succeeded,
        Some("Failed") => Outcome::Failed(
            pod["status"]["message"]
                .as_str()
                .unwrap_or("the pod failed")
                .to_owned(),
        ),
        _ => Outcome::Running,
    }
}

fn job_outcome(job: &Value) -> Outcome {
    for condition in job["status"]["conditions"].as_array().into_iter().flatten() {
        if condition["status"] != "True" {
            continue;
        }
        match condition["type"].as_str() {
            Some("Complete") => return Outcome::Succeeded,
            Some("Failed") => {
                let text = |field: &str| condition[field].as_str().unwrap_or_default();
                return Outcome::Failed(match (text("reason"), text("message")) {
                    (reason, "") => reason.to_owned(),
                    (reason, message) => format!("{reason}: {message}"),
                });
            }
            _ => {}
        }
    }
    Outcome::Running
}

/// Returns the verdict that the youngest pod left in a termination message.
pub(super) fn verdict_of(pods: &[Value]) -> Option<GateVerdict> {
    by_age(pods)
        .into_iter()
        .rev()
        .flat_map(terminations)
        .find_map(|ended| GateVerdict::parse(ended["message"].as_str()?))
}

/// Says with which codes the containers of the youngest pod ended badly.
pub(super) fn exit_codes(pods: &[Value]) -> Option<String> {
    let pods = by_age(pods);
    let youngest = pods.last()?;
    let mut parts = Vec::new();
    for status in statuses(youngest) {
        let ended = &status["state"]["terminated"];
        let code = ended["exitCode"].as_i64().unwrap_or_default();
        if code != 0 {
            let name = status["name"].as_str().unwrap_or_default();
            let mut text = format!("container `{name}` exited with code {code}");
            match ended["reason"].as_str() {
                Some("Error" | "Completed") | None => {}
                Some(reason) => text.push_str(&format!(" ({reason})")),
            }
            parts.push(text);
        }
    }
    (!parts.is_empty()).then(|| parts.join(", "))
}

fn by_age(pods: &[Value]) -> Vec<&Value> {
    let mut sorted: Vec<&Value> = pods.iter().collect();
    sorted.sort_by_key(|pod| pod["metadata"]["creationTimestamp"].as_str());
    sorted
}

/// Returns the container statuses of a pod, init containers first.
pub(super) fn statuses(pod: &Value) -> impl Iterator<Item = &Value> {
    ["initContainerStatuses", "containerStatuses"]
        .into_iter()
        .flat_map(|list| pod["status"][list].as_array().into_iter().flatten())
}

fn terminations(pod: &Value) -> impl Iterator<Item = &Value> {
    statuses(pod).flat_map(|status| {
        ["state", "lastState"]
            .into_iter()
            .map(|state| &status[state]["terminated"])
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn only_a_true_condition_ends_a_job() {
        let job = |kind: &str, status: &str| {
            json!({"kind": "Job", "status": {"conditions": [
            {"type": kind, "status": status, "reason": "BackoffLimitExceeded", "message": "limit"}]}})
        };
        assert_eq!(
            outcome(&job("Complete", "True"), &[], Utc::now()),
            Outcome::Succeeded
        );
        assert_eq!(
            outcome(&job("Complete", "False"), &[], Utc::now()),
            Outcome::Running
        );
        assert_eq!(
            outcome(&job("Failed", "True"), &[], Utc::now()),
            Outcome::Failed("BackoffLimitExceeded: limit".to_owned())
        );
    }

    #[test]
    fn the_verdict_of_the_youngest_pod_counts() {
        let pod = |created: &str, outcome: &str| {
            let message =
                json!({"kind": "validator/verdict", "schema_version": 1, "outcome": outcome})
                    .to_string();
            json!({"metadata": {"creationTimestamp": created}, "status": {"containerStatuses": [
                {"name": "v", "state": {"terminated": {"exitCode": 1, "reason": "Error", "message": message}}}]}})
        };
        let pods = [
            pod("2026-01-01T00:00:09Z", "fail"),
            pod("2026-01-01T00:00:01Z", "pass"),
        ];
        let verdict = verdict_of(&pods).expect("a verdict");
        assert_eq!(verdict.as_json()["outcome"], "fail");
        assert_eq!(
            exit_codes(&pods).as_deref(),
            Some("container `v` exited with code 1")
        );
    }

    #[test]
    fn a_pod_that_cannot_start_ends_the_hook() {
        let pod = json!({"metadata": {"name": "p"}, "status": {"containerStatuses": [
            {"name": "v", "state": {"waiting": {"reason": "InvalidImageName", "message": "bad"}}}]}});
        let job = json!({"kind": "Job", "status": {}});
        assert!(matches!(
            outcome(&job, &[pod], Utc::now()),
            Outcome::CannotStart(_)
        ));
    }
}
