//! The exit codes of `validator`: one enum, so that no number is written twice.

use crate::report::Outcome;

/// What the exit status of `validator` says. A Job's `podFailurePolicy` can tell them apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum ExitCode {
    /// Every check was met.
    Pass = 0,
    /// At least one check was judged and not met.
    Fail = 1,
    /// The command line, the environment or a configuration file is wrong; nothing was run.
    Usage = 2,
    /// The dataset cannot be judged: nulls, NaN, one class only, wrong columns, not Parquet.
    Data = 3,
    /// The model cannot be judged: it does not load, raises, crashes, hangs or returns NaN.
    Model = 4,
    /// Storage, credentials or the machine failed; the only code that is worth a retry.
    Infrastructure = 5,
    /// The sample is too small for the claim and no policy settles it.
    Inconclusive = 6,
}

impl ExitCode {
    /// Every code, in numeric order.
    pub const ALL: [Self; 7] = [
        Self::Pass,
        Self::Fail,
        Self::Usage,
        Self::Data,
        Self::Model,
        Self::Infrastructure,
        Self::Inconclusive,
    ];

    /// Returns the number that the process ends with.
    #[must_use]
    pub const fn code(self) -> u8 {
        self as u8
    }

    /// Returns the code for a number, if it is one of ours.
    #[must_use]
    pub fn from_code(code: u8) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|candidate| candidate.code() == code)
    }

    /// Returns the outcome that a report with this exit code carries.
    #[must_use]
    pub const fn outcome(self) -> Outcome {
        match self {
            Self::Pass => Outcome::Pass,
            Self::Fail => Outcome::Fail,
            Self::Inconclusive => Outcome::Inconclusive,
            Self::Usage | Self::Data | Self::Model | Self::Infrastructure => Outcome::Error,
        }
    }

    /// Returns the word that reports and documentation use for this code.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Fail => "fail",
            Self::Usage => "usage",
            Self::Data => "data",
            Self::Model => "model",
            Self::Infrastructure => "infrastructure",
            Self::Inconclusive => "inconclusive",
        }
    }

    /// Tells whether running the same command again may succeed.
    #[must_use]
    pub const fn is_retryable(self) -> bool {
        matches!(self, Self::Infrastructure)
    }
}

impl From<ExitCode> for std::process::ExitCode {
    fn from(exit: ExitCode) -> Self {
        Self::from(exit.code())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_the_published_numbers() {
        let published: Vec<(u8, &str)> = ExitCode::ALL
            .into_iter()
            .map(|exit| (exit.code(), exit.name()))
            .collect();
        assert_eq!(
            published,
            [
                (0, "pass"),
                (1, "fail"),
                (2, "usage"),
                (3, "data"),
                (4, "model"),
                (5, "infrastructure"),
                (6, "inconclusive")
            ]
        );
    }

    #[test]
    fn only_infrastructure_is_retryable_and_numbers_round_trip() {
        for exit in ExitCode::ALL {
            assert_eq!(exit.is_retryable(), exit == ExitCode::Infrastructure);
            assert_eq!(ExitCode::from_code(exit.code()), Some(exit));
        }
        assert_eq!(ExitCode::from_code(7), None);
    }
}
