//! What a gate asks for, as text for people.

use std::fmt::Write as _;

use super::text::table;
use crate::dataset::NullPolicy;
use crate::gate::file::{DecideOnName, OnInconclusiveName};
use crate::scorer::Device;
use crate::settings::{Bar, ClassCheck, LatencyCheck, MetricCheck, Settings, Subject};

/// Renders effective settings.
#[must_use]
pub fn render_settings(settings: &Settings) -> String {
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ = writeln!(text, "model    {}", settings.model);
    let _ = writeln!(text, "dataset  {}", settings.dataset);
    if let Some(champion) = &settings.champion {
        let place = champion.location.as_ref();
        let place = place.map_or_else(|| "none yet".to_owned(), ToString::to_string);
        let _ = writeln!(text, "champion {place}");
    }
    if settings.device != Device::Cpu {
        let _ = writeln!(text, "device   {}", settings.device);
    }
    if settings.selection.nulls == NullPolicy::Drop {
        let most = settings.data.expect.max_null_fraction;
        let most = most.map_or_else(String::new, |most| format!(", at most {most} of all rows"));
        let _ = writeln!(text, "nulls    dropped{most}");
    }
    for input in &settings.model_settings.inputs {
        let name = input.name.as_deref().unwrap_or("(by position)");
        let kind = if input.whole_numbers { " as int64" } else { "" };
        let _ = writeln!(text, "input    {name}: {}{kind}", input.columns.join(", "));
    }
    if let Some(classes) = &settings.classes {
        let _ = writeln!(text, "classes  {}", classes.count);
    }
    let mut rows: Vec<[String; 4]> = settings.checks.iter().map(metric_row).collect();
    let classes = settings.classes.iter();
    rows.extend(classes.flat_map(|classes| classes.checks.iter().map(class_row)));
    rows.extend(settings.latency.iter().map(latency_row));
    if let Some(most) = settings.resources.max_cold_start_ms {
        rows.push(resource_row("cold_start_ms", most));
    }
    if let Some(most) = settings.resources.max_memory_mib {
        rows.push(resource_row("model_memory_mib", most));
    }
    let head = ["check", "limit", "decided on", "if open"].map(str::to_owned);
    let _ = writeln!(text, "\n{}", table(&head, &rows).trim_end());
    text
}

fn metric_row(check: &MetricCheck) -> [String; 4] {
    let of = match check.subject {
        Subject::Model => "",
        Subject::ChangeFromChampion => "change ",
    };
    let limit = match check.bar {
        Bar::Min(minimum) => format!("{of}at least {minimum}"),
        Bar::Max(maximum) => format!("{of}at most {maximum}"),
    };
    let decided = decided(check.decide_on, check.confidence);
    [
        check.name.clone(),
        limit,
        decided,
        open(check.on_inconclusive),
    ]
}

fn class_row(check: &ClassCheck) -> [String; 4] {
    let limit = match check.bar {
        Bar::Min(minimum) => format!("at least {minimum}"),
        Bar::Max(maximum) => format!("at most {maximum}"),
    };
    let decided = decided(check.decide_on, check.confidence);
    [
        check.name.clone(),
        limit,
        decided,
        open(check.on_inconclusive),
    ]
}

fn latency_row(check: &LatencyCheck) -> [String; 4] {
    [
        check.name.clone(),
        format!("at most {} ms", check.max_ms),
        decided(check.decide_on, check.confidence),
        open(check.on_inconclusive),
    ]
}

fn resource_row(name: &str, most: f64) -> [String; 4] {
    [
        name.to_owned(),
        format!("at most {most}"),
        "the measured value".to_owned(),
        String::new(),
    ]
}

fn decided(decide_on: DecideOnName, confidence: f64) -> String {
    let percent = (confidence * 1000.0).round() / 10.0;
    match decide_on {
        DecideOnName::Point => "the point estimate".to_owned(),
        DecideOnName::LowerBound => format!("the lower {percent}% bound"),
        DecideOnName::UpperBound => format!("the upper {percent}% bound"),
    }
}

fn open(on_inconclusive: OnInconclusiveName) -> String {
    match on_inconclusive {
        OnInconclusiveName::Distinct => "inconclusive (exit 6)",
        OnInconclusiveName::Fail => "fails",
        OnInconclusiveName::Pass => "passes",
        OnInconclusiveName::Point => "the point estimate decides",
    }
    .to_owned()
}
