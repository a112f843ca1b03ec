//! `repo list`

use clap::Args;
use serde::Serialize;

use super::super::error::CliError;
use super::super::global::OutputArgs;
use super::super::session::Session;
use super::no_repositories;
use crate::output::{Format, Table};
use crate::registry::load_repositories;

/// List the chart repositories
#[derive(Debug, Args)]
#[command(visible_alias = "ls")]
pub(crate) struct ListCommand {
    /// No heading
    #[arg(long)]
    no_headers: bool,
    #[command(flatten)]
    output: OutputArgs,
}

#[derive(Serialize)]
struct Row<'a> {
    name: &'a str,
    url: &'a str,
}

impl ListCommand {
    pub(crate) fn run(self, session: &Session) -> Result<(), CliError> {
        let places = session.global.places();
        let list = load_repositories(&places.repositories)?.unwrap_or_default();
        let rows: Vec<Row<'_>> = list
            .repositories
            .iter()
            .map(|entry| Row {
                name: &entry.name,
                url: &entry.url,
            })
            .collect();
        match self.output.output.format() {
            Format::Table if rows.is_empty() => Err(no_repositories("no repositories to show")),
            Format::Table => {
                let mut table = match self.no_headers {
                    true => Table::default(),
                    false => Table::with_heading(&["NAME", "URL"]),
                };
                rows.iter()
                    .for_each(|row| table.plain_row(&[row.name, row.url]));
                Ok(session.printer.data(&table.render(&session.printer))?)
            }
            Format::Json => Ok(session.printer.line(&chart::go::json(&rows))?),
            Format::Yaml => Ok(session.printer.value(Format::Yaml, &rows)?),
        }
    }
}
