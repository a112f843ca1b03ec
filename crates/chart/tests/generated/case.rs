//! One generated case: a folder, and the command line that Helm and we are given in it.

use std::path::Path;

/// A chart and how it is rendered.
pub(crate) struct Case {
    /// Paths below the case's folder; the chart is `chart` or `chart.tgz`.
    pub(crate) files: Vec<(String, Vec<u8>)>,
    /// The chart's path and the flags behind `template rel`.
    pub(crate) arguments: Vec<String>,
}

impl Case {
    pub(crate) fn new() -> Self {
        Self {
            files: Vec::new(),
            arguments: vec!["chart".to_owned()],
        }
    }

    pub(crate) fn file(&mut self, path: impl Into<String>, text: impl Into<Vec<u8>>) {
        self.files.push((path.into(), text.into()));
    }

    pub(crate) fn flag(&mut self, name: &str, value: impl Into<String>) {
        self.arguments.push(name.to_owned());
        self.arguments.push(value.into());
    }

    pub(crate) fn write(&self, folder: &Path) {
        for (name, data) in &self.files {
            let path = folder.join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, data).unwrap();
        }
    }
}

/// What a run prints.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Outcome {
    /// The text, or the error.
    pub(crate) result: Result<String, String>,
    /// Warnings without the place in Helm's source, sorted: Helm walks its maps in random order.
    pub(crate) warnings: Vec<String>,
}
