//! Scaling of loads whose users come once: how many are still to come, and in which time.

use std::time::Duration;

use super::{Progress, Scale, check_users, whole};
use crate::load::{Load, Spacing, Stay};
use crate::problem::Problem;
use crate::schedule::Schedule;

/// A number of users who come once within a time.
pub(super) struct Arrivals<'a> {
    users: u64,
    time: Duration,
    spacing: Spacing,
    stay: Stay,
    /// The curve that they follow, if they do.
    seconds: Option<&'a [(u64, u64)]>,
}

/// What is still to come of them.
struct Left {
    users: u64,
    time: Duration,
}

impl<'a> Arrivals<'a> {
    pub(super) fn evenly(users: u64, time: Duration, spacing: Spacing, stay: Stay) -> Self {
        Self { users, time, spacing, stay, seconds: None }
    }

    pub(super) fn of_curve(seconds: &'a [(u64, u64)], stay: Stay) -> Self {
        let users = seconds.iter().fold(0, |sum: u64, (_, users)| sum.saturating_add(*users));
        let end = seconds.iter().map(|(second, _)| second.saturating_add(1)).max().unwrap_or(0);
        Self { users, time: Duration::from_secs(end), spacing: Spacing::Even, stay, seconds: Some(seconds) }
    }

    pub(super) fn scaled(&self, scale: Scale, progress: &Progress, over: Duration) -> Result<Option<Load>, Problem> {
        let users = self.users.saturating_sub(progress.arrived);
        let left = Left { users, time: self.time.saturating_sub(progress.elapsed) };
        // A load that was scaled to nobody keeps its time, so that the operator can let users come again.
        let was_emptied = self.users == 0 && !left.time.is_zero() && !matches!(scale, Scale::Factor(_));
        let all_have_come = left.users == 0 && !was_emptied;
        if all_have_come && !asks_for_more(scale, progress) {
            return Ok(None);
        }
        if all_have_come && over.is_zero() {
            let problem = Problem::new("all users of the plan have come already");
            return Err(problem.hint("say in which time more are to come, as in --over 30s"));
        }
        let time = if all_have_come { over } else { left.time.max(over) };
        let users = still_to_come(scale, &left, time, progress)?;
        let keeps_shape = users > 0 && left.users > 0 && time == left.time && !matches!(scale, Scale::Rate(_));
        Ok(Some(match self.seconds.filter(|_| keeps_shape) {
            Some(seconds) => shaped(seconds, self.stay, progress.elapsed, &left, users),
            None => Load::Arrive { users, over: time, spacing: self.spacing, stay: self.stay },
        }))
    }
}

fn asks_for_more(scale: Scale, progress: &Progress) -> bool {
    match scale {
        Scale::Users(users) => users > progress.earlier.saturating_add(progress.arrived),
        Scale::Rate(per_second) => per_second > 0.0,
        Scale::Factor(factor) => factor > 1.0,
    }
}

/// Counts the users who are to come from now on, within `time`.
fn still_to_come(scale: Scale, left: &Left, time: Duration, progress: &Progress) -> Result<u64, Problem> {
    let come = progress.earlier.saturating_add(progress.arrived);
    let users = match scale {
        Scale::Users(users) => users.saturating_sub(come),
        Scale::Rate(per_second) => whole(per_second * time.as_secs_f64())?,
        Scale::Factor(factor) if left.users == 0 => whole(come as f64 * (factor - 1.0))?,
        Scale::Factor(factor) => whole(left.users as f64 * factor)?,
    };
    check_users(users as f64)?;
    Ok(users)
}

/// What is left of a curve with another number of users. Its seconds are cut anew, as the new load begins between two.
fn shaped(seconds: &[(u64, u64)], stay: Stay, elapsed: Duration, left: &Left, users: u64) -> Load {
    let curve = Schedule::new(&Load::Curve { seconds: seconds.to_vec(), stay }, 0);
    let come = curve.arrivals_before(elapsed);
    // The running sum is rounded, not each second, so that the seconds add up to exactly `users`.
    let sum_before = |second: u64| {
        let passed = curve.arrivals_before(elapsed.saturating_add(Duration::from_secs(second))) - come;
        let share = u128::from(passed) * u128::from(users) / u128::from(left.users);
        u64::try_from(share).expect("a part of `users`, which fits")
    };
    let end = left.time.as_secs() + u64::from(left.time.subsec_nanos() > 0);
    let cut = (0..end).map(|second| (second, sum_before(second + 1) - sum_before(second)));
    Load::Curve { seconds: cut.filter(|(_, users)| *users > 0).collect(), stay }
}
