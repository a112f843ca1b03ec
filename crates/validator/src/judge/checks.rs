//! All checks on scores, over the whole dataset and over slices.

use verdict::auc::{MetricError, auc};
use verdict::decision::{Rule, judge_by};
use verdict::metric::multiclass::MulticlassError;
use verdict::metric::{Groups, OutputKind, OutputSetting, RankedRows, Totals, decide_output};
use verdict::report::{Check, CurvesSection, MetricsSection, Outcome};
use verdict::slices::{Correction, SliceEstimate, SliceMinimum, SliceRule, judge_slices};

use super::measure::{Measured, Outputs, measure};
use super::population::{Gathered, Population};
use super::{GatherError, area};
use crate::gate::file::{CorrectionName, DecideOnName, OutputMeaning};
use crate::settings::{Bar, MetricCheck, Slice, Subject};

/// At most this many slices that are too small are named in a warning.
const SMALL_SLICES_NAMED_MAX: usize = 5;

/// What the scores gave.
#[derive(Debug)]
pub struct Judged {
    /// For the report.
    pub section: MetricsSection,
    /// For plots.
    pub curves: CurvesSection,
    /// One for each check, and one for each slice that was judged; those on all rows first.
    pub checks: Vec<Check>,
    /// What to keep in mind.
    pub warnings: Vec<String>,
}

/// Why scores cannot be judged at all.
#[derive(Debug, thiserror::Error)]
pub enum JudgeError {
    /// There is no area, without which no verdict is worth its name.
    #[error(transparent)]
    Metric(#[from] MetricError),
    /// The champion's outputs are not what they were declared to be.
    #[error("the champion cannot be compared with")]
    Champion(#[source] MetricError),
    /// Outputs of several classes that cannot be used.
    #[error(transparent)]
    Classes(#[from] MulticlassError),
    /// Rows do not belong together.
    #[error(transparent)]
    Gather(#[from] GatherError),
}

/// Judges everything that was gathered.
///
/// # Errors
/// [`JudgeError`] when there is no verdict to be had, whatever the checks are.
pub fn judge(
    gathered: &Gathered,
    infinite: u64,
    meaning: OutputMeaning,
    checks: &[MetricCheck],
) -> Result<Judged, JudgeError> {
    let whole = &gathered.whole;
    let found = auc(&whole.scores)?;
    let section = area::section(&found, &whole.scores, infinite);
    let mut warnings = area::warnings(&found, &section);
    if gathered.weighted {
        warnings.push(
            "rows carry weights: checks heed them, the section `metrics` of the report does not"
                .into(),
        );
    }
    let output = decide_output(setting(meaning), &whole.scores.totals())?;
    let champion = champion_output(gathered, meaning)?;
    let outputs = Outputs {
        model: output.kind,
        champion,
    };
    let mut judged = Vec::new();
    for check in checks.iter().filter(|check| check.slice.is_none()) {
        judged.push(judge_whole(check, whole, outputs, &mut warnings));
    }
    for check in checks {
        if let Some(slice) = &check.slice {
            let parts = gathered.parts(slice);
            judged.extend(judge_parts(check, slice, parts, outputs, &mut warnings));
        }
    }
    let curves = area::curves(&whole.scores, &output)?;
    if let Some(fault) = gathered.take_fault() {
        return Err(JudgeError::Gather(GatherError::lost(&fault)));
    }
    Ok(Judged {
        section,
        curves,
        checks: judged,
        warnings,
    })
}

pub(super) fn setting(meaning: OutputMeaning) -> OutputSetting {
    match meaning {
        OutputMeaning::Auto => OutputSetting::Auto,
        OutputMeaning::Logits => OutputSetting::Logits,
        OutputMeaning::Probabilities => OutputSetting::Probabilities,
    }
}

/// Decides what the champion's outputs are, by themselves: it may differ from the model.
fn champion_output(
    gathered: &Gathered,
    meaning: OutputMeaning,
) -> Result<Option<OutputKind>, JudgeError> {
    let Some((minimum, maximum)) = gathered.champion_range else {
        return Ok(None);
    };
    let totals = Totals {
        minimum,
        maximum,
        ..gathered.whole.scores.totals()
    };
    decide_output(setting(meaning), &totals)
        .map(|decision| Some(decision.kind))
        .map_err(JudgeError::Champion)
}

fn rule(check: &MetricCheck) -> Rule {
    Rule {
        decide_on: check.decide_on.into(),
        on_inconclusive: check.on_inconclusive.into(),
    }
}

/// Notes on a check what every check of a gate carries.
fn annotated(mut judged: Check, check: &MetricCheck, measured: &Measured) -> Check {
    judged.method = measured.method.map(str::to_owned);
    if check.subject == Subject::ChangeFromChampion {
        judged.compared_with = Some("champion".to_owned());
    }
    judged
}

fn judge_whole(
    check: &MetricCheck,
    whole: &Population,
    outputs: Outputs,
    warnings: &mut Vec<String>,
) -> Check {
    let measured = measure(check, whole, outputs);
    let judged = judge_by(
        &check.name,
        measured.estimate,
        check.bar.into(),
        rule(check),
    );
    let judged = annotated(judged, check, &measured);
    if let Some(problem) = &measured.problem {
        warnings.push(format!("`{}`: {problem}", check.name));
    }
    warnings.extend(warning_of_policy(&check.name, &judged));
    warnings.extend(warning_of_pass(check, &judged));
    judged
}

/// Says which policy settled what the sample did not.
pub(super) fn warning_of_policy(name: &str, judged: &Check) -> Option<String> {
    let policy = judged.settled_by.as_deref();
    let policy = policy.filter(|policy| *policy != "distinct")?;
    Some(format!(
        "the sample does not settle `{name}`; by `on_inconclusive: {policy}` that is a {}",
        judged.outcome
    ))
}

/// Says where a pass on the point estimate is not yet one with confidence.
fn warning_of_pass(check: &MetricCheck, judged: &Check) -> Option<String> {
    let (bound, side, beyond, limit) = match check.bar {
        Bar::Min(minimum) => (
            judged.lower_bound?,
            "lower",
            "below",
            format!("minimum {minimum}"),
        ),
        Bar::Max(maximum) => (
            judged.upper_bound?,
            "upper",
            "above",
            format!("maximum {maximum}"),
        ),
    };
    let passed_on_point = check.decide_on == DecideOnName::Point && judged.outcome == Outcome::Pass;
    if !passed_on_point || check.bar.is_met_by(bound) {
        return None;
    }
    Some(format!(
        "{} passes on its point estimate; its {side} {}% bound is {beyond} the {limit}, so more rows could turn the verdict",
        check.name,
        (check.confidence * 1000.0).round() / 10.0
    ))
}

fn judge_parts(
    check: &MetricCheck,
    slice: &Slice,
    parts: &[Population],
    outputs: Outputs,
    warnings: &mut Vec<String>,
) -> Vec<Check> {
    let minimum = SliceMinimum {
        rows: slice.min_rows,
        positives: slice.min_positives,
        negatives: slice.min_negatives,
    };
    let (judgeable, small): (Vec<&Population>, Vec<&Population>) = parts
        .iter()
        .partition(|part| minimum.is_met_by(part.scores.positives(), part.scores.negatives()));
    warnings.extend(warning_of_small(check, &small));
    let measured: Vec<Measured> = judgeable
        .iter()
        .map(|part| measure(check, part, outputs))
        .collect();
    let estimates: Vec<SliceEstimate> = judgeable
        .iter()
        .zip(&measured)
        .map(|(part, measured)| estimate(check, part, measured))
        .collect();
    let verdicts = judge_slices(
        &estimates,
        &SliceRule {
            limit: check.bar.into(),
            confidence: check.confidence,
            decide_on: check.decide_on.into(),
            on_inconclusive: check.on_inconclusive.into(),
            minimum,
            correction: match slice.correction {
                CorrectionName::Holm => Correction::Holm,
                CorrectionName::None => Correction::None,
            },
        },
    );
    if judgeable.is_empty() {
        return vec![nothing_judged(check)];
    }
    verdicts
        .iter()
        .map(|verdict| {
            let measured = &measured[verdict.index];
            let part = judgeable[verdict.index];
            let judged = judge_by(
                &check.name,
                measured.estimate,
                check.bar.into(),
                rule(check),
            );
            let mut judged = annotated(judged, check, measured);
            judged.slice = Some(part.name.clone());
            judged.outcome = verdict.outcome.unwrap_or(Outcome::Inconclusive);
            if !verdict.settled {
                judged.settled_by = None;
            }
            if let Some(problem) = &measured.problem {
                warnings.push(format!("`{}` of {}: {problem}", check.name, part.name));
            }
            judged
        })
        .collect()
}

fn estimate(check: &MetricCheck, part: &Population, measured: &Measured) -> SliceEstimate {
    let tails = measured.tails.map(|tails| tails.against(check.bar.into()));
    let value = measured.estimate.value;
    SliceEstimate {
        name: part.name.clone(),
        positives: part.scores.positives(),
        negatives: part.scores.negatives(),
        value: (!value.is_nan()).then_some(value),
        p_below: tails.map(|tails| tails.0),
        p_above: tails.map(|tails| tails.1),
    }
}

fn warning_of_small(check: &MetricCheck, small: &[&Population]) -> Option<String> {
    if small.is_empty() {
        return None;
    }
    let named: Vec<String> = small
        .iter()
        .take(SMALL_SLICES_NAMED_MAX)
        .map(|part| {
            let (positives, negatives) = (part.scores.positives(), part.scores.negatives());
            format!(
                "{} ({} rows, {positives} positive)",
                part.name,
                positives + negatives
            )
        })
        .collect();
    let more = small.len().saturating_sub(SMALL_SLICES_NAMED_MAX);
    let more = if more > 0 {
        format!(" and {more} more")
    } else {
        String::new()
    };
    Some(format!(
        "`{}` does not judge {} slices with too few rows: {}{more}",
        check.name,
        small.len(),
        named.join(", ")
    ))
}

/// A check whose every slice is too small has judged nothing, and passes nothing.
fn nothing_judged(check: &MetricCheck) -> Check {
    let nothing = verdict::decision::Estimate {
        value: f64::NAN,
        lower: None,
        upper: None,
        confidence: check.confidence,
        samples: 0,
    };
    judge_by(&check.name, nothing, check.bar.into(), rule(check))
}
