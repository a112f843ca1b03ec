//! Whether raw outputs are logits or probabilities, decided over the whole data.

use serde::{Deserialize, Serialize};

use super::{MetricError, Totals};

/// What raw outputs are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum OutputKind {
    /// Log-odds: the model has no final sigmoid.
    Logits,
    /// Probabilities of the positive class.
    Probabilities,
}

/// What a person says of the raw outputs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum OutputSetting {
    /// Declared log-odds.
    Logits,
    /// Declared probabilities.
    Probabilities,
    /// Decided by the range of all outputs.
    #[default]
    Auto,
}

/// What the raw outputs were taken for, and why; recorded in the report.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct OutputDecision {
    /// What they were taken for.
    pub kind: OutputKind,
    /// Whether that was declared or decided by the data.
    pub setting: OutputSetting,
    /// The least raw output.
    pub minimum: f64,
    /// The largest raw output.
    pub maximum: f64,
}

/// Decides what raw outputs are. On `auto`, they are probabilities when *every* output of the
/// whole data lies in 0..=1, and logits otherwise; a part of the data must never decide.
///
/// # Errors
/// [`MetricError::Empty`] without rows; [`MetricError::NotProbabilities`] when declared
/// probabilities leave 0..=1.
pub fn decide_output(
    setting: OutputSetting,
    totals: &Totals,
) -> Result<OutputDecision, MetricError> {
    let (minimum, maximum) = (totals.minimum, totals.maximum);
    if minimum.is_nan() || maximum.is_nan() {
        return Err(MetricError::Empty);
    }
    let within = minimum >= 0.0 && maximum <= 1.0;
    let kind = match setting {
        OutputSetting::Probabilities if !within => {
            return Err(MetricError::NotProbabilities { minimum, maximum });
        }
        OutputSetting::Probabilities => OutputKind::Probabilities,
        OutputSetting::Auto if within => OutputKind::Probabilities,
        OutputSetting::Auto | OutputSetting::Logits => OutputKind::Logits,
    };
    Ok(OutputDecision {
        kind,
        setting,
        minimum,
        maximum,
    })
}

/// The least probability that the log loss of probabilities tells from 0, as scikit-learn
/// 1.9 clips double precision.
const CLIP: f64 = f64::EPSILON;

impl OutputKind {
    /// Returns the probability of the positive class, in double precision.
    #[must_use]
    pub fn probability(self, score: f64) -> f64 {
        match self {
            Self::Probabilities => score,
            Self::Logits => expit(score),
        }
    }

    /// Returns the probability of the negative class, without the loss of `1 - p` near 1.
    #[must_use]
    pub fn complement(self, score: f64) -> f64 {
        match self {
            Self::Probabilities => 1.0 - score,
            Self::Logits => expit(-score),
        }
    }

    /// Returns the logarithmic loss of a row that is positive and of one that is negative.
    ///
    /// Logits take the softplus form, which neither saturates nor clips; probabilities are
    /// clipped to `[2^-52, 1 - 2^-52]` as in scikit-learn.
    #[must_use]
    pub fn log_losses(self, score: f64) -> (f64, f64) {
        match self {
            Self::Logits => {
                let tail = (-score.abs()).exp().ln_1p();
                ((-score).max(0.0) + tail, score.max(0.0) + tail)
            }
            Self::Probabilities => {
                let clipped = score.clamp(CLIP, 1.0 - CLIP);
                (-clipped.ln(), -(1.0 - clipped).ln())
            }
        }
    }
}

/// The logistic function in double precision, accurate in both tails.
pub(crate) fn expit(logit: f64) -> f64 {
    if logit >= 0.0 {
        1.0 / (1.0 + (-logit).exp())
    } else {
        let odds = logit.exp();
        odds / (1.0 + odds)
    }
}
