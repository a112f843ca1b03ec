//! The metrics that a gate may name, and one walk that computes any number of them.

use std::fmt;

use super::{
    AreaFold, AveragePrecisionFold, Binning, BrierFold, CalibrationFold, ConfusionFold, Groups,
    KolmogorovSmirnovFold, LogLossFold, Mass, MetricError, OutputKind, PrecisionAtRecallFold,
    RecallAtPrecisionFold, Totals,
};

/// A metric of a binary classifier, with its parameters.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Metric {
    /// The area under the ROC curve.
    Auc,
    /// Average precision.
    AveragePrecision,
    /// F1 at a threshold.
    F1 {
        /// The probability from which a row is predicted positive.
        at: f64,
    },
    /// Precision at a threshold.
    Precision {
        /// The probability from which a row is predicted positive.
        at: f64,
    },
    /// Recall at a threshold.
    Recall {
        /// The probability from which a row is predicted positive.
        at: f64,
    },
    /// Specificity at a threshold.
    Specificity {
        /// The probability from which a row is predicted positive.
        at: f64,
    },
    /// Accuracy at a threshold.
    Accuracy {
        /// The probability from which a row is predicted positive.
        at: f64,
    },
    /// The largest recall with at least this precision.
    RecallAtPrecision {
        /// The precision asked for.
        precision: f64,
    },
    /// The largest precision with at least this recall.
    PrecisionAtRecall {
        /// The recall asked for.
        recall: f64,
    },
    /// Mean logarithmic loss.
    LogLoss,
    /// Brier score.
    Brier,
    /// Expected calibration error.
    CalibrationError {
        /// How many bins.
        bins: usize,
        /// How they are made.
        binning: Binning,
    },
    /// The Kolmogorov-Smirnov distance of the classes.
    KolmogorovSmirnov,
}

/// Which values of a metric are better.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Preference {
    /// Larger is better: a gate sets a minimum.
    Larger,
    /// Smaller is better: a gate sets a maximum.
    Smaller,
}

impl Metric {
    /// Returns the name that gates and reports use, without parameters.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Auc => "auc",
            Self::AveragePrecision => "pr_auc",
            Self::F1 { .. } => "f1",
            Self::Precision { .. } => "precision",
            Self::Recall { .. } => "recall",
            Self::Specificity { .. } => "specificity",
            Self::Accuracy { .. } => "accuracy",
            Self::RecallAtPrecision { .. } => "recall_at_precision",
            Self::PrecisionAtRecall { .. } => "precision_at_recall",
            Self::LogLoss => "log_loss",
            Self::Brier => "brier",
            Self::CalibrationError { .. } => "ece",
            Self::KolmogorovSmirnov => "ks",
        }
    }

    /// Returns which values are better.
    #[must_use]
    pub const fn preference(&self) -> Preference {
        match self {
            Self::LogLoss | Self::Brier | Self::CalibrationError { .. } => Preference::Smaller,
            _ => Preference::Larger,
        }
    }

    /// Tells whether the metric reads probabilities and not only the order of the outputs.
    #[must_use]
    pub const fn needs_probabilities(&self) -> bool {
        !matches!(
            self,
            Self::Auc
                | Self::AveragePrecision
                | Self::RecallAtPrecision { .. }
                | Self::PrecisionAtRecall { .. }
                | Self::KolmogorovSmirnov
        )
    }

    /// Returns the probability from which a row is predicted positive, if that is all that the
    /// metric reads of an output.
    #[must_use]
    pub const fn threshold(&self) -> Option<f64> {
        match self {
            Self::F1 { at }
            | Self::Precision { at }
            | Self::Recall { at }
            | Self::Specificity { at }
            | Self::Accuracy { at } => Some(*at),
            _ => None,
        }
    }

    /// Tells whether the value lies in 0..=1 by definition.
    #[must_use]
    pub const fn is_share(&self) -> bool {
        !matches!(self, Self::LogLoss)
    }

    /// Starts a fold before the lowest group.
    #[must_use]
    pub fn fold(&self, totals: Totals, output: OutputKind) -> MetricFold {
        let kind = match *self {
            Self::Auc => Kind::Area(AreaFold::new(totals)),
            Self::AveragePrecision => Kind::AveragePrecision(AveragePrecisionFold::new(totals)),
            Self::F1 { at }
            | Self::Precision { at }
            | Self::Recall { at }
            | Self::Specificity { at }
            | Self::Accuracy { at } => Kind::Confusion(ConfusionFold::new(output, at)),
            Self::RecallAtPrecision { precision } => {
                Kind::RecallAtPrecision(RecallAtPrecisionFold::new(totals, precision))
            }
            Self::PrecisionAtRecall { recall } => {
                Kind::PrecisionAtRecall(PrecisionAtRecallFold::new(totals, recall))
            }
            Self::LogLoss => Kind::LogLoss(LogLossFold::new(totals, output)),
            Self::Brier => Kind::Brier(BrierFold::new(totals, output)),
            Self::CalibrationError { bins, binning } => {
                Kind::Calibration(CalibrationFold::new(totals, output, binning, bins))
            }
            Self::KolmogorovSmirnov => Kind::KolmogorovSmirnov(KolmogorovSmirnovFold::new(totals)),
        };
        MetricFold {
            metric: *self,
            kind,
        }
    }
}

impl fmt::Display for Metric {
    /// Writes the name and the parameter, such as `f1@0.75`.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())?;
        match self {
            Self::F1 { at }
            | Self::Precision { at }
            | Self::Recall { at }
            | Self::Specificity { at }
            | Self::Accuracy { at } => write!(formatter, "@{at}"),
            Self::RecallAtPrecision { precision } => write!(formatter, "@{precision}"),
            Self::PrecisionAtRecall { recall } => write!(formatter, "@{recall}"),
            _ => Ok(()),
        }
    }
}

/// A metric in the making; fed with groups in ascending order.
#[derive(Clone, Debug)]
pub struct MetricFold {
    metric: Metric,
    kind: Kind,
}

#[derive(Clone, Debug)]
enum Kind {
    Area(AreaFold),
    AveragePrecision(AveragePrecisionFold),
    Confusion(ConfusionFold),
    RecallAtPrecision(RecallAtPrecisionFold),
    PrecisionAtRecall(PrecisionAtRecallFold),
    LogLoss(LogLossFold),
    Brier(BrierFold),
    Calibration(CalibrationFold),
    KolmogorovSmirnov(KolmogorovSmirnovFold),
}

impl MetricFold {
    /// Takes the next group.
    pub fn push(&mut self, mass: Mass) {
        match &mut self.kind {
            Kind::Area(fold) => fold.push(mass),
            Kind::AveragePrecision(fold) => fold.push(mass),
            Kind::Confusion(fold) => fold.push(mass),
            Kind::RecallAtPrecision(fold) => fold.push(mass),
            Kind::PrecisionAtRecall(fold) => fold.push(mass),
            Kind::LogLoss(fold) => fold.push(mass),
            Kind::Brier(fold) => fold.push(mass),
            Kind::Calibration(fold) => fold.push(mass),
            Kind::KolmogorovSmirnov(fold) => fold.push(mass),
        }
    }

    /// Returns the value; never NaN.
    ///
    /// # Errors
    /// [`MetricError`]: the metric is not defined on the data.
    pub fn finish(&self) -> Result<f64, MetricError> {
        match &self.kind {
            Kind::Area(fold) => fold.finish(),
            Kind::AveragePrecision(fold) => fold.finish(),
            Kind::Confusion(fold) => {
                let confusion = fold.finish()?;
                match self.metric {
                    Metric::F1 { .. } => confusion.f1(),
                    Metric::Precision { .. } => confusion.precision(),
                    Metric::Recall { .. } => confusion.recall(),
                    Metric::Specificity { .. } => confusion.specificity(),
                    _ => confusion.accuracy(),
                }
            }
            Kind::RecallAtPrecision(fold) => fold.finish().map(|point| point.value),
            Kind::PrecisionAtRecall(fold) => fold.finish().map(|point| point.value),
            Kind::LogLoss(fold) => fold.finish(),
            Kind::Brier(fold) => fold.finish(),
            Kind::Calibration(fold) => fold.finish().map(|calibration| calibration.error),
            Kind::KolmogorovSmirnov(fold) => fold.finish(),
        }
    }
}

/// Computes one metric; the area of row counts is exact.
///
/// # Errors
/// [`MetricError`]: the metric is not defined on the data.
pub fn evaluate(
    metric: &Metric,
    groups: &impl Groups,
    output: OutputKind,
) -> Result<f64, MetricError> {
    if *metric == Metric::Auc {
        return groups.area();
    }
    let mut fold = metric.fold(groups.totals(), output);
    groups.for_each_mass(|mass| fold.push(mass));
    fold.finish()
}

/// Computes several metrics in one walk over the groups, in the order of `metrics`.
#[must_use]
pub fn evaluate_all(
    metrics: &[Metric],
    groups: &impl Groups,
    output: OutputKind,
) -> Vec<Result<f64, MetricError>> {
    let totals = groups.totals();
    let mut folds: Vec<_> = metrics
        .iter()
        .filter(|metric| **metric != Metric::Auc)
        .map(|metric| metric.fold(totals, output))
        .collect();
    if !folds.is_empty() {
        groups.for_each_mass(|mass| folds.iter_mut().for_each(|fold| fold.push(mass)));
    }
    let mut folds = folds.iter();
    metrics
        .iter()
        .map(|metric| match metric {
            Metric::Auc => groups.area(),
            _ => folds
                .next()
                .map_or(Err(MetricError::Empty), MetricFold::finish),
        })
        .collect()
}
