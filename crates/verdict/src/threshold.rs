//! Reads the limits that a person wrote, and refuses what cannot be a limit.

/// A limit's name, its text and what it may be; carried by the error.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{name}` is `{text}`, which {problem}; expected {expected}")]
pub struct ThresholdError {
    /// The variable or flag that carries the text.
    pub name: String,
    /// What was written.
    pub text: String,
    /// What is wrong with it.
    pub problem: ThresholdProblem,
    /// What would be right.
    pub expected: &'static str,
}

/// What is wrong with the text of a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ThresholdProblem {
    /// Nothing but white space.
    #[error("is empty")]
    Empty,
    /// Text that is no number.
    #[error("is not a number")]
    NotANumber,
    /// Every comparison with NaN is false, so it cannot be a limit.
    #[error("is NaN: no value is above or below it")]
    Nan,
    /// Infinite, which would pass or fail everything.
    #[error("is infinite")]
    Infinite,
    /// A number that the metric can never reach, or always does.
    #[error("is out of range")]
    OutOfRange,
}

/// Which numbers make sense for a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ThresholdKind {
    /// A share, in 0..=1.
    UnitInterval,
    /// A duration in milliseconds, above 0.
    Milliseconds,
}

impl ThresholdKind {
    const fn expected(self) -> &'static str {
        match self {
            Self::UnitInterval => "a number from 0 to 1 with a decimal point, such as 0.92",
            Self::Milliseconds => "a number of milliseconds above 0, such as 200",
        }
    }

    fn admits(self, value: f64) -> bool {
        match self {
            Self::UnitInterval => (0.0..=1.0).contains(&value),
            Self::Milliseconds => value > 0.0,
        }
    }
}

/// Reads a limit; `name` is the variable or flag that carried the text.
///
/// # Errors
/// [`ThresholdError`]: the text is not a finite number in the range of its kind.
pub fn parse(name: &str, text: &str, kind: ThresholdKind) -> Result<f64, ThresholdError> {
    let refuse = |problem| ThresholdError {
        name: name.to_owned(),
        text: text.to_owned(),
        problem,
        expected: kind.expected(),
    };
    let trimmed = text.trim();
    if trimmed.is_empty() {
        return Err(refuse(ThresholdProblem::Empty));
    }
    let value: f64 = trimmed
        .parse()
        .map_err(|_| refuse(ThresholdProblem::NotANumber))?;
    if value.is_nan() {
        return Err(refuse(ThresholdProblem::Nan));
    }
    if value.is_infinite() {
        return Err(refuse(ThresholdProblem::Infinite));
    }
    if !kind.admits(value) {
        return Err(refuse(ThresholdProblem::OutOfRange));
    }
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nan_is_refused_by_name() {
        let error = parse("MINIMUM_AUC", "nan", ThresholdKind::UnitInterval)
            .expect_err("NaN is no threshold");
        assert_eq!(error.problem, ThresholdProblem::Nan);
        let text = error.to_string();
        assert!(text.contains("`MINIMUM_AUC` is `nan`"), "{text}");
        assert!(text.contains("0.92"), "{text}");
    }

    #[test]
    fn what_cannot_be_a_limit_is_refused() {
        use ThresholdKind::{Milliseconds, UnitInterval};
        use ThresholdProblem::{Empty, Infinite, Nan, NotANumber, OutOfRange};
        for (text, kind, problem) in [
            ("", UnitInterval, Empty),
            ("  ", Milliseconds, Empty),
            ("0,92", UnitInterval, NotANumber),
            ("92%", UnitInterval, NotANumber),
            ("-nan", UnitInterval, Nan),
            ("inf", Milliseconds, Infinite),
            ("1e999", Milliseconds, Infinite),
            ("92", UnitInterval, OutOfRange),
            ("-0.1", UnitInterval, OutOfRange),
            ("0", Milliseconds, OutOfRange),
            ("-5", Milliseconds, OutOfRange),
        ] {
            let found = parse("X", text, kind).map_err(|error| error.problem);
            assert_eq!(found, Err(problem), "{text:?}");
        }
    }

    #[test]
    fn ordinary_limits_are_read() {
        assert_eq!(parse("X", " 0.92 ", ThresholdKind::UnitInterval), Ok(0.92));
        assert_eq!(parse("X", "200", ThresholdKind::Milliseconds), Ok(200.0));
        assert_eq!(parse("X", "1e2", ThresholdKind::Milliseconds), Ok(100.0));
    }
}
