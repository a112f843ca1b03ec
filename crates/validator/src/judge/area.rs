//! What the report says of all rows, whatever the checks are.

use verdict::auc::Auc;
use verdict::interval::{CLASS_ROWS_FIRM, IntervalMethod, Tails, bounds};
use verdict::metric::{
    Binning, MetricError, OutputDecision, RankedRows, calibration, precision_recall_curve,
    roc_curve,
};
use verdict::report::{AucSection, CurvesSection, MetricsSection};

use crate::runs::Scores;
use crate::settings::CONFIDENCE;

/// Points of a curve in the report.
const CURVE_POINTS_MAX: usize = 100;
/// Bins of the report's calibration.
const CALIBRATION_BINS: usize = 15;

/// Returns the curves of all rows.
pub(super) fn curves(
    scores: &Scores,
    output: &OutputDecision,
) -> Result<CurvesSection, MetricError> {
    Ok(CurvesSection {
        output: output.kind,
        output_setting: output.setting,
        roc: roc_curve(scores, CURVE_POINTS_MAX)?,
        precision_recall: precision_recall_curve(scores, CURVE_POINTS_MAX)?,
        calibration: calibration(scores, output.kind, Binning::EqualWidth, CALIBRATION_BINS)?,
    })
}

/// Describes the scores of the whole dataset.
pub(super) fn section(area: &Auc, scores: &Scores, infinite: u64) -> MetricsSection {
    let one_sided = bounds(area, CONFIDENCE, Tails::OneSided, IntervalMethod::LogitT);
    let two_sided = bounds(area, CONFIDENCE, Tails::TwoSided, IntervalMethod::LogitT);
    let (minimum, maximum) = scores.range().unwrap_or((f64::NAN, f64::NAN));
    let finite = |value: f64| value.is_finite().then_some(value);
    MetricsSection {
        rows: area.positives + area.negatives,
        positives: area.positives,
        negatives: area.negatives,
        auc: AucSection {
            value: area.value,
            variance: area.variance,
            lower_bound: one_sided.ok().map(|bounds| bounds.lower),
            upper_bound: one_sided.ok().map(|bounds| bounds.upper),
            interval: two_sided.ok().map(|bounds| [bounds.lower, bounds.upper]),
            confidence: CONFIDENCE,
            method: IntervalMethod::LogitT.name().to_owned(),
            degenerate: one_sided.err().map(|error| error.to_string()),
            distinct_scores: area.distinct_scores,
        },
        score_minimum: finite(minimum),
        score_maximum: finite(maximum),
        scores_infinite: infinite,
    }
}

/// Says what to keep in mind about the area.
pub(super) fn warnings(area: &Auc, section: &MetricsSection) -> Vec<String> {
    let mut warnings = Vec::new();
    let fewest = area.positives.min(area.negatives);
    if let Some(degenerate) = &section.auc.degenerate {
        warnings.push(format!("auc has no confidence interval: {degenerate}"));
    } else if fewest < CLASS_ROWS_FIRM {
        warnings.push(format!(
            "the smaller class has only {fewest} rows; below {CLASS_ROWS_FIRM} the interval of auc is rough"
        ));
    }
    if section.auc.upper_bound.is_some_and(|upper| upper < 0.5) {
        warnings.push(
            "auc is below 0.5: the labels or the sign of the outputs may be turned round".into(),
        );
    }
    warnings
}
