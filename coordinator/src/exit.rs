//! What the process's exit code says, for scripts and build servers.

use std::fmt;

use rehearsal_verdict::{Ending, Verdict};

/// The exit codes. When several apply, the first in the order of this list is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum ExitCode {
    /// The command line was wrong or the scenario invalid, and nothing was started.
    Usage = 2,
    /// The operator stopped the run.
    Stopped = 105,
    /// A threshold or an expectation failed, or nothing worked at all.
    Failed = 99,
    /// Nobody can tell whether it was good.
    Inconclusive = 98,
    /// The fault was our own.
    Internal = 1,
    /// Everything that was asked for held.
    Pass = 0,
}

impl ExitCode {
    /// Finds the code of a run that was judged: that the operator stopped it says more than what
    /// was measured until then.
    pub fn of(verdict: Verdict, ending: Ending) -> ExitCode {
        match (ending, verdict) {
            (Ending::ByOperator { .. }, _) => ExitCode::Stopped,
            (Ending::ByItself, Verdict::Fail) => ExitCode::Failed,
            (Ending::ByItself, Verdict::Inconclusive) => ExitCode::Inconclusive,
            (Ending::ByItself, Verdict::Pass) => ExitCode::Pass,
        }
    }
}

/// What was asked for cannot be done as it was asked, and nothing was started: an error with the code of wrong usage.
#[derive(Debug)]
pub struct Misuse(anyhow::Error);

impl fmt::Display for Misuse {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{:#}", self.0)
    }
}

impl std::error::Error for Misuse {}

/// Says of an error that it was wrong usage.
pub fn misuse(error: impl Into<anyhow::Error>) -> anyhow::Error {
    Misuse(error.into()).into()
}

impl ExitCode {
    /// Finds the code of an error that ended this program.
    pub fn of_error(error: &anyhow::Error) -> ExitCode {
        if error.is::<Misuse>() { ExitCode::Usage } else { ExitCode::Internal }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wrong_usage_keeps_its_code_and_words() {
        let error = anyhow::anyhow!("no such file").context("reading it");
        assert_eq!(ExitCode::of_error(&error), ExitCode::Internal);
        let misuse = misuse(error).context("starting");
        assert_eq!(ExitCode::of_error(&misuse), ExitCode::Usage);
        assert_eq!(format!("{misuse:#}"), "starting: reading it: no such file");
    }

    #[test]
    fn the_operator_comes_before_the_verdict() {
        let stopped = Ending::ByOperator { at_s: 3.0 };
        let rows = [
            (Verdict::Pass, Ending::ByItself, 0),
            (Verdict::Fail, Ending::ByItself, 99),
            (Verdict::Inconclusive, Ending::ByItself, 98),
            (Verdict::Pass, stopped, 105),
            (Verdict::Fail, stopped, 105),
        ];
        for (verdict, ending, code) in rows {
            assert_eq!(ExitCode::of(verdict, ending) as u8, code, "{verdict:?} {ending:?}");
        }
    }
}
