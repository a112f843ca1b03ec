//! A plan as it is shown to programs and kept in a file, and what has moved on since.
//!
//! It holds no manifest and no secret: objects stand in it as digests of their masked form, and one
//! slow digest with a salt seals everything unmasked, so that a changed secret is noticed and a
//! short one cannot be guessed cheaply. See docs/adr/0070.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use scrypt::{Params, scrypt};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::compare::{CompareOptions, shown};
use super::sensitive::SensitiveValues;
use super::{HookStep, ObjectAction, ObjectStep, Plan, read_yaml};
use crate::action::Operation;
use crate::cluster::ObjectId;
use crate::release::{Namespace, Release, ReleaseName, Revision, Status};

/// What a saved plan says it is.
pub const PLAN_KIND: &str = "deployer/plan";
/// The version of its form.
const SCHEMA_VERSION: u32 = 1;
/// Cost of a guess at the seal: 16 MiB and some 50 ms.
const SCRYPT_LOG_N: u8 = 14;

/// Stands for an object without showing it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark {
    /// Digest of the masked object.
    pub shown: String,
    /// Digest of the object; never shown.
    whole: [u8; 32],
}

impl Mark {
    /// Marks an object, without what only the server sets.
    pub fn of(object: &Value, options: &CompareOptions) -> Self {
        let masked = CompareOptions {
            show_secrets: false,
            ..options.clone()
        };
        let open = CompareOptions {
            show_secrets: true,
            ..CompareOptions::default()
        };
        Self {
            shown: hex::encode(&digest(&shown(object, &masked))[..16]),
            whole: digest(&shown(object, &open)),
        }
    }
}

/// Digests a value whatever the order of its keys.
fn digest(value: &Value) -> [u8; 32] {
    let mut sorted = value.clone();
    sorted.sort_all_objects();
    Sha256::digest(sorted.to_string()).into()
}

/// A plan in a file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SavedPlan {
    /// [`PLAN_KIND`].
    pub kind: String,
    /// The version of the form.
    pub schema_version: u32,
    /// When it was made.
    pub made_at: DateTime<Utc>,
    /// What is done.
    pub operation: Operation,
    /// The release.
    pub release: ReleaseName,
    /// Its namespace.
    pub namespace: Namespace,
    /// Where, in words.
    pub target: String,
    /// The revision that it brings about.
    pub revision: Revision,
    /// Chart and version.
    pub chart: String,
    /// The last record when the plan was made.
    pub last: Option<Standing>,
    /// Hooks before anything is changed.
    pub pre_hooks: Vec<SavedHook>,
    /// The steps on objects, in order.
    pub steps: Vec<SavedStep>,
    /// How many objects are awaited.
    pub awaited: usize,
    /// Hooks after everything.
    pub post_hooks: Vec<SavedHook>,
    /// What is odd about it.
    pub warnings: Vec<String>,
    seal: Seal,
}

/// A record as the plan found it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standing {
    /// Its number.
    pub revision: Revision,
    /// Its state.
    pub status: Status,
}

/// A step on an object.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SavedStep {
    /// Which.
    #[serde(flatten)]
    pub object: ObjectId,
    /// What.
    pub action: ObjectAction,
    /// What takes it back: `nothing`, `delete`, `restore` or `recreate`.
    pub undo: String,
    /// Fields that differ, as `plan::compare` tells of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub differences: Vec<Value>,
    /// Fields that differ and are left to an autoscaler.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub yielded: Vec<Value>,
    /// Digest of the masked object that is wanted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub desired: Option<String>,
    /// Digest of the masked live object.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub live: Option<String>,
}

/// A hook that will run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SavedHook {
    /// Which, and when.
    #[serde(flatten)]
    pub hook: HookStep,
    /// Digest of its masked manifest.
    pub manifest: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Seal {
    salt: String,
    digest: String,
}

impl SavedPlan {
    /// Makes the form of a plan that can be shown and kept, without what is `sensitive`. `salt` is random,
    /// or that of the plan to compare with.
    pub fn of(
        plan: &Plan,
        release: &Release,
        last: Option<&Release>,
        target: &str,
        made_at: DateTime<Utc>,
        salt: &str,
        sensitive: SensitiveValues,
    ) -> Self {
        let options = CompareOptions {
            sensitive,
            ..CompareOptions::default()
        };
        let mut sealed = Sha256::new();
        let values = Value::Object(release.config.clone());
        sealed.update(digest(&values));
        let steps = plan
            .object_steps()
            .map(|step| saved_step(step, &options, &mut sealed))
            .collect();
        let mut hooks = |steps: &[HookStep]| -> Vec<SavedHook> {
            let saved = steps.iter().map(|step| {
                let text = release
                    .hooks
                    .iter()
                    .find(|hook| hook.kind == step.kind && hook.name == step.name)
                    .map_or("", |hook| &hook.manifest);
                let mark = Mark::of(&read_yaml(text).unwrap_or_default(), &options);
                sealed.update(mark.whole);
                SavedHook {
                    hook: step.clone(),
                    manifest: mark.shown,
                }
            });
            saved.collect()
        };
        let (pre_hooks, post_hooks) = (hooks(&plan.pre_hooks), hooks(&plan.post_hooks));
        let chart = format!("{}-{}", release.chart_name(), release.chart_version());
        Self {
            kind: PLAN_KIND.to_owned(),
            schema_version: SCHEMA_VERSION,
            made_at,
            operation: plan.operation,
            release: plan.release.clone(),
            namespace: plan.namespace.clone(),
            target: target.to_owned(),
            revision: plan.revision,
            chart,
            last: last.map(|last| Standing {
                revision: last.version,
                status: last.info.status,
            }),
            pre_hooks,
            steps,
            awaited: plan.awaited.len(),
            post_hooks,
            warnings: plan.warnings.clone(),
            seal: Seal {
                digest: hex::encode(slow_digest(&sealed.finalize(), salt.as_bytes())),
                salt: salt.to_owned(),
            },
        }
    }

    /// Returns the salt of its seal.
    pub fn salt(&self) -> &str {
        &self.seal.salt
    }

    /// Says why a plan cannot be read: it is another kind of file, or a newer form.
    pub fn check_form(&self) -> Result<(), String> {
        if self.kind != PLAN_KIND {
            return Err(format!("its kind is `{}`, not `{PLAN_KIND}`", self.kind));
        }
        if self.schema_version != SCHEMA_VERSION {
            return Err(format!(
                "its form has version {}; this deployer reads version {SCHEMA_VERSION}",
                self.schema_version
            ));
        }
        Ok(())
    }

    /// Says what has moved on since the plan was made; `now` is the plan of the same request made
    /// anew, with the salt of this one. Nothing means that it may be executed.
    pub fn moved(&self, now: &Self) -> Vec<String> {
        let mut moved = Vec::new();
        let mut differ = |what: &str, then: String, now: String| {
            if then != now {
                moved.push(format!("{what} was {then} and is {now}"));
            }
        };
        let release = |plan: &Self| format!("`{}` in namespace `{}`", plan.release, plan.namespace);
        differ("the release", release(self), release(now));
        differ("the target", self.target.clone(), now.target.clone());
        differ(
            "the operation",
            self.operation.to_string(),
            now.operation.to_string(),
        );
        differ("the chart", self.chart.clone(), now.chart.clone());
        differ(
            "the last revision",
            standing(self.last.as_ref()),
            standing(now.last.as_ref()),
        );
        moved.extend(moved_steps(&self.steps, &now.steps));
        let hooks = |plan: &Self| -> Vec<SavedHook> {
            plan.pre_hooks
                .iter()
                .chain(&plan.post_hooks)
                .cloned()
                .collect()
        };
        if hooks(self) != hooks(now) {
            moved.push("the hooks are rendered differently".to_owned());
        }
        if moved.is_empty() && self.seal != now.seal {
            moved.push(
                "a value that is not shown differs: the values given, or the data of a Secret"
                    .to_owned(),
            );
        }
        moved
    }
}

fn saved_step(step: &ObjectStep, options: &CompareOptions, sealed: &mut Sha256) -> SavedStep {
    let desired = step
        .desired
        .as_ref()
        .map(|object| Mark::of(object, options));
    for mark in desired.iter().chain(&step.live) {
        sealed.update(mark.whole);
    }
    let told = |fields: &[super::compare::FieldDifference]| -> Vec<Value> {
        let values = fields.iter().map(serde_json::to_value);
        values.filter_map(Result::ok).collect()
    };
    let comparison = step.comparison.as_ref();
    SavedStep {
        object: step.object.clone(),
        action: step.action,
        undo: step.undo.as_str().to_owned(),
        differences: comparison
            .map(|found| told(&found.differences))
            .unwrap_or_default(),
        yielded: comparison
            .map(|found| told(&found.yielded))
            .unwrap_or_default(),
        desired: desired.map(|mark| mark.shown),
        live: step.live.as_ref().map(|mark| mark.shown.clone()),
    }
}

fn standing(last: Option<&Standing>) -> String {
    last.map_or_else(
        || "none".to_owned(),
        |last| format!("{} ({})", last.revision, last.status),
    )
}

fn moved_steps(then: &[SavedStep], now: &[SavedStep]) -> Vec<String> {
    let by_object = |steps: &'_ [SavedStep]| -> HashMap<ObjectId, SavedStep> {
        let pairs = steps.iter().map(|step| (step.object.clone(), step.clone()));
        pairs.collect()
    };
    let (planned, present) = (by_object(then), by_object(now));
    let mut moved = Vec::new();
    for step in now {
        let object = &step.object;
        let Some(before) = planned.get(object) else {
            moved.push(format!(
                "{object} is not in the plan (now: {})",
                step.action.as_str()
            ));
            continue;
        };
        match (&before.live, &step.live) {
            (None, Some(_)) => moved.push(format!("{object} has come into being since")),
            (Some(_), None) => moved.push(format!("{object} was deleted since")),
            (then, now) if then != now => moved.push(format!("{object} was changed since")),
            _ => {}
        }
        if before.desired != step.desired {
            moved.push(format!("{object} is rendered differently"));
        } else if before.action != step.action && before.live == step.live {
            moved.push(format!(
                "{object} was to be: {}; now: {}",
                before.action.as_str(),
                step.action.as_str()
            ));
        }
    }
    let gone = then
        .iter()
        .filter(|step| !present.contains_key(&step.object));
    moved.extend(gone.map(|step| match step.action {
        ObjectAction::Delete | ObjectAction::Keep => format!("{} is gone already", step.object),
        _ => format!("{} is not rendered any more", step.object),
    }));
    moved
}

fn slow_digest(input: &[u8], salt: &[u8]) -> [u8; 32] {
    let mut output = [0u8; 32];
    let params = Params::new(SCRYPT_LOG_N, 8, 1, output.len()).expect("constant parameters");
    scrypt(input, salt, &params, &mut output).expect("32 bytes are a valid length");
    output
}
