//! `install`

use std::sync::Arc;

use clap::Args;

use super::change::{ChangeArgs, Upkeep};
use super::dry_run::dry_run_mode;
use super::error::CliError;
use super::global::OutputArgs;
use super::options::crd_policy;
use super::session::{Session, Work};
use crate::action::{InstallOptions, install};
use crate::release::ReleaseName;

/// Install a chart
///
/// Renders the chart, runs its pre-install hooks (the gate), creates the objects, waits for them
/// if asked to, and records the release as Helm does. With --atomic a failed install is removed
/// again; its logs and its verdict stay visible in `history`.
#[derive(Debug, Args)]
#[command(
    override_usage = "deployer install [NAME] <CHART> [OPTIONS]",
    after_help = "Examples:\n  deployer install fraud-model ./charts/fraud-model -n prod --create-namespace --atomic\n  deployer install fraud-model ./charts/fraud-model -f values-prod.yaml --set image.tag=1.4.0\n  deployer install ./charts/fraud-model --generate-name --dry-run=client\n  deployer install fraud-model ./charts/fraud-model --target dir:./deployed --hooks local --hook-env MODEL_PATH=./champion.pt"
)]
pub(crate) struct InstallCommand {
    /// Name of the release, then the chart; the chart alone with --generate-name
    #[arg(value_name = "NAME CHART", required = true, num_args = 1..=2)]
    names: Vec<String>,
    /// Make a name up from the chart's and the time
    #[arg(short, long)]
    generate_name: bool,
    /// Template of the release's name, as in `model-{{ now | unixEpoch }}`
    #[arg(long, value_name = "TEMPLATE")]
    name_template: Option<String>,
    /// Create the namespace when it does not exist
    #[arg(long)]
    create_namespace: bool,
    /// Use the name of an uninstalled or failed release again
    #[arg(long)]
    replace: bool,
    #[command(flatten)]
    args: ChangeArgs,
    #[command(flatten)]
    pub(super) output: OutputArgs,
}

impl InstallCommand {
    pub(crate) async fn run(self, session: &Session) -> Result<(), CliError> {
        let (release, reference) = self.name_and_chart(session)?;
        let dry_run = dry_run_mode(session, &self.args.dry_run)?;
        let given = &self.args;
        let inputs = session.inputs(&release, reference.as_deref(), &given.chart, &given.values)?;
        let mut change = given.options(session, &inputs, dry_run, Upkeep::default())?;
        let target = session.target_of_install(dry_run).await?;
        let chart = given.load(session, &inputs, &target, &change).await?;
        change.provenance = Some(session.provenance(&inputs.reference, &chart, None));
        let deployer = session.deployer(&target, &given.hooks, Work::Change)?;
        let options = InstallOptions {
            release,
            chart: Arc::new(chart),
            change,
            create_namespace: self.create_namespace || session.creates_namespace(),
            crds: crd_policy(&given.render),
            replace: self.replace,
        };
        let outcome = install(&deployer, &options).await?;
        given.show(session, self.output.output.format(), &outcome)
    }
}

impl InstallCommand {
    /// Reads the name, and the chart unless the environment's file names it.
    fn name_and_chart(&self, session: &Session) -> Result<(ReleaseName, Option<String>), CliError> {
        match (self.names.as_slice(), &session.chosen) {
            ([name], Some(_)) if !self.generate_name && self.name_template.is_none() => {
                Ok((ReleaseName::new(name.as_str())?, None))
            }
            (names, _) => {
                let template = self.name_template.as_deref();
                let (name, chart) = name_and_chart(names, self.generate_name, template)?;
                Ok((name, Some(chart)))
            }
        }
    }
}

/// Reads `[NAME] CHART` with the flags that make a name up.
pub(crate) fn name_and_chart(
    names: &[String],
    generate: bool,
    template: Option<&str>,
) -> Result<(ReleaseName, String), CliError> {
    match (names, generate, template) {
        ([_, _], true, _) => Err(CliError::usage(
            "cannot set --generate-name and also specify a name",
        )),
        ([_, _], _, Some(_)) => Err(CliError::usage(
            "cannot set --name-template and also specify a name",
        )),
        ([name, chart], false, None) => Ok((ReleaseName::new(name.as_str())?, chart.clone())),
        ([chart], _, Some(template)) => Ok((
            ReleaseName::new(name_from_template(template)?)?,
            chart.clone(),
        )),
        ([chart], true, None) => {
            let seconds = chrono::Utc::now().timestamp();
            let name = format!("{}-{seconds}", base_name(chart));
            Ok((ReleaseName::new(name)?, chart.clone()))
        }
        ([_, _, more @ ..], ..) if !more.is_empty() => Err(CliError::usage(format!(
            "expected at most two arguments, unexpected arguments: {}",
            more.join(", ")
        ))),
        _ => Err(
            CliError::usage("must either provide a name or specify --generate-name")
                .with_hint("write `deployer install NAME CHART`"),
        ),
    }
}

/// The chart's file name without version and extension, as Helm makes names up.
fn base_name(chart: &str) -> String {
    let last = chart
        .trim_end_matches('/')
        .rsplit('/')
        .next()
        .unwrap_or_default();
    let last = last.trim_end_matches(".tgz");
    let name = match last {
        "" | "." | ".." => "chart",
        name => name,
    };
    match name.find(|character: char| character.is_ascii_digit()) {
        Some(at) if at > 1 && name.as_bytes()[at - 1] == b'-' => name[..at - 1].to_owned(),
        _ => name.to_owned(),
    }
}

/// Renders the template as the only one of a chart of its own.
fn name_from_template(text: &str) -> Result<String, CliError> {
    let usage = |problem: String| CliError::usage(format!("--name-template: {problem}"));
    let file = |name: &str, text: &str| chart::File {
        name: name.to_owned(),
        data: text.as_bytes().into(),
    };
    let files = vec![
        file("Chart.yaml", "apiVersion: v2\nname: name\nversion: 0.0.0\n"),
        file("templates/NOTES.txt", text),
    ];
    let chart = chart::load::from_files(files).map_err(|error| usage(error.to_string()))?;
    let options = chart::RenderOptions::default();
    let rendered = chart::template(&chart, &chart::ValuesOptions::default(), &options)
        .map_err(|error| usage(error.to_string()))?;
    Ok(rendered.notes.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn a_name_is_given_or_made_up_but_not_both() {
        let (name, chart) = name_and_chart(&names(&["web", "./c"]), false, None).expect("names");
        assert_eq!((name.as_str(), chart.as_str()), ("web", "./c"));
        assert!(name_and_chart(&names(&["web", "./c"]), true, None).is_err());
        assert!(name_and_chart(&names(&["./c"]), false, None).is_err());
        let (name, _) =
            name_and_chart(&names(&["./charts/fraud-model"]), true, None).expect("made up");
        assert!(name.as_str().starts_with("fraud-model-"), "{name}");
    }

    #[test]
    fn a_made_up_name_drops_the_version_of_an_archive() {
        assert_eq!(base_name("dist/fraud-model-1.2.3.tgz"), "fraud-model");
        assert_eq!(base_name("./charts/web/"), "web");
    }
}
