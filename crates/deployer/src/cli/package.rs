//! `package`

use std::io::{BufRead, IsTerminal};
use std::path::{Path, PathBuf};

use chart::Chart;
use chart::package::{PackageOptions, package};
use clap::Args;

use super::arguments::AccessArgs;
use super::dependency::update_dependencies;
use super::error::CliError;
use super::password::prompt;
use super::places::default_keyring;
use super::session::Session;
use crate::registry::{Keyring, write_whole};

/// Package a chart folder into an archive
///
/// The same folder gives the same bytes, wherever and whenever it is packaged. With --sign a file
/// ARCHIVE.prov beside it says who packaged it; `verify` checks it.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  deployer package ./charts/fraud-model --version 1.5.0 --destination dist\n  deployer package ./charts/stack --dependency-update\n  deployer package ./charts/fraud-model --sign --key 'ML Platform' --keyring secring.gpg --passphrase-file pass"
)]
pub(crate) struct PackageCommand {
    /// Folder of a chart; several can be named
    #[arg(value_name = "CHART", required = true)]
    charts: Vec<PathBuf>,
    /// Give the packaged chart this version
    #[arg(long, value_name = "VERSION")]
    version: Option<String>,
    /// Give the packaged chart this version of the application
    #[arg(long, value_name = "VERSION")]
    app_version: Option<String>,
    /// Folder for the archive
    #[arg(short, long, default_value = ".", value_name = "DIR")]
    destination: PathBuf,
    /// Update what charts/ holds from Chart.yaml first
    #[arg(short = 'u', long)]
    dependency_update: bool,
    /// Sign the archive with an OpenPGP key
    #[arg(long)]
    sign: bool,
    /// Name of the key, or the part of it that tells it from others
    #[arg(long, value_name = "NAME")]
    key: Option<String>,
    /// File of keys, the private one among them (default: $GNUPGHOME/pubring.gpg, then ~/.gnupg/pubring.gpg)
    #[arg(long, value_name = "FILE")]
    keyring: Option<PathBuf>,
    /// File whose first line is the key's passphrase; `-` reads stdin
    #[arg(long, value_name = "FILE")]
    passphrase_file: Option<PathBuf>,
    #[command(flatten)]
    access: AccessArgs,
}

impl PackageCommand {
    pub(crate) async fn run(self, session: &Session) -> Result<(), CliError> {
        let ring = match (self.sign, self.key.as_deref()) {
            (false, _) => None,
            (true, None | Some("")) => {
                return Err(CliError::usage("--key is required for signing a package"));
            }
            (true, Some(_)) => {
                let path = self.keyring.clone().unwrap_or_else(default_keyring);
                Some(Keyring::read(&path)?)
            }
        };
        let mut passphrase = None;
        for path in &self.charts {
            if self.dependency_update && path.is_dir() {
                let keyring = self.keyring.as_deref();
                update_dependencies(session, path, keyring, &self.access).await?;
            }
            let archive = self.one(session, path, ring.as_ref(), &mut passphrase)?;
            session.printer.line(&format!(
                "Successfully packaged chart and saved it to: {}",
                archive.display()
            ))?;
        }
        Ok(())
    }

    fn one(
        &self,
        session: &Session,
        path: &Path,
        ring: Option<&Keyring>,
        passphrase: &mut Option<String>,
    ) -> Result<PathBuf, CliError> {
        let shown = path.display();
        if !path.exists() {
            return Err(CliError::usage(format!("path `{shown}` not found"))
                .with_hint("name a chart folder"));
        }
        if !path.is_dir() {
            return Err(CliError::usage(format!("`{shown}` is not a folder"))
                .with_hint("an archive is packaged already"));
        }
        let chart = chart::load(path).map_err(|source| CliError::Chart {
            reference: shown.to_string(),
            source,
        })?;
        check_dependencies(&chart, path, chart::Compat::default())?;
        let options = PackageOptions {
            version: self.version.clone().filter(|text| !text.is_empty()),
            app_version: self.app_version.clone().filter(|text| !text.is_empty()),
        };
        let packed = package(&chart, &options).map_err(|error| {
            CliError::usage(format!("chart `{shown}` cannot be packaged: {error}"))
        })?;
        let folder = if self.destination == Path::new(".") {
            std::env::current_dir().map_err(|source| CliError::File {
                doing: "cannot find the current folder".to_owned(),
                source,
            })?
        } else {
            self.destination.clone()
        };
        let archive = folder.join(&packed.file_name);
        if let Some(ring) = ring {
            let provenance = self.signature(session, ring, &packed, passphrase)?;
            let beside = folder.join(format!("{}.prov", packed.file_name));
            write_whole(&beside, provenance.as_bytes(), 0o644)?;
        }
        write_whole(&archive, &packed.bytes, 0o644)?;
        Ok(archive)
    }

    fn signature(
        &self,
        session: &Session,
        ring: &Keyring,
        packed: &chart::package::Package,
        passphrase: &mut Option<String>,
    ) -> Result<String, CliError> {
        let signer = ring.signer(self.key.as_deref().unwrap_or_default())?;
        if signer.is_locked() && passphrase.is_none() {
            *passphrase = Some(self.passphrase(session, signer.name())?);
        }
        let written = chart::load::load_archive(packed.bytes.as_slice())
            .map_err(|error| CliError::usage(error.to_string()))?;
        Ok(signer.sign(
            &chart::show::metadata_text(&written),
            &packed.file_name,
            &packed.bytes,
            passphrase.as_deref().unwrap_or_default(),
        )?)
    }

    fn passphrase(&self, session: &Session, key: &str) -> Result<String, CliError> {
        let first_line = |reader: &mut dyn BufRead, place: &str| {
            let mut line = String::new();
            reader
                .read_line(&mut line)
                .map_err(|source| CliError::File {
                    doing: format!("cannot read the passphrase from {place}"),
                    source,
                })?;
            Ok(line.trim_end_matches(['\r', '\n']).to_owned())
        };
        match &self.passphrase_file {
            Some(path) if path == Path::new("-") => {
                first_line(&mut std::io::stdin().lock(), "stdin")
            }
            Some(path) => {
                let file = std::fs::File::open(path).map_err(|source| CliError::File {
                    doing: format!("cannot read the passphrase from `{}`", path.display()),
                    source,
                })?;
                first_line(&mut std::io::BufReader::new(file), "the file")
            }
            None if std::io::stdin().is_terminal() => {
                let question = format!("Password for key {key:?} > ");
                let secret = prompt(&session.printer, &question, true)?;
                Ok(secret.reveal().to_owned())
            }
            None => Err(
                CliError::usage(format!("key `{key}` is protected by a passphrase"))
                    .with_hint("give it in a file: `--passphrase-file FILE`, or `-` for stdin"),
            ),
        }
    }
}

/// Refuses a chart that lacks what it declares, and names the command that fetches it.
pub(crate) fn check_dependencies(
    chart: &Chart,
    path: &Path,
    compat: chart::Compat,
) -> Result<(), CliError> {
    chart.check_dependencies().map_err(|missing| {
        let missing = chart::model::MissingDependencies { compat, ..missing };
        CliError::usage(missing.to_string()).with_hint(format!(
            "fetch {}: `deployer dependency update {}`",
            missing.names,
            path.display()
        ))
    })
}
