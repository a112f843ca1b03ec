//! Metrics that follow from the order of the scores alone.
//!
//! Each is a fold over groups in ascending order that knows the totals beforehand, so that
//! one walk suffices and memory stays constant.

use super::{Mass, MetricError, Totals};
use crate::auc::AucFold;
use crate::score::TieGroup;
use crate::sum::Sum;

/// The mass at or above the group at hand.
#[derive(Clone, Debug)]
struct Above {
    totals: Totals,
    positive_below: Sum,
    negative_below: Sum,
}

impl Above {
    fn new(totals: Totals) -> Self {
        Self {
            totals,
            positive_below: Sum::default(),
            negative_below: Sum::default(),
        }
    }

    /// Returns the positive and negative mass at or above the group and moves past it.
    fn step(&mut self, mass: Mass) -> (f64, f64) {
        let at_or_above = (
            (self.totals.positive - self.positive_below.total()).max(mass.positive),
            (self.totals.negative - self.negative_below.total()).max(mass.negative),
        );
        self.positive_below.add(mass.positive);
        self.negative_below.add(mass.negative);
        at_or_above
    }
}

/// Refuses totals with no mass in one of the classes.
pub(super) fn require_both(totals: &Totals, metric: &'static str) -> Result<(), MetricError> {
    match (totals.positive > 0.0, totals.negative > 0.0) {
        (false, false) => Err(MetricError::Empty),
        (true, true) => Ok(()),
        _ => Err(MetricError::OneClass { metric }),
    }
}

/// The area under the ROC curve: exact where masses are row counts ([`crate::auc`]), in
/// floating point otherwise.
#[derive(Clone, Debug)]
pub struct AreaFold(Area);

#[derive(Clone, Debug)]
enum Area {
    Counts(Result<AucFold, MetricError>),
    Masses {
        totals: Totals,
        wins: Sum,
        below: Sum,
    },
}

impl AreaFold {
    /// Starts before the lowest group.
    #[must_use]
    pub fn new(totals: Totals) -> Self {
        Self(if totals.counts {
            Area::Counts(AucFold::new(totals.positive as u64, totals.negative as u64))
        } else {
            Area::Masses {
                totals,
                wins: Sum::default(),
                below: Sum::default(),
            }
        })
    }

    /// Takes the next group.
    pub fn push(&mut self, mass: Mass) {
        match &mut self.0 {
            Area::Counts(Ok(fold)) => fold.push(TieGroup {
                score: mass.score,
                positives: mass.positive as u64,
                negatives: mass.negative as u64,
            }),
            Area::Counts(Err(_)) => {}
            Area::Masses { wins, below, .. } => {
                wins.add(mass.positive * (below.total() + mass.negative / 2.0));
                below.add(mass.negative);
            }
        }
    }

    /// Returns the area.
    ///
    /// # Errors
    /// [`MetricError::Empty`] and [`MetricError::SingleClass`]; of row counts
    /// [`MetricError::TooManyRows`] too.
    pub fn finish(&self) -> Result<f64, MetricError> {
        match &self.0 {
            Area::Counts(fold) => fold.clone().map(|fold| fold.finish().value),
            Area::Masses { totals, wins, .. } => {
                match (totals.positive > 0.0, totals.negative > 0.0) {
                    (false, false) => Err(MetricError::Empty),
                    (true, true) => {
                        let area = wins.total() / totals.positive / totals.negative;
                        Ok(area.clamp(0.0, 1.0))
                    }
                    _ => Err(MetricError::SingleClass {
                        positives: totals.positive.round() as u64,
                        negatives: totals.negative.round() as u64,
                    }),
                }
            }
        }
    }
}

/// Average precision: the step-wise area under the precision-recall curve,
/// `sum (R_k - R_(k-1)) P_k` over descending thresholds. Not the trapezoid, which is too
/// optimistic.
///
/// Source: scikit-learn 1.9 `average_precision_score`; Davis and Goadrich (2006), ICML.
#[derive(Clone, Debug)]
pub struct AveragePrecisionFold {
    above: Above,
    sum: Sum,
}

impl AveragePrecisionFold {
    /// Starts before the lowest group.
    #[must_use]
    pub fn new(totals: Totals) -> Self {
        Self {
            above: Above::new(totals),
            sum: Sum::default(),
        }
    }

    /// Takes the next group.
    pub fn push(&mut self, mass: Mass) {
        let (positive, negative) = self.above.step(mass);
        if mass.positive > 0.0 {
            self.sum
                .add(mass.positive * (positive / (positive + negative)));
        }
    }

    /// Returns the average precision.
    ///
    /// # Errors
    /// [`MetricError::Empty`]; [`MetricError::OneClass`] since it is then 1 or undefined for
    /// any scores.
    pub fn finish(&self) -> Result<f64, MetricError> {
        let totals = &self.above.totals;
        require_both(totals, "pr_auc")?;
        Ok((self.sum.total() / totals.positive).clamp(0.0, 1.0))
    }
}

/// The Kolmogorov-Smirnov distance between the scores of the classes: the largest difference
/// of their distribution functions, taken at the ends of tie groups.
///
/// Source: scipy 1.17 `ks_2samp`'s statistic.
#[derive(Clone, Debug)]
pub struct KolmogorovSmirnovFold {
    totals: Totals,
    positive_below: Sum,
    negative_below: Sum,
    largest: f64,
}

impl KolmogorovSmirnovFold {
    /// Starts before the lowest group.
    #[must_use]
    pub fn new(totals: Totals) -> Self {
        Self {
            totals,
            positive_below: Sum::default(),
            negative_below: Sum::default(),
            largest: 0.0,
        }
    }

    /// Takes the next group.
    pub fn push(&mut self, mass: Mass) {
        self.positive_below.add(mass.positive);
        self.negative_below.add(mass.negative);
        let distance = self.positive_below.total() / self.totals.positive
            - self.negative_below.total() / self.totals.negative;
        self.largest = self.largest.max(distance.abs());
    }

    /// Returns the distance.
    ///
    /// # Errors
    /// [`MetricError::Empty`] and [`MetricError::OneClass`].
    pub fn finish(&self) -> Result<f64, MetricError> {
        require_both(&self.totals, "ks")?;
        Ok(self.largest.min(1.0))
    }
}

/// A threshold and what it gives.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct OperatingPoint {
    /// Rows with a raw output of at least this count as predicted positive; nothing when no
    /// threshold fulfils the condition.
    pub threshold: Option<f64>,
    /// The recall or the precision there; 0 when there is no such threshold.
    pub value: f64,
}

/// The largest recall of all thresholds whose precision is at least the one asked for; 0
/// when no threshold has it.
#[derive(Clone, Debug)]
pub struct RecallAtPrecisionFold {
    above: Above,
    precision: f64,
    found: Option<OperatingPoint>,
}

impl RecallAtPrecisionFold {
    /// Starts before the lowest group.
    #[must_use]
    pub fn new(totals: Totals, precision: f64) -> Self {
        Self {
            above: Above::new(totals),
            precision,
            found: None,
        }
    }

    /// Takes the next group.
    pub fn push(&mut self, mass: Mass) {
        let (positive, negative) = self.above.step(mass);
        // Recall falls with the threshold, so the first that fulfils the condition is best.
        if self.found.is_none()
            && positive > 0.0
            && positive / (positive + negative) >= self.precision
        {
            self.found = Some(OperatingPoint {
                threshold: Some(mass.score),
                value: (positive / self.above.totals.positive).min(1.0),
            });
        }
    }

    /// Returns the recall and its threshold.
    ///
    /// # Errors
    /// [`MetricError::Empty`], [`MetricError::OneClass`] and [`MetricError::Parameter`].
    pub fn finish(&self) -> Result<OperatingPoint, MetricError> {
        require_both(&self.above.totals, "recall_at_precision")?;
        require_share("precision", self.precision)?;
        Ok(self.found.unwrap_or(OperatingPoint {
            threshold: None,
            value: 0.0,
        }))
    }
}

/// The largest precision of all thresholds whose recall is at least the one asked for.
#[derive(Clone, Debug)]
pub struct PrecisionAtRecallFold {
    above: Above,
    recall: f64,
    best: OperatingPoint,
}

impl PrecisionAtRecallFold {
    /// Starts before the lowest group.
    #[must_use]
    pub fn new(totals: Totals, recall: f64) -> Self {
        Self {
            above: Above::new(totals),
            recall,
            best: OperatingPoint {
                threshold: None,
                value: 0.0,
            },
        }
    }

    /// Takes the next group.
    pub fn push(&mut self, mass: Mass) {
        let (positive, negative) = self.above.step(mass);
        if positive > 0.0 && positive / self.above.totals.positive >= self.recall {
            let precision = positive / (positive + negative);
            if precision > self.best.value {
                self.best = OperatingPoint {
                    threshold: Some(mass.score),
                    value: precision,
                };
            }
        }
    }

    /// Returns the precision and its threshold.
    ///
    /// # Errors
    /// [`MetricError::Empty`], [`MetricError::OneClass`] and [`MetricError::Parameter`].
    pub fn finish(&self) -> Result<OperatingPoint, MetricError> {
        require_both(&self.above.totals, "precision_at_recall")?;
        require_share("recall", self.recall)?;
        Ok(self.best)
    }
}

fn require_share(parameter: &'static str, value: f64) -> Result<(), MetricError> {
    if value > 0.0 && value <= 1.0 {
        return Ok(());
    }
    Err(MetricError::Parameter {
        parameter,
        value,
        problem: "is not above 0 and at most 1",
    })
}
