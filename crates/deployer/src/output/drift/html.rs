//! One page that needs no other file, for mail and dashboards.

use super::words::{apart, cell, component, explanation, place, problems, sections, value};
use crate::environment::drift::{CellState, Difference, Drift};

const STYLE: &str = "body{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:75rem;padding:0 1rem;color:#1b1b1f;background:#fff}\
table{border-collapse:collapse;width:100%;margin:.5rem 0 2rem}th,td{border:1px solid #c9ccd3;padding:.35rem .6rem;text-align:left;vertical-align:top}\
h2{font-size:1.2rem}th{background:#f2f3f6}td{overflow-wrap:anywhere}.list td:first-child{overflow-wrap:normal}.matrix{overflow-x:auto}.matrix td{white-space:nowrap}\
code{font-size:.9em}dl{margin:0;display:grid;grid-template-columns:max-content 1fr;gap:0 .6rem}dd{margin:0}dt,.why{color:#5b5f68}.same{color:#0a6b2d}.absent{color:#6b6f78}\
.differs{background:#fff4d6}.missing,.edited,.behind,.unreachable{background:#fde3e1}\
@media(max-width:45rem){.list tr,.list td{display:block}.list tr:first-child,.list td:empty{display:none}\
.list td{border:0}.list tr{border:1px solid #c9ccd3;margin-bottom:.7rem}.list td:first-child{font-weight:bold}}\
@media(prefers-color-scheme:dark){body{color:#e6e6ea;background:#16171b}th{background:#24262c}th,td,.list tr{border-color:#3d4048}dt,.why{color:#9a9ea8}\
.same{color:#6fd08c}.absent{color:#9a9ea8}.differs{background:#4a3c12}.missing,.edited,.behind,.unreachable{background:#552321}}";

/// Writes the page.
pub fn html(drift: &Drift) -> String {
    let moment = drift.at.to_rfc3339_opts(chrono::SecondsFormat::Secs, true);
    let mut body = format!(
        "<h1>Drift</h1>\n<p>{moment}</p>\n<div class=\"matrix\"><table>\n<tr><th>component</th>"
    );
    for row in &drift.environments {
        body.push_str(&format!("<th>{}</th>", escaped(&row.name)));
    }
    body.push_str("</tr>\n");
    for row in &drift.components {
        let name = component(&row.release, row.component.as_deref());
        body.push_str(&format!("<tr><td>{}</td>", escaped(&name)));
        for one in &row.cells {
            body.push_str(&format!(
                "<td class=\"{}\">{}</td>",
                class(one.state),
                cell(one)
            ));
        }
        body.push_str("</tr>\n");
    }
    body.push_str("</table></div>\n");
    for (name, problem) in problems(drift) {
        body.push_str(&format!(
            "<p><b>{}</b>: {}</p>\n",
            escaped(name),
            escaped(problem)
        ));
    }
    for (heading, found) in sections(drift).chain(apart(drift)) {
        body.push_str(&section(drift, heading, &found));
    }
    if !drift.is_drift() {
        body.push_str("<p class=\"same\">No drift.</p>\n");
    }
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">\
         <title>Drift</title><style>{STYLE}</style></head>\n<body>\n{body}</body>\n</html>\n"
    )
}

fn class(state: CellState) -> &'static str {
    match state {
        CellState::Unreachable => "unreachable",
        CellState::Missing => "missing",
        CellState::Edited => "edited",
        CellState::Behind => "behind",
        CellState::Differs => "differs",
        CellState::Same => "same",
        CellState::Absent => "absent",
    }
}

fn section(drift: &Drift, heading: &str, found: &[&Difference]) -> String {
    if found.is_empty() {
        return String::new();
    }
    let mut text = format!(
        "<h2>{heading}</h2>\n<table class=\"list\">\n<tr><th>where</th><th>what</th><th>field</th><th>values</th><th>by whom, since when</th></tr>\n"
    );
    for difference in found {
        let name = component(&difference.release, difference.component.as_deref());
        let what = format!("{name}: {}", difference.subject());
        let cells = [
            escaped(&place(difference)),
            escaped(&what),
            field(difference),
            sides(difference),
        ];
        text.push_str("<tr>");
        for cell in cells {
            text.push_str(&format!("<td>{cell}</td>"));
        }
        let why = escaped(&explanation(difference, drift));
        text.push_str(&format!("<td class=\"why\">{why}</td>"));
        text.push_str("</tr>\n");
    }
    text.push_str("</table>\n");
    text
}

/// The path, which may be broken before each of its parts.
fn field(difference: &Difference) -> String {
    let Some(path) = &difference.field else {
        return String::new();
    };
    let path = escaped(path).replace('.', "<wbr>.").replace('[', "<wbr>[");
    format!("<code>{path}</code>")
}

/// What each side has, one below the other.
fn sides(difference: &Difference) -> String {
    let mut text = String::from("<dl>");
    for (label, shown) in &difference.values {
        let (label, shown) = (escaped(label), escaped(&value(shown)));
        text.push_str(&format!("<dt>{label}</dt><dd>{shown}</dd>"));
    }
    text + "</dl>"
}

fn escaped(text: &str) -> String {
    let text = text
        .replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;");
    text.replace('"', "&quot;")
}
