//! What an operator can do to a running run, and the answer: who applied it when.

use std::time::Duration;

use rehearsal_plan::{Scale, duration};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{Problem, Refusal};

/// An operator's command to a running run.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    /// No more arrivals. Users leave in order, or at once if `now`.
    Stop {
        /// Whether calls in flight are cut instead of awaited.
        now: bool,
    },
    /// Plan time stands still: nobody arrives, who is there stays.
    Pause,
    /// Plan time goes on where it stood, without a burst.
    Resume,
    /// Another size of the load.
    Scale {
        /// The size.
        to: Scale,
        /// Whose load; `None` if the plan has only one scenario, or means all.
        scenario: Option<String>,
        /// How long to take from the present size to the new one; `None` means at once.
        over: Option<Duration>,
    },
    /// Fires a cue now.
    Cue {
        /// The cue's name in the plan.
        name: String,
    },
}

/// How a run is to be stopped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct StopBody {
    /// Whether calls in flight are cut instead of awaited.
    #[serde(default)]
    pub now: bool,
}

/// The new size of a load: exactly one of `users`, `rate` and `factor`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ScaleBody {
    /// So many users.
    pub users: Option<u64>,
    /// So many starts per second.
    #[schema(minimum = 0)]
    pub rate: Option<f64>,
    /// So many times the size in the plan.
    #[schema(minimum = 0)]
    pub factor: Option<f64>,
    /// Whose load; null if the plan has only one scenario, or means all.
    pub scenario: Option<String>,
    /// How long to take from the present size to the new one; null means at once.
    #[schema(example = "10s")]
    pub over: Option<String>,
}

impl TryFrom<ScaleBody> for Command {
    type Error = Refusal;

    fn try_from(body: ScaleBody) -> Result<Self, Refusal> {
        let mut problems = Vec::new();
        let to = match (body.users, body.rate, body.factor) {
            (Some(users), None, None) => Some(Scale::Users(users)),
            (None, Some(rate), None) => Some(Scale::Rate(rate)),
            (None, None, Some(factor)) => Some(Scale::Factor(factor)),
            _ => {
                let told = "a load is scaled by exactly one of `users`, `rate` and `factor`";
                problems.push(Problem::of_request(told).hint("for half of it: {\"factor\": 0.5}"));
                None
            }
        };
        if let Some(Scale::Rate(size) | Scale::Factor(size)) = to
            && size < 0.0
        {
            let told = format!("a load cannot be scaled to {size}");
            problems.push(Problem::of_request(told).hint("0 lets nobody else arrive"));
        }
        let over = body.over.as_deref().map(duration::parse).transpose().unwrap_or_else(|wrong| {
            problems.push(Problem::of_request(format!("over: {wrong}")).hint("write it as in \"10s\" or \"1m30s\""));
            None
        });
        match to {
            Some(to) if problems.is_empty() => Ok(Self::Scale { to, scenario: body.scenario, over }),
            _ => Err(Refusal::Invalid(problems)),
        }
    }
}

impl ScaleBody {
    /// Says a [`Command::Scale`] as a body.
    pub fn of(to: Scale, scenario: &Option<String>, over: Option<Duration>) -> Self {
        let body = Self { scenario: scenario.clone(), over: over.map(duration::print), ..Self::default() };
        match to {
            Scale::Users(users) => Self { users: Some(users), ..body },
            Scale::Rate(rate) => Self { rate: Some(rate), ..body },
            Scale::Factor(factor) => Self { factor: Some(factor), ..body },
        }
    }
}

/// What became of a command.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Answer {
    /// The command, as the audit log names it.
    pub command: String,
    /// Who gave it.
    pub by: String,
    /// The version of the plan that it became; null if the plan stays as it is.
    pub version: Option<u64>,
    /// The instant from which it holds, in seconds since the start.
    pub at_s: f64,
    /// The agents that have applied it.
    pub applied: Vec<Applied>,
    /// The agents that have not answered in time; they apply it as soon as they hear of it.
    pub pending: Vec<String>,
    /// All of this in one sentence.
    pub text: String,
}

/// How one agent applied a command.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Applied {
    /// The agent's id.
    pub agent: String,
    /// When it did, in seconds since the start.
    pub at_s: f64,
    /// Arrivals that it missed because it heard of the command too late; they are counted as dropped.
    pub missed: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scaling_becomes_a_body_and_is_read_back() {
        for to in [Scale::Users(1000), Scale::Rate(12.5), Scale::Factor(0.0)] {
            for (scenario, over) in [(None, None), (Some("voters".to_owned()), Some(Duration::from_millis(1500)))] {
                let body = ScaleBody::of(to, &scenario, over);
                assert_eq!(Command::try_from(body).unwrap(), Command::Scale { to, scenario, over });
            }
        }
    }

    #[test]
    fn all_that_is_wrong_with_a_scaling_is_told_at_once() {
        let body = ScaleBody { over: Some("soon".into()), ..ScaleBody::default() };
        let Err(Refusal::Invalid(problems)) = Command::try_from(body) else { panic!("it was accepted") };
        assert_eq!(problems.len(), 2, "{problems:?}");
    }
}
