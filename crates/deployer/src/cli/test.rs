//! `test`

use std::time::Duration;

use clap::Args;

use super::arguments::HookArgs;
use super::duration::parse_timeout;
use super::error::CliError;
use super::global::OutputArgs;
use super::session::{Session, Work};
use crate::action::{TestOptions, test};
use crate::output::{ReleaseView, print_release};
use crate::release::ReleaseName;

/// Run the tests of a release
///
/// The tests are the chart's hooks of the event `test`: Pods or Jobs that end well or badly. Their
/// logs are shown as they come and kept with the revision; nothing else is changed.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  deployer test fraud-model -n prod\n  deployer test fraud-model -n prod --filter name=smoke --timeout 2m0s\n  deployer test fraud-model -n prod --filter '!name=slow' --logs"
)]
pub(crate) struct TestCommand {
    /// Name of the release
    release: String,
    /// Print the logs of the tests on stdout, after all have run
    #[arg(long)]
    logs: bool,
    /// Run only tests of a name, or all but those: name=TEST or !name=TEST; can be repeated
    #[arg(long, value_name = "FILTER", value_delimiter = ',', value_parser = parse_filter)]
    filter: Vec<Filter>,
    /// Time for any single test, as in 5m0s
    #[arg(long, default_value = "5m0s", value_parser = parse_timeout, value_name = "DURATION")]
    timeout: Duration,
    /// Leave out the notes, which are never shown (accepted for Helm's sake)
    #[arg(long, hide = true)]
    hide_notes: bool,
    #[command(flatten)]
    hooks: HookArgs,
    #[command(flatten)]
    pub(super) output: OutputArgs,
}

/// Which tests run.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Filter {
    Only(String),
    Except(String),
}

fn parse_filter(text: &str) -> Result<Filter, String> {
    let excluded = text.strip_prefix('!').map(str::trim_start);
    let name = excluded.unwrap_or(text).strip_prefix("name=");
    match (name, excluded) {
        (Some(name), None) => Ok(Filter::Only(name.to_owned())),
        (Some(name), Some(_)) => Ok(Filter::Except(name.to_owned())),
        (None, _) => Err("expected `name=TEST` or `!name=TEST`".to_owned()),
    }
}

impl TestCommand {
    pub(crate) async fn run(self, session: &Session) -> Result<(), CliError> {
        let mut options = TestOptions {
            release: ReleaseName::new(self.release.as_str())?,
            only: Vec::new(),
            except: Vec::new(),
            timeout: self.timeout,
        };
        for filter in self.filter {
            match filter {
                Filter::Only(name) => options.only.push(name),
                Filter::Except(name) => options.except.push(name),
            }
        }
        let target = session.target().await?;
        let deployer = session.deployer(&target, &self.hooks, Work::Change)?;
        let tested = test(&deployer, &options).await?;
        for warning in &tested.warnings {
            session.printer.warn(warning);
        }
        let view = ReleaseView {
            notes: false,
            ..ReleaseView::new(&tested.release, None)
        };
        print_release(&session.printer, self.output.output.format(), &view)?;
        if self.logs {
            for log in &tested.logs {
                let name = log.source.trim_start_matches("hook ");
                session.printer.line(&format!("\nPOD LOGS: {name}"))?;
                session.printer.line(log.text.trim_end())?;
            }
        }
        tested.failure.map_or(Ok(()), |failure| Err(failure.into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_are_read_as_helm_reads_them() {
        assert_eq!(parse_filter("name=a"), Ok(Filter::Only("a".to_owned())));
        assert_eq!(parse_filter("!name=a"), Ok(Filter::Except("a".to_owned())));
        assert_eq!(parse_filter("! name=a"), Ok(Filter::Except("a".to_owned())));
        assert!(parse_filter("kind=Pod").is_err());
    }
}
