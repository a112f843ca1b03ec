//! `list`

use clap::Args;
use regex::Regex;

use super::arguments::HookArgs;
use super::error::CliError;
use super::global::{OutputArgs, OutputFormat};
use super::session::{Session, Work};
use crate::action::{Listed, list};
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
    /// Layout of the times, as Go has it: `2006-01-02 15:04:05`
    #[arg(long, value_name = "LAYOUT")]
    time_format: Option<String>,
    /// Labels that the records must have, as key=value,key2!=value2,key3 in (a,b)
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
        let listed = if self.wants_superseded_alone() {
            Listed::All
        } else {
            Listed::Last
        };
        let mut records = list(&deployer, scope, listed, |status| self.wants(status)).await?;
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
            &list_rows(&records, self.time_format.as_deref()),
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

    /// By definition a superseded revision is not the last: asked for alone, all revisions are looked
    /// at. Source: `pkg/action/list.go` of Helm.
    fn wants_superseded_alone(&self) -> bool {
        let others = [
            self.all,
            self.deployed,
            self.failed,
            self.pending,
            self.uninstalled,
            self.uninstalling,
        ];
        self.superseded && !others.contains(&true)
    }

    fn sort(&self, records: &mut [Stored]) {
        if self.date {
            records.sort_by_key(|stored| stored.release.info.last_deployed.utc());
        } else {
            records.sort_by(|left, right| {
                let (left, right) = (&left.release, &right.release);
                (&left.name, &left.namespace, left.version).cmp(&(
                    &right.name,
                    &right.namespace,
                    right.version,
                ))
            });
        }
        if self.reverse {
            records.reverse();
        }
    }
}

/// One term of a label selector.
///
/// Source: `labels.Parse` of apimachinery.
#[derive(Debug, PartialEq, Eq)]
struct Requirement {
    label: String,
    /// The values that it may have; any where none is named.
    values: Vec<String>,
    /// Whether it is demanded or forbidden.
    is_wanted: bool,
}

impl Requirement {
    fn holds(&self, stored: &Stored) -> bool {
        let found = stored.labels.get(&self.label);
        let matches = found.is_some_and(|value| {
            self.values.is_empty() || self.values.iter().any(|one| one == value)
        });
        matches == self.is_wanted
    }
}

fn parse_selector(text: &str) -> Result<Vec<Requirement>, CliError> {
    terms(text)
        .into_iter()
        .map(|term| {
            parse_term(term).ok_or_else(|| {
                CliError::usage(format!("`{term}` is not a term of a label selector")).with_hint(
                    "write `key=value`, `key!=value`, `key in (a,b)`, `key notin (a,b)`, `key` or `!key`",
                )
            })
        })
        .collect()
}

/// Splits at commas outside of parentheses.
fn terms(text: &str) -> Vec<&str> {
    let mut depth = 0;
    let parts = text.split(|sign| {
        match sign {
            '(' => depth += 1,
            ')' => depth -= 1,
            _ => {}
        }
        sign == ',' && depth == 0
    });
    parts
        .map(str::trim)
        .filter(|term| !term.is_empty())
        .collect()
}

fn parse_term(term: &str) -> Option<Requirement> {
    let one = |value: &str| vec![value.trim().to_owned()];
    let listed = |values: &str| -> Option<Vec<String>> {
        let values = values.trim().strip_prefix('(')?.strip_suffix(')')?;
        Some(values.split(',').map(|one| one.trim().to_owned()).collect())
    };
    let (label, values, is_wanted) = if let Some((label, value)) = term.split_once("!=") {
        (label, one(value), false)
    } else if let Some((label, value)) = term.split_once("==").or_else(|| term.split_once('=')) {
        (label, one(value), true)
    } else if let Some((label, values)) = term.split_once(" notin ") {
        (label, listed(values)?, false)
    } else if let Some((label, values)) = term.split_once(" in ") {
        (label, listed(values)?, true)
    } else {
        match term.strip_prefix('!') {
            Some(label) => (label, Vec::new(), false),
            None => (term, Vec::new(), true),
        }
    };
    let label = label.trim();
    let is_one = !label.is_empty() && !label.contains([' ', '(', ')']);
    is_one.then(|| Requirement {
        label: label.to_owned(),
        values,
        is_wanted,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn selectors_are_read_as_kubernetes_reads_them() {
        let terms =
            parse_selector("a=1, b==2,c!=3,d in (x, y),e notin (z),f,!g").expect("a selector");
        let read: Vec<_> = terms
            .iter()
            .map(|term| (term.label.as_str(), term.values.join(" "), term.is_wanted))
            .collect();
        let wanted = [
            ("a", "1", true),
            ("b", "2", true),
            ("c", "3", false),
            ("d", "x y", true),
            ("e", "z", false),
            ("f", "", true),
            ("g", "", false),
        ];
        assert_eq!(
            read,
            wanted.map(|(label, values, is)| (label, values.to_owned(), is))
        );
        for wrong in ["a b", "a in x", "a in (x", "=1"] {
            assert!(parse_selector(wrong).is_err(), "{wrong}");
        }
    }
}
