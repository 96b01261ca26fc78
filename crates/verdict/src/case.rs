//! Findings, and the file in which the judge collects them.
//!
//! How much a finding weighs is decided where it is made: some fail the run, some leave the verdict
//! open, and some are only told.

use serde::{Deserialize, Serialize};

/// How much a finding matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// It fails the run.
    Error,
    /// Some number is missing, incomplete or not what it seems.
    Warning,
    /// Good to know.
    Info,
}

/// One reasoned statement about a run, with the stretch of time that it is about.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    /// How much it matters.
    pub severity: Severity,
    /// What it is about: `run`, `threshold`, `users`, `generator`, an agent's name, `cue NAME #NUMBER` …
    pub subject: String,
    /// The statement.
    pub text: String,
    /// Where it begins, in seconds of run time.
    pub from_s: f64,
    /// Where it ends, in seconds of run time.
    pub to_s: f64,
    /// Whether it alone keeps the run from passing: every error does, and each warning that leaves the verdict open.
    #[serde(default)]
    pub decides: bool,
}

/// A stretch of run time, in seconds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Extent {
    pub from_s: f64,
    pub to_s: f64,
}

impl From<rehearsal_metrics::Span> for Extent {
    fn from(span: rehearsal_metrics::Span) -> Extent {
        Extent { from_s: span.from_s as f64, to_s: span.to_s as f64 }
    }
}

/// What a finding says, before it is decided how much it weighs.
#[derive(Clone, Debug)]
pub(crate) struct Statement {
    pub subject: String,
    pub text: String,
    pub extent: Extent,
}

/// All findings of a run and what follows from them.
#[derive(Debug, Default)]
pub(crate) struct Case {
    findings: Vec<Finding>,
    /// Whether something failed the run.
    pub has_failed: bool,
    /// Whether something leaves the verdict open.
    pub is_doubtful: bool,
}

impl Case {
    /// Notes what fails the run.
    pub(crate) fn fail(&mut self, statement: Statement) {
        self.has_failed = true;
        self.note(Severity::Error, true, statement);
    }

    /// Notes what leaves the verdict open.
    pub(crate) fn doubt(&mut self, statement: Statement) {
        self.is_doubtful = true;
        self.note(Severity::Warning, true, statement);
    }

    /// Notes what readers of the numbers must know.
    pub(crate) fn warn(&mut self, statement: Statement) {
        self.note(Severity::Warning, false, statement);
    }

    /// Notes what is good to know.
    pub(crate) fn tell(&mut self, statement: Statement) {
        self.note(Severity::Info, false, statement);
    }

    /// Returns the findings, those that matter most first and each kind in order of time.
    pub(crate) fn into_findings(mut self) -> Vec<Finding> {
        let weight = |finding: &Finding| (finding.severity, !finding.decides);
        let order =
            |one: &Finding, other: &Finding| weight(one).cmp(&weight(other)).then(one.from_s.total_cmp(&other.from_s));
        self.findings.sort_by(order);
        self.findings
    }

    fn note(&mut self, severity: Severity, decides: bool, Statement { subject, text, extent }: Statement) {
        self.findings.push(Finding { severity, subject, text, from_s: extent.from_s, to_s: extent.to_s, decides });
    }
}
