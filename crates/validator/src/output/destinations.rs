//! Files that a verdict is written to.

use std::io;
use std::path::{Path, PathBuf};

use verdict::report::Report;

use super::{
    render_hgrm, render_hlog, render_html, render_junit, render_markdown, render_prometheus,
};
use crate::error::GateError;
use crate::gate::file::ReportPart;
use crate::settings::TERMINATION_MESSAGE_DEFAULT;

/// Where the report and the termination message go.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Destinations {
    /// The full report.
    pub report: Option<PathBuf>,
    /// The checks as JUnit XML.
    pub junit: Option<PathBuf>,
    /// The summary as Markdown.
    pub markdown: Option<PathBuf>,
    /// The page with plots.
    pub html: Option<PathBuf>,
    /// The metrics for Prometheus' textfile collector.
    pub prometheus: Option<PathBuf>,
    /// The latency for HdrHistogram's plotters.
    pub latency_histogram: Option<PathBuf>,
    /// The brief verdict.
    pub termination_message: Option<PathBuf>,
    /// The signed verdict.
    pub attestation: Option<PathBuf>,
}

/// Makes a file's content from a report; nothing where there is none to write.
type Render = fn(&Report) -> Option<String>;

impl Destinations {
    /// Fills in Kubernetes' own place for termination messages where it exists.
    #[must_use]
    pub fn with_defaults(mut self) -> Self {
        let usual = Path::new(TERMINATION_MESSAGE_DEFAULT);
        if self.termination_message.is_none() && usual.exists() {
            self.termination_message = Some(usual.to_owned());
        }
        self
    }

    /// Fills in what a gate file says where no flag or variable did.
    pub fn fill_from(&mut self, part: Option<&ReportPart>) {
        let Some(part) = part else { return };
        let fill = |place: &mut Option<PathBuf>, text: Option<&String>| {
            if place.is_none() {
                *place = text.filter(|text| !text.is_empty()).map(PathBuf::from);
            }
        };
        fill(&mut self.report, part.json.as_ref());
        fill(&mut self.junit, part.junit.as_ref());
        fill(&mut self.markdown, part.markdown.as_ref());
        fill(&mut self.html, part.html.as_ref());
        fill(&mut self.prometheus, part.prometheus.as_ref());
        fill(&mut self.latency_histogram, part.latency_histogram.as_ref());
        fill(
            &mut self.termination_message,
            part.termination_message.as_ref(),
        );
        fill(&mut self.attestation, part.attestation.as_ref());
    }

    /// Returns the files that are replaced as a whole, and what they are made by.
    fn files(&self) -> impl Iterator<Item = (&Path, Render)> {
        let is_log = |path: &PathBuf| path.extension().is_some_and(|kind| kind == "hlog");
        let render_latency: Render = if self.latency_histogram.as_ref().is_some_and(is_log) {
            render_hlog
        } else {
            render_hgrm
        };
        let all: [(&Option<PathBuf>, Render); 7] = [
            (&self.report, |report| Some(render_json(report))),
            (&self.junit, |report| Some(render_junit(report))),
            (&self.markdown, |report| Some(render_markdown(report))),
            (&self.html, |report| Some(render_html(report))),
            (&self.prometheus, |report| Some(render_prometheus(report))),
            (&self.latency_histogram, render_latency),
            (&self.attestation, render_attestation),
        ];
        all.into_iter()
            .filter_map(|(path, render)| Some((path.as_deref()?, render)))
    }

    /// Takes away what an earlier run has left, so that a run that is killed leaves no verdict
    /// of another. What cannot be removed is written over at the end.
    pub fn clear(&self) {
        let is_file =
            |path: &Path| std::fs::symlink_metadata(path).is_ok_and(|found| found.is_file());
        for (path, _) in self.files().filter(|(path, _)| is_file(path)) {
            let _ = std::fs::remove_file(path);
        }
        // Kubernetes mounts this one: it is emptied, not removed.
        if let Some(path) = self
            .termination_message
            .as_deref()
            .filter(|path| is_file(path))
        {
            let _ = std::fs::write(path, "");
        }
    }

    /// Writes all files. Each is tried even when another fails.
    ///
    /// # Errors
    /// [`GateError::Write`] for the first file that cannot be written.
    pub fn write(&self, report: &Report) -> Result<(), GateError> {
        let failed = |path: &Path, source| GateError::Write {
            outcome: report.brief.outcome.name(),
            path: path.to_owned(),
            source,
        };
        let message = match &self.termination_message {
            // Kubernetes mounts this file: it must be written in place, not replaced.
            Some(path) => std::fs::write(path, report.brief.to_termination_message())
                .map_err(|source| failed(path, source)),
            None => Ok(()),
        };
        self.files()
            .filter_map(|(path, render)| Some((path, render(report)?)))
            .map(|(path, text)| write_beside(path, &text).map_err(|source| failed(path, source)))
            .fold(message, Result::and)
    }
}

fn render_attestation(report: &Report) -> Option<String> {
    let packed = report.brief.attestation.as_deref()?;
    attest::unpack(packed)
        .ok()
        .map(|envelope| envelope.to_json())
}

fn render_json(report: &Report) -> String {
    // Plain values with text keys cannot fail to become JSON.
    serde_json::to_string_pretty(report).unwrap_or_default() + "\n"
}

/// Writes a file so that a reader sees none or the whole one.
pub(crate) fn write_beside(path: &Path, text: &str) -> io::Result<()> {
    if !std::fs::metadata(path).is_ok_and(|metadata| !metadata.is_file()) {
        let mut name = path.file_name().unwrap_or_default().to_owned();
        name.push(format!(".{}.partial", std::process::id()));
        let beside = path.with_file_name(name);
        let written = std::fs::write(&beside, text).and_then(|()| std::fs::rename(&beside, path));
        if written.is_err() {
            // The folder may refuse new files while the file itself can be written.
            let _ = std::fs::remove_file(&beside);
            return std::fs::write(path, text);
        }
        return written;
    }
    std::fs::write(path, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_that_is_killed_leaves_no_verdict_of_an_earlier_one() {
        let folder = tempfile::tempdir().expect("a folder");
        let (report, message) = (folder.path().join("report"), folder.path().join("message"));
        std::fs::write(&report, "pass").expect("written");
        std::fs::write(&message, "pass").expect("written");
        let destinations = Destinations {
            report: Some(report.clone()),
            termination_message: Some(message.clone()),
            ..Destinations::default()
        };
        destinations.clear();
        assert!(!report.exists());
        assert_eq!(std::fs::read_to_string(&message).expect("kept"), "");
        destinations.clear();
        assert!(!report.exists());
    }

    #[test]
    fn what_is_no_file_is_left_alone() {
        let folder = tempfile::tempdir().expect("a folder");
        let destinations = Destinations {
            report: Some("/dev/null".into()),
            termination_message: Some(folder.path().to_owned()),
            ..Destinations::default()
        };
        destinations.clear();
        assert!(Path::new("/dev/null").exists() && folder.path().is_dir());
    }
}
