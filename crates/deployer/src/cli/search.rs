//! `search repo`
//!
//! Source: Helm 3.22 `cmd/helm/search_repo.go`.

use chart::repository::{Found, Index, Term, search};
use clap::{Args, Subcommand};
use serde::Serialize;
use template::expression;

use super::error::CliError;
use super::global::OutputArgs;
use super::session::Session;
use crate::output::{Format, Table};
use crate::registry::{load_index, load_repositories};

/// Search for charts
#[derive(Debug, Args)]
pub(crate) struct SearchCommand {
    #[command(subcommand)]
    place: Place,
}

#[derive(Debug, Subcommand)]
enum Place {
    Repo(SearchRepoCommand),
}

impl SearchCommand {
    pub(crate) fn run(self, session: &Session) -> Result<(), CliError> {
        match self.place {
            Place::Repo(command) => command.run(session),
        }
    }
}

/// Search the indexes of the added chart repositories
///
/// Asks no server: `repo update` fetches the indexes.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  deployer search repo fraud\n  deployer search repo ml/fraud-model --versions\n  deployer search repo fraud-model --version '^1.0.0' -o json"
)]
struct SearchRepoCommand {
    /// What to look for in names, descriptions and keywords; everything when it is left out
    #[arg(value_name = "KEYWORD")]
    words: Vec<String>,
    /// Take the keyword for a regular expression
    #[arg(short, long)]
    regexp: bool,
    /// Show every version of each chart
    #[arg(short = 'l', long)]
    versions: bool,
    /// Take prereleases too, as with --version '>0.0.0-0'
    #[arg(long)]
    devel: bool,
    /// Range of versions
    #[arg(
        long,
        default_value = "",
        hide_default_value = true,
        value_name = "RANGE"
    )]
    version: String,
    /// Width at which columns are cut; 0 cuts none
    #[arg(long, default_value_t = 50, value_name = "COLUMNS")]
    max_col_width: usize,
    /// Fail when nothing is found
    #[arg(long)]
    fail_on_no_result: bool,
    #[command(flatten)]
    output: OutputArgs,
}

#[derive(Serialize)]
struct Row<'a> {
    name: &'a str,
    version: &'a str,
    app_version: &'a str,
    description: &'a str,
}

impl<'a> From<&'a Found<'_>> for Row<'a> {
    fn from(found: &'a Found<'_>) -> Self {
        let metadata = &found.chart.metadata;
        Self {
            name: &found.name,
            version: &metadata.version,
            app_version: &metadata.app_version,
            description: &metadata.description,
        }
    }
}

impl SearchRepoCommand {
    fn run(self, session: &Session) -> Result<(), CliError> {
        let indexes = indexes(session)?;
        let words = self.words.join(" ");
        let term = match (self.words.is_empty(), self.regexp) {
            (true, _) => Term::All,
            (false, false) => Term::Text(words),
            (false, true) => Term::Expression(expression(&words).map_err(CliError::usage)?),
        };
        let range = match (self.version.as_str(), self.devel) {
            ("", true) => ">0.0.0-0",
            ("", false) => ">0.0.0",
            (range, _) => range,
        };
        let found = search(&indexes, &term, range, self.versions)
            .map_err(|error| CliError::usage(error.to_string()))?;
        let rows: Vec<Row<'_>> = found.iter().map(Row::from).collect();
        if rows.is_empty() && self.fail_on_no_result {
            return Err(CliError::usage("no results found"));
        }
        let printer = &session.printer;
        match self.output.output.format() {
            Format::Table if rows.is_empty() => Ok(printer.line("No results found")?),
            Format::Table => {
                let mut table = Table::with_cells_up_to(self.max_col_width);
                table.plain_row(&["NAME", "CHART VERSION", "APP VERSION", "DESCRIPTION"]);
                for row in &rows {
                    table.plain_row(&[row.name, row.version, row.app_version, row.description]);
                }
                Ok(printer.data(&table.render(printer))?)
            }
            Format::Json => Ok(printer.line(&chart::go::json(&rows))?),
            Format::Yaml => Ok(printer.value(Format::Yaml, &rows)?),
        }
    }
}

/// The indexes that were kept; one that is missing is told and passed over.
fn indexes(session: &Session) -> Result<Vec<(String, Index)>, CliError> {
    let places = session.global.places();
    let list = load_repositories(&places.repositories)?.unwrap_or_default();
    if list.repositories.is_empty() {
        return Err(CliError::usage("no repositories configured")
            .with_hint("add one with `deployer repo add NAME URL`"));
    }
    let mut indexes = Vec::new();
    for repository in list.repositories {
        match load_index(&places.cache, &repository.name) {
            Ok(parsed) => {
                let warn = |text: &String| session.printer.warn(text);
                parsed.skipped.iter().for_each(warn);
                indexes.push((repository.name, parsed.index));
            }
            Err(error) => {
                session.printer.warn(&format!(
                    "Repo {:?} is corrupt or missing. Try 'helm repo update'.",
                    repository.name
                ));
                session.printer.warn(&error.in_one_line());
            }
        }
    }
    Ok(indexes)
}
