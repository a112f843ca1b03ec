//! What a reader asks of a verdict beyond its signature.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;
use verdict::report::Outcome;

use crate::statement::Statement;

/// How far a verdict may lie in the future before clocks are said to differ.
const CLOCKS_MAY_DIFFER: TimeDelta = TimeDelta::minutes(5);

/// Which outcomes will do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Required {
    /// Only a pass.
    #[default]
    Pass,
    /// Any.
    Any,
}

/// What a verdict must be; what is absent is not asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Demands {
    /// The outcome.
    pub outcome: Required,
    /// The SHA-256 of the model, in hexadecimal.
    pub model_sha256: Option<String>,
    /// The digest of the dataset (`sha256:…`): of what the model saw, or of its manifest.
    pub dataset_digest: Option<String>,
    /// The digest of the gate (`sha256:…`).
    pub gate_digest: Option<String>,
    /// The longest time since the run ended.
    pub max_age: Option<Duration>,
}

/// One demand and whether it is met.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Condition {
    /// `outcome`, `model`, `dataset`, `gate` or `age`.
    pub name: &'static str,
    /// Whether it is met.
    pub met: bool,
    /// What was found, and what was asked for where that differs.
    pub detail: String,
}

impl Demands {
    /// Compares a verdict with what is asked; `now` is the reader's clock. One condition for
    /// each demand, in the order of the fields; all must be met.
    #[must_use]
    pub fn judge(&self, statement: &Statement, now: DateTime<Utc>) -> Vec<Condition> {
        let predicate = &statement.predicate;
        let mut conditions = Vec::new();
        if self.outcome == Required::Pass {
            conditions.push(Condition {
                name: "outcome",
                met: predicate.outcome == Outcome::Pass && predicate.exit_code == 0,
                detail: format!("the verdict is `{}`", predicate.outcome),
            });
        }
        if let Some(asked) = &self.model_sha256 {
            let found = statement.model_sha256();
            let met = statement.is_about(asked);
            conditions.push(compared("model", "sha256", met, &[found], asked));
        }
        if let Some(asked) = &self.dataset_digest {
            let dataset = &predicate.dataset;
            let found = [
                dataset.digest.as_deref(),
                dataset.manifest_digest.as_deref(),
            ];
            let met = found.contains(&Some(asked));
            conditions.push(compared("dataset", "digest", met, &found, asked));
        }
        if let Some(asked) = &self.gate_digest {
            let met = predicate.gate.digest == *asked;
            let found = [Some(predicate.gate.digest.as_str())];
            conditions.push(compared("gate", "digest", met, &found, asked));
        }
        if let Some(max_age) = self.max_age {
            conditions.push(age(predicate.finished_at, max_age, now));
        }
        conditions
    }
}

fn compared(
    name: &'static str,
    what: &str,
    met: bool,
    found: &[Option<&str>],
    asked: &str,
) -> Condition {
    let detail = if met {
        format!("its {what} is `{asked}`")
    } else {
        let found: Vec<String> = found
            .iter()
            .flatten()
            .map(|digest| format!("`{digest}`"))
            .collect();
        let found = if found.is_empty() {
            "not known".to_owned()
        } else {
            found.join(" or ")
        };
        format!("its {what} is {found}, and `{asked}` is asked for")
    };
    Condition { name, met, detail }
}

fn age(finished_at: DateTime<Utc>, max_age: Duration, now: DateTime<Utc>) -> Condition {
    let age = now.signed_duration_since(finished_at);
    let at_most = TimeDelta::from_std(max_age).unwrap_or(TimeDelta::MAX);
    let is_ahead = age < -CLOCKS_MAY_DIFFER;
    let detail = if is_ahead {
        format!("it is dated {} ahead of this clock", in_words(-age))
    } else {
        format!(
            "it is {} old, at most {} is asked for",
            in_words(age),
            in_words(at_most)
        )
    };
    Condition {
        name: "age",
        met: !is_ahead && age <= at_most,
        detail,
    }
}

/// Says a time in its two largest units.
fn in_words(time: TimeDelta) -> String {
    let seconds = time.num_seconds().max(0);
    let units = [(86_400, "d"), (3_600, "h"), (60, "m"), (1, "s")];
    let mut rest = seconds;
    let mut parts = Vec::new();
    for (size, unit) in units {
        if rest >= size {
            parts.push(format!("{}{unit}", rest / size));
        }
        rest %= size;
    }
    parts.truncate(2);
    if parts.is_empty() {
        return "0s".to_owned();
    }
    parts.join(" ")
}
