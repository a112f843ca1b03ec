//! Reads single settings and notes each for the report, with where it came from.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::time::Duration;

use serde_json::Value;
use verdict::report::{ConfigurationEntry, ConfigurationSource};

use super::{
    ClassSettings, Given, InputSetting, LABEL_DEFAULT, LatencyCheck, MetricCheck, Request,
    SettingsError, THREADS_DEFAULT, TIME_BUDGET_S_DEFAULT,
};
use crate::dataset::{ColumnSelection, FeatureSelection, Location, NullPolicy};
use crate::gate::file::{DatasetPart, NullsName};
use crate::gate::{Count, GateFile};
use crate::scorer::Device;
use crate::scorer::operators::{self, Denied};

/// Gathers entries for the report while values are read.
#[derive(Debug, Default)]
pub(super) struct Reader {
    pub(super) effective: BTreeMap<String, ConfigurationEntry>,
}

/// Returns what a flag or variable says, else what the gate file says.
pub(super) fn first(given: Option<&Given>, in_file: Option<&str>, key: &str) -> Option<Given> {
    given.cloned().or_else(|| {
        // An empty text is what `${VARIABLE:-}` leaves of a variable that is not set.
        in_file.filter(|text| !text.is_empty()).map(|text| Given {
            text: text.to_owned(),
            source: ConfigurationSource::File,
            name: format!("`{key}` of the gate file"),
        })
    })
}

impl Reader {
    pub(super) fn note(&mut self, key: &str, value: Value, given: Option<&Given>) {
        let source = given.map_or(ConfigurationSource::Default, |given| given.source);
        self.note_from(key, value, source);
    }

    pub(super) fn note_default(&mut self, key: &str, value: Value) {
        self.note_from(key, value, ConfigurationSource::Default);
    }

    fn note_from(&mut self, key: &str, value: Value, source: ConfigurationSource) {
        self.effective
            .insert(key.to_owned(), ConfigurationEntry { value, source });
    }

    /// Notes the limit that a variable means, where there is one.
    pub(super) fn note_limit(&mut self, key: &str, limit: Option<(f64, ConfigurationSource)>) {
        if let Some((value, source)) = limit {
            self.note_from(key, value.into(), source);
        }
    }

    /// Notes the gate file as it was expanded, and what became of its checks.
    pub(super) fn note_file(
        &mut self,
        file: &GateFile,
        checks: &[MetricCheck],
        classes: Option<&ClassSettings>,
        latency: &[LatencyCheck],
    ) {
        let source = ConfigurationSource::File;
        // Plain values with text keys cannot fail to become JSON.
        let json = |value: Result<Value, _>| value.unwrap_or_default();
        self.note_from("gate_file", json(serde_json::to_value(file)), source);
        let checks = match classes {
            Some(classes) => json(serde_json::to_value(&classes.checks)),
            None => json(serde_json::to_value(checks)),
        };
        self.note_from("checks", checks, source);
        self.note_from("latency", json(serde_json::to_value(latency)), source);
    }

    pub(super) fn location(
        &mut self,
        key: &str,
        given: Option<Given>,
        absent: SettingsError,
    ) -> Result<Location, SettingsError> {
        let given = given.ok_or(absent)?;
        let location = Location::parse(&given.text).map_err(|source| SettingsError::Location {
            name: given.name.clone(),
            source,
        })?;
        self.note(key, location.to_string().into(), Some(&given));
        Ok(location)
    }

    pub(super) fn threads(
        &mut self,
        request: &Request,
        in_file: Option<Count>,
    ) -> Result<usize, SettingsError> {
        let in_file = in_file.map(|count| count.0.to_string());
        let given = first(
            request.threads.as_ref(),
            in_file.as_deref(),
            "model.threads",
        );
        let expected = "a number of threads from 1 to 1024";
        let threads = count(given.as_ref(), 1..=1024, expected)?.unwrap_or(THREADS_DEFAULT as u64);
        self.note("threads", threads.into(), given.as_ref());
        Ok(threads as usize)
    }

    /// Reads where the model runs; noted only where somebody says so, for gates that never did
    /// keep their digest.
    pub(super) fn device(
        &mut self,
        request: &Request,
        in_file: Option<&str>,
    ) -> Result<Device, SettingsError> {
        let Some(given) = first(request.device.as_ref(), in_file, "model.device") else {
            return Ok(Device::Cpu);
        };
        let device = given.text.parse().map_err(|()| SettingsError::Number {
            name: given.name.clone(),
            text: given.text.clone(),
            expected: "`cpu`, `cuda` or `cuda:N`",
        })?;
        self.note("device", given.text.clone().into(), Some(&given));
        Ok(device)
    }

    /// Reads what becomes of rows with nulls; noted only where somebody says so, for gates that never
    /// did keep their digest.
    pub(super) fn nulls(
        &mut self,
        request: &Request,
        in_file: Option<NullsName>,
    ) -> Result<NullPolicy, SettingsError> {
        let in_file = in_file.map(|name| match name {
            NullsName::Refuse => "refuse",
            NullsName::Drop => "drop",
        });
        let Some(given) = first(request.nulls.as_ref(), in_file, "dataset.nulls") else {
            return Ok(NullPolicy::Refuse);
        };
        let policy = match given.text.as_str() {
            "refuse" => NullPolicy::Refuse,
            "drop" => NullPolicy::Drop,
            _ => {
                return Err(SettingsError::Number {
                    name: given.name.clone(),
                    text: given.text.clone(),
                    expected: "`refuse` or `drop`",
                });
            }
        };
        self.note("nulls", given.text.clone().into(), Some(&given));
        Ok(policy)
    }

    /// Takes the columns of several inputs for the features, which nothing else may name then.
    pub(super) fn inputs(
        &mut self,
        request: &Request,
        part: &DatasetPart,
        inputs: &[InputSetting],
    ) -> Result<FeatureSelection, SettingsError> {
        let flags = [&request.features, &request.ignore_columns];
        let flag = flags.into_iter().flatten().next();
        let other = flag.map(|given| given.name.clone()).or_else(|| {
            part.features
                .as_ref()
                .map(|_| "`dataset.features`".to_owned())
        });
        if let Some(other) = other {
            return Err(SettingsError::Gate {
                key: "model.inputs".into(),
                problem: format!(
                    "it names the columns of every input, and so does {other}; leave one out"
                ),
            });
        }
        let columns: Vec<String> = inputs
            .iter()
            .flat_map(|input| input.columns.iter().cloned())
            .collect();
        self.note_from(
            "features",
            columns.clone().into(),
            ConfigurationSource::File,
        );
        Ok(FeatureSelection::Inputs(columns))
    }

    /// Reads which operators no model may call.
    pub(super) fn denied(&mut self, request: &Request) -> Result<Vec<Denied>, SettingsError> {
        let given = request.deny_operators.as_ref();
        let text = given.map_or(operators::DENIED, |given| given.text.as_str());
        let denied = operators::parse(text).ok_or_else(|| SettingsError::Number {
            name: given.map_or_else(String::new, |given| given.name.clone()),
            text: text.to_owned(),
            expected: "operators such as `aten::from_file` or `rpc::*`, separated by commas",
        })?;
        self.note("deny_operators", text.into(), given);
        Ok(denied)
    }

    /// Reads what a flag or variable says about the time for timed calls.
    pub(super) fn time_budget(
        &mut self,
        request: &Request,
    ) -> Result<Option<Duration>, SettingsError> {
        let given = request.time_budget.as_ref();
        let expected = "a number of seconds from 1 to 86400";
        let seconds = count(given, 1..=86_400, expected)?;
        self.note(
            "time_budget_s",
            seconds.unwrap_or(TIME_BUDGET_S_DEFAULT).into(),
            given,
        );
        Ok(seconds.map(Duration::from_secs))
    }

    pub(super) fn selection(
        &mut self,
        request: &Request,
        part: &DatasetPart,
    ) -> Result<ColumnSelection, SettingsError> {
        let label = first(
            request.label.as_ref(),
            part.label.as_deref(),
            "dataset.label",
        );
        if let Some(given) = label.as_ref().filter(|given| given.text.trim().is_empty()) {
            return Err(SettingsError::Columns {
                name: given.name.clone(),
                text: given.text.clone(),
            });
        }
        let name = label
            .as_ref()
            .map_or_else(|| LABEL_DEFAULT.to_owned(), |given| given.text.clone());
        self.note("label", name.clone().into(), label.as_ref());
        let (named, named_from) = names(
            request.features.as_ref(),
            part.features
                .as_ref()
                .and_then(|part| part.columns.as_ref()),
            "dataset.features.columns",
        )?;
        let (excluded, excluded_from) = names(
            request.ignore_columns.as_ref(),
            part.features
                .as_ref()
                .and_then(|part| part.exclude.as_ref()),
            "dataset.features.exclude",
        )?;
        let shown = named
            .clone()
            .map_or("every numeric column".into(), Into::into);
        self.note_from("features", shown, named_from);
        if let Some(excluded) = &excluded {
            self.note_from("ignore_columns", excluded.clone().into(), excluded_from);
        }
        let features = match (named, excluded) {
            // A flag or variable replaces the other way of the file.
            (Some(named), Some(_)) if (named_from as u8) < excluded_from as u8 => {
                FeatureSelection::Named(named)
            }
            (Some(_), Some(excluded)) if (excluded_from as u8) < named_from as u8 => {
                FeatureSelection::AllBut(excluded)
            }
            (Some(_), Some(_)) => return Err(SettingsError::FeaturesAndIgnored),
            (Some(names), None) => FeatureSelection::Named(names),
            (None, excluded) => FeatureSelection::AllBut(excluded.unwrap_or_default()),
        };
        Ok(ColumnSelection::new(name, features))
    }
}

fn count(
    given: Option<&Given>,
    range: RangeInclusive<u64>,
    expected: &'static str,
) -> Result<Option<u64>, SettingsError> {
    let Some(given) = given else { return Ok(None) };
    let value = given.text.trim().parse().ok();
    value
        .filter(|value| range.contains(value))
        .map(Some)
        .ok_or_else(|| SettingsError::Number {
            name: given.name.clone(),
            text: given.text.clone(),
            expected,
        })
}

/// Reads names of columns from a flag or variable, else from the file.
fn names(
    given: Option<&Given>,
    in_file: Option<&Vec<String>>,
    key: &str,
) -> Result<(Option<Vec<String>>, ConfigurationSource), SettingsError> {
    let (name, names, source) = match (given, in_file) {
        (Some(given), _) => (
            given.name.clone(),
            given
                .text
                .split(',')
                .map(|name| name.trim().to_owned())
                .collect(),
            given.source,
        ),
        (None, Some(names)) => (
            format!("`{key}` of the gate file"),
            names.clone(),
            ConfigurationSource::File,
        ),
        (None, None) => return Ok((None, ConfigurationSource::Default)),
    };
    let names: Vec<String> = names;
    if names.is_empty() || names.iter().any(|name| name.trim().is_empty()) {
        return Err(SettingsError::Columns {
            name,
            text: names.join(","),
        });
    }
    Ok((Some(names), source))
}
