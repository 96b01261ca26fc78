//! What checks find, and what is refused.

use std::fmt;
use std::str::FromStr;

/// What a check found, from good to bad.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Status {
    /// All is well.
    Passing,
    /// Something should be looked at.
    Warning,
    /// It is not to be used.
    Critical,
}

impl fmt::Display for Status {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Status::Passing => "passing",
            Status::Warning => "warning",
            Status::Critical => "critical",
        })
    }
}

impl FromStr for Status {
    type Err = Refusal;

    fn from_str(text: &str) -> Result<Status, Refusal> {
        let all = [Status::Passing, Status::Warning, Status::Critical];
        let found = all.into_iter().find(|status| status.to_string() == text);
        found.ok_or_else(|| Refusal::new(400, "Bad check status"))
    }
}

/// Why something was not done: an HTTP status, and what the answer says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The status of the answer.
    pub status: u16,
    /// Its body.
    pub text: String,
}

impl Refusal {
    pub(crate) fn new(status: u16, text: impl Into<String>) -> Refusal {
        Refusal { status, text: text.into() }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}: {}", self.status, self.text)
    }
}

impl std::error::Error for Refusal {}
