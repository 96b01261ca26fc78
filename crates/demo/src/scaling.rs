//! The demo as a scaled system: instances of limited capacity behind a balancer, and an autoscaler
//! that can misbehave, so that a verdict about autoscalers can itself be rehearsed.
//!
//! An instance here is an account of its users, not a process: what it costs to be overloaded is
//! played ([`Overload`]), what it means to boot, to drain or to be cut is done to real connections.
//! The **balancer** gives a connection to an instance at its first request outside `/admin/*`, as
//! one that reads HTTP does: the ready instance with the fewest connections. The connection stays
//! there; when the instance drains, the next request is answered by another one, so a client that
//! only asks notices nothing. A **user** is a session; its connections share its weight, also when
//! they are on several instances, and a connection without a session is a user of its own. So the
//! loads of all instances add up to the users that are there.

mod behaviour;
mod scaler;
mod pool;
mod balancer;
mod line;
mod observed;
mod pinning;

pub use behaviour::{Behaviour, UnknownBehaviour};

pub(crate) use balancer::Balancer;
pub(crate) use line::{Line, Member, asked_to_leave, in_turn};
pub(crate) use observed::{activities, metrics, supply};
pub(crate) use pinning::{pin, unpin};

use std::time::Duration;

/// How the demo is scaled.
#[derive(Clone, Debug, PartialEq)]
pub struct Scaling {
    /// What is wrong with the autoscaler, if anything.
    pub behaviour: Behaviour,
    /// Users that an instance serves at full speed; its CPU is its users / this.
    pub capacity_per_instance: u32,
    /// Users that what all instances share, a database for example, serves at full speed, however many instances
    /// there are; without, as many as come.
    pub shared_capacity: Option<u32>,
    /// Fewest instances, at least one; so many are ready at the start.
    pub min: u32,
    /// Most instances.
    pub max: u32,
    /// From the decision to start an instance until it is ready.
    pub boot: Duration,
    /// From the decision to end an instance until it is gone.
    pub drain: Duration,
    /// How often the autoscaler looks at the CPU. All its habits are counted in looks.
    pub every: Duration,
    /// Where it keeps the average CPU of the ready instances.
    pub band: Band,
    /// What a user feels of an instance that has too many.
    pub overload: Overload,
}

impl Default for Scaling {
    /// What suits a rehearsal of a minute or two on a laptop: a healthy autoscaler, 2 to 40
    /// instances for 500 users each, kept at 40–70 % CPU; 3 s to boot, 3 s to drain, a look a second.
    fn default() -> Self {
        Self {
            behaviour: Behaviour::Healthy,
            capacity_per_instance: 500,
            shared_capacity: None,
            min: 2,
            max: 40,
            boot: Duration::from_secs(3),
            drain: Duration::from_secs(3),
            every: Duration::from_secs(1),
            band: Band::default(),
            overload: Overload::default(),
        }
    }
}

/// Where a figure is to be, in percent.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Band {
    /// Below it instances are taken away.
    pub low: f64,
    /// Above it instances are added.
    pub high: f64,
}

impl Default for Band {
    /// 40–70 %.
    fn default() -> Self {
        Self { low: 40.0, high: 70.0 }
    }
}

impl Band {
    /// Returns the middle, which the autoscaler aims at.
    pub(crate) fn target(self) -> f64 {
        f64::midpoint(self.low, self.high)
    }
}

/// What a user feels of an instance that has too many, as with a queue of limited length: who is in
/// it waits, who would make it longer is turned away.
///
/// With `u` = users / capacity, a request waits `slowest · (u − 1) / (refuse_at − 1)` before it is
/// handled, nothing for `u ≤ 1` and at most `slowest`. An instance with `u ≥ refuse_at` takes no
/// new connection; when that is so of all, the request is answered with 503. Users who are in are
/// never refused: otherwise a system that is once overloaded would serve nobody any more, and would
/// not show the difference between an autoscaler that comes late and one that never comes.
/// Worked example: 500 users each, `refuse_at` 1.5, `slowest` 2 s: with 600 users every request
/// waits 0.8 s, and beyond 750 newcomers are refused. WebSocket messages are not delayed.
/// What all instances share is overloaded in the same way, by the users of all.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Overload {
    /// Load at which newcomers are refused, as a multiple of the capacity, more than 1.
    pub refuse_at: f64,
    /// The longest that a request waits.
    pub slowest: Duration,
}

impl Default for Overload {
    /// Refuses at one and a half times the capacity, when requests wait 2 s.
    fn default() -> Self {
        Self { refuse_at: 1.5, slowest: Duration::from_secs(2) }
    }
}

impl Overload {
    /// Returns how long a request waits at an instance with this load (users / capacity).
    pub(crate) fn wait(&self, load: f64) -> Duration {
        let share = (load - 1.0) / (self.refuse_at - 1.0);
        self.slowest.mul_f64(share.clamp(0.0, 1.0))
    }
}

/// Why a demo cannot be scaled as it was asked to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ScalingError {
    /// An instance, or what all share, that serves nobody.
    #[error("a capacity must be at least 1 user")]
    Capacity,
    /// None, or fewer at most than at least.
    #[error("the number of instances must be at least 1, and the most not below the fewest")]
    Bounds,
    /// The autoscaler would never stop looking.
    #[error("the autoscaler must look at the CPU at intervals above zero")]
    Every,
    /// There is nothing within the band.
    #[error("the band of the CPU must be above zero, its low below its high")]
    Band,
    /// Newcomers would be refused before the instance is full.
    #[error("newcomers must be refused at more than the capacity")]
    Overload,
}

impl Scaling {
    /// Finds what makes no sense.
    ///
    /// # Errors
    /// The first of it.
    pub fn check(&self) -> Result<(), ScalingError> {
        let Band { low, high } = self.band;
        match self {
            _ if self.capacity_per_instance == 0 || self.shared_capacity == Some(0) => Err(ScalingError::Capacity),
            _ if self.min == 0 || self.max < self.min => Err(ScalingError::Bounds),
            _ if self.every.is_zero() => Err(ScalingError::Every),
            _ if !(low > 0.0 && low < high && high.is_finite()) => Err(ScalingError::Band),
            _ if !(self.overload.refuse_at > 1.0 && self.overload.refuse_at.is_finite()) => Err(ScalingError::Overload),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(change: impl FnOnce(&mut Scaling), expected: Result<(), ScalingError>) {
        let mut scaling = Scaling::default();
        change(&mut scaling);
        assert_eq!(scaling.check(), expected);
    }

    #[test]
    fn what_makes_no_sense_is_found() {
        check(|_| {}, Ok(()));
        check(|scaling| scaling.capacity_per_instance = 0, Err(ScalingError::Capacity));
        check(|scaling| scaling.shared_capacity = Some(0), Err(ScalingError::Capacity));
        check(|scaling| scaling.min = 0, Err(ScalingError::Bounds));
        check(|scaling| scaling.max = 1, Err(ScalingError::Bounds));
        check(|scaling| scaling.every = Duration::ZERO, Err(ScalingError::Every));
        check(|scaling| scaling.band.low = 70.0, Err(ScalingError::Band));
        check(|scaling| scaling.band.high = f64::NAN, Err(ScalingError::Band));
        check(|scaling| scaling.overload.refuse_at = 1.0, Err(ScalingError::Overload));
    }

    #[test]
    fn requests_wait_longer_the_fuller_their_instance_is() {
        let waits = [0.0, 1.0, 1.125, 1.25, 1.5, 9.0].map(|load| Overload::default().wait(load).as_millis());
        assert_eq!(waits, [0, 0, 500, 1000, 2000, 2000]);
    }
}
