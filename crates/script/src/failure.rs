//! How a script ended when it did not simply return: the innermost error, its place in the text, and its kind.

use rhai::{EvalAltResult, Position};

use crate::api::data::NoMoreRows;

/// Token of [`crate::Halt::Stack`] in Rhai's "terminated" error.
pub(crate) const STACK: &str = "stack";
/// Token of [`crate::Halt::Endless`] in Rhai's "terminated" error.
pub(crate) const ENDLESS: &str = "endless";

/// Why a script ended early.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum FailureKind {
    /// The user had to go; no fault of the script.
    Stopped,
    /// An error of the script, thrown or made.
    Script,
    /// It called itself without end.
    Recursion,
    /// It computed without end.
    Endless,
    /// A value grew past the limits.
    Size,
    /// There were no more rows of data for it.
    Data,
    /// A native function panicked: our fault, but only this user's problem.
    Panic,
}

impl FailureKind {
    /// The `kind` under which it is counted.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Stopped => "stopped",
            Self::Script => "script",
            Self::Recursion => "recursion",
            Self::Endless => "endless",
            Self::Size => "size",
            Self::Data => "data",
            Self::Panic => "panic",
        }
    }
}

/// An early end, with the place in the scenario that explains it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{file}:{}{message}", line.map(|l| format!("{l}:{}: ", column.unwrap_or(1))).unwrap_or_else(|| " ".to_owned()))]
pub struct Failure {
    /// What kind of end.
    pub kind: FailureKind,
    /// What happened.
    pub message: String,
    /// The scenario's name.
    pub file: String,
    /// Line, counting from 1, if known.
    pub line: Option<usize>,
    /// Column, counting from 1, if known.
    pub column: Option<usize>,
}

impl Failure {
    /// Explains an error of Rhai's: the innermost cause, and where it is.
    pub(crate) fn new(file: &str, error: EvalAltResult) -> Self {
        let mut inner = error;
        let mut position = inner.position();
        while let EvalAltResult::ErrorInFunctionCall(_, _, cause, at) = inner {
            inner = *cause;
            position = if inner.position().is_none() { at } else { inner.position() };
        }
        let (kind, message) = explain(&mut inner);
        Self { kind, message, file: file.to_owned(), line: position.line(), column: position.position() }
    }

    /// The same at a place, if there is a better one.
    pub(crate) fn at(self, place: Option<Position>) -> Self {
        match place {
            Some(place) => Self { line: place.line(), column: place.position(), ..self },
            None => self,
        }
    }

    /// A panic that was caught around a resumption.
    #[must_use]
    pub fn panicked(file: &str, message: &str) -> Self {
        let message = format!("a native function panicked: {message}");
        Self { kind: FailureKind::Panic, message, file: file.to_owned(), line: None, column: None }
    }
}

fn explain(error: &mut EvalAltResult) -> (FailureKind, String) {
    match error {
        EvalAltResult::ErrorTerminated(token, _) => {
            match token.as_immutable_string_ref().ok().as_ref().map(|t| t.as_str()) {
                Some(STACK) => (FailureKind::Recursion, "the calls nest too deep: the stack is used up".into()),
                Some(ENDLESS) => (FailureKind::Endless, "it computes without end and never waits".into()),
                _ => (FailureKind::Stopped, "the user was stopped".into()),
            }
        }
        EvalAltResult::ErrorStackOverflow(_) => (FailureKind::Recursion, "the calls nest too deep".into()),
        EvalAltResult::ErrorDataTooLarge(what, _) => (FailureKind::Size, format!("{what} is too large")),
        EvalAltResult::ErrorRuntime(value, _) => match value.read_lock::<NoMoreRows>() {
            Some(message) => (FailureKind::Data, message.to_string()),
            None => (FailureKind::Script, value.to_string()),
        },
        other => {
            other.set_position(Position::NONE);
            (FailureKind::Script, other.to_string())
        }
    }
}
