//! The values of a revision that was recorded.

use serde_json::Value as Json;
use template::{Compat, Value, yaml};

use super::{Mode, coalesce_values};
use crate::model::Chart;

/// Returns all values of a revision, sorted: the user's over those of the chart, both as they stand
/// in its record. Subcharts are in no record.
///
/// Source: `CoalesceValues` as Helm's `get values --all` and `--reuse-values` call it.
pub fn recorded_values(
    defaults: Option<&Json>,
    config: &Json,
    compat: Compat,
    warnings: &mut Vec<String>,
) -> Json {
    let chart = Chart::default();
    let chart = defaults.map_or_else(|| chart.clone(), |values| chart.with_values(values));
    let config = yaml::from_json(config).as_map().unwrap_or_default();
    // Only a value under the name of a subchart can be wrong.
    let all = coalesce_values(&chart, &config, Mode::Coalesce, compat, warnings);
    yaml::to_json(&Value::Map(all.unwrap_or(config)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn values_of_a_record_are_merged_key_by_key_sorted_and_nulls_take_defaults_away() {
        let defaults = json!({"z": 1, "a": {"x": 1, "y": 2}, "l": [1], "m": {"gone": 1}});
        let config =
            json!({"m": {"gone": null, "stays": null}, "a": {"y": 3}, "l": [2, 3], "z": null});
        let all = recorded_values(Some(&defaults), &config, Compat::Helm3, &mut Vec::new());
        assert_eq!(
            all.to_string(),
            r#"{"a":{"x":1,"y":3},"l":[2,3],"m":{"stays":null}}"#
        );
        let none = recorded_values(None, &json!({}), Compat::Helm3, &mut Vec::new());
        assert_eq!(none, json!({}));
    }
}
