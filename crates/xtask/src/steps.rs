//! Time and size of each set-up step: shown while it runs, as a table at the end, kept as JSON in the cache.

use crate::output::{heading, say, size};
use crate::places::Places;
use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use std::time::Instant;

/// One step that was carried out.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Step {
    pub(crate) name: String,
    /// Wall time, seconds.
    pub(crate) duration_s: f64,
    /// Bytes of what the step made or fetched.
    pub(crate) bytes: Option<u64>,
}

/// What is kept in `steps.json`: the newest measurement of each step, by name.
#[derive(Debug, Serialize, Deserialize)]
struct Kept {
    schema_version: u32,
    steps: Vec<Step>,
}

/// The steps of this run.
#[derive(Debug)]
pub(crate) struct Steps {
    done: Vec<Step>,
    path: PathBuf,
    started: Instant,
}

impl Steps {
    pub(crate) fn new(places: &Places) -> Self {
        Self {
            done: Vec::new(),
            path: places.cache.join("steps.json"),
            started: Instant::now(),
        }
    }

    /// Runs one step; `work` returns the bytes of what it made, if that has a size.
    ///
    /// # Errors
    /// That of `work`, with the step's name.
    pub(crate) fn run(
        &mut self,
        name: &str,
        work: impl FnOnce() -> Result<Option<u64>>,
    ) -> Result<()> {
        heading(name);
        let started = Instant::now();
        let bytes = work().with_context(|| format!("failed to do `{name}`"))?;
        let step = Step {
            name: name.to_owned(),
            duration_s: started.elapsed().as_secs_f64(),
            bytes,
        };
        say(format_args!(
            "    done in {:.1} s{}",
            step.duration_s,
            bytes.map_or(String::new(), |b| format!(", {}", size(b)))
        ));
        self.done.push(step);
        self.keep()
    }

    /// Prints the steps of this run as a table; nothing when there were none.
    pub(crate) fn table(&self) {
        if self.done.is_empty() {
            return;
        }
        let width = self
            .done
            .iter()
            .map(|step| step.name.len())
            .max()
            .unwrap_or(0);
        say("");
        say(format_args!(
            "{:width$}  {:>9}  {:>10}",
            "step", "time", "size"
        ));
        for step in &self.done {
            let bytes = step.bytes.map_or_else(|| "-".to_owned(), size);
            say(format_args!(
                "{:width$}  {:>7.1} s  {bytes:>10}",
                step.name, step.duration_s
            ));
        }
        say(format_args!(
            "{:width$}  {:>7.1} s",
            "total",
            self.started.elapsed().as_secs_f64()
        ));
        say(format_args!("kept in {}", self.path.display()));
    }

    fn keep(&self) -> Result<()> {
        let mut steps: Vec<Step> = std::fs::read(&self.path)
            .ok()
            .and_then(|bytes| serde_json::from_slice::<Kept>(&bytes).ok())
            .map_or_else(Vec::new, |kept| kept.steps);
        for step in &self.done {
            match steps.iter_mut().find(|kept| kept.name == step.name) {
                Some(kept) => kept.clone_from(step),
                None => steps.push(step.clone()),
            }
        }
        let text = serde_json::to_vec_pretty(&Kept {
            schema_version: 1,
            steps,
        })?;
        let beside = self
            .path
            .with_extension(format!("json.{}", std::process::id()));
        std::fs::write(&beside, text)
            .and_then(|()| std::fs::rename(&beside, &self.path))
            .with_context(|| format!("failed to write `{}`", self.path.display()))
    }
}
