//! What is wrong with what a person wrote, so that all of it can be told at once.

use std::fmt;

use serde::{Deserialize, Serialize};

/// One mistake in a scenario, a plan or an environment, worded for its author.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// What is wrong, in lower case and without a final stop.
    pub message: String,
    /// What would be right, if we know it.
    pub hint: Option<String>,
}

impl Problem {
    /// States a problem without a remedy.
    pub fn new(message: impl Into<String>) -> Problem {
        Problem { message: message.into(), hint: None }
    }

    /// Adds what would be right.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Problem {
        self.hint = Some(hint.into());
        self
    }

    /// Adds the known word that `word` was probably meant to be, if one is near.
    #[must_use]
    pub fn did_you_mean<'a>(self, word: &str, known: impl IntoIterator<Item = &'a str>) -> Problem {
        match nearest(word, known) {
            Some(found) => self.hint(format!("did you mean `{found}`?")),
            None => self,
        }
    }

    /// Says where the problem is, ahead of its message.
    #[must_use]
    pub fn within(mut self, place: impl fmt::Display) -> Problem {
        self.message = format!("{place}: {}", self.message);
        self
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.message)?;
        match &self.hint {
            Some(hint) => write!(out, " (hint: {hint})"),
            None => Ok(()),
        }
    }
}

/// Finds the candidate that `word` is most likely a misspelling of; `None` when nothing is near.
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    // One slip for each three letters: more would suggest words that only look alike.
    let slips = (word.chars().count() / 3).max(1);
    candidates
        .into_iter()
        .map(|candidate| (strsim::damerau_levenshtein(word, candidate), candidate))
        .filter(|&(distance, _)| distance <= slips)
        .min_by_key(|&(distance, _)| distance)
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_finds_its_word() {
        let known = ["keep_alive", "timeout", "max_body"];
        assert_eq!(nearest("keepalive", known), Some("keep_alive"));
        assert_eq!(nearest("timeuot", known), Some("timeout"));
        assert_eq!(nearest("colour", known), None);
        assert_eq!(nearest("", known), None);
    }

    #[test]
    fn a_problem_prints_with_its_hint() {
        let problem = Problem::new("unknown key `timeuot`").did_you_mean("timeuot", ["timeout"]).within("dev.toml:3");
        assert_eq!(problem.to_string(), "dev.toml:3: unknown key `timeuot` (hint: did you mean `timeout`?)");
    }
}
