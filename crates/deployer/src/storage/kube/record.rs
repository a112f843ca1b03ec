//! A release record as an API object: a Secret or a ConfigMap as Helm writes it.
//!
//! Source: Helm v4 `pkg/storage/driver/secrets.go`, `cfgmaps.go`, `util.go`.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::RecordKind;
use crate::release::{
    CodecError, LabelStamp, Release, decode, encode, record_key, record_labels, user_labels,
};
use crate::storage::{ResourceVersion, Stored};

/// Writes a record as the object that Helm would write.
///
/// # Errors
/// [`CodecError`] when the record has no JSON form.
pub(super) fn to_object(
    kind: RecordKind,
    release: &Release,
    stamp: LabelStamp,
) -> Result<Value, CodecError> {
    let text = encode(release)?;
    let key = record_key(&release.name, release.version);
    let labels = record_labels(release, stamp);
    Ok(match kind {
        RecordKind::Secret => json!({
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": key, "labels": labels},
            "type": RecordKind::SECRET_TYPE,
            "data": {"release": STANDARD.encode(text)},
        }),
        RecordKind::ConfigMap => json!({
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": key, "labels": labels},
            "data": {"release": text},
        }),
    })
}

/// Reads a record from its object.
///
/// # Errors
/// [`CodecError`] when it is damaged.
pub(super) fn from_object(kind: RecordKind, object: &Value) -> Result<Stored, CodecError> {
    let data = object["data"]["release"].as_str().unwrap_or_default();
    let text = match kind {
        RecordKind::Secret => STANDARD.decode(data).map_err(CodecError::Base64)?,
        RecordKind::ConfigMap => data.as_bytes().to_vec(),
    };
    let mut release: Release = decode(&text)?;
    let labels: BTreeMap<String, String> = object["metadata"]["labels"]
        .as_object()
        .into_iter()
        .flatten()
        .filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned())))
        .collect();
    release.labels = user_labels(&labels);
    Ok(Stored {
        release,
        labels,
        resource_version: ResourceVersion(
            object["metadata"]["resourceVersion"]
                .as_str()
                .unwrap_or_default()
                .to_owned(),
        ),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::DateTime;

    fn release() -> Release {
        serde_json::from_value(json!({
            "name": "web", "version": 3, "namespace": "prod",
            "info": {"status": "deployed", "description": "Upgrade complete"},
            "config": {"a": 1}, "manifest": "---\n", "chart": {"metadata": {"name": "c"}}
        }))
        .expect("a release")
    }

    #[test]
    fn a_secret_has_helms_type_name_and_labels_and_reads_back() {
        let moment = DateTime::from_timestamp(1_700_000_000, 0).expect("a moment");
        let mut record = release();
        record.labels.insert("team".into(), "risk".into());
        let object =
            to_object(RecordKind::Secret, &record, LabelStamp::Created(moment)).expect("written");
        assert_eq!(object["type"], "helm.sh/release.v1");
        assert_eq!(object["metadata"]["name"], "sh.helm.release.v1.web.v3");
        assert_eq!(
            object["metadata"]["labels"],
            json!({"createdAt": "1700000000", "name": "web", "owner": "helm", "status": "deployed", "team": "risk", "version": "3"})
        );
        let stored = from_object(RecordKind::Secret, &object).expect("read");
        assert_eq!(stored.release, record);
    }

    #[test]
    fn a_config_map_holds_the_text_without_the_outer_base64() {
        let moment = DateTime::from_timestamp(1_700_000_000, 0).expect("a moment");
        let object = to_object(
            RecordKind::ConfigMap,
            &release(),
            LabelStamp::Modified(moment),
        )
        .expect("written");
        assert!(
            object["data"]["release"]
                .as_str()
                .is_some_and(|text| text.starts_with("H4sI"))
        );
        assert_eq!(
            from_object(RecordKind::ConfigMap, &object)
                .expect("read")
                .release,
            release()
        );
    }

    #[test]
    fn a_damaged_record_is_an_error_and_no_panic() {
        for object in [
            json!({}),
            json!({"data": {"release": "%%%"}}),
            json!({"data": {"release": "SDRzSQ=="}}),
        ] {
            assert!(
                from_object(RecordKind::Secret, &object).is_err(),
                "{object}"
            );
        }
    }
}
