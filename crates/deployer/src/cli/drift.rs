//! `drift`

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use chrono::Utc;
use clap::{Args, ValueEnum};

use super::duration::parse_timeout;
use super::environment::find_file;
use super::error::CliError;
use super::gather::{Wanted, gather};
use super::session::Session;
use crate::environment::Environments;
use crate::environment::drift::{Drift, compare};
use crate::output::Format;
use crate::output::drift::{DriftView, html, markdown, prometheus, table};

/// Show what differs between files, records, live objects and environments
///
/// Compares for each release of deployer.yaml: live objects with the record (edited by hand, by
/// whom), files with the record (not deployed), environment with environment (a mend that stayed in
/// one, a component that is missing in another), and since when. What the API server, autoscalers
/// and controllers set is no drift; what `allowed_differences` names is set apart. An environment
/// that does not answer is told and hides nothing of the others. Nothing is changed.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  deployer drift\n  deployer drift --env prod\n  deployer drift fraud-model --exit-code -o markdown >> \"$GITHUB_STEP_SUMMARY\"\n  deployer drift --watch=1m\n  deployer drift --prometheus /var/lib/node_exporter/textfile/drift.prom"
)]
pub(crate) struct DriftCommand {
    /// Names of the releases; all of the file where unset
    #[arg(value_name = "RELEASE")]
    releases: Vec<String>,
    /// Environments to look at, as a,b; all of the file, or that of --env, where unset
    #[arg(long, value_delimiter = ',', value_name = "NAME")]
    environments: Vec<String>,
    /// Form of the output
    #[arg(short, long, value_enum, default_value_t = DriftFormat::Table, value_name = "FORMAT")]
    output: DriftFormat,
    /// End with exit code 10 when something drifted or could not be looked at
    #[arg(long)]
    exit_code: bool,
    /// List what may differ, too
    #[arg(long)]
    show_allowed: bool,
    /// Look again and again, with this pause between
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "30s", value_parser = parse_timeout, value_name = "PAUSE")]
    watch: Option<Duration>,
    /// Write metrics to this file too, for Prometheus' textfile collector
    #[arg(long, value_name = "FILE")]
    prometheus: Option<PathBuf>,
    /// How long one environment may take to answer
    #[arg(long, default_value = "30s", value_parser = parse_timeout, value_name = "DURATION")]
    timeout: Duration,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum DriftFormat {
    /// Columns and sentences for people.
    Table,
    /// One JSON object.
    Json,
    /// The same as YAML.
    Yaml,
    /// Tables for pull requests and step summaries.
    Markdown,
    /// One page that needs no other file.
    Html,
}

impl DriftCommand {
    pub(crate) async fn run(self, session: &Session) -> Result<(), CliError> {
        let wanted = self.wanted(session)?;
        let Some(pause) = self.watch else {
            let drift = self.look(session, &wanted).await?;
            self.print(session, &drift)?;
            return self.end(&drift);
        };
        let mut before: Option<Drift> = None;
        loop {
            let drift = self.look(session, &wanted).await?;
            // Said again only when something else is said.
            let is_news = before.as_ref().is_none_or(|before| {
                before.differences != drift.differences
                    || before.environments != drift.environments
                    || before.components != drift.components
            });
            if is_news {
                let moment = drift.at.to_rfc3339_opts(chrono::SecondsFormat::Secs, true);
                session.printer.say(&format!("==> {moment}"));
                self.print(session, &drift)?;
            }
            before = Some(drift);
            tokio::time::sleep(pause).await;
        }
    }

    fn wanted(&self, session: &Session) -> Result<Wanted, CliError> {
        let environments = match &session.chosen {
            Some(chosen) => chosen.environments.clone(),
            None => Environments::read(&find_file(&session.global)?)?,
        };
        let names: Vec<String> = match (&session.chosen, self.environments.is_empty()) {
            (Some(_), false) => {
                return Err(
                    CliError::usage("`--env` and `--environments` name environments both")
                        .with_hint("leave one of them out"),
                );
            }
            (Some(chosen), true) => vec![chosen.place.environment.clone()],
            (None, false) => self.environments.clone(),
            (None, true) => environments
                .names()
                .into_iter()
                .map(str::to_owned)
                .collect(),
        };
        for name in &names {
            environments.place(name)?;
        }
        for release in &self.releases {
            environments.release(release)?;
        }
        let releases = match self.releases.is_empty() {
            true => environments.file.releases.keys().cloned().collect(),
            false => self.releases.clone(),
        };
        Ok(Wanted {
            environments: Arc::new(environments),
            names,
            releases,
            timeout: self.timeout,
        })
    }

    async fn look(&self, session: &Session, wanted: &Wanted) -> Result<Drift, CliError> {
        let states = gather(session, wanted).await?;
        let allowed = &wanted.environments.file.allowed_differences;
        let drift = compare(&states, allowed, Utc::now());
        if let Some(path) = &self.prometheus {
            replace(path, &prometheus(&drift))?;
        }
        Ok(drift)
    }

    fn print(&self, session: &Session, drift: &Drift) -> Result<(), CliError> {
        let printer = &session.printer;
        let view = DriftView::new(drift);
        match self.output {
            DriftFormat::Table => printer.data(&table(printer, drift, self.show_allowed))?,
            DriftFormat::Json => printer.value(Format::Json, &view)?,
            DriftFormat::Yaml => printer.value(Format::Yaml, &view)?,
            DriftFormat::Markdown => printer.data(&markdown(drift))?,
            DriftFormat::Html => printer.data(&html(drift))?,
        }
        Ok(())
    }

    fn end(&self, drift: &Drift) -> Result<(), CliError> {
        if self.exit_code && drift.is_drift() {
            return Err(CliError::Drift);
        }
        Ok(())
    }
}

/// Replaces a file in one step: a collector never reads half of it.
fn replace(path: &Path, text: &str) -> Result<(), CliError> {
    let failed = |source| CliError::File {
        doing: format!("`{}` cannot be written", path.display()),
        source,
    };
    let folder = match path.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    };
    let mut file = tempfile::NamedTempFile::new_in(folder).map_err(failed)?;
    std::io::Write::write_all(&mut file, text.as_bytes()).map_err(failed)?;
    // The collector is another user.
    let permissions = std::os::unix::fs::PermissionsExt::from_mode(0o644);
    file.as_file()
        .set_permissions(permissions)
        .map_err(failed)?;
    file.persist(path).map_err(|error| failed(error.error))?;
    Ok(())
}
