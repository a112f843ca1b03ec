//! The rules for Chart.yaml.
//!
//! Source: Helm v3.22 pkg/lint/rules/chartfile.go.

use template::{
    Compat, quoted,
    semver::Version,
    yaml::{self, Data},
};

use super::{ChartFile, Findings, Severity, addresses, strict};
use crate::{load::in_words_of, metadata::Metadata};

const PATH: &str = "Chart.yaml";

pub(super) fn check(file: &ChartFile, compat: Compat, findings: &mut Findings) {
    let mut error = |text: String| findings.add(Severity::Error, PATH, text);
    let unreadable = |problem: &str| format!("unable to parse YAML\n\t{problem}");
    let text = match file {
        ChartFile::Text(text) => text,
        ChartFile::Folder(problem) => {
            error("should be a file, not a directory".to_owned());
            error(unreadable(problem));
            return;
        }
        ChartFile::Unreadable(problem) => {
            error(unreadable(problem));
            return;
        }
    };
    let mut metadata = Metadata::default();
    if let Err(problem) = metadata.apply(text) {
        error(unreadable(&in_words_of(compat, problem).to_string()));
        return;
    }
    let data = yaml::parse_data(text).unwrap_or_default();
    let is_helm4 = compat == Compat::Helm4;
    if let Some(problem) = strict::problem(&data).filter(|_| is_helm4) {
        let text = format!("failed to strictly parse chart metadata file\n\t{problem}");
        findings.add(Severity::Warning, PATH, text);
    }
    let rules = [
        (Severity::Error, name(&metadata)),
        (Severity::Error, api_version(&metadata)),
        (Severity::Error, is_text(&data, "version")),
        (Severity::Error, version(&metadata)),
        (Severity::Error, is_text(&data, "appVersion")),
        (Severity::Error, maintainers(&metadata)),
        (Severity::Error, sources(&metadata)),
        (Severity::Info, icon_is_there(&metadata)),
        (Severity::Error, icon(&metadata)),
        (Severity::Error, chart_type(&metadata)),
        (Severity::Error, dependencies(&metadata)),
    ];
    for (severity, result) in rules {
        findings.check(severity, PATH, result);
    }
    let version = &metadata.version;
    if is_helm4 && Version::parse_strict(version).is_err() {
        let text = format!("version '{version}' is not a valid SemVerV2");
        findings.add(Severity::Warning, PATH, text);
    }
}

fn fail(text: impl Into<String>) -> Result<(), String> {
    Err(text.into())
}

fn name(metadata: &Metadata) -> Result<(), String> {
    match metadata.name.as_str() {
        "" => fail("name is required"),
        "/" => Ok(()),
        name if name.contains('/') => fail(format!("chart name {} is invalid", quoted(name))),
        _ => Ok(()),
    }
}

fn api_version(metadata: &Metadata) -> Result<(), String> {
    match metadata.api_version.as_str() {
        "" => fail("apiVersion is required. The value must be either \"v1\" or \"v2\""),
        "v1" | "v2" => Ok(()),
        other => fail(format!(
            "apiVersion '{other}' is not valid. The value must be either \"v1\" or \"v2\""
        )),
    }
}

fn version(metadata: &Metadata) -> Result<(), String> {
    let text = &metadata.version;
    if text.is_empty() {
        return fail("version is required");
    }
    let Ok(version) = Version::parse(text) else {
        return fail(format!("version '{text}' is not a valid SemVer"));
    };
    let lowest = Version::parse("0.0.0-0").map_err(|error| error.to_string())?;
    if version.compare(&lowest).is_gt() {
        return Ok(());
    }
    fail(format!(
        "version {} is less than or equal to \"0.0.0-0\"",
        quoted(&version.to_string())
    ))
}

/// A number such as `1.10` loses its zero where a text is wanted, so it has to be quoted.
fn is_text(data: &Data, key: &str) -> Result<(), String> {
    let kind = match data.get(key) {
        None | Some(Data::Text(_)) => return Ok(()),
        Some(Data::Null) => "<nil>",
        Some(Data::Bool(_)) => "bool",
        Some(Data::Int(_) | Data::Uint(_) | Data::Float(_)) => "float64",
        Some(Data::List(_)) => "[]interface {}",
        Some(Data::Map(_)) => "map[string]interface {}",
    };
    fail(format!(
        "{key} should be of type string but it's of type {kind}"
    ))
}

fn maintainers(metadata: &Metadata) -> Result<(), String> {
    if metadata.has_null_maintainer {
        return fail("a maintainer entry is empty");
    }
    for maintainer in &metadata.maintainers {
        let (name, email, url) = (&maintainer.name, &maintainer.email, &maintainer.url);
        if name.is_empty() {
            return fail("each maintainer requires a name");
        }
        if !email.is_empty() && !addresses::is_email(email) {
            return fail(format!("invalid email '{email}' for maintainer '{name}'"));
        }
        if !url.is_empty() && !addresses::is_url(url) {
            return fail(format!("invalid url '{url}' for maintainer '{name}'"));
        }
    }
    Ok(())
}

fn sources(metadata: &Metadata) -> Result<(), String> {
    let is_wrong = |source: &&String| !addresses::is_request_url(source);
    match metadata.sources.iter().find(is_wrong) {
        Some(source) => fail(format!("invalid source URL '{source}'")),
        None => Ok(()),
    }
}

fn icon_is_there(metadata: &Metadata) -> Result<(), String> {
    if metadata.icon.is_empty() {
        return fail("icon is recommended");
    }
    Ok(())
}

fn icon(metadata: &Metadata) -> Result<(), String> {
    let icon = &metadata.icon;
    if icon.is_empty() || addresses::is_request_url(icon) {
        return Ok(());
    }
    fail(format!("invalid icon URL '{icon}'"))
}

fn chart_type(metadata: &Metadata) -> Result<(), String> {
    if metadata.chart_type.is_empty() || metadata.api_version == "v2" {
        return Ok(());
    }
    fail(format!(
        "chart type is not valid in apiVersion '{}'. It is valid in apiVersion 'v2'",
        metadata.api_version
    ))
}

fn dependencies(metadata: &Metadata) -> Result<(), String> {
    if metadata.dependencies.is_empty() || metadata.api_version == "v2" {
        return Ok(());
    }
    fail(format!(
        "dependencies are not valid in the Chart file with apiVersion '{}'. They are valid in apiVersion 'v2'",
        metadata.api_version
    ))
}
