//! Medians and ratios of deployments, as a table and as JSON.

use super::requests::Requests;
use crate::bench::measure::{Program, Run, Usage};
use crate::bench::report::{ProgramVersion, versions};
use anyhow::Result;
use serde::Serialize;

/// One operation of one program.
#[derive(Debug, Clone)]
pub(super) struct Measured {
    pub(super) run: Run,
    pub(super) requests: Requests,
}

/// By operation, its name first: `[n_programs][n_rounds]`.
pub(super) type Results = Vec<(&'static str, Vec<Vec<Measured>>)>;

/// Everything that was measured; the contract of `--output json`.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    schema_version: u32,
    cpus: usize,
    programs: Vec<ProgramVersion>,
    subjects: Vec<Subject>,
}

#[derive(Debug, Serialize)]
struct Subject {
    operation: &'static str,
    objects: usize,
    /// Added to each round trip.
    delay_ms: u64,
    rounds: u32,
    results: Vec<Measurement>,
}

#[derive(Debug, Serialize)]
struct Measurement {
    program: &'static str,
    #[serde(flatten)]
    usage: Usage,
    /// Of the last round.
    requests: Requests,
    /// Of a Helm: how many times what the deployer needed.
    against_deployer: Option<Ratios>,
}

#[derive(Debug, Clone, Copy, Serialize)]
struct Ratios {
    wall: f64,
    memory: f64,
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

    /// Adds results, the deployer's first.
    pub(super) fn add(&mut self, objects: usize, delay_ms: u64, rounds: u32, results: &Results) {
        for (operation, programs) in results {
            let mut measurements: Vec<Measurement> = programs
                .iter()
                .enumerate()
                .map(|(index, rounds)| {
                    let name = self.programs.get(index).map_or("", |program| program.name);
                    Measurement::of(name, rounds)
                })
                .collect();
            if let Some((deployer, helms)) = measurements.split_first_mut() {
                for helm in helms {
                    helm.against_deployer = Some(Ratios {
                        wall: helm.usage.wall_ms_median / deployer.usage.wall_ms_median,
                        memory: helm.usage.memory_mb_max / deployer.usage.memory_mb_max,
                    });
                }
            }
            self.subjects.push(Subject {
                operation,
                objects,
                delay_ms,
                rounds,
                results: measurements,
            });
        }
    }

    /// Returns a Markdown table.
    pub(super) fn lines(&self) -> Vec<String> {
        let mut lines = vec![
            "| objects | added | operation | program | wall, ms: median (least to most) | user, ms | memory, MB | requests | wall, times ours | memory, times ours |".to_owned(),
            "|--:|--:|---|---|--:|--:|--:|--:|--:|--:|".to_owned(),
        ];
        for subject in &self.subjects {
            for (index, result) in subject.results.iter().enumerate() {
                let head = match index {
                    0 => format!(
                        "{} | {} ms | {}",
                        subject.objects, subject.delay_ms, subject.operation
                    ),
                    _ => " | | ".to_owned(),
                };
                let ratios = result.against_deployer.map_or_else(
                    || " | ".to_owned(),
                    |ratios| format!("{:.1} | {:.1}", ratios.wall, ratios.memory),
                );
                lines.push(format!(
                    "| {head} | {} | {:.0} ({:.0} to {:.0}) | {:.0} | {:.1} | {} | {ratios} |",
                    result.program,
                    result.usage.wall_ms_median,
                    result.usage.wall_ms_min,
                    result.usage.wall_ms_max,
                    result.usage.user_ms_median,
                    result.usage.memory_mb_max,
                    result.requests.total,
                ));
            }
        }
        lines
    }
}

impl Measurement {
    fn of(program: &'static str, rounds: &[Measured]) -> Self {
        let runs: Vec<Run> = rounds.iter().map(|round| round.run.clone()).collect();
        Self {
            program,
            usage: Usage::of(&runs),
            requests: rounds
                .last()
                .map(|round| round.requests.clone())
                .unwrap_or_default(),
            against_deployer: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn measured(wall_ms: u64, total: usize) -> Measured {
        Measured {
            run: Run {
                wall: Duration::from_millis(wall_ms),
                user: Duration::from_millis(1),
                system: Duration::ZERO,
                memory_bytes_max: wall_ms * 1_000_000,
                outcomes: Vec::new(),
            },
            requests: Requests {
                total,
                ..Requests::default()
            },
        }
    }

    #[test]
    fn helms_are_measured_in_multiples_of_the_deployer() {
        let mut report = Report {
            schema_version: 1,
            cpus: 2,
            programs: vec![],
            subjects: vec![],
        };
        report.add(
            200,
            10,
            1,
            &vec![(
                "install",
                vec![vec![measured(10, 20)], vec![measured(50, 400)]],
            )],
        );
        let lines = report.lines();
        assert_eq!(
            lines[2],
            "| 200 | 10 ms | install |  | 10 (10 to 10) | 1 | 10.0 | 20 |  |  |"
        );
        assert_eq!(
            lines[3],
            "|  | |  |  | 50 (50 to 50) | 1 | 50.0 | 400 | 5.0 | 5.0 |"
        );
    }
}
