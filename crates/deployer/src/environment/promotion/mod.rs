//! Whether what is deployed in one environment may go to the next: every condition, each with what
//! was found (pure).

#[cfg(test)]
mod tests;

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;
use serde_json::Value;

use crate::environment::file::VerdictPart;
use crate::plan::read_manifest;
use crate::release::{GateOutcome, GateVerdict, Release, Revision, Status};

/// How old a verdict may be unless something else is said.
pub const VERDICT_AGE_MAX: Duration = Duration::from_secs(7 * 86_400);

/// One condition of a promotion.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Condition {
    /// A word for programs, such as `verdict` or `drift`.
    pub name: &'static str,
    /// Whether it is met.
    pub met: bool,
    /// What was found, in a sentence.
    pub text: String,
}

/// What the conditions are about.
#[derive(Debug, Clone)]
pub struct Candidate<'a> {
    /// The environment that it is taken from.
    pub from: &'a str,
    /// The environment that it goes to.
    pub to: &'a str,
    /// The environment before `to`, where the file orders them.
    pub before: Option<&'a str>,
    /// What is deployed in `from`.
    pub deployed: Option<&'a Release>,
    /// The last revision there, when it is not the deployed one.
    pub last: Option<(Revision, Status)>,
    /// What drifts there, in sentences.
    pub drift: &'a [String],
    /// The digest of the chart as deployed there; none where no record tells.
    pub chart_deployed: Option<&'a str>,
    /// The digest of the chart that would go on, or why it cannot be had.
    pub chart_next: Result<&'a str, &'a str>,
    /// The verdicts of the revision.
    pub verdicts: &'a [GateVerdict],
    /// What they have to be about.
    pub wanted: &'a VerdictPart,
    /// The digest of the model file as it is now, where it can be read.
    pub model_now: Option<&'a str>,
    /// How old they may be.
    pub age_max: Duration,
    /// Who signed the verdicts, or why no signature counts; none where none is demanded.
    pub signature: Option<Result<String, String>>,
    /// The time.
    pub now: DateTime<Utc>,
}

/// Judges every condition, in the order in which a person would ask.
pub fn conditions(candidate: &Candidate<'_>) -> Vec<Condition> {
    let mut all = vec![order(candidate), deployed(candidate)];
    if candidate.deployed.is_none() {
        // Nothing is there that the others could be about.
        return all;
    }
    all.extend([drift(candidate), chart(candidate), verdict(candidate)]);
    if !candidate.verdicts.is_empty() {
        all.push(model(candidate));
        all.push(dataset(candidate));
        all.push(age(candidate));
    }
    match &candidate.signature {
        None => {}
        Some(Ok(key)) => all.push(said(
            "signature",
            true,
            format!("the verdict is signed by key {key}"),
        )),
        Some(Err(problem)) => all.push(said("signature", false, problem.clone())),
    }
    all
}

fn said(name: &'static str, met: bool, text: impl Into<String>) -> Condition {
    Condition {
        name,
        met,
        text: text.into(),
    }
}

fn order(candidate: &Candidate<'_>) -> Condition {
    let (from, to) = (candidate.from, candidate.to);
    match candidate.before {
        Some(before) if before == from => said("order", true, format!("{to} comes after {from}")),
        Some(before) => said(
            "order",
            false,
            format!("{to} comes after {before}, not after {from}"),
        ),
        None => said(
            "order",
            false,
            format!("`promotion` names nothing before {to}"),
        ),
    }
}

fn deployed(candidate: &Candidate<'_>) -> Condition {
    let from = candidate.from;
    match (candidate.deployed, candidate.last) {
        (_, Some((revision, status))) if status.is_pending() => said(
            "deployed",
            false,
            format!("revision {revision} is {status} in {from}: something is under way"),
        ),
        (None, _) => said("deployed", false, format!("nothing is deployed in {from}")),
        (Some(release), _) => said(
            "deployed",
            true,
            format!("revision {} is deployed in {from}", release.version),
        ),
    }
}

fn drift(candidate: &Candidate<'_>) -> Condition {
    match candidate.drift {
        [] => said("drift", true, format!("{} does not drift", candidate.from)),
        [first, rest @ ..] => {
            let more = match rest.len() {
                0 => String::new(),
                count => format!(", and {count} more"),
            };
            said(
                "drift",
                false,
                format!("{} drifts: {first}{more}", candidate.from),
            )
        }
    }
}

fn chart(candidate: &Candidate<'_>) -> Condition {
    let from = candidate.from;
    match (candidate.chart_deployed, candidate.chart_next) {
        (_, Err(problem)) => said(
            "chart",
            false,
            format!("the chart cannot be had: {problem}"),
        ),
        (None, Ok(_)) => said(
            "chart",
            false,
            format!(
                "no record tells which chart is deployed in {from}: apply it there once with this deployer"
            ),
        ),
        (Some(deployed), Ok(next)) if deployed == next => said(
            "chart",
            true,
            format!("the chart is the one of {from} ({})", short(next)),
        ),
        (Some(deployed), Ok(next)) => said(
            "chart",
            false,
            format!(
                "the chart is not the one of {from}: {} there, {} here",
                short(deployed),
                short(next)
            ),
        ),
    }
}

fn verdict(candidate: &Candidate<'_>) -> Condition {
    let Some(first) = candidate.verdicts.first() else {
        let revision = candidate
            .deployed
            .map(|release| release.version)
            .unwrap_or_default();
        return said(
            "verdict",
            false,
            format!(
                "revision {revision} in {} has no verdict: no gate ran",
                candidate.from
            ),
        );
    };
    let bad = candidate
        .verdicts
        .iter()
        .find(|verdict| verdict.outcome() != GateOutcome::Pass);
    let verdict = bad.unwrap_or(first);
    let why = verdict
        .reasons()
        .first()
        .copied()
        .unwrap_or_default()
        .to_owned();
    match verdict.outcome() {
        GateOutcome::Pass => said("verdict", true, format!("the gate passed the model: {why}")),
        GateOutcome::Fail => said(
            "verdict",
            false,
            format!("the gate refused the model: {why}"),
        ),
        _ => said("verdict", false, format!("the gate could not judge: {why}")),
    }
}

fn model(candidate: &Candidate<'_>) -> Condition {
    let judged: Vec<&str> = candidate
        .verdicts
        .iter()
        .filter_map(GateVerdict::model_digest)
        .collect();
    let is_judged = |digest: &str| {
        judged
            .iter()
            .any(|judged| judged.eq_ignore_ascii_case(digest))
    };
    let found = judged
        .first()
        .map_or("an unknown model".to_owned(), |digest| {
            format!("model {}", short(digest))
        });
    if judged.is_empty() {
        return said(
            "model",
            false,
            "the verdict does not say which model it is about",
        );
    }
    if let Some(wanted) = &candidate.wanted.model_sha256
        && !is_judged(wanted)
    {
        return said(
            "model",
            false,
            format!(
                "the verdict is about {found}, and {} is wanted",
                short(wanted)
            ),
        );
    }
    if let Some(now) = candidate.model_now
        && !is_judged(now)
    {
        return said(
            "model",
            false,
            format!(
                "the verdict is about {found}, and the file is {} by now",
                short(now)
            ),
        );
    }
    let places = variable(candidate.deployed, "MODEL_PATH");
    let uri = |verdict: &GateVerdict| {
        verdict
            .as_json()
            .pointer("/model/uri")
            .and_then(Value::as_str)
            .map(str::to_owned)
    };
    let other = candidate
        .verdicts
        .iter()
        .filter_map(uri)
        .find(|uri| !places.is_empty() && !places.contains(uri));
    match other {
        Some(other) => said(
            "model",
            false,
            format!(
                "the verdict is about {other}, and {} is deployed",
                places.join(", ")
            ),
        ),
        None => said(
            "model",
            true,
            format!("the verdict is about the deployed {found}"),
        ),
    }
}

fn dataset(candidate: &Candidate<'_>) -> Condition {
    let text = |verdict: &GateVerdict, pointer: &str| {
        let found = verdict.as_json().pointer(pointer).and_then(Value::as_str);
        found.map(str::to_owned)
    };
    let mut digests = Vec::new();
    for verdict in candidate.verdicts {
        digests.extend(text(verdict, "/dataset/digest"));
        digests.extend(text(verdict, "/dataset/manifest_digest"));
    }
    let Some(first) = digests.first() else {
        return said(
            "dataset",
            false,
            "the verdict does not say which dataset it rests on",
        );
    };
    if let Some(wanted) = &candidate.wanted.dataset_digest
        && !digests.contains(wanted)
    {
        return said(
            "dataset",
            false,
            format!(
                "the verdict rests on dataset {}, and {} is wanted",
                short(first),
                short(wanted)
            ),
        );
    }
    let places = variable(candidate.deployed, "VALIDATION_DATASET");
    let uris = candidate
        .verdicts
        .iter()
        .filter_map(|verdict| text(verdict, "/dataset/uri"));
    let same = |uri: &str, place: &str| uri.trim_end_matches('/') == place.trim_end_matches('/');
    let other = uris
        .into_iter()
        .find(|uri| !places.is_empty() && !places.iter().any(|place| same(uri, place)));
    match other {
        Some(other) => said(
            "dataset",
            false,
            format!(
                "the verdict rests on {other}, and {} is what the gate is told",
                places.join(", ")
            ),
        ),
        None => said(
            "dataset",
            true,
            format!("it rests on dataset {}", short(first)),
        ),
    }
}

fn age(candidate: &Candidate<'_>) -> Condition {
    let moment = |verdict: &GateVerdict| {
        let json = verdict.as_json();
        let text = json
            .pointer("/reused/started_at")
            .or_else(|| json.get("started_at"));
        let text = text.and_then(Value::as_str)?;
        Some(DateTime::parse_from_rfc3339(text).ok()?.with_timezone(&Utc))
    };
    let moments: Option<Vec<DateTime<Utc>>> = candidate.verdicts.iter().map(moment).collect();
    let Some(oldest) = moments.and_then(|moments| moments.into_iter().min()) else {
        return said("age", false, "the verdict does not say when it was made");
    };
    let age = candidate.now - oldest;
    let most = TimeDelta::from_std(candidate.age_max).unwrap_or(TimeDelta::MAX);
    let text = format!(
        "the verdict is {} old, at most {} is allowed",
        span(age),
        span(most)
    );
    said("age", age <= most && age >= TimeDelta::minutes(-5), text)
}

/// A time in its largest unit.
fn span(time: TimeDelta) -> String {
    let seconds = time.num_seconds();
    match seconds {
        i64::MIN..=119 => format!("{seconds} s"),
        120..7_200 => format!("{} min", seconds / 60),
        7_200..172_800 => format!("{} h", seconds / 3_600),
        _ => format!("{} days", seconds / 86_400),
    }
}

/// Returns what the hooks of a revision are told in an environment variable.
pub fn variable(release: Option<&Release>, name: &str) -> Vec<String> {
    let mut found = Vec::new();
    for hook in release.into_iter().flat_map(|release| &release.hooks) {
        for object in read_manifest(&hook.manifest).unwrap_or_default() {
            collect(&object.value, name, &mut found);
        }
    }
    found.dedup();
    found
}

fn collect(value: &Value, name: &str, found: &mut Vec<String>) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| collect(item, name, found)),
        Value::Object(map) => {
            if map.get("name").and_then(Value::as_str) == Some(name)
                && let Some(text) = map.get("value").and_then(Value::as_str)
            {
                found.push(text.to_owned());
            }
            map.values().for_each(|value| collect(value, name, found));
        }
        _ => {}
    }
}

/// A digest by its beginning.
fn short(digest: &str) -> String {
    let digits = digest.strip_prefix("sha256:").unwrap_or(digest);
    let beginning: String = digits.chars().take(12).collect();
    format!("sha256:{beginning}…")
}
