//! Scaling of loads that follow stages: what is left of their course, at another height.

use std::time::Duration;

use super::{Progress, Scale, whole};
use crate::duration;
use crate::load::{MOST_PER_SECOND, RateStage, Stage};
use crate::problem::Problem;

/// A level, in users or starts per second, that follows straight legs.
#[derive(Clone, Debug, PartialEq)]
struct Course {
    /// The level at the beginning.
    from: f64,
    legs: Vec<Leg>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Leg {
    /// The level at its end.
    to: f64,
    over: Duration,
}

impl Course {
    /// Makes a course of legs; one without a level of its own holds that of the leg before it.
    fn new(from: f64, legs: impl Iterator<Item = (Option<f64>, Duration)>) -> Course {
        let mut level = from;
        let legs = legs.map(|(to, over)| {
            level = to.unwrap_or(level);
            Leg { to: level, over }
        });
        Course { from, legs: legs.collect() }
    }

    fn of_population(stages: &[Stage], inherited: u64) -> Course {
        let legs = stages.iter().map(|stage| match stage {
            Stage::RampTo { users, over } => (Some(*users as f64), *over),
            Stage::Hold { over } => (None, *over),
        });
        Course::new(inherited as f64, legs)
    }

    fn of_rate(stages: &[RateStage]) -> Course {
        let legs = stages.iter().map(|stage| match stage {
            RateStage::RampTo { per_second, over } => (Some(*per_second), *over),
            RateStage::Hold { over } => (None, *over),
        });
        Course::new(0.0, legs)
    }

    fn length(&self) -> Duration {
        self.legs.iter().fold(Duration::ZERO, |sum, leg| sum.saturating_add(leg.over))
    }

    /// What is left after some time; without legs once it has ended.
    fn rest(&self, passed: Duration) -> Course {
        let (mut level, mut passed) = (self.from, passed);
        for (number, leg) in self.legs.iter().enumerate() {
            if passed < leg.over {
                let share = passed.as_secs_f64() / leg.over.as_secs_f64();
                let cut = Leg { over: leg.over - passed, ..*leg };
                let legs = [&[cut], &self.legs[number + 1..]].concat();
                return Course { from: level + (leg.to - level) * share, legs };
            }
            passed -= leg.over;
            level = leg.to;
        }
        Course { from: level, legs: Vec::new() }
    }

    /// Goes to a level and stays there, in as much time as this course takes.
    fn levelled(&self, to: f64, over: Duration) -> Course {
        let hold = Leg { to, over: self.length().saturating_sub(over) };
        Course { from: self.from, legs: vec![Leg { to, over }, hold] }
    }

    /// Follows this course at `factor` times its height, which it reaches after `over`.
    fn multiplied(&self, factor: f64, over: Duration) -> Course {
        let then = self.rest(over);
        let reach = Leg { to: then.from, over };
        let legs = [&[reach], &then.legs[..]].concat();
        Course { from: self.from, legs: legs.iter().map(|leg| Leg { to: leg.to * factor, ..*leg }).collect() }
    }

    /// Writes it as stages of a population, which begins with the users who are there.
    fn population_stages(&self) -> Result<Vec<Stage>, Problem> {
        self.legs.iter().map(|leg| Ok(Stage::RampTo { users: whole(leg.to)?, over: leg.over })).collect()
    }

    /// Writes it as stages of a rate, which begins with a rate of 0 and so has to jump to the present one first.
    fn rate_stages(&self) -> Result<Vec<RateStage>, Problem> {
        let jump = Leg { to: self.from, over: Duration::ZERO };
        let stages = [&[jump], &self.legs[..]].concat().into_iter().map(|Leg { to, over }| match to {
            0.0..=MOST_PER_SECOND => Ok(RateStage::RampTo { per_second: to, over }),
            _ => Err(Problem::new(format!("a rate of {to} per second is more than {MOST_PER_SECOND}"))),
        });
        stages.collect()
    }
}

/// Scales the stages of a population.
pub(super) fn population(
    stages: &[Stage],
    scale: Scale,
    progress: &Progress,
    over: Duration,
) -> Result<Vec<Stage>, Problem> {
    let rest = rest(&Course::of_population(stages, progress.inherited), progress, over)?;
    let course = match scale {
        Scale::Users(users) => rest.levelled(users as f64, over),
        Scale::Factor(factor) => rest.multiplied(factor, over),
        Scale::Rate(_) => {
            let problem = Problem::new("a population follows no rate: its users come again when they are done");
            return Err(problem.hint("say how many users there are to be, or a factor"));
        }
    };
    course.population_stages()
}

/// Scales the stages of a rate, and how many users may be there at a time.
pub(super) fn rate(
    stages: &[RateStage],
    at_most: u64,
    scale: Scale,
    progress: &Progress,
    over: Duration,
) -> Result<(Vec<RateStage>, u64), Problem> {
    let rest = rest(&Course::of_rate(stages), progress, over)?;
    let (course, at_most) = match scale {
        Scale::Users(0) => {
            let problem = Problem::new("with at most 0 users at a time every start would be dropped");
            return Err(problem.hint("a rate of 0 lets nobody else start"));
        }
        Scale::Users(users) => (rest, users),
        Scale::Rate(per_second) => (rest.levelled(per_second, over), at_most),
        Scale::Factor(factor) => (rest.multiplied(factor, over), at_most),
    };
    Ok((course.rate_stages()?, at_most))
}

/// What is left of a course, if the plan has time for it.
fn rest(course: &Course, progress: &Progress, over: Duration) -> Result<Course, Problem> {
    let rest = course.rest(progress.elapsed);
    let left = rest.length();
    if left.is_zero() {
        return Err(Problem::new("all stages of the load have ended already").hint("start another run"));
    }
    if over > left {
        let (over, left) = (duration::print(over), duration::print(left));
        let problem = Problem::new(format!("going there takes {over}, but the stages end in {left}"));
        return Err(problem.hint(format!("go there within {left}")));
    }
    Ok(rest)
}
