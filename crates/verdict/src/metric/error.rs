//! Why a metric is not defined on the data.

/// Why a metric is not defined on the data; never a NaN in its place.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
pub enum MetricError {
    /// There is nothing to measure.
    #[error("there are no rows")]
    Empty,
    /// Ranking needs rows of both classes.
    #[error(
        "only one class is present ({positives} positive, {negatives} negative rows): auc is undefined"
    )]
    SingleClass {
        /// Rows of the positive class.
        positives: u64,
        /// Rows of the negative class.
        negatives: u64,
    },
    /// A metric other than the area that needs rows of both classes.
    #[error("only one class is present: {metric} is undefined")]
    OneClass {
        /// The metric's name.
        metric: &'static str,
    },
    /// A ratio whose denominator is zero.
    #[error("{metric} is undefined at threshold {threshold}: {because}")]
    Undefined {
        /// The metric's name.
        metric: &'static str,
        /// The probability from which a row counts as predicted positive.
        threshold: f64,
        /// Which count is zero.
        because: &'static str,
    },
    /// Infinite raw outputs on the wrong side, which make the mean infinite.
    #[error("{metric} is infinite: {rows} rows have an infinite output against their label")]
    Infinite {
        /// The metric's name.
        metric: &'static str,
        /// How many rows (or how much weight, rounded) do so.
        rows: u64,
    },
    /// Outputs that cannot be what they were declared to be.
    #[error(
        "the outputs are declared probabilities but range from {minimum} to {maximum}, outside 0 to 1"
    )]
    NotProbabilities {
        /// The least raw output.
        minimum: f64,
        /// The largest raw output.
        maximum: f64,
    },
    /// Outputs of several classes that cannot be the probabilities they were declared to be.
    #[error(
        "the outputs are declared probabilities, but those of a row sum to 1 give or take {deviation}"
    )]
    ProbabilitiesSum {
        /// The largest distance of a row's sum from 1.
        deviation: f64,
    },
    /// A parameter of the metric makes no sense.
    #[error("{parameter} is {value}, which {problem}")]
    Parameter {
        /// What it is called.
        parameter: &'static str,
        /// What it was.
        value: f64,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// A class of a multi-class problem has no rows.
    #[error("class {class} of {classes} has no rows: the multi-class area is undefined")]
    ClassAbsent {
        /// The index of the class, from 0.
        class: usize,
        /// How many classes there are.
        classes: usize,
    },
    /// More rows than the exact integers hold.
    #[error("more rows than the exact variance can hold (positives times negatives above 2^63)")]
    TooManyRows,
}
