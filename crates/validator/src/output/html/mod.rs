//! The report as one page that needs no other file, no script and no network.

mod forest;
mod plot;
#[cfg(test)]
mod tests;

use std::fmt::Write as _;

use plot::{Plot, Scale};
use verdict::report::{Check, CurvesSection, LatencySection, NullsSection, Outcome, Report};

use super::escape::xml;
use super::numbers::{bytes, count, milliseconds};
use super::text::{cells, deciding, display_name, how};

/// At most this many checks are listed; the full report has them all.
const CHECKS_MAX: usize = 500;
/// At most this many measurements of latency are plotted.
const LATENCIES_MAX: usize = 6;
/// At most this many warnings and settings are listed.
const LINES_MAX: usize = 100;
/// At most this many characters of a setting are shown.
const SETTING_CHARACTERS_MAX: usize = 400;

/// Renders a report, verdict or not.
#[must_use]
pub fn render_html(report: &Report) -> String {
    let brief = &report.brief;
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ = writeln!(
        text,
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n<title>Model gate: {}</title>\n<style>\n{}</style>\n</head>\n<body>\n<main>",
        brief.outcome,
        include_str!("page.css")
    );
    let _ = head(&mut text, report);
    let _ = checks(&mut text, report);
    text.push_str(&forest::slices(&brief.checks));
    text.push_str(&forest::champion(&brief.checks));
    let _ = plots(&mut text, report);
    let _ = details(&mut text, report);
    text.push_str("</main>\n</body>\n</html>\n");
    text
}

fn head(text: &mut String, report: &Report) -> std::fmt::Result {
    let brief = &report.brief;
    writeln!(text, "<h1>Model gate</h1>")?;
    writeln!(
        text,
        "<p class=\"soft\">{} · {:.1} s · validator {}</p>",
        xml(&brief.started_at),
        brief.duration_s,
        xml(&brief.validator_version)
    )?;
    writeln!(
        text,
        "<div class=\"verdict {0}\"><b>{0}</b><ul>",
        brief.outcome
    )?;
    for line in brief.reasons.iter().take(LINES_MAX) {
        writeln!(text, "<li>{}</li>", xml(line))?;
    }
    for line in &brief.hints {
        writeln!(text, "<li class=\"soft\">{}</li>", xml(line))?;
    }
    writeln!(text, "</ul></div>")
}

fn checks(text: &mut String, report: &Report) -> std::fmt::Result {
    let checks = &report.brief.checks;
    if checks.is_empty() {
        return Ok(());
    }
    writeln!(
        text,
        "<h2>Checks</h2>\n<table class=\"checks\">\n<tr><th>check</th><th>value</th><th>bounds</th><th>limit</th><th>decided on</th><th></th></tr>"
    )?;
    for check in checks.iter().take(CHECKS_MAX) {
        let [name, value, bounds, limit] = cells(check).map(|cell| xml(&cell));
        let bounds = match check.lower_bound.or(check.upper_bound) {
            None => String::new(),
            Some(_) => format!(
                "{bounds} <span class=\"soft\">{}%</span>",
                percent(check.confidence)
            ),
        };
        writeln!(
            text,
            "<tr><td>{name}</td><td>{value}</td><td>{bounds}</td><td>{limit}</td><td>{}</td><td class=\"{1}\">{1}</td></tr>",
            xml(&deciding(check)),
            check.outcome
        )?;
    }
    writeln!(text, "</table>")?;
    if checks.len() > CHECKS_MAX {
        writeln!(
            text,
            "<p class=\"soft\">{} more are in the full report.</p>",
            checks.len() - CHECKS_MAX
        )?;
    }
    Ok(())
}

fn percent(confidence: f64) -> f64 {
    (confidence * 1000.0).round() / 10.0
}

fn figure(title: &str, plot: &str) -> String {
    format!(
        "<figure><figcaption>{}</figcaption>\n{plot}</figure>\n",
        xml(title)
    )
}

fn plots(text: &mut String, report: &Report) -> std::fmt::Result {
    let mut figures = String::new();
    if let Some(curves) = &report.curves {
        figures.push_str(&of_curves(curves, report));
    }
    for (latency, check) in report.latencies().take(LATENCIES_MAX) {
        if latency.samples > 0 {
            let title = capitalised(&display_name(&check.metric));
            figures.push_str(&figure(&title, &of_latency(latency, check)));
        }
    }
    if figures.is_empty() {
        return Ok(());
    }
    writeln!(
        text,
        "<h2>Curves</h2>\n<div class=\"plots\">\n{figures}</div>"
    )
}

const UNIT: Scale = Scale::Linear { from: 0.0, to: 1.0 };

fn of_curves(curves: &CurvesSection, report: &Report) -> String {
    let mut roc = Plot::new(UNIT, UNIT);
    roc.line([(0.0, 0.0), (1.0, 1.0)].into_iter(), "chance");
    roc.line(
        curves.roc.points.iter().map(|point| (point.x, point.y)),
        "curve",
    );
    let mut both = Plot::new(UNIT, UNIT);
    let share = report.metrics.as_ref().map_or(0.0, |metrics| {
        metrics.positives as f64 / metrics.rows.max(1) as f64
    });
    both.line([(0.0, share), (1.0, share)].into_iter(), "chance");
    let points = curves.precision_recall.points.iter();
    both.line(points.map(|point| (point.x, point.y)), "curve");
    let mut calibration = Plot::new(UNIT, UNIT);
    calibration.line([(0.0, 0.0), (1.0, 1.0)].into_iter(), "chance");
    let bins = curves.calibration.bins.iter().filter(|bin| bin.mass > 0.0);
    let all: f64 = bins.clone().map(|bin| bin.mass).sum();
    let place =
        |bin: &verdict::metric::CalibrationBin| (bin.probability_mean, bin.positive / bin.mass);
    calibration.line(bins.clone().map(place), "curve");
    for bin in bins {
        let (predicted, observed) = place(bin);
        let about = format!(
            "{} rows: predicted {predicted:.3}, observed {observed:.3}",
            bin.mass
        );
        calibration.dot(
            predicted,
            observed,
            2.5 + 6.0 * (bin.mass / all).sqrt(),
            &about,
        );
    }
    let area = report
        .metrics
        .as_ref()
        .map_or(f64::NAN, |metrics| metrics.auc.value);
    [
        figure(
            &format!("ROC, area {area:.4}"),
            &roc.finish("ROC curve", "false-positive rate", "true-positive rate"),
        ),
        figure(
            "Precision and recall",
            &both.finish("precision-recall curve", "recall", "precision"),
        ),
        figure(
            &format!("Calibration, error {:.4}", curves.calibration.error),
            &calibration.finish("calibration", "predicted probability", "observed frequency"),
        ),
    ]
    .concat()
}

/// Bars of the timed calls over a logarithmic axis, with p99 and the limit where it is near.
fn of_latency(latency: &LatencySection, check: &Check) -> String {
    let limit = check.maximum;
    let from = (latency.minimum_ms / 1.2).max(1e-6);
    let largest = latency.maximum_ms.max(from * 1.5) * 1.2;
    // A limit far off would squeeze everything into a corner.
    let shown = limit.filter(|&limit| limit < largest * 1000.0);
    let to = shown.map_or(largest, |limit| largest.max(limit * 1.3));
    let bins = 48;
    let edge = |index: usize| from * (to / from).powf(index as f64 / bins as f64);
    let mut counts = vec![0u64; bins];
    for &(lower_us, upper_us, calls) in &latency.histogram_us {
        let middle = f64::midpoint(lower_us, upper_us) / 1e3;
        let share = (middle / from).ln() / (to / from).ln();
        let index = ((share * bins as f64) as usize).min(bins - 1);
        counts[index] += calls;
    }
    let highest = counts.iter().copied().max().unwrap_or(1).max(1) as f64;
    let mut plot = Plot::new(
        Scale::Logarithmic { from, to },
        // A tail of single calls would not show beside thousands in proportion.
        Scale::Logarithmic {
            from: 0.5,
            to: highest.max(10.0),
        },
    );
    for (index, &calls) in counts.iter().enumerate().filter(|(_, calls)| **calls > 0) {
        let (lower, upper) = (edge(index), edge(index + 1));
        let about = format!(
            "{} to {}: {} calls",
            milliseconds(lower),
            milliseconds(upper),
            count(calls)
        );
        plot.bar((lower, upper), calls as f64, &about);
    }
    if let Some(value) = check.value {
        let name = display_name(&check.metric);
        let name = name.split(' ').nth(1).unwrap_or_default();
        plot.mark(value, &format!("{name} {}", milliseconds(value)), "value");
    }
    if let Some(limit) = shown {
        plot.mark(limit, &format!("limit {limit} ms"), "limit");
    }
    plot.finish("latency of timed calls", "milliseconds", "calls")
}

fn details(text: &mut String, report: &Report) -> std::fmt::Result {
    let mut rows: Vec<(&str, String)> = Vec::new();
    if let Some(model) = &report.model {
        rows.push(("model", xml(&model.uri)));
        rows.push((
            "",
            format!(
                "<code>{}</code>, {}",
                xml(&model.sha256),
                bytes(model.bytes)
            ),
        ));
    } else if let Some(uri) = &report.brief.model.uri {
        rows.push(("model", xml(uri)));
    }
    if let Some(champion) = &report.champion {
        rows.push(("champion", xml(&champion.uri)));
        let about = bytes(champion.bytes);
        rows.push((
            "",
            format!("<code>{}</code>, {about}", xml(&champion.sha256)),
        ));
    }
    if let Some(dataset) = &report.dataset {
        rows.push(("dataset", xml(&dataset.uri)));
        let digest = dataset.digest.as_deref().unwrap_or("not read to the end");
        let about = format!(
            "{} {}, {}",
            count(dataset.files_total),
            if dataset.files_total == 1 {
                "file"
            } else {
                "files"
            },
            bytes(dataset.bytes_total)
        );
        rows.push(("", format!("<code>{}</code>, {about}", xml(digest))));
    }
    if let Some(metrics) = &report.metrics {
        let rows_text = [metrics.rows, metrics.positives, metrics.negatives].map(count);
        rows.push((
            "rows",
            format!(
                "{} ({} positive, {} negative)",
                rows_text[0], rows_text[1], rows_text[2]
            ),
        ));
    }
    if let Some(nulls) = report
        .dataset
        .iter()
        .find_map(|dataset| dataset.nulls.as_ref())
    {
        rows.push(("dropped for nulls", of_nulls(nulls)));
    }
    if let Some(classes) = &report.multiclass {
        rows.push((
            "rows",
            format!(
                "{} of {} classes",
                count(classes.rows),
                classes.rows_by_class.len()
            ),
        ));
        rows.push(("outputs", format!("{:?}", classes.output).to_lowercase()));
        let loss = classes
            .log_loss
            .map_or_else(|| "infinite".to_owned(), |loss| format!("{loss:.4}"));
        rows.push((
            "all metrics",
            format!(
                "auc_ovr {:.4} (weighted {:.4}), auc_ovo {:.4} (weighted {:.4}), log_loss {loss}, brier {:.4}, accuracy {:.4}",
                classes.auc_ovr_macro,
                classes.auc_ovr_weighted,
                classes.auc_ovo_macro,
                classes.auc_ovo_weighted,
                classes.brier,
                classes.accuracy
            ),
        ));
        let by_class = classes
            .auc_by_class
            .iter()
            .zip(&classes.rows_by_class)
            .enumerate();
        let by_class: Vec<String> = by_class
            .take(LINES_MAX)
            .map(|(class, (area, rows))| format!("{class}: {area:.4} ({} rows)", count(*rows)))
            .collect();
        rows.push(("area by class", by_class.join(", ")));
    }
    if let Some(curves) = &report.curves {
        let word = format!("{:?}", curves.output).to_lowercase();
        rows.push(("outputs", word));
    }
    for latency in report.latency.iter().chain(&report.latency_further) {
        let all: Vec<String> = latency
            .quantiles
            .iter()
            .map(|entry| {
                let percentile = (entry.quantile * 1e5).round() / 1e3;
                format!("p{percentile} {}", milliseconds(entry.value_ms))
            })
            .collect();
        rows.push((
            "latency",
            format!(
                "{} ({} calls, {})",
                all.join(", "),
                count(latency.samples),
                how(latency)
            ),
        ));
    }
    rows.extend(start(report).map(|start| ("start", start)));
    writeln!(text, "<h2>What was judged</h2>\n<table>")?;
    for (name, value) in rows {
        writeln!(
            text,
            "<tr><th>{name}</th><td class=\"place\">{value}</td></tr>"
        )?;
    }
    writeln!(text, "</table>")?;
    if !report.warnings.is_empty() {
        writeln!(text, "<h2>To keep in mind</h2>\n<ul>")?;
        for warning in report.warnings.iter().take(LINES_MAX) {
            writeln!(text, "<li>{}</li>", xml(warning))?;
        }
        writeln!(text, "</ul>")?;
    }
    writeln!(
        text,
        "<details><summary>Effective settings</summary>\n<table>"
    )?;
    for (key, entry) in report.configuration.iter().take(LINES_MAX) {
        let value = entry.value.to_string();
        let mut shown: String = value.chars().take(SETTING_CHARACTERS_MAX).collect();
        if shown.len() < value.len() {
            shown.push('…');
        }
        let source = format!("{:?}", entry.source).to_lowercase();
        writeln!(
            text,
            "<tr><th>{}</th><td><code>{}</code></td><td class=\"soft\">{source}</td></tr>",
            xml(key),
            xml(&shown)
        )?;
    }
    writeln!(text, "</table></details>")
}

/// Says how long the model took to answer for the first time, and what memory its process took.
fn start(report: &Report) -> Option<String> {
    let latency = report.latency.as_ref()?;
    let (load, call) = latency.model_load_ms.zip(latency.first_call_ms)?;
    let memory = report.environment.scorer_resident_bytes_max;
    let memory = memory.map(|most| format!("; memory up to {}", bytes(most)));
    Some(format!(
        "{}: loading {}, first call {}{}",
        milliseconds(load + call),
        milliseconds(load),
        milliseconds(call),
        memory.unwrap_or_default()
    ))
}

fn capitalised(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().map(|first| first.to_uppercase().to_string());
    first.unwrap_or_default() + letters.as_str()
}

fn of_nulls(nulls: &NullsSection) -> String {
    let columns = nulls.columns.iter().take(LINES_MAX);
    let columns: Vec<String> = columns
        .map(|column| {
            format!(
                "<code>{}</code> ({})",
                xml(&column.name),
                count(column.rows)
            )
        })
        .collect();
    if columns.is_empty() {
        return "0 rows".to_owned();
    }
    format!(
        "{} rows, in {}",
        count(nulls.rows_dropped),
        columns.join(", ")
    )
}

/// Tells whether a check is shown as one that did not pass.
fn is_open(outcome: Outcome) -> bool {
    outcome != Outcome::Pass
}
