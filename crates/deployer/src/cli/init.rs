//! `init`

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use clap::Args;

use super::arguments::parse_pair;
use super::environment::{FILE_NAME, settle};
use super::error::CliError;
use super::session::{Session, Target};
use crate::environment::{Found, Place, PlaceTarget, deployed, draft, origin, schema};
use crate::release::{Namespace, Release};
use crate::storage::ListScope;

/// Write a deployer.yaml from the releases that are deployed
///
/// Reads the records of each environment and writes the file with one values file for each release
/// and environment: what the release was given. Nothing is deployed, and no file is written over.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  deployer init --from dev=fraud-dev --from staging=fraud-staging --from prod=fraud@prod-cluster\n  deployer init --from dev=fraud@dir:./deployed --chart fraud-model=./charts/fraud-model\n  deployer init --schema > deployer.schema.json"
)]
pub(crate) struct InitCommand {
    /// An environment and its place, in the order of promotion; can be repeated
    #[arg(long, value_name = "ENVIRONMENT=NAMESPACE[@CONTEXT|@dir:PATH]", value_parser = parse_pair, required_unless_present = "schema")]
    from: Vec<(String, String)>,
    /// Where the chart of a release comes from; can be repeated
    #[arg(long, value_name = "RELEASE=REFERENCE", value_parser = parse_pair)]
    chart: Vec<(String, String)>,
    /// File to write; its values files go to `environments/` beside it
    #[arg(long, default_value = FILE_NAME, value_name = "FILE")]
    file: PathBuf,
    /// Print the JSON Schema of the file and do nothing else
    #[arg(long)]
    schema: bool,
}

impl InitCommand {
    pub(crate) async fn run(self, session: &Session) -> Result<(), CliError> {
        if self.schema {
            let text =
                serde_json::to_string_pretty(&schema()).map_err(crate::output::PrintError::Json)?;
            session.printer.line(&text)?;
            return Ok(());
        }
        let mut found = Vec::new();
        for (name, place) in &self.from {
            found.push(look(session, parse_place(name, place)?).await?);
        }
        if found.iter().all(|found| found.releases.is_empty()) {
            return Err(CliError::usage("nothing is deployed in these environments")
                .with_hint("see what is there with `deployer list -A`"));
        }
        let charts: BTreeMap<String, String> = self.chart.iter().cloned().collect();
        let draft = draft(&found, &charts);
        let folder = self.file.parent().unwrap_or(Path::new("")).to_owned();
        let mut files = vec![(self.file.clone(), draft.text)];
        files.extend(
            draft
                .values
                .into_iter()
                .map(|(path, text)| (folder.join(path), text)),
        );
        if let Some((path, _)) = files.iter().find(|(path, _)| path.exists()) {
            return Err(
                CliError::usage(format!("`{}` exists already", path.display()))
                    .with_hint("name another file with `--file`; nothing was written"),
            );
        }
        for (path, text) in &files {
            write(path, text)?;
            session.printer.line(&format!("wrote {}", path.display()))?;
        }
        for note in draft.notes {
            session.printer.warn(&note);
        }
        Ok(())
    }
}

/// Reads `NAMESPACE[@CONTEXT|@dir:PATH]`.
fn parse_place(name: &str, text: &str) -> Result<Place, CliError> {
    let (namespace, rest) = match text.split_once('@') {
        Some((namespace, rest)) => (namespace, Some(rest)),
        None => (text, None),
    };
    let target = match rest.map(|rest| (rest, rest.strip_prefix("dir:"))) {
        Some((_, Some(""))) | Some(("", _)) => {
            return Err(CliError::usage(format!(
                "`{name}={text}` names no place after `@`"
            )));
        }
        Some((_, Some(path))) => PlaceTarget::Directory(PathBuf::from(path)),
        context => PlaceTarget::Kube {
            kubeconfig: None,
            context: context.map(|(context, _)| context.to_owned()),
        },
    };
    Ok(Place {
        environment: Namespace::new(name)
            .map_err(|_| {
                CliError::usage(format!(
                    "`{name}` is no name of an environment: lower-case letters, digits and `-`"
                ))
            })?
            .to_string(),
        target,
        namespace: Namespace::new(namespace)?,
    })
}

async fn look(session: &Session, place: Place) -> Result<Found, CliError> {
    let target = target_of(session, &place).await?;
    let records = target.store.list(ListScope::Namespace).await?;
    let mut releases: Vec<(Release, Option<String>)> = Vec::new();
    for history in records.chunk_by(|one, other| one.release.name == other.release.name) {
        let Some(release) = deployed(history) else {
            continue;
        };
        let origin = origin(history, release);
        let evidence = target.store.evidence(&origin.name, origin.version).await?;
        let chart = evidence
            .and_then(|record| record.evidence.provenance)
            .map(|provenance| provenance.chart);
        releases.push((release.clone(), chart));
    }
    Ok(Found { place, releases })
}

/// Opens the place of an environment, with the session's other flags.
pub(crate) async fn target_of(session: &Session, place: &Place) -> Result<Target, CliError> {
    let mut global = session.global.clone();
    settle(&mut global, place);
    let other = Session::new(
        global,
        std::sync::Arc::clone(&session.printer),
        std::sync::Arc::clone(&session.progress),
        None,
    );
    other.target().await
}

fn write(path: &Path, text: &str) -> Result<(), CliError> {
    let failed = |source| CliError::File {
        doing: format!("`{}` cannot be written", path.display()),
        source,
    };
    if let Some(folder) = path.parent().filter(|folder| *folder != Path::new("")) {
        std::fs::create_dir_all(folder).map_err(failed)?;
    }
    std::fs::write(path, text).map_err(failed)
}
