//! One scenario's part in a trial: how much of the load is its own at the plan's peak, and its load on a plateau.

use std::time::Duration;

use super::{LoadUnit, TrialTimes};
use crate::load::{Load, RateStage, Spacing, Stage, Stay};

/// One scenario's part.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Part {
    pub(super) unit: LoadUnit,
    /// Its load at the plan's peak.
    pub(super) peak: f64,
    shape: Shape,
}

/// How its users come.
#[derive(Clone, Debug, PartialEq)]
enum Shape {
    /// Once, and they stay to the end.
    Staying { spacing: Spacing },
    /// One after the other, each for this long.
    Passing { spacing: Spacing, each: Duration },
    /// At a rate, and they leave when they are done.
    Coming { spacing: Spacing },
    /// Again and again.
    Population { keep_session: bool },
    /// At a rate, at most so many at a time for each start per second.
    Rate { at_most: f64 },
}

impl Part {
    /// The part that a load of the plan has in trials that hold it for so long.
    pub(super) fn of(load: &Load, hold: Duration) -> Part {
        let (users, starts) = (LoadUnit::Users, LoadUnit::StartsPerSecond);
        let (unit, peak, shape) = match load {
            Load::Arrive { users: count, over, spacing, stay } => {
                let per_second = *count as f64 / over.as_secs_f64().max(1.0);
                of_arrivals(*count as f64, per_second, *spacing, *stay, hold)
            }
            Load::Curve { seconds, stay } => {
                let count: u64 = seconds.iter().map(|(_, users)| users).sum();
                let steepest = seconds.iter().map(|(_, users)| *users).max().unwrap_or(0);
                of_arrivals(count as f64, steepest as f64, Spacing::Even, *stay, hold)
            }
            Load::Population { stages, keep_session } => {
                let targets = stages.iter().filter_map(|stage| match stage {
                    Stage::RampTo { users, .. } => Some(*users),
                    Stage::Hold { .. } => None,
                });
                (users, targets.max().unwrap_or(0) as f64, Shape::Population { keep_session: *keep_session })
            }
            Load::Rate { stages, at_most } => {
                let rates = stages.iter().filter_map(|stage| match stage {
                    RateStage::RampTo { per_second, .. } => Some(*per_second),
                    RateStage::Hold { .. } => None,
                });
                let peak = rates.fold(0.0, f64::max);
                (starts, peak, Shape::Rate { at_most: *at_most as f64 / peak })
            }
        };
        Part { unit, peak, shape }
    }

    /// The time that this part needs until its whole load is there.
    pub(super) fn least_ramp(&self) -> Option<Duration> {
        match self.shape {
            Shape::Passing { each, .. } => Some(each),
            _ => None,
        }
    }

    /// Its load in a trial.
    pub(super) fn load(&self, load: f64, TrialTimes { ramp, hold }: TrialTimes) -> Load {
        let all = ramp + hold;
        let whole = |users: f64| (users.round() as u64).max(1);
        match self.shape {
            Shape::Staying { spacing } => {
                Load::Arrive { users: whole(load), over: ramp, spacing, stay: Stay::AfterLastArrival(hold) }
            }
            Shape::Passing { spacing, each } => {
                let users = whole(load * all.as_secs_f64() / each.as_secs_f64());
                Load::Arrive { users, over: all, spacing, stay: Stay::Each(each) }
            }
            Shape::Coming { spacing } => {
                Load::Arrive { users: whole(load * all.as_secs_f64()), over: all, spacing, stay: Stay::UntilDone }
            }
            Shape::Population { keep_session } => {
                let stages = vec![Stage::RampTo { users: whole(load), over: ramp }, Stage::Hold { over: hold }];
                Load::Population { stages, keep_session }
            }
            Shape::Rate { at_most } => {
                let stages = vec![RateStage::RampTo { per_second: load, over: ramp }, RateStage::Hold { over: hold }];
                Load::Rate { stages, at_most: (load * at_most).ceil().max(1.0) as u64 }
            }
        }
    }
}

fn of_arrivals(count: f64, per_second: f64, spacing: Spacing, stay: Stay, hold: Duration) -> (LoadUnit, f64, Shape) {
    match stay {
        Stay::AfterLastArrival(_) => (LoadUnit::Users, count, Shape::Staying { spacing }),
        // Who stays for longer than the load is held is there to its end.
        Stay::Each(each) if each > hold => {
            (LoadUnit::Users, count.min(per_second * each.as_secs_f64()), Shape::Staying { spacing })
        }
        Stay::Each(each) => {
            let each = each.max(Duration::from_millis(1)); // nobody is there for no time
            (LoadUnit::Users, count.min((per_second * each.as_secs_f64()).max(1.0)), Shape::Passing { spacing, each })
        }
        Stay::UntilDone => (LoadUnit::StartsPerSecond, per_second, Shape::Coming { spacing }),
    }
}
