//! Metrics of a binary classifier from tied scores in ascending order.
//!
//! A [`Metric`] is named by the gate and computed by [`evaluate`] from any [`Groups`]:
//! unweighted rows, weighted ones, or a merged summary. All metrics share the one sort that
//! made the groups, and several are computed in one walk by [`evaluate_all`]. What a metric
//! cannot be computed from is a [`MetricError`], never NaN.
//!
//! Definitions and sources: `docs/metrics.md`.

mod calibration;
mod confusion;
mod curve;
mod error;
mod fold;
mod mass;
pub mod multiclass;
pub mod multiclass_spread;
mod output;
mod probability;
mod ranking;

pub use calibration::{Binning, Calibration, CalibrationBin, CalibrationFold, calibration};
pub use confusion::{Confusion, ConfusionFold, confusion};
pub use curve::{Curve, CurvePoint, precision_recall_curve, roc_curve};
pub use error::MetricError;
pub use fold::{Metric, MetricFold, Preference, evaluate, evaluate_all};
pub use mass::{Groups, Mass, RankedRows, Totals};
pub(crate) use output::expit;
pub use output::{OutputDecision, OutputKind, OutputSetting, decide_output};
pub use probability::{BrierFold, LogLossFold};
pub use ranking::{
    AreaFold, AveragePrecisionFold, KolmogorovSmirnovFold, OperatingPoint, PrecisionAtRecallFold,
    RecallAtPrecisionFold,
};
