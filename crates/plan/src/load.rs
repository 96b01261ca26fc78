//! How users come: the load of one scenario, as its author declared it.
//!
//! *Open* loads (`Arrive`, `Rate`, `Curve`) follow the plan whatever the system does; the *closed*
//! one (`Population`) keeps a number of users busy, who wait for the system.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::duration;
use crate::problem::Problem;

/// The most users that one load may plan. Beyond it a number is a slip of the finger, and random
/// spacing, which needs eight bytes a user, would need a gigabyte on every agent.
pub const MOST_USERS: u64 = 100_000_000;

/// The highest rate, in starts per second; with [`LONGEST`] it keeps integrals within 128 bits.
pub const MOST_PER_SECOND: f64 = 1_000_000.0;

/// The longest duration in a load: a month.
pub const LONGEST: Duration = Duration::from_secs(30 * 24 * 3600);

/// How the users of one scenario come and go.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Load {
    /// A known number of users within a known time, each running once.
    Arrive {
        /// How many users there are.
        users: u64,
        /// The time in which they arrive.
        #[serde(with = "duration::text")]
        over: Duration,
        /// How their arrivals lie within it.
        spacing: Spacing,
        /// When they leave.
        stay: Stay,
    },
    /// A number of users who run again and again, following stages from a population of 0.
    Population {
        /// The stages, one after the other.
        stages: Vec<Stage>,
        /// Whether a user keeps cookies and state from one iteration to the next.
        keep_session: bool,
    },
    /// Starts on schedule at a rate, each by a new user, following stages from a rate of 0.
    Rate {
        /// The stages, one after the other.
        stages: Vec<RateStage>,
        /// How many users may be live at a time in the whole cluster; a start over that is dropped.
        at_most: u64,
    },
    /// Arrivals as a recorded curve has them, each user running once.
    Curve {
        /// Seconds of plan time with the users arriving in each; seconds not named have none.
        seconds: Vec<(u64, u64)>,
        /// When the users leave.
        stay: Stay,
    },
}

/// How arrivals lie within their time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Spacing {
    /// At equal distances, the first at once.
    #[default]
    Even,
    /// As a Poisson process that happened to have this many arrivals.
    Random,
}

/// When a user leaves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stay {
    /// When its flow has returned and no socket or timer of its own is left.
    #[default]
    UntilDone,
    /// Together with everybody else, this long after the last planned arrival.
    AfterLastArrival(#[serde(with = "duration::text")] Duration),
    /// This long after its own arrival.
    Each(#[serde(with = "duration::text")] Duration),
}

/// One stretch of a population's course.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// Goes linearly to a number of users; over no time at all it jumps.
    RampTo {
        /// The population at the end of the stage.
        users: u64,
        /// How long the stage takes.
        #[serde(with = "duration::text")]
        over: Duration,
    },
    /// Stays where the stage before it ended.
    Hold {
        /// How long the stage takes.
        #[serde(with = "duration::text")]
        over: Duration,
    },
}

/// One stretch of a rate's course.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RateStage {
    /// Goes linearly to a rate; over no time at all it jumps.
    RampTo {
        /// The rate at the end of the stage, in starts per second.
        per_second: f64,
        /// How long the stage takes.
        #[serde(with = "duration::text")]
        over: Duration,
    },
    /// Stays where the stage before it ended.
    Hold {
        /// How long the stage takes.
        #[serde(with = "duration::text")]
        over: Duration,
    },
}

impl Stay {
    /// Gives the duration that the author wrote, if any.
    fn duration(self) -> Option<Duration> {
        match self {
            Stay::UntilDone => None,
            Stay::AfterLastArrival(stay) | Stay::Each(stay) => Some(stay),
        }
    }
}

impl Load {
    /// Finds everything that is wrong with the load: nobody who comes, more than we can reckon with.
    #[must_use]
    pub fn check(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        match self {
            Load::Arrive { users, over, stay, .. } => {
                check_users(*users, &mut problems);
                check_durations([Some(*over), stay.duration()].into_iter().flatten(), &mut problems);
            }
            Load::Population { stages, .. } => check_population(stages, &mut problems),
            Load::Rate { stages, at_most } => check_rate(stages, *at_most, &mut problems),
            Load::Curve { seconds, stay } => {
                check_curve(seconds, &mut problems);
                check_durations(stay.duration().into_iter(), &mut problems);
            }
        }
        problems
    }
}

fn check_users(users: u64, problems: &mut Vec<Problem>) {
    if users == 0 {
        problems.push(Problem::new("the load has no users"));
    } else if users > MOST_USERS {
        problems.push(Problem::new(format!("the load has {users} users, more than {MOST_USERS}")));
    }
}

fn check_durations(durations: impl Iterator<Item = Duration>, problems: &mut Vec<Problem>) {
    let total = durations.fold(Duration::ZERO, Duration::saturating_add);
    if total > LONGEST {
        let (total, longest) = (duration::print(total), duration::print(LONGEST));
        problems.push(Problem::new(format!("the load takes {total}, longer than {longest}")));
    }
}

fn check_population(stages: &[Stage], problems: &mut Vec<Problem>) {
    let targets = stages.iter().map(|stage| match stage {
        Stage::RampTo { users, .. } => *users,
        Stage::Hold { .. } => 0,
    });
    check_users(targets.fold(0, u64::saturating_add), problems);
    check_stages(
        stages.iter().map(|stage| match stage {
            Stage::RampTo { over, .. } | Stage::Hold { over } => *over,
        }),
        problems,
    );
}

fn check_rate(stages: &[RateStage], at_most: u64, problems: &mut Vec<Problem>) {
    let mut peak: f64 = 0.0;
    for stage in stages {
        let RateStage::RampTo { per_second, .. } = stage else {
            continue;
        };
        if (0.0..=MOST_PER_SECOND).contains(per_second) {
            peak = peak.max(*per_second);
        } else {
            problems.push(Problem::new(format!(
                "a rate of {per_second} per second is not between 0 and {MOST_PER_SECOND}"
            )));
        }
    }
    if peak == 0.0 && problems.is_empty() {
        problems.push(Problem::new("the rate never rises above 0").hint("begin with ramp_to(per_second, duration)"));
    }
    if at_most == 0 {
        problems.push(Problem::new("no user may be live at a time").hint("say at_most(n) with n of 1 or more"));
    }
    check_stages(
        stages.iter().map(|stage| match stage {
            RateStage::RampTo { over, .. } | RateStage::Hold { over } => *over,
        }),
        problems,
    );
}

fn check_stages(durations: impl Iterator<Item = Duration> + Clone, problems: &mut Vec<Problem>) {
    if durations.clone().all(|over| over.is_zero()) {
        problems.push(Problem::new("the stages take no time").hint("hold(\"5m\") keeps the load up for five minutes"));
    }
    check_durations(durations, problems);
}

fn check_curve(seconds: &[(u64, u64)], problems: &mut Vec<Problem>) {
    check_users(seconds.iter().fold(0, |sum: u64, (_, users)| sum.saturating_add(*users)), problems);
    if let Some(pair) = seconds.windows(2).find(|pair| pair[1].0 <= pair[0].0) {
        problems.push(Problem::new(format!("second {} of the curve comes after second {}", pair[1].0, pair[0].0)));
    }
    check_durations(seconds.last().map(|(second, _)| Duration::from_secs(*second)).into_iter(), problems);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(load: Load, messages: &[&str]) {
        let found: Vec<String> = load.check().into_iter().map(|problem| problem.message).collect();
        assert_eq!(found, messages, "{load:?}");
        let text = serde_json::to_string(&load).unwrap();
        let is_number = !text.contains("null"); // JSON has no infinity
        assert!(!is_number || serde_json::from_str::<Load>(&text).unwrap() == load, "{text}");
    }

    #[test]
    fn every_kind_of_load_is_checked() {
        let over = Duration::from_secs(30);
        let stay = Stay::Each(Duration::from_millis(1500));
        check(Load::Arrive { users: 5, over, spacing: Spacing::Random, stay }, &[]);
        check(Load::Arrive { users: 0, over, spacing: Spacing::Even, stay }, &["the load has no users"]);
        let stages = vec![Stage::RampTo { users: 10, over }, Stage::Hold { over }];
        check(Load::Population { stages, keep_session: true }, &[]);
        check(
            Load::Population { stages: vec![], keep_session: false },
            &["the load has no users", "the stages take no time"],
        );
        let ramp = |per_second| vec![RateStage::RampTo { per_second, over }, RateStage::Hold { over }];
        check(Load::Rate { stages: ramp(2.5), at_most: 9 }, &[]);
        check(Load::Rate { stages: ramp(0.0), at_most: 9 }, &["the rate never rises above 0"]);
        check(
            Load::Rate { stages: ramp(f64::INFINITY), at_most: 0 },
            &["a rate of inf per second is not between 0 and 1000000", "no user may be live at a time"],
        );
        check(Load::Curve { seconds: vec![(0, 5), (7, 1)], stay: Stay::UntilDone }, &[]);
        check(
            Load::Curve { seconds: vec![(7, 5), (7, 1)], stay: Stay::UntilDone },
            &["second 7 of the curve comes after second 7"],
        );
    }
}
