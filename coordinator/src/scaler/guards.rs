//! Guards: figures that the load must not drive over their limit. Pure; what follows is the conductor's.
//!
//! | a guard is | a look gives | then it is | and says |
//! |---|---|---|---|
//! | not crossed | a value within the limit | seen | |
//! | not crossed | a value beyond it | crossed for good | that the run stops |
//! | seen | nothing | blind | so |
//! | blind | a value within the limit | seen | that it sees again |
//! | never seen, blind | nothing | as before | |

use rehearsal_observe::{Role, Supply};
use rehearsal_plan::{Guard, Limit};
use rehearsal_verdict::GuardOutcome;
use rehearsal_verdict::amounts::number;

use super::log::Place;
use super::look::{Look, What};

/// What a guard knows.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Sight {
    Never,
    Seen,
    Blind,
    Crossed { at_us: i64, value: f64 },
}

/// The guards of a run.
#[derive(Clone, Debug, Default)]
pub(crate) struct Guards {
    all: Vec<(Guard, Sight)>,
    /// Whether anything is observed at all.
    is_observed: bool,
}

impl Guards {
    /// Guards that have seen nothing yet, in a run that observes something or nothing at all.
    pub(crate) fn new(guards: &[Guard], is_observed: bool) -> Guards {
        Guards { all: guards.iter().map(|guard| (guard.clone(), Sight::Never)).collect(), is_observed }
    }

    /// Takes a look, and gives what people should know.
    pub(crate) fn see(&mut self, look: &Look, place: &Place) -> Vec<(String, String)> {
        let mut told = Vec::new();
        for (guard, sight) in &mut self.all {
            let Some(value) = value_for(guard, look, place) else { continue };
            let before = std::mem::replace(sight, next(*sight, guard, value, look.at_us));
            let text = match (before, *sight) {
                (before, after) if before == after => continue,
                (_, Sight::Crossed { value, .. }) => crossing(guard, value) + ": the run is stopped",
                (_, Sight::Blind) => format!("{} cannot be seen any more: the guard is blind", guard.metric),
                (Sight::Blind, _) => format!("{} is seen again", guard.metric),
                _ => continue,
            };
            told.push((format!("guard {}", guard.metric), text));
        }
        told
    }

    /// Whether the run has to stop.
    pub(crate) fn is_crossed(&self) -> bool {
        self.all.iter().any(|(_, sight)| matches!(sight, Sight::Crossed { .. }))
    }

    /// What became of each, with times in seconds since `started_us`.
    pub(crate) fn outcomes(&self, started_us: i64) -> Vec<GuardOutcome> {
        let outcome = |(guard, sight): &(Guard, Sight)| match sight {
            Sight::Never => GuardOutcome::Unseen { metric: guard.metric.clone(), is_observed: self.is_observed },
            Sight::Seen | Sight::Blind => GuardOutcome::Held,
            Sight::Crossed { at_us, value } => {
                GuardOutcome::Crossed { at_s: (at_us - started_us) as f64 / 1e6, text: crossing(guard, *value) }
            }
        };
        self.all.iter().map(outcome).collect()
    }
}

fn next(sight: Sight, guard: &Guard, value: Option<f64>, at_us: i64) -> Sight {
    match (sight, value) {
        (Sight::Crossed { .. }, _) => sight,
        (_, Some(value)) if guard.is_crossed(value) => Sight::Crossed { at_us, value },
        (_, Some(_)) => Sight::Seen,
        (Sight::Seen, None) => Sight::Blind,
        (_, None) => sight,
    }
}

/// What a look says of a guard's figure; `None` if it is not about it.
fn value_for(guard: &Guard, look: &Look, place: &Place) -> Option<Option<f64>> {
    if place.role == Role::Metric {
        let value = if let What::Metric(value) = look.what { Some(value) } else { None };
        return (place.name == guard.metric).then_some(value);
    }
    let index = Supply::NAMES.iter().position(|name| *name == guard.metric)?;
    match &look.what {
        What::Supply(numbers) => numbers[index].map(|number| Some(number as f64)),
        What::Missing(_) | What::Error(_) if place.role == Role::Supply => Some(None),
        _ => None,
    }
}

fn crossing(guard: &Guard, value: f64) -> String {
    let limit = match guard.stays {
        Limit::Below(limit) => format!("below {}", number(limit)),
        Limit::Above(limit) => format!("above {}", number(limit)),
    };
    format!("{} was {} and is to stay {limit}", guard.metric, number(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look(at_us: i64, what: What) -> Look {
        Look { place: "p".into(), at_us, of_us: None, took_us: 0, late_us: 0, skipped: 0, gone: Vec::new(), what }
    }

    fn place(name: &str, role: Role) -> Place {
        Place { place: "p".into(), name: name.into(), role, max_age_s: 5.0 }
    }

    fn guard(metric: &str, stays: Limit) -> Guard {
        Guard { metric: metric.into(), stays }
    }

    #[test]
    fn a_guard_stops_the_run_once_and_says_why() {
        let mut guards = Guards::new(&[guard("connections", Limit::Below(900.0))], true);
        let place = place("connections", Role::Metric);
        assert_eq!(guards.outcomes(0), [GuardOutcome::Unseen { metric: "connections".into(), is_observed: true }]);
        assert_eq!(guards.see(&look(1, What::Metric(899.0)), &place), []);
        assert_eq!((guards.is_crossed(), guards.outcomes(0)), (false, vec![GuardOutcome::Held]));
        let told = guards.see(&look(5_000_000, What::Metric(912.0)), &place);
        assert_eq!(told[0].1, "connections was 912 and is to stay below 900: the run is stopped");
        assert!(guards.is_crossed());
        assert_eq!(guards.see(&look(6_000_000, What::Metric(1.0)), &place), [], "for good");
        let text = "connections was 912 and is to stay below 900".to_owned();
        assert_eq!(guards.outcomes(1_000_000), [GuardOutcome::Crossed { at_s: 4.0, text }]);
    }

    #[test]
    fn an_error_is_no_value_and_blindness_is_told_once() {
        let mut guards = Guards::new(&[guard("connections", Limit::Above(0.0))], true);
        let place = place("connections", Role::Metric);
        assert_eq!(guards.see(&look(1, What::Error("timeout".into())), &place), [], "it never saw");
        assert!(!guards.is_crossed());
        guards.see(&look(2, What::Metric(1.0)), &place);
        let blind = guards.see(&look(3, What::Missing("no point".into())), &place);
        assert_eq!(blind[0].1, "connections cannot be seen any more: the guard is blind");
        assert_eq!(guards.see(&look(4, What::Missing("no point".into())), &place), []);
        assert_eq!(guards.see(&look(5, What::Metric(1.0)), &place)[0].1, "connections is seen again");
    }

    #[test]
    fn numbers_of_instances_can_be_guarded_and_others_are_not_meant() {
        let mut guards = Guards::new(&[guard("ready", Limit::Above(1.0))], true);
        let supply = place("supply", Role::Supply);
        let numbers = |ready| What::Supply([Some(1), Some(1), ready, None, None, None]);
        assert_eq!(guards.see(&look(1, numbers(None)), &supply), [], "this source does not tell it");
        assert_eq!(guards.see(&look(2, What::Metric(0.0)), &place("cpu", Role::Metric)), []);
        assert_eq!(guards.outcomes(0), [GuardOutcome::Unseen { metric: "ready".into(), is_observed: true }]);
        guards.see(&look(3, numbers(Some(1))), &supply);
        assert!(guards.is_crossed());
    }
}
