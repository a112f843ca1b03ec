//! When two spellings of a field mean the same to the API server.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};

use super::path::{FieldPath, Segment};

/// Fields of `metadata` that only the server sets.
const SERVER_METADATA: [&str; 9] = [
    "uid",
    "resourceVersion",
    "generation",
    "creationTimestamp",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "managedFields",
    "selfLink",
    "generateName",
];
/// Maps whose entries are quantities.
const QUANTITY_MAPS: [&str; 9] = [
    "requests",
    "limits",
    "hard",
    "capacity",
    "podFixed",
    "default",
    "defaultRequest",
    "max",
    "min",
];
const QUANTITY_FIELDS: [&str; 3] = ["sizeLimit", "averageValue", "divisor"];
/// Fields that are a number or a name.
const NUMBER_OR_NAME: [&str; 8] = [
    "port",
    "targetPort",
    "containerPort",
    "nodePort",
    "hostPort",
    "maxSurge",
    "maxUnavailable",
    "minAvailable",
];
/// Maps that mean something though they are empty.
const EMPTY_COUNTS: [&str; 6] = [
    "emptyDir",
    "podSelector",
    "namespaceSelector",
    "labelSelector",
    "selector",
    "subresources",
];
/// Flags that are on when they are absent.
const ON_WHEN_ABSENT: [&str; 4] = [
    "automountServiceAccountToken",
    "allowPrivilegeEscalation",
    "enableServiceLinks",
    "hostUsers",
];

/// Tells whether the server sets a field itself.
pub(super) fn is_server_set(path: &FieldPath, key: &str) -> bool {
    match path.segments() {
        [] => key == "status",
        [Segment::Field(first)] if first == "metadata" => SERVER_METADATA.contains(&key),
        [Segment::Field(first), Segment::Field(second)]
            if first == "metadata" && second == "annotations" =>
        {
            key == "kubectl.kubernetes.io/last-applied-configuration"
                || key.starts_with("deployment.kubernetes.io/")
        }
        _ => false,
    }
}

/// Tells whether a value that stands for a field which is not there says nothing else.
pub(super) fn is_as_if_absent(key: &str, value: &Value, built_in: bool) -> bool {
    match value {
        Value::Null => true,
        Value::Object(map) => map.is_empty() && !EMPTY_COUNTS.contains(&key),
        Value::Array(items) => items.is_empty(),
        // What the server drops from built-in kinds, and keeps in custom resources.
        Value::Bool(false) => built_in && !ON_WHEN_ABSENT.contains(&key),
        Value::String(text) => built_in && text.is_empty() && key != "storageClassName",
        Value::Number(number) => built_in && number.as_f64() == Some(0.0) && key != "replicas",
        Value::Bool(true) => false,
    }
}

/// Tells whether a value is what the server itself fills in for a field of a built-in kind.
///
/// Source: `pkg/apis/*/v1/defaults.go` of Kubernetes 1.34.
pub(super) fn is_default(key: &str, value: &Value) -> bool {
    match value {
        Value::String(text) => matches!(
            (key, text.as_str()),
            ("protocol", "TCP")
                | ("restartPolicy", "Always")
                | ("dnsPolicy", "ClusterFirst")
                | ("schedulerName", "default-scheduler")
                | ("terminationMessagePath", "/dev/termination-log")
                | ("terminationMessagePolicy", "File")
                | ("sessionAffinity", "None")
                | ("internalTrafficPolicy", "Cluster")
                | ("ipFamilyPolicy", "SingleStack")
                | ("type", "ClusterIP" | "Opaque")
                | ("scheme", "HTTP")
                | ("podManagementPolicy", "OrderedReady")
                | ("concurrencyPolicy", "Allow")
                | ("volumeMode", "Filesystem")
                | ("apiVersion", "v1")
        ),
        Value::Number(number) => matches!(
            (key, number.as_i64()),
            ("revisionHistoryLimit" | "periodSeconds", Some(10))
                | ("progressDeadlineSeconds", Some(600))
                | ("successThreshold" | "timeoutSeconds", Some(1))
                | ("failureThreshold", Some(3))
                | ("defaultMode", Some(420))
                | ("terminationGracePeriodSeconds", Some(30))
        ),
        Value::Bool(flag) => key == "enableServiceLinks" && *flag,
        Value::Object(map) => {
            key == "securityContext" && map.is_empty()
                || (key == "strategy"
                    && map.get("type").is_some_and(|kind| kind == "RollingUpdate"))
        }
        _ => false,
    }
}

/// Tells whether two scalars at a path mean the same.
pub(super) fn is_same_scalar(path: &FieldPath, left: &Value, right: &Value) -> bool {
    if left == right {
        return true;
    }
    let mut fields = path
        .segments()
        .iter()
        .rev()
        .filter_map(|segment| match segment {
            Segment::Field(name) => Some(name.as_str()),
            _ => None,
        });
    let (key, parent) = (fields.next().unwrap_or(""), fields.next().unwrap_or(""));
    if is_text_only(path) {
        return false;
    }
    if let (Some(left), Some(right)) = (left.as_f64(), right.as_f64()) {
        return left == right && left.abs() < 9e15;
    }
    if QUANTITY_MAPS.contains(&parent) || QUANTITY_FIELDS.contains(&key) {
        let pair = quantity(left).zip(quantity(right));
        return pair.is_some_and(|(left, right)| left == right);
    }
    if NUMBER_OR_NAME.contains(&key) {
        return text(left) == text(right);
    }
    false
}

/// Text is text in the data of a ConfigMap, in labels and in annotations.
fn is_text_only(path: &FieldPath) -> bool {
    match path.segments() {
        [Segment::Field(first), ..] if first == "data" || first == "binaryData" => true,
        [Segment::Field(first), Segment::Field(_), ..] => first == "metadata",
        _ => false,
    }
}

fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// Reads a quantity as billionths; `None` for what is none, or too long to be exact.
///
/// Source: apimachinery `pkg/api/resource/quantity.go`.
pub(super) fn quantity(value: &Value) -> Option<i128> {
    let text = text(value);
    let end = text
        .find(|sign: char| !(sign.is_ascii_digit() || matches!(sign, '.' | '-' | '+')))
        .unwrap_or(text.len());
    let (number, suffix) = text.split_at(end);
    let (negative, number) = match number.strip_prefix('-') {
        Some(number) => (true, number),
        None => (false, number.strip_prefix('+').unwrap_or(number)),
    };
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if (whole.is_empty() && fraction.is_empty()) || fraction.len() > 18 || whole.len() > 20 {
        return None;
    }
    let digits: i128 = format!("{whole}{fraction}").parse().ok()?;
    let tens = |power: u32| 10i128.checked_pow(power);
    // Billionths: 10^9 of them make one.
    let scale: i128 = match suffix {
        "n" => 1,
        "u" => tens(3)?,
        "m" => tens(6)?,
        "" => tens(9)?,
        "k" => tens(12)?,
        "M" => tens(15)?,
        "G" => tens(18)?,
        "T" => tens(21)?,
        "P" => tens(24)?,
        "E" => tens(27)?,
        "Ki" => tens(9)? << 10,
        "Mi" => tens(9)? << 20,
        "Gi" => tens(9)? << 30,
        "Ti" => tens(9)? << 40,
        "Pi" => tens(9)? << 50,
        "Ei" => tens(9)? << 60,
        exponent => {
            let power: i32 = exponent.strip_prefix(['e', 'E'])?.parse().ok()?;
            tens(u32::try_from(power + 9).ok()?)?
        }
    };
    let product = digits.checked_mul(scale)?;
    let divisor = tens(u32::try_from(fraction.len()).ok()?)?;
    let billionths = (product % divisor == 0).then_some(product / divisor)?;
    Some(if negative { -billionths } else { billionths })
}

/// Tells whether a kind is built in: only then are its defaults and merge keys known.
pub(super) fn is_built_in(object: &Value) -> bool {
    let version = object["apiVersion"].as_str().unwrap_or_default();
    match version.split_once('/') {
        None => true,
        Some((group, _)) => !group.contains('.') || group.ends_with(".k8s.io"),
    }
}

/// Returns an object as the server stores it: `stringData` of a Secret becomes `data`, base64 loses
/// its line breaks.
pub(super) fn stored_form(object: &Value) -> Value {
    let mut stored = object.clone();
    if object["kind"] != "Secret" || object["apiVersion"] != "v1" {
        return stored;
    }
    let Some(fields) = stored.as_object_mut() else {
        return stored;
    };
    let given = fields.shift_remove("stringData");
    if let Some(Value::Object(given)) = given {
        let data = fields
            .entry("data")
            .or_insert_with(|| Value::Object(Map::new()));
        if data.is_null() {
            *data = Value::Object(Map::new());
        }
        if let Some(data) = data.as_object_mut() {
            for (key, value) in given {
                data.insert(key, STANDARD.encode(text(&value)).into());
            }
        }
    }
    if let Some(data) = fields.get_mut("data").and_then(Value::as_object_mut) {
        for value in data.values_mut() {
            if let Value::String(text) = value {
                text.retain(|sign| !sign.is_ascii_whitespace());
            }
        }
    }
    stored
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn quantities_are_read_as_the_server_reads_them() {
        let same = [
            (json!("1000m"), json!(1)),
            (json!("0.5"), json!("500m")),
            (json!("1Gi"), json!("1024Mi")),
            (json!("1e3"), json!("1k")),
            (json!(2), json!("2")),
            (json!("-1"), json!("-1000m")),
            (json!("0.1Gi"), json!("107374182400m")),
        ];
        for (left, right) in same {
            assert_eq!(quantity(&left), quantity(&right), "{left} {right}");
            assert!(quantity(&left).is_some(), "{left}");
        }
        for wrong in ["", "abc", "1x", "Mi", "1e99"] {
            assert_eq!(quantity(&json!(wrong)), None, "{wrong}");
        }
        assert_ne!(quantity(&json!("1G")), quantity(&json!("1Gi")));
    }

    #[test]
    fn the_text_of_a_secret_is_what_the_server_stores() {
        let given = json!({"apiVersion": "v1", "kind": "Secret", "stringData": {"a": "x"}, "data": {"b": "eQ==\n"}});
        assert_eq!(
            stored_form(&given)["data"],
            json!({"b": "eQ==", "a": "eA=="})
        );
    }
}
