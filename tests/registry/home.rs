//! A user's folders, and programs that work in them.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use harness::binaries;
use harness::cluster::Helm;
use harness::command::{Output, Program};
use harness::skip;
use tempfile::TempDir;

/// The charts that the tests publish: the same name in several versions, one a prerelease, one with
/// a plus sign.
pub(crate) const VERSIONS: [&str; 4] = ["0.1.0", "0.2.0", "1.0.0+b1", "1.1.0-rc.1"];

/// Configuration, cache and charts of one user.
pub(crate) struct Home {
    folder: TempDir,
}

impl Home {
    pub(crate) fn new() -> Result<Self> {
        Ok(Self {
            folder: tempfile::tempdir()?,
        })
    }

    /// Returns a path in the user's folder.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Reads a file of the user.
    pub(crate) fn read(&self, name: &str) -> Result<String> {
        let path = self.path(name);
        std::fs::read_to_string(&path).with_context(|| format!("no `{}`", path.display()))
    }

    /// Describes a run of the deployer.
    pub(crate) fn deployer(&self, arguments: &str) -> Result<Program> {
        Ok(self.prepared(Program::new(binaries::path("deployer")?), arguments))
    }

    /// Describes a run of a Helm; none, aloud, where it is not there.
    pub(crate) fn helm(&self, helm: Helm, arguments: &str) -> Result<Option<Program>> {
        let Some(program) = helm.program() else {
            skip::aloud(&format!("E2E_BIN has no `{}`", helm.name()))?;
            return Ok(None);
        };
        Ok(Some(self.prepared(program, arguments)))
    }

    fn prepared(&self, program: Program, arguments: &str) -> Program {
        program
            .folder(self.folder.path())
            .env("HELM_CONFIG_HOME", self.path("config"))
            .env("HELM_CACHE_HOME", self.path("cache"))
            .env("HELM_DATA_HOME", self.path("data"))
            .env("DOCKER_CONFIG", self.path("docker"))
            .env("HOME", self.folder.path())
            .args(arguments.split_whitespace())
    }

    /// Runs the deployer and demands success.
    pub(crate) fn run(&self, arguments: &str) -> Result<Output> {
        self.deployer(arguments)?.expect(0)
    }

    /// Runs the deployer and demands that it fails in order.
    pub(crate) fn fails(&self, arguments: &str) -> Result<Output> {
        let output = self.deployer(arguments)?.run()?;
        output.is_orderly()?;
        anyhow::ensure!(
            output.code() != Some(0),
            "it succeeded\n{}",
            output.describe()
        );
        Ok(output)
    }

    /// Writes `name-version.tgz` into a folder of the user.
    pub(crate) fn pack(&self, folder: &str, name: &str, version: &str) -> Result<PathBuf> {
        let chart = format!(
            "apiVersion: v2\nname: {name}\nversion: {version}\nappVersion: \"2\"\ndescription: A <web> server & more than forty characters of text\nkeywords: [http, server]\nhome: https://example.com\nsources: [https://example.com/source]\nmaintainers: [{{name: Ann, email: ann@example.com}}, {{name: Ben}}]\nannotations: {{example.com/kind: model}}\n"
        );
        let manifest = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: {{ .Chart.Name }}}\ndata: {version: \"{{ .Chart.Version }}\"}\n";
        let files = [
            ("Chart.yaml", chart.as_str()),
            ("values.yaml", "a: 1\n"),
            ("templates/configmap.yaml", manifest),
        ];
        let path = self.path(folder).join(format!("{name}-{version}.tgz"));
        std::fs::create_dir_all(self.path(folder))?;
        archive(&path, name, &files)?;
        Ok(path)
    }

    /// Packs every version of `web`.
    pub(crate) fn pack_all(&self, folder: &str) -> Result<Vec<PathBuf>> {
        VERSIONS
            .iter()
            .map(|version| self.pack(folder, "web", version))
            .collect()
    }

    /// Returns the names in a folder of the user, in order; none where there is no folder.
    pub(crate) fn names(&self, folder: &str) -> Result<Vec<String>> {
        let path = self.path(folder);
        if !path.exists() {
            return Ok(Vec::new());
        }
        let mut names: Vec<String> = std::fs::read_dir(path)?
            .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
            .collect::<Result<_>>()?;
        names.sort();
        Ok(names)
    }
}

fn archive(path: &Path, name: &str, files: &[(&str, &str)]) -> Result<()> {
    let file = std::fs::File::create(path)?;
    let mut builder = tar::Builder::new(flate2::write::GzEncoder::new(
        file,
        flate2::Compression::default(),
    ));
    for (file, text) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(text.len() as u64);
        header.set_mode(0o644);
        builder.append_data(&mut header, format!("{name}/{file}"), text.as_bytes())?;
    }
    builder.into_inner()?.finish()?;
    Ok(())
}
