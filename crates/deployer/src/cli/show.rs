//! `show chart|values|readme|crds|all`

use chart::jsonpath::JsonPathError;
use chart::show::{Part, show};
use clap::{Args, Subcommand};

use super::arguments::{CompatArgs, OriginArgs};
use super::error::CliError;
use super::locate::locate_chart;
use super::session::Session;

/// Show information of a chart
#[derive(Debug, Args)]
#[command(
    alias = "inspect",
    after_help = "Examples:\n  deployer show values ./charts/fraud-model\n  deployer show chart oci://registry.example.com/charts/fraud-model --version 1.4.2\n  deployer show values ./charts/fraud-model --jsonpath '{.model.path}'"
)]
pub(crate) struct ShowCommand {
    #[command(subcommand)]
    part: ShowPart,
}

#[derive(Debug, Subcommand)]
enum ShowPart {
    /// Show the chart's values, its definition, its README and its CRDs
    #[command(after_help = "Examples:\n  deployer show all ./charts/fraud-model")]
    All(Which),
    /// Show the chart's definition
    #[command(after_help = "Examples:\n  deployer show chart ./charts/fraud-model")]
    Chart(Which),
    /// Show the chart's values, with their comments
    #[command(
        after_help = "Examples:\n  deployer show values ./charts/fraud-model > values-prod.yaml\n  deployer show values ./charts/fraud-model --jsonpath '{.gate.minimumAuc}'"
    )]
    Values {
        /// Print only what this JSONPath template, as of kubectl, finds in the values
        #[arg(long, value_name = "TEMPLATE")]
        jsonpath: Option<String>,
        #[command(flatten)]
        which: Which,
    },
    /// Show the chart's README
    #[command(after_help = "Examples:\n  deployer show readme ./charts/fraud-model")]
    Readme(Which),
    /// Show the chart's custom resource definitions
    #[command(after_help = "Examples:\n  deployer show crds ./charts/fraud-model")]
    Crds(Which),
}

#[derive(Debug, Args)]
struct Which {
    /// Folder, archive, or name of the chart in a repository or registry
    #[arg(value_name = "CHART")]
    chart: String,
    #[command(flatten)]
    source: OriginArgs,
    #[command(flatten)]
    compat: CompatArgs,
}

impl ShowCommand {
    pub(crate) async fn run(self, session: &Session) -> Result<(), CliError> {
        let (part, which, jsonpath) = match self.part {
            ShowPart::All(which) => (Part::All, which, None),
            ShowPart::Chart(which) => (Part::Chart, which, None),
            ShowPart::Values { jsonpath, which } => (Part::Values, which, jsonpath),
            ShowPart::Readme(which) => (Part::Readme, which, None),
            ShowPart::Crds(which) => (Part::CustomResources, which, None),
        };
        let path = locate_chart(session, &which.chart, &which.source).await?;
        let chart =
            chart::load_as(&path, which.compat.get()).map_err(|source| CliError::Chart {
                reference: which.chart.clone(),
                source,
            })?;
        let text = match jsonpath.as_deref().filter(|template| !template.is_empty()) {
            None => show(&chart, part, which.compat.get()),
            Some(template) => match chart::jsonpath::print(template, &chart) {
                Ok(text) => text,
                Err(JsonPathError::Parse(problem)) => {
                    return Err(CliError::usage(format!(
                        "error parsing jsonpath {template}: {problem}"
                    ))
                    .with_hint("write it as '{.gate.minimumAuc}'"));
                }
                // Helm prints nothing then, and is content.
                Err(error @ JsonPathError::Walk(_)) => {
                    session
                        .printer
                        .warn(&format!("jsonpath {template}: {error}"));
                    String::new()
                }
            },
        };
        Ok(session.printer.data(&text)?)
    }
}
