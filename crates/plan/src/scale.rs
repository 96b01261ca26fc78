//! More users or fewer while the run goes on: what an operator's `scale` makes of the loads.
//!
//! A scaled load takes over at an instant, through [`Change::Loads`](crate::Change::Loads). What has come by then stays
//! as it was; only what is left is planned anew, and the end of the plan stays where it was wherever that makes sense.

mod arrivals;
mod stages;

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::duration;
use crate::load::{LONGEST, Load, MOST_PER_SECOND, MOST_USERS};
use crate::problem::Problem;
use crate::units::RunTime;
use crate::versions::Versions;
use arrivals::Arrivals;

/// The meaning of [`Scale`] for each kind of load as a table, for those who print help.
pub const SCALE_HELP: &str = include_str!("scale/meaning.md");

/// What an operator wants a load to become.
///
#[doc = include_str!("scale/meaning.md")]
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scale {
    /// A number of users.
    Users(u64),
    /// Arrivals or starts per second.
    Rate(f64),
    /// So many times what is left; 1 changes nothing.
    Factor(f64),
}

/// How far a load has come at the instant at which it is scaled.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Plan time since the load began.
    pub elapsed: Duration,
    /// Arrivals of the load that have come.
    pub arrived: u64,
    /// Arrivals of the same scenario that earlier loads had brought.
    pub earlier: u64,
    /// Users whom the load took over from an earlier population when it began.
    pub inherited: u64,
}

impl fmt::Display for Scale {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Scale::Users(users) => write!(out, "{users} users"),
            Scale::Rate(per_second) => write!(out, "{per_second} per second"),
            Scale::Factor(factor) => write!(out, "{factor} times what is left"),
        }
    }
}

impl Scale {
    /// Refuses what no load could follow.
    fn check(self) -> Result<(), Problem> {
        let number = |number: f64, most: f64, what: &str| {
            let refused = || Problem::new(format!("{what} of {number} is not between 0 and {most}"));
            (0.0..=most).contains(&number).then_some(()).ok_or_else(refused)
        };
        match self {
            Scale::Users(users) => check_users(users as f64),
            Scale::Rate(per_second) => number(per_second, MOST_PER_SECOND, "a rate per second"),
            Scale::Factor(factor) => number(factor, MOST_USERS as f64, "a factor"),
        }
    }
}

impl Load {
    /// Works out the load that takes over from this one when it is scaled; none when nothing is to change.
    /// [`Scale`] says what each scaling means for each kind of load.
    ///
    /// # Errors
    /// When the scaling makes no sense for this kind of load or at this time, or exceeds the limits of loads; the
    /// problem says what would.
    pub fn scaled(&self, scale: Scale, progress: &Progress, over: Duration) -> Result<Option<Load>, Problem> {
        scale.check()?;
        if over > LONGEST {
            let (over, longest) = (duration::print(over), duration::print(LONGEST));
            return Err(Problem::new(format!("{over} is longer than {longest}, the longest time of a load")));
        }
        if scale == Scale::Factor(1.0) {
            return Ok(None);
        }
        match self {
            Load::Arrive { users, over: time, spacing, stay } => {
                Arrivals::evenly(*users, *time, *spacing, *stay).scaled(scale, progress, over)
            }
            Load::Curve { seconds, stay } => Arrivals::of_curve(seconds, *stay).scaled(scale, progress, over),
            Load::Population { stages, keep_session } => {
                let stages = stages::population(stages, scale, progress, over)?;
                Ok(Some(Load::Population { stages, keep_session: *keep_session }))
            }
            Load::Rate { stages, at_most } => {
                let (stages, at_most) = stages::rate(stages, *at_most, scale, progress, over)?;
                Ok(Some(Load::Rate { stages, at_most }))
            }
        }
    }
}

/// Works out the loads of [`Change::Loads`](crate::Change::Loads) for a scaling that holds from `at` on; `names` are
/// those of the scenarios, in their order. A factor without a `scenario` is for all scenarios.
///
/// # Errors
/// When the scenario is unknown, or not named though there are several and the scaling is no factor, or when
/// [`Load::scaled`] refuses.
pub fn scaled_loads(
    versions: &Versions,
    names: &[impl AsRef<str>],
    at: RunTime,
    scale: Scale,
    scenario: Option<&str>,
    over: Duration,
) -> Result<Vec<Option<Load>>, Problem> {
    let names: Vec<&str> = names.iter().map(AsRef::as_ref).collect();
    let only = chosen(&names, scale, scenario)?;
    let scaled = versions.latest().loads.iter().enumerate().map(|(number, load)| {
        if only.is_some_and(|only| only != number) {
            return Ok(None);
        }
        let scaled = load.scaled(scale, &versions.progress(number, at), over);
        scaled.map_err(|problem| match names.get(number) {
            Some(name) if names.len() > 1 => problem.within(format_args!("scenario `{name}`")),
            _ => problem,
        })
    });
    scaled.collect()
}

/// Finds the one scenario that is meant; none if all are.
fn chosen(names: &[&str], scale: Scale, scenario: Option<&str>) -> Result<Option<usize>, Problem> {
    let known = || format!("name one of {}", names.join(", "));
    match scenario {
        Some(wanted) => {
            let unknown = || {
                let problem = Problem::new(format!("the plan has no scenario `{wanted}`")).hint(known());
                problem.did_you_mean(wanted, names.iter().copied())
            };
            names.iter().position(|name| *name == wanted).map(Some).ok_or_else(unknown)
        }
        None if names.len() > 1 && !matches!(scale, Scale::Factor(_)) => {
            let problem = Problem::new(format!("{scale} can be meant for one scenario only, and there are several"));
            Err(problem.hint(format!("{}; a factor is for all", known())))
        }
        None => Ok(None),
    }
}

fn check_users(users: f64) -> Result<(), Problem> {
    if users <= MOST_USERS as f64 {
        return Ok(());
    }
    Err(Problem::new(format!("{users} users are more than {MOST_USERS}, the most of one load")))
}

/// Rounds a number of users that a factor or a rate made; halves go up.
fn whole(users: f64) -> Result<u64, Problem> {
    check_users(users)?;
    Ok(users.round() as u64)
}

#[cfg(test)]
mod tests;
