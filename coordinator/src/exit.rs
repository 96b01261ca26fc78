//! What the process's exit code says, for scripts and build servers.

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

#[cfg(test)]
mod tests {
    use super::*;

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
