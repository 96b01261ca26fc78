//! Values that are written out in a call which cannot take them: `sleep("soon")`, `chance(2)`.
//!
//! The call itself would refuse them too, but only when a user gets there.

use std::time::Duration;

use rhai::{Dynamic, Expr, FnCallExpr};

use super::Findings;
use crate::value::{duration_of, share_of};

/// What an argument or option takes.
#[derive(Clone, Copy)]
enum Takes {
    Duration,
    /// The duration between the ticks of a timer.
    Period,
    Share,
}

/// Arguments by the name of the function and their place; those of methods do not count the value before the dot.
const ARGUMENTS: &[(&str, usize, Takes)] = &[
    ("sleep", 0, Takes::Duration),
    ("after", 0, Takes::Duration),
    ("every", 0, Takes::Period),
    ("chance", 0, Takes::Share),
    ("record", 1, Takes::Duration),
    ("receive", 1, Takes::Duration),
    ("receive_any", 0, Takes::Duration),
];

/// Options of http calls, sockets and `reconnect`.
const OPTIONS: &[(&str, Takes)] =
    &[("timeout", Takes::Duration), ("first", Takes::Duration), ("max", Takes::Duration), ("jitter", Takes::Share)];

impl Takes {
    /// Says what is wrong with a value.
    fn refuse(self, value: &Dynamic) -> Result<(), String> {
        let duration = match self {
            Takes::Share if share_of(value).is_none() => return Err(format!("{value} is no share from 0 to 1")),
            Takes::Share => return Ok(()),
            Takes::Duration | Takes::Period => duration_of(value)?,
        };
        match self {
            Takes::Period if duration < Duration::from_millis(1) => Err("it needs at least a millisecond".into()),
            _ => Ok(()),
        }
    }

    fn hint(self) -> &'static str {
        match self {
            Takes::Duration | Takes::Period => "write \"1m30s\", \"500ms\" or a number of seconds",
            Takes::Share => "write a number like 0.8, or \"80%\"",
        }
    }
}

/// Looks at the arguments of a call of a function that is not the scenario's own.
pub(super) fn look_at_arguments(call: &FnCallExpr, findings: &mut Findings) {
    for (name, place, takes) in ARGUMENTS {
        if let Some(argument) = call.args.get(*place).filter(|_| call.name == *name) {
            look(&format!("`{name}`"), argument, *takes, findings);
        }
    }
}

/// Looks at the value of an option.
pub(super) fn look_at_option(key: &str, value: &Expr, findings: &mut Findings) {
    if let Some((_, takes)) = OPTIONS.iter().find(|(name, _)| *name == key) {
        look(&format!("option `{key}`"), value, *takes, findings);
    }
}

fn look(what: &str, value: &Expr, takes: Takes, findings: &mut Findings) {
    let refused = value.get_literal_value(None).map(|literal| takes.refuse(&literal));
    if let Some(Err(message)) = refused {
        findings.error(value.start_position(), format!("{what}: {message}"), Some(takes.hint().into()));
    }
}
