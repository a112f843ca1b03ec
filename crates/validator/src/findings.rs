//! What a run has found so far, and the report that it becomes.

use std::time::Duration;

use verdict::exit::ExitCode;
use verdict::report::{
    BRIEF_KIND, BRIEF_SCHEMA_VERSION, Brief, Check, ConfigurationEntry, CurvesSection,
    DatasetSection, DatasetSummary, Environment, ErrorSection, GateSummary, LatencySection,
    MetricsSection, ModelSection, ModelSummary, MulticlassSection, NullColumn, NullsSection,
    REPORT_KIND, Report, Reused, SCHEMA_VERSION, Timings,
};

use crate::dataset::{Dataset, Dropped, Evidence, NullPolicy};
use crate::error::GateError;
use crate::scorer::ModelInfo;

/// At most this many names of skipped files or unused columns go into a report.
const NAMES_MAX: usize = 100;

/// Evidence as it comes in; a run that ends early leaves the rest empty.
#[derive(Clone, Debug, Default)]
pub struct Findings {
    /// The model, once loaded.
    pub model: Option<ModelSection>,
    /// The champion, once loaded.
    pub champion: Option<ModelSection>,
    /// The dataset, once opened; complete once all rows were read.
    pub dataset: Option<DatasetSection>,
    /// The metrics.
    pub metrics: Option<MetricsSection>,
    /// The metrics of several classes.
    pub multiclass: Option<MulticlassSection>,
    /// The metrics as curves.
    pub curves: Option<CurvesSection>,
    /// The latency.
    pub latency: Option<LatencySection>,
    /// The latency of further checks.
    pub latency_further: Vec<LatencySection>,
    /// What was judged.
    pub checks: Vec<Check>,
    /// Why the verdict is what it is, the most important first.
    pub reasons: Vec<String>,
    /// What to keep in mind.
    pub warnings: Vec<String>,
    /// Where it ran.
    pub environment: Environment,
    /// How long the parts took.
    pub timings: Timings,
    /// How many raw outputs were infinite.
    pub scores_infinite: u64,
    /// The digest of what was asked, once it was known.
    pub gate_digest: Option<String>,
    /// Where the verdict comes from, when it is an earlier run's.
    pub reused: Option<Reused>,
    /// Settings that shards know and this run was not told: where model and dataset lie.
    pub places: std::collections::BTreeMap<String, ConfigurationEntry>,
    /// How many shards it was put together from.
    pub shards: Option<u64>,
    /// That run's signed verdict, packed.
    pub attestation: Option<String>,
}

impl Findings {
    /// Takes over what an earlier run found; its times stay in `reused`.
    #[must_use]
    pub fn reused(report: Report, reused: Reused) -> Self {
        Self {
            model: report.model,
            champion: report.champion,
            dataset: report.dataset,
            metrics: report.metrics,
            multiclass: report.multiclass,
            curves: report.curves,
            latency: report.latency,
            latency_further: report.latency_further,
            checks: report.brief.checks,
            reasons: report.brief.reasons,
            warnings: report.warnings,
            environment: report.environment,
            timings: Timings::default(),
            scores_infinite: 0,
            gate_digest: report.brief.gate.map(|gate| gate.digest),
            reused: Some(reused),
            places: std::collections::BTreeMap::new(),
            shards: report.shards,
            attestation: report.brief.attestation,
        }
    }

    /// Adds what was read.
    pub fn note_evidence(&mut self, evidence: Evidence) {
        if let Some(dataset) = &mut self.dataset {
            dataset.digest = Some(evidence.digest);
            dataset.files = evidence.files;
            dataset.files_total = evidence.files_total;
            dataset.bytes_total = evidence.bytes_total;
            dataset.rows_total = evidence.rows_total;
            if let Some(nulls) = &mut dataset.nulls {
                *nulls = nulls_section(&evidence.dropped);
            }
        }
    }
}

/// Describes an opened dataset.
#[must_use]
pub fn dataset_section(dataset: &Dataset) -> DatasetSection {
    let columns = dataset.columns();
    let first = |names: &[String]| names.iter().take(NAMES_MAX).cloned().collect();
    DatasetSection {
        uri: dataset.uri(),
        digest: None,
        manifest_digest: None,
        files: Vec::new(),
        files_total: dataset.files_total() as u64,
        bytes_total: 0,
        rows_total: 0,
        nulls: (dataset.nulls() == NullPolicy::Drop).then(NullsSection::default),
        label: columns.label.name.clone(),
        features: columns.feature_names(),
        width: columns.width().unwrap_or_default() as u64,
        unused_columns: first(&columns.unused),
        skipped_files: first(dataset.skipped()),
    }
}

fn nulls_section(dropped: &Dropped) -> NullsSection {
    let columns = dropped.columns_by_rows().into_iter().take(NAMES_MAX);
    NullsSection {
        rows_dropped: dropped.rows,
        columns: columns
            .map(|(name, rows)| NullColumn {
                name: name.to_owned(),
                rows,
            })
            .collect(),
    }
}

/// Describes a loaded model.
#[must_use]
pub fn model_section(model: &ModelInfo, uri: &str) -> ModelSection {
    ModelSection {
        uri: uri.to_owned(),
        sha256: model.sha256.clone(),
        bytes: model.bytes,
        format: "torchscript".to_owned(),
        load_ms: model.load.as_secs_f64() * 1e3,
        output_type: None,
        output_kind: None,
        parameters: model.parameters,
        sandbox: serde_json::to_value(&model.sandbox).unwrap_or_default(),
    }
}

/// What surrounds the findings of a run.
#[derive(Debug)]
pub struct Frame<'a> {
    /// The effective settings, as far as they were understood.
    pub configuration: std::collections::BTreeMap<String, ConfigurationEntry>,
    /// When the run started.
    pub started_at: chrono::DateTime<chrono::Utc>,
    /// How long it took.
    pub duration: Duration,
    /// How it ended.
    pub outcome: Result<ExitCode, &'a GateError>,
}

/// Makes the report of a run that ended in any way.
#[must_use]
pub fn report(mut findings: Findings, mut frame: Frame<'_>) -> Report {
    frame.configuration.append(&mut findings.places);
    let exit = match frame.outcome {
        Ok(exit) => exit,
        Err(error) => error.exit_code(),
    };
    let brief = brief(&findings, &frame, exit);
    let error = frame.outcome.err().map(|error| ErrorSection {
        class: exit.name().to_owned(),
        chain: error.chain(),
        retryable: exit.is_retryable(),
    });
    let mut environment = findings.environment;
    crate::VERSION.clone_into(&mut environment.validator_version);
    environment.validator_resident_bytes_max = resident_bytes_max();
    let mut timings = findings.timings;
    timings.total_s = frame.duration.as_secs_f64();
    Report {
        kind: REPORT_KIND.to_owned(),
        schema_version: SCHEMA_VERSION,
        brief,
        configuration: frame.configuration,
        metrics: findings.metrics,
        multiclass: findings.multiclass,
        curves: findings.curves,
        latency: findings.latency,
        latency_further: findings.latency_further,
        dataset: findings.dataset,
        model: findings.model,
        champion: findings.champion,
        shards: findings.shards,
        environment,
        timings,
        warnings: findings.warnings,
        error,
    }
}

fn brief(findings: &Findings, frame: &Frame<'_>, exit: ExitCode) -> Brief {
    let configured = |key: &str| {
        let entry = frame.configuration.get(key)?;
        entry.value.as_str().map(str::to_owned)
    };
    let metrics = findings.metrics.as_ref();
    let (reasons, hints) = match frame.outcome {
        Ok(_) => (findings.reasons.clone(), Vec::new()),
        Err(error) => (vec![error.one_line()], error.hints()),
    };
    let dataset = findings.dataset.as_ref();
    Brief {
        kind: BRIEF_KIND.to_owned(),
        schema_version: BRIEF_SCHEMA_VERSION,
        outcome: exit.outcome(),
        exit_code: exit.code(),
        reasons,
        hints,
        checks: findings.checks.clone(),
        checks_left_out: 0,
        model: ModelSummary {
            uri: configured("model"),
            sha256: findings.model.as_ref().map(|model| model.sha256.clone()),
        },
        dataset: DatasetSummary {
            uri: configured("dataset"),
            digest: dataset.and_then(|dataset| dataset.digest.clone()),
            manifest_digest: dataset.and_then(|dataset| dataset.manifest_digest.clone()),
            rows: dataset
                .filter(|dataset| dataset.digest.is_some())
                .map(|dataset| dataset.rows_total),
            rows_dropped: dataset
                .filter(|dataset| dataset.digest.is_some())
                .and_then(|dataset| dataset.nulls.as_ref())
                .map(|nulls| nulls.rows_dropped),
            positives: metrics.map(|metrics| metrics.positives),
            negatives: metrics.map(|metrics| metrics.negatives),
        },
        gate: findings
            .gate_digest
            .clone()
            .map(|digest| GateSummary { digest }),
        reused: findings.reused.clone(),
        attestation: findings.attestation.clone(),
        validator_version: crate::VERSION.to_owned(),
        started_at: frame
            .started_at
            .to_rfc3339_opts(chrono::SecondsFormat::Millis, true),
        duration_s: frame.duration.as_secs_f64(),
    }
}

/// Returns the most resident memory that this process had, where the system tells.
fn resident_bytes_max() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes * 1024)
}
