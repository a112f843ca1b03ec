//! `dependency list`

use std::path::PathBuf;

use clap::Args;

use super::super::error::CliError;
use super::super::session::Session;
use crate::output::Table;
use crate::registry::list_dependencies;

/// List the dependencies of a chart, and whether they are there
#[derive(Debug, Args)]
#[command(visible_alias = "ls")]
pub(crate) struct ListCommand {
    /// The chart: a folder or a .tgz file
    #[arg(default_value = ".", value_name = "CHART")]
    chart: PathBuf,
    /// Width at which columns are cut; 0 cuts none
    #[arg(long, default_value_t = 80, value_name = "COLUMNS")]
    max_col_width: usize,
}

impl ListCommand {
    pub(crate) fn run(self, session: &Session) -> Result<(), CliError> {
        let listing = list_dependencies(&self.chart)?;
        let mut text = String::new();
        if !listing.dependencies.is_empty() {
            let mut table = Table::with_cells_up_to(self.max_col_width);
            table.plain_row(&["NAME", "VERSION", "REPOSITORY", "STATUS"]);
            for (dependency, status) in &listing.dependencies {
                let repository = dependency.repository.as_str();
                table.plain_row(&[&dependency.name, &dependency.version, repository, status]);
            }
            text = format!("{}\n", table.render(&session.printer));
        }
        for warning in &listing.warnings {
            text.push_str(&format!("{warning}\n"));
        }
        Ok(session.printer.data(&text)?)
    }
}
