//! What keeps a pod from running, and whether waiting can help (pure).

use std::time::Duration;

use chrono::{DateTime, Utc};
use serde_json::Value;

/// How long an image that cannot be pulled for an unclear reason is given.
const PULL_GRACE: Duration = Duration::from_secs(15);
/// How long a missing Secret or ConfigMap is given: another controller may be about to make it.
const CONFIGURATION_GRACE: Duration = Duration::from_secs(15);
/// How long a pod that fits on no node is given: an autoscaler may be about to add one.
const UNSCHEDULABLE_GRACE: Duration = Duration::from_secs(60);
/// Restarts after which a crash loop is taken for what it is: three crashes in a row.
const CRASHES_RESTARTS: i64 = 2;
const CRASH_LOOP: &str = "CrashLoopBackOff";

/// What is wrong with a pod.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PodTrouble {
    /// The container concerned, empty when it is the pod as a whole.
    pub(crate) container: String,
    /// The reason in Kubernetes' words, such as `ImagePullBackOff`.
    pub(crate) reason: String,
    /// The detail, such as which image.
    pub(crate) message: String,
    /// Whether waiting longer cannot help.
    pub(crate) is_final: bool,
}

impl PodTrouble {
    /// Says it in one line, for a pod that was not named yet.
    pub(crate) fn sentence(&self, pod: &str) -> String {
        let separator = if self.container.is_empty() {
            ": "
        } else {
            ", "
        };
        format!("pod `{pod}`{separator}{}", self.words())
    }

    /// Says it in one line, for a pod that was named.
    pub(crate) fn words(&self) -> String {
        let mut text = match self.container.as_str() {
            "" => self.reason.clone(),
            container => format!("container `{container}`: {}", self.reason),
        };
        if !self.message.is_empty() {
            text.push_str(&format!(": {}", self.message));
        }
        text
    }

    /// Tells whether a container ends and is started again and again.
    pub(crate) fn is_crash_loop(&self) -> bool {
        self.reason == CRASH_LOOP
    }
}

/// Returns what is wrong with a pod, the gravest first; `None` when it runs or may soon.
pub(crate) fn pod_trouble(pod: &Value, now: DateTime<Utc>) -> Option<PodTrouble> {
    let age = age_of(&pod["metadata"]["creationTimestamp"], now);
    let statuses = ["initContainerStatuses", "containerStatuses"]
        .into_iter()
        .flat_map(|list| pod["status"][list].as_array().into_iter().flatten());
    let mut troubles: Vec<PodTrouble> = statuses
        .filter_map(|status| container_trouble(status, age))
        .collect();
    troubles.extend(scheduling_trouble(pod, now));
    troubles.into_iter().max_by_key(|trouble| trouble.is_final)
}

fn age_of(timestamp: &Value, now: DateTime<Utc>) -> Duration {
    timestamp
        .as_str()
        .and_then(|text| DateTime::parse_from_rfc3339(text).ok())
        .and_then(|moment| (now - moment.with_timezone(&Utc)).to_std().ok())
        .unwrap_or_default()
}

fn container_trouble(status: &Value, age: Duration) -> Option<PodTrouble> {
    let restarts = status["restartCount"].as_i64().unwrap_or_default();
    let ended = &status["state"]["terminated"];
    let waiting = &status["state"]["waiting"];
    // Between two starts the kubelet says most of the time that the container has ended.
    let reason = match (waiting["reason"].as_str(), ended["exitCode"].as_i64()) {
        (Some(reason), _) => reason,
        (None, Some(code)) if code != 0 && restarts > 0 => CRASH_LOOP,
        (None, Some(code)) if code != 0 => ended["reason"].as_str().unwrap_or("Error"),
        _ => return None,
    };
    let message = waiting["message"].as_str().unwrap_or_default();
    let is_final = match reason {
        "InvalidImageName" | "ErrImageNeverPull" => true,
        "ErrImagePull" | "ImagePullBackOff" => age >= PULL_GRACE || pull_cannot_succeed(message),
        "CreateContainerConfigError" => age >= CONFIGURATION_GRACE,
        "CreateContainerError" | "RunContainerError" | "StartError" => age >= CONFIGURATION_GRACE,
        CRASH_LOOP => restarts >= CRASHES_RESTARTS,
        _ if ended.is_object() => false,
        _ => return None,
    };
    let message = match reason {
        "ErrImagePull" | "ImagePullBackOff" => plain_pull_error(message),
        _ if ended.is_object() => crash(ended, restarts).unwrap_or_default(),
        CRASH_LOOP => crash(&status["lastState"]["terminated"], restarts)
            .unwrap_or_else(|| message.to_owned()),
        _ => message.to_owned(),
    };
    Some(PodTrouble {
        container: status["name"].as_str().unwrap_or_default().to_owned(),
        reason: reason.to_owned(),
        message,
        is_final,
    })
}

/// Leaves out what containerd says around the image and the problem, twice and thrice: on a narrow
/// screen the problem comes last and is cut off.
fn plain_pull_error(message: &str) -> String {
    let (_, mut problem) = message.split_once(" desc = ").unwrap_or(("", message));
    let mut image = "";
    while let Some((doing, rest)) = problem.split_once(": ") {
        let named = [
            "failed to pull and unpack image ",
            "failed to resolve reference ",
        ]
        .iter()
        .find_map(|words| doing.strip_prefix(words));
        match named {
            Some(named) => image = named.trim_matches('"'),
            None if doing == image => {}
            None => break,
        }
        problem = rest;
    }
    match image {
        "" => message.to_owned(),
        image => format!("image `{image}`: {problem}"),
    }
}

/// A registry that says "there is no such image" says the same in a minute.
fn pull_cannot_succeed(message: &str) -> bool {
    [
        "not found",
        "manifest unknown",
        "does not exist",
        "access denied",
        "unauthorized",
        "denied:",
    ]
    .iter()
    .any(|words| message.contains(words))
}

/// Says how a container ended, and how often it was started again.
fn crash(ended: &Value, restarts: i64) -> Option<String> {
    let code = ended["exitCode"].as_i64()?;
    let reason = ended["reason"].as_str().unwrap_or("Error");
    let again = match restarts {
        0 => String::new(),
        1 => ", restarted once".to_owned(),
        times => format!(", restarted {times} times"),
    };
    let mut text = format!("exited with code {code} ({reason}){again}");
    if let Some(message) = ended["message"]
        .as_str()
        .map(str::trim)
        .filter(|m| !m.is_empty())
    {
        text.push_str(&format!(": {}", message.lines().last().unwrap_or_default()));
    }
    Some(text)
}

fn scheduling_trouble(pod: &Value, now: DateTime<Utc>) -> Option<PodTrouble> {
    let conditions = pod["status"]["conditions"].as_array()?;
    let scheduled = conditions.iter().find(|condition| {
        condition["type"] == "PodScheduled"
            && condition["status"] == "False"
            && condition["reason"] == "Unschedulable"
    })?;
    Some(PodTrouble {
        container: String::new(),
        reason: "Unschedulable".to_owned(),
        message: scheduled["message"].as_str().unwrap_or_default().to_owned(),
        is_final: age_of(&scheduled["lastTransitionTime"], now) >= UNSCHEDULABLE_GRACE,
    })
}

/// Returns what a pod that is not ready is doing, where nothing is wrong with it; `image` is the
/// one that is being pulled for it, where that is known.
pub(crate) fn pod_doing(pod: &Value, image: Option<&str>) -> Option<String> {
    let status = &pod["status"];
    if !pod["metadata"]["deletionTimestamp"].is_null() || status["phase"] == "Succeeded" {
        return None;
    }
    if pod["spec"]["nodeName"].is_null() {
        return Some("waiting for a node".to_owned());
    }
    let containers = |list: &str| status[list].as_array().into_iter().flatten();
    let is_created = containers("containerStatuses")
        .chain(containers("initContainerStatuses"))
        .any(|container| container["state"]["waiting"].is_null());
    if !is_created {
        return Some(match image {
            Some(image) => format!("pulling image `{image}`"),
            None => "creating its containers".to_owned(),
        });
    }
    if let Some(init) = containers("initContainerStatuses")
        .find(|container| container["state"]["running"].is_object())
    {
        let name = init["name"].as_str().unwrap_or_default();
        // One that restarts always runs beside the others.
        if init["started"] != true {
            return Some(format!("init container `{name}` runs"));
        }
    }
    let not_ready =
        containers("containerStatuses").find(|container| container["ready"] == false)?;
    let name = not_ready["name"].as_str().unwrap_or_default();
    not_ready["state"]["running"].is_object().then(|| {
        let probe = match not_ready["started"] == true {
            true => "readiness",
            false => "startup",
        };
        format!("container `{name}` runs, its {probe} probe has not passed yet")
    })
}

/// Returns the image that the newest of a pod's `Pulling` events names.
pub(crate) fn pulled_image(events: &[Value]) -> Option<String> {
    let last = |event: &&Value| event["lastTimestamp"].as_str().map(str::to_owned);
    let event = events.iter().max_by_key(last)?;
    let message = event["message"].as_str()?;
    Some(message.split('"').nth(1)?.to_owned())
}

/// Returns why a controller's pods are refused, by its `FailedCreate` events since `since`: a quota
/// or an admission check does not change its mind by itself.
///
/// Jobs, StatefulSets and DaemonSets say so in events alone.
pub(crate) fn creation_refusal(events: &[Value], since: DateTime<Utc>) -> Option<String> {
    let time = |event: &Value| {
        ["lastTimestamp", "eventTime", "firstTimestamp"]
            .into_iter()
            .find_map(|field| DateTime::parse_from_rfc3339(event[field].as_str()?).ok())
    };
    events
        .iter()
        .filter(|event| event["reason"] == "FailedCreate")
        .filter(|event| time(event).is_some_and(|moment| moment >= since))
        .max_by_key(|event| time(event))
        .and_then(|event| event["message"].as_str())
        .filter(|message| message.contains("exceeded quota") || message.contains("forbidden"))
        .map(|message| format!("FailedCreate: {}", message.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn pod(status: Value) -> Value {
        json!({"metadata": {"name": "web", "creationTimestamp": "2026-01-01T00:00:00Z"},
            "status": {"containerStatuses": [status]}})
    }

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_767_225_600 + seconds, 0).expect("a moment")
    }

    fn waiting(reason: &str, message: &str, restarts: i64) -> Value {
        pod(json!({"name": "app", "restartCount": restarts,
            "state": {"waiting": {"reason": reason, "message": message}},
            "lastState": {"terminated": {"exitCode": 3, "reason": "Error"}}}))
    }

    #[test]
    fn an_image_that_is_not_there_is_final_at_once_and_a_slow_registry_is_not() {
        let missing = waiting("ImagePullBackOff", "pull: not found", 0);
        assert!(pod_trouble(&missing, at(1)).expect("trouble").is_final);
        let slow = waiting("ErrImagePull", "i/o timeout", 0);
        assert!(!pod_trouble(&slow, at(1)).expect("trouble").is_final);
        assert!(pod_trouble(&slow, at(16)).expect("trouble").is_final);
    }

    #[test]
    fn a_crash_loop_is_final_after_the_third_crash_and_names_the_exit_code() {
        assert!(
            !pod_trouble(&waiting("CrashLoopBackOff", "", 1), at(5))
                .expect("trouble")
                .is_final
        );
        let trouble = pod_trouble(&waiting("CrashLoopBackOff", "", 2), at(20)).expect("trouble");
        assert!(trouble.is_final);
        assert_eq!(
            trouble.sentence("web"),
            "pod `web`, container `app`: CrashLoopBackOff: exited with code 3 (Error), restarted 2 times"
        );
    }

    #[test]
    fn a_container_that_has_ended_and_waits_for_its_next_start_is_in_that_loop_too() {
        let ended = |code: i64, restarts: i64| {
            pod(json!({"name": "app", "restartCount": restarts,
                "state": {"terminated": {"exitCode": code, "reason": "Error"}}}))
        };
        let said = |restarts| {
            let trouble = pod_trouble(&ended(3, restarts), at(5)).expect("trouble");
            (trouble.is_final, trouble.words())
        };
        assert_eq!(
            said(0),
            (
                false,
                "container `app`: Error: exited with code 3 (Error)".to_owned()
            )
        );
        let again = "container `app`: CrashLoopBackOff: exited with code 3 (Error), restarted";
        assert_eq!(said(1), (false, format!("{again} once")));
        assert_eq!(said(2), (true, format!("{again} 2 times")));
        assert_eq!(pod_trouble(&ended(0, 5), at(5)), None);
    }

    #[test]
    fn why_an_image_cannot_be_pulled_is_said_once() {
        let plain = |problem: &str| {
            let message = format!(
                "rpc error: code = NotFound desc = failed to pull and unpack image \"r.example.com/a:1\": failed to resolve reference \"r.example.com/a:1\": {problem}"
            );
            plain_pull_error(&message)
        };
        assert_eq!(
            plain("r.example.com/a:1: not found"),
            "image `r.example.com/a:1`: not found"
        );
        assert_eq!(
            plain("failed to do request: Head \"https://r\": dial tcp: i/o timeout"),
            "image `r.example.com/a:1`: failed to do request: Head \"https://r\": dial tcp: i/o timeout"
        );
        let other = "Back-off pulling image \"a:1\"";
        assert_eq!(plain_pull_error(other), other);
    }

    #[test]
    fn a_refused_creation_counts_from_the_moment_of_the_change() {
        let event = |reason: &str, time: &str, message: &str| json!({"reason": reason, "lastTimestamp": time, "message": message});
        let quota = "Error creating: pods \"db-0\" is forbidden: exceeded quota: small";
        let events = [
            event("FailedCreate", "2026-01-01T00:00:00Z", quota),
            event("SuccessfulCreate", "2026-01-01T00:00:09Z", "created"),
        ];
        assert_eq!(
            creation_refusal(&events, at(0)).as_deref(),
            Some("FailedCreate: Error creating: pods \"db-0\" is forbidden: exceeded quota: small")
        );
        assert_eq!(creation_refusal(&events, at(1)), None);
        let passing = [event(
            "FailedCreate",
            "2026-01-01T00:00:00Z",
            "etcd timed out",
        )];
        assert_eq!(creation_refusal(&passing, at(0)), None);
    }

    #[test]
    fn a_pod_that_starts_is_no_trouble() {
        assert_eq!(
            pod_trouble(&waiting("ContainerCreating", "", 0), at(1)),
            None
        );
        assert_eq!(
            pod_trouble(&pod(json!({"state": {"running": {}}})), at(1)),
            None
        );
    }

    #[test]
    fn a_pod_that_is_not_ready_yet_says_what_it_does() {
        let at_work = |node: Value, status: Value| json!({"metadata": {"name": "web"}, "spec": {"nodeName": node}, "status": status});
        let doing = |pod: Value, image: Option<&str>| pod_doing(&pod, image);
        let creating = json!({"containerStatuses": [{"name": "app", "ready": false, "state": {"waiting": {"reason": "ContainerCreating"}}}]});
        let running = |started: bool| json!({"containerStatuses": [{"name": "app", "ready": false, "started": started, "state": {"running": {}}}]});
        assert_eq!(
            doing(at_work(Value::Null, json!({})), None).as_deref(),
            Some("waiting for a node")
        );
        assert_eq!(
            doing(at_work(json!("n"), creating.clone()), None).as_deref(),
            Some("creating its containers")
        );
        let pulling = json!({"reason": "Pulling", "message": "Pulling image \"redis:7\"", "lastTimestamp": "2026-01-01T00:00:00Z"});
        assert_eq!(
            doing(
                at_work(json!("n"), creating),
                pulled_image(&[pulling]).as_deref()
            )
            .as_deref(),
            Some("pulling image `redis:7`")
        );
        assert_eq!(
            doing(at_work(json!("n"), running(true)), None).as_deref(),
            Some("container `app` runs, its readiness probe has not passed yet")
        );
        assert_eq!(
            doing(at_work(json!("n"), running(false)), None).as_deref(),
            Some("container `app` runs, its startup probe has not passed yet")
        );
        let init = json!({"initContainerStatuses": [{"name": "load", "state": {"running": {}}}],
            "containerStatuses": [{"name": "app", "ready": false, "state": {"waiting": {"reason": "PodInitializing"}}}]});
        assert_eq!(
            doing(at_work(json!("n"), init), None).as_deref(),
            Some("init container `load` runs")
        );
        let ready = json!({"containerStatuses": [{"name": "app", "ready": true, "state": {"running": {}}}]});
        assert_eq!(doing(at_work(json!("n"), ready), None), None);
    }

    #[test]
    fn unschedulable_is_final_past_its_grace() {
        let pod = json!({"metadata": {"name": "web"}, "status": {"conditions": [
            {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/1 nodes", "lastTransitionTime": "2026-01-01T00:00:00Z"}]}});
        assert!(!pod_trouble(&pod, at(10)).expect("trouble").is_final);
        assert!(pod_trouble(&pod, at(61)).expect("trouble").is_final);
    }
}
