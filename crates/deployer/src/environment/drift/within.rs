//! Within one environment: files against record, and live objects against record.

use chrono::{DateTime, Utc};
use serde_json::Value;

use super::component::component;
use super::difference::{Difference, Shown, View};
use super::state::{Desired, EnvironmentState, ReleaseState};
use crate::plan::ManifestObject;
use crate::plan::compare::{
    CompareOptions, FieldChange, FieldDifference, FieldOwner, Presence, compare, compare_sets,
    scale_targets,
};

/// Compares what the files say with what is deployed.
pub(super) fn files_against_record(
    environment: &EnvironmentState,
    release: &ReleaseState,
    found: &mut Vec<Difference>,
) {
    let view = View::FilesAgainstRecord;
    let mut whole = Difference::new(view, &release.name, "");
    whole.environment = Some(environment.name.clone());
    let desired = match (&release.desired, &release.deployed) {
        (Desired::Broken(_), _) | (Desired::Absent, None) => return,
        (Desired::Absent, Some(_)) => {
            whole.values = vec![
                ("files".into(), Shown::Absent),
                ("record".into(), Shown::There),
            ];
            found.push(whole);
            return;
        }
        (Desired::Objects(_), None) => {
            whole.values = vec![
                ("files".into(), Shown::There),
                ("record".into(), Shown::Absent),
            ];
            found.push(whole);
            return;
        }
        (Desired::Objects(objects), Some(_)) => objects,
    };
    let namespace = &environment.namespace;
    let compared = compare_sets(
        (&release.record, namespace),
        (desired, namespace),
        &CompareOptions::default(),
    );
    let all = || desired.iter().chain(&release.record);
    for comparison in compared {
        let object = all().find(|object| {
            object.id.kind == comparison.object.kind && object.id.name == comparison.object.name
        });
        let component = object.and_then(component).unwrap_or_default();
        let new = |field: Option<String>| {
            let mut difference = Difference::new(view, &release.name, &component);
            difference.environment = Some(environment.name.clone());
            difference.about(&comparison.object.kind, &comparison.object.name, field);
            difference
        };
        let (files, record) = match comparison.presence {
            Presence::Added => (Shown::There, Shown::Absent),
            Presence::Removed => (Shown::Absent, Shown::There),
            Presence::Both => {
                for field in &comparison.differences {
                    let mut difference = new(Some(field.path.to_string()));
                    let (after, before) = match field.change {
                        FieldChange::Added => (value(field, &field.after), None),
                        FieldChange::Removed => (None, value(field, &field.before)),
                        FieldChange::Changed => {
                            (value(field, &field.after), value(field, &field.before))
                        }
                    };
                    difference.values = vec![
                        ("files".into(), Shown::of(after, field.masked)),
                        ("record".into(), Shown::of(before, field.masked)),
                    ];
                    found.push(difference);
                }
                continue;
            }
        };
        let mut difference = new(None);
        difference.values = vec![("files".into(), files), ("record".into(), record)];
        found.push(difference);
    }
}

/// Compares live objects with what is deployed. What the server fills in, and what an autoscaler or
/// a controller sets, is no drift.
pub(super) fn live_against_record(
    environment: &EnvironmentState,
    release: &ReleaseState,
    found: &mut Vec<Difference>,
) {
    if release.deployed.is_none() {
        return;
    }
    let options = CompareOptions {
        autoscaled: scale_targets(release.record.iter().map(|object| &object.value)),
        ..CompareOptions::default()
    };
    for object in &release.record {
        let new = |field: Option<String>| {
            let component = component(object).unwrap_or_default();
            let mut difference =
                Difference::new(View::LiveAgainstRecord, &release.name, &component);
            difference.environment = Some(environment.name.clone());
            difference.about(&object.id.kind, &object.id.name, field);
            difference
        };
        let Some(live) = release.live.get(&object.id) else {
            let mut difference = new(None);
            difference.values = vec![
                ("record".into(), Shown::There),
                ("live".into(), Shown::Absent),
            ];
            found.push(difference);
            continue;
        };
        for field in fields(object, live, &options) {
            let mut difference = new(Some(field.path.to_string()));
            difference.values = vec![
                (
                    "record".into(),
                    Shown::of(value(&field, &field.after), field.masked),
                ),
                (
                    "live".into(),
                    Shown::of(value(&field, &field.before), field.masked),
                ),
            ];
            if let Some(owner) = field.owner {
                difference.since = owner.time.as_deref().and_then(moment);
                difference.changed_by = Some(owner.manager);
            }
            found.push(difference);
        }
    }
}

/// A masked field has no value in a comparison; that it has one is shown all the same.
fn value<'a>(field: &FieldDifference, value: &'a Option<Value>) -> Option<&'a Value> {
    const MASKED: &Value = &Value::Null;
    value.as_ref().or(field.masked.then_some(MASKED))
}

/// Returns the fields that a person or a tool has set otherwise than recorded.
fn fields(object: &ManifestObject, live: &Value, options: &CompareOptions) -> Vec<FieldDifference> {
    let compared = compare(&object.value, Some(&object.value), live, options);
    let is_by_machinery = |owner: &FieldOwner| owner.is_control_plane() || owner.is_autoscaler();
    let mut fields: Vec<FieldDifference> = compared
        .differences
        .into_iter()
        .filter(|field| !field.owner.as_ref().is_some_and(is_by_machinery))
        .collect();
    // What only the live object has counts where somebody is known to have set it.
    fields.extend(compared.extra.into_iter().filter(|field| {
        let owner = field.owner.as_ref();
        owner.is_some_and(|owner| !is_by_machinery(owner) && !owner.is_ours())
    }));
    fields
}

fn moment(text: &str) -> Option<DateTime<Utc>> {
    let parsed = DateTime::parse_from_rfc3339(text).ok()?;
    Some(parsed.with_timezone(&Utc))
}
