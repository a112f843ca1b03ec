//! `list`

use clap::Args;
use regex::Regex;

use super::arguments::HookArgs;
use super::error::CliError;
use super::global::{OutputArgs, OutputFormat};
use super::session::{Session, Work};
use crate::action::list;
use crate::output::{list_rows, print_list};
use crate::release::Status;
use crate::storage::{ListScope, Stored};

/// List releases
///
/// Shows deployed, failed and half-done releases of the namespace; flags choose other states.
#[derive(Debug, Args)]
#[command(
    visible_alias = "ls",
    after_help = "Examples:\n  deployer list -A\n  deployer list -n prod --filter '^fraud'\n  deployer list --failed --pending -o json\n  deployer list -q"
)]
pub(crate) struct ListCommand {
    /// All namespaces
    #[arg(short = 'A', long)]
    all_namespaces: bool,
    /// Releases in every state
    #[arg(short, long)]
    all: bool,
    /// Deployed releases
    #[arg(long)]
    deployed: bool,
    /// Failed releases
    #[arg(long)]
    failed: bool,
    /// Releases that are being changed
    #[arg(long)]
    pending: bool,
    /// Superseded releases
    #[arg(long)]
    superseded: bool,
    /// Uninstalled releases whose history was kept
    #[arg(long)]
    uninstalled: bool,
    /// Releases that are being uninstalled
    #[arg(long)]
    uninstalling: bool,
    /// Regular expression that names must match
    #[arg(short, long, value_name = "REGEX")]
    filter: Option<String>,
    /// Labels that the records must have, as key=value,key2!=value2
    #[arg(short = 'l', long, value_name = "SELECTOR")]
    selector: Option<String>,
    /// Names only
    #[arg(short = 'q', long)]
    short: bool,
    /// No heading
    #[arg(long)]
    no_headers: bool,
    /// Sort by date
    #[arg(short, long)]
    date: bool,
    /// Reverse the order
    #[arg(short, long)]
    reverse: bool,
    /// Most releases to show; 0 shows all
    #[arg(short, long, default_value_t = 256, value_name = "COUNT")]
    max: usize,
    /// Releases to skip first
    #[arg(long, default_value_t = 0, value_name = "COUNT")]
    offset: usize,
    #[command(flatten)]
    output: OutputArgs,
}

impl ListCommand {
    pub(crate) async fn run(self, session: &Session) -> Result<(), CliError> {
        let filter = match &self.filter {
            Some(pattern) => Some(Regex::new(pattern).map_err(|error| {
                CliError::usage(format!(
                    "`--filter {pattern}` is not a regular expression: {error}"
                ))
            })?),
            None => None,
        };
        let selector = parse_selector(self.selector.as_deref().unwrap_or_default())?;
        let target = session.target().await?;
        let deployer = session.deployer(&target, &HookArgs::default(), Work::Read)?;
        let scope = if self.all_namespaces {
            ListScope::AllNamespaces
        } else {
            ListScope::Namespace
        };
        let mut records = list(&deployer, scope, |status| self.wants(status)).await?;
        records.retain(|stored| {
            filter
                .as_ref()
                .is_none_or(|filter| filter.is_match(stored.release.name.as_str()))
                && selector.iter().all(|requirement| requirement.holds(stored))
        });
        self.sort(&mut records);
        let shown = if self.max == 0 { usize::MAX } else { self.max };
        let records: Vec<Stored> = records.into_iter().skip(self.offset).take(shown).collect();
        let format = self.output.output;
        if self.short {
            let names: Vec<String> = records
                .iter()
                .map(|stored| stored.release.name.to_string())
                .collect();
            if format == OutputFormat::Table {
                names
                    .iter()
                    .try_for_each(|name| session.printer.line(name))?;
            } else {
                session.printer.value(format.format(), &names)?;
            }
            return Ok(());
        }
        print_list(
            &session.printer,
            format.format(),
            &list_rows(&records),
            !self.no_headers,
        )?;
        Ok(())
    }

    /// Without a flag: what is deployed, failed or half done, as in Helm 4.
    fn wants(&self, status: Status) -> bool {
        let flags = [
            (self.deployed, status == Status::Deployed),
            (self.failed, status == Status::Failed),
            (self.pending, status.is_pending()),
            (self.superseded, status == Status::Superseded),
            (self.uninstalled, status == Status::Uninstalled),
            (self.uninstalling, status == Status::Uninstalling),
        ];
        if self.all {
            return true;
        }
        if flags.iter().all(|(flag, _)| !flag) {
            return !matches!(status, Status::Uninstalled | Status::Superseded);
        }
        flags.iter().any(|(flag, is_so)| *flag && *is_so)
    }

    fn sort(&self, records: &mut [Stored]) {
        if self.date {
            records.sort_by_key(|stored| stored.release.info.last_deployed.utc());
        } else {
            records.sort_by(|a, b| {
                (&a.release.name, &a.release.namespace)
                    .cmp(&(&b.release.name, &b.release.namespace))
            });
        }
        if self.reverse {
            records.reverse();
        }
    }
}

/// One term of a label selector.
#[derive(Debug, PartialEq, Eq)]
struct Requirement {
    label: String,
    value: String,
    is_equal: bool,
}

impl Requirement {
    fn holds(&self, stored: &Stored) -> bool {
        (stored.labels.get(&self.label) == Some(&self.value)) == self.is_equal
    }
}

fn parse_selector(text: &str) -> Result<Vec<Requirement>, CliError> {
    text.split(',')
        .filter(|term| !term.trim().is_empty())
        .map(|term| {
            let parts = term
                .split_once("!=")
                .map(|(label, value)| (label, value, false))
                .or_else(|| {
                    term.split_once("==")
                        .map(|(label, value)| (label, value, true))
                })
                .or_else(|| {
                    term.split_once('=')
                        .map(|(label, value)| (label, value, true))
                });
            let (label, value, is_equal) = parts.ok_or_else(|| {
                CliError::usage(format!("`{term}` is not a term of a label selector"))
                    .with_hint("write `key=value`, `key==value` or `key!=value`")
            })?;
            Ok(Requirement {
                label: label.trim().to_owned(),
                value: value.trim().to_owned(),
                is_equal,
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn selectors_have_three_signs() {
        let terms = parse_selector("a=1, b==2,c!=3").expect("a selector");
        let signs: Vec<_> = terms
            .iter()
            .map(|term| (term.label.as_str(), term.is_equal))
            .collect();
        assert_eq!(signs, [("a", true), ("b", true), ("c", false)]);
        assert!(parse_selector("a").is_err());
    }
}
