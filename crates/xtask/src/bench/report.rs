//! Medians, ratios and comparisons, as a table and as JSON.

use super::measure::{Outcome, Program, Run, Usage};
use super::subject::Subject;
use crate::process;
use anyhow::Result;
use serde::Serialize;
use std::process::Command;

/// Everything that was measured; the contract of `--output json`.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    schema_version: u32,
    cpus: usize,
    programs: Vec<ProgramVersion>,
    subjects: Vec<Measured>,
}

#[derive(Debug, Serialize)]
pub(super) struct ProgramVersion {
    pub(super) name: &'static str,
    /// What `version --short` prints.
    version: String,
}

#[derive(Debug, Serialize)]
struct Measured {
    name: String,
    /// Calls of a program in each round.
    calls: usize,
    rounds: u32,
    results: Vec<Measurement>,
}

/// What one program needed for one subject.
#[derive(Debug, Serialize)]
struct Measurement {
    program: &'static str,
    #[serde(flatten)]
    usage: Usage,
    /// Of a Helm: how many times what the deployer needed.
    against_deployer: Option<Ratios>,
    /// Of a Helm: calls with the same bytes from the deployer.
    comparison: Option<Comparison>,
}

#[derive(Debug, Clone, Copy, Serialize)]
struct Ratios {
    wall: f64,
    user: f64,
    memory: f64,
}

/// How many calls printed the same bytes, of those whose bytes are the same each time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
struct Comparison {
    same: usize,
    different: usize,
    /// Calls whose output varies from run to run in Helm itself.
    random: usize,
}

impl Report {
    /// Asks each program for its version.
    ///
    /// # Errors
    /// When one cannot be started.
    pub(super) fn new(programs: &[Program]) -> Result<Self> {
        Ok(Self {
            schema_version: 1,
            cpus: std::thread::available_parallelism()?.get(),
            programs: versions(programs)?,
            subjects: Vec::new(),
        })
    }

    /// Adds a subject: `runs: [n_programs][n_rounds]`, the deployer first, then the Helms, then the deployer in the
    /// ways of Helm v4, with which that Helm is compared.
    pub(super) fn add(&mut self, subject: &Subject, rounds: u32, runs: &[Vec<Run>]) {
        let [deployer, helms @ .., as_helm4] = runs else {
            return;
        };
        let name = |index: usize| self.programs.get(index).map_or("", |program| program.name);
        let base = Measurement::of(name(0), deployer);
        let mut results = Vec::new();
        for (index, helm) in helms.iter().enumerate() {
            let mut result = Measurement::of(name(index + 1), helm);
            result.against_deployer = Some(Ratios {
                wall: result.usage.wall_ms_median / base.usage.wall_ms_median,
                user: result.usage.user_ms_median / base.usage.user_ms_median,
                memory: result.usage.memory_mb_max / base.usage.memory_mb_max,
            });
            let ours = if index == 0 { deployer } else { as_helm4 };
            result.comparison = subject
                .is_compared
                .then(|| compare(&outcomes(ours), &outcomes(helm)));
            results.push(result);
        }
        results.insert(0, base);
        self.subjects.push(Measured {
            name: subject.name.clone(),
            calls: subject.calls.len(),
            rounds,
            results,
        });
    }

    /// Returns the report as a table in Markdown, with its notes.
    pub(super) fn lines(&self) -> Vec<String> {
        let mut lines = vec![
            "| subject | program | wall, ms: median (least to most) | user, ms | system, ms | memory, MB \
             | wall, times ours | user, times ours | memory, times ours | same bytes |"
                .to_owned(),
            "|---|---|--:|--:|--:|--:|--:|--:|--:|---|".to_owned(),
        ];
        for subject in &self.subjects {
            lines.extend(
                subject
                    .results
                    .iter()
                    .map(|result| result.line(&subject.name)),
            );
        }
        lines.push(String::new());
        for program in &self.programs {
            lines.push(format!("{}: {}", program.name, program.version));
        }
        let rounds: Vec<String> = self
            .subjects
            .iter()
            .map(|subject| subject.rounds.to_string())
            .collect();
        lines.push(format!("{} CPUs; rounds: {}", self.cpus, rounds.join(", ")));
        lines
    }
}

impl Measurement {
    fn of(program: &'static str, runs: &[Run]) -> Self {
        Self {
            program,
            usage: Usage::of(runs),
            against_deployer: None,
            comparison: None,
        }
    }

    fn line(&self, subject: &str) -> String {
        let ratios = self.against_deployer.map_or_else(
            || " | | |".to_owned(),
            |ratios| {
                format!(
                    " {:.1} | {:.1} | {:.1} |",
                    ratios.wall, ratios.user, ratios.memory
                )
            },
        );
        let comparison = self.comparison.map_or_else(String::new, |found| {
            let random = match found.random {
                0 => String::new(),
                count => format!(", {count} random in Helm itself"),
            };
            format!("{} of {}{random}", found.same, found.same + found.different)
        });
        let usage = &self.usage;
        format!(
            "| {subject} | {} | {:.1} ({:.1} to {:.1}) | {:.1} | {:.1} | {:.1} |{ratios} {comparison} |",
            self.program,
            usage.wall_ms_median,
            usage.wall_ms_min,
            usage.wall_ms_max,
            usage.user_ms_median,
            usage.system_ms_median,
            usage.memory_mb_max,
        )
    }
}

/// Asks each program for its version.
///
/// # Errors
/// When one cannot be started.
pub(super) fn versions(programs: &[Program]) -> Result<Vec<ProgramVersion>> {
    let mut versions = Vec::new();
    for program in programs {
        let mut command = Command::new(&program.path);
        let version = process::capture(command.args(["version", "--short"]))?;
        versions.push(ProgramVersion {
            name: program.name,
            version: version.trim().to_owned(),
        });
    }
    Ok(versions)
}

fn outcomes(runs: &[Run]) -> Vec<&[Outcome]> {
    runs.iter().map(|run| run.outcomes.as_slice()).collect()
}

/// Compares call by call, `[n_rounds][n_calls]`. One round cannot tell what is random.
fn compare(ours: &[&[Outcome]], theirs: &[&[Outcome]]) -> Comparison {
    let mut found = Comparison {
        same: 0,
        different: 0,
        random: 0,
    };
    let (Some(first), Some(their_first)) = (ours.first(), theirs.first()) else {
        return found;
    };
    for (index, (our, their)) in first.iter().zip(*their_first).enumerate() {
        let constant = |rounds: &[&[Outcome]], value: &Outcome| {
            rounds.iter().all(|round| round.get(index) == Some(value))
        };
        if !constant(theirs, their) {
            found.random += 1;
        } else if our == their && constant(ours, our) {
            found.same += 1;
        } else {
            found.different += 1;
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn outcome(digest: u8) -> Outcome {
        Outcome {
            success: true,
            digest: [digest; 32],
        }
    }

    fn run(wall_ms: u64, memory_bytes_max: u64, digest: u8) -> Run {
        Run {
            wall: Duration::from_millis(wall_ms),
            user: Duration::from_millis(wall_ms / 2),
            system: Duration::ZERO,
            memory_bytes_max,
            outcomes: vec![outcome(digest)],
        }
    }

    fn report(runs: &[Vec<Run>]) -> Report {
        let names = ["deployer", "helm3", "helm4", "deployer --compat helm4"];
        let mut report = Report {
            schema_version: 1,
            cpus: 2,
            programs: names
                .map(|name| ProgramVersion {
                    name,
                    version: "v1".to_owned(),
                })
                .into(),
            subjects: Vec::new(),
        };
        let subject = Subject {
            name: "chart".to_owned(),
            calls: Vec::new(),
            is_corpus: false,
            is_compared: true,
        };
        report.add(&subject, 3, runs);
        report
    }

    #[test]
    fn a_helm_is_measured_in_multiples_of_the_deployer_and_compared_with_its_ways() {
        let report = report(&[
            vec![
                run(10, 5_000_000, 1),
                run(30, 4_000_000, 1),
                run(20, 4_000_000, 1),
            ],
            vec![run(100, 20_000_000, 1); 3],
            vec![run(200, 50_000_000, 4); 3],
            vec![run(20, 5_000_000, 4); 3],
        ]);
        let lines = report.lines();
        assert_eq!(
            lines[2..5],
            [
                "| chart | deployer | 20.0 (10.0 to 30.0) | 10.0 | 0.0 | 5.0 | | | |  |",
                "| chart | helm3 | 100.0 (100.0 to 100.0) | 50.0 | 0.0 | 20.0 | 5.0 | 5.0 | 4.0 | 1 of 1 |",
                "| chart | helm4 | 200.0 (200.0 to 200.0) | 100.0 | 0.0 | 50.0 | 10.0 | 10.0 | 10.0 | 1 of 1 |",
            ]
        );
        let json = serde_json::to_value(&report).unwrap();
        assert_eq!(json["schema_version"], 1);
        assert_eq!(
            json["subjects"][0]["results"][1]["against_deployer"]["wall"],
            5.0
        );
        assert_eq!(json["subjects"][0]["results"][2]["comparison"]["same"], 1);
    }

    #[test]
    fn what_varies_in_helm_is_random_and_what_varies_here_alone_is_different() {
        let (one, two) = (
            [outcome(1), outcome(1), outcome(1)],
            [outcome(1), outcome(1), outcome(2)],
        );
        let (helm_one, helm_two) = (
            [outcome(1), outcome(3), outcome(1)],
            [outcome(1), outcome(4), outcome(1)],
        );
        let found = compare(&[&one, &two], &[&helm_one, &helm_two]);
        assert_eq!(
            found,
            Comparison {
                same: 1,
                different: 1,
                random: 1
            }
        );
    }
}
