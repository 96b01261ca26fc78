//! The seven ways in which the autoscaler can behave, as data: what each does otherwise than the
//! healthy one stands in one row of one table, and the rule that reads the table exists once.

use std::str::FromStr;

/// How the autoscaler behaves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Behaviour {
    /// Adds instances at once when they are needed, takes them away after a while, in order.
    #[default]
    Healthy,
    /// Decides rightly, but only when the need has lasted half a minute (at a look a second).
    Slow,
    /// Never decides anything.
    Frozen,
    /// Adds instances and takes them away, again and again, whatever the load does.
    Flapping,
    /// Keeps three times as many instances as it should.
    Greedy,
    /// Decides rightly, but ends instances with all their connections, without a goodbye.
    Harsh,
    /// Loses its metric for a while once it has scaled out, takes that for 0 % and scales in.
    Blind,
}

impl Behaviour {
    /// All of them.
    pub const ALL: [Self; 7] =
        [Self::Healthy, Self::Slow, Self::Frozen, Self::Flapping, Self::Greedy, Self::Harsh, Self::Blind];

    /// Returns its name, as [`str::parse`] reads it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Healthy => "healthy",
            Self::Slow => "slow",
            Self::Frozen => "frozen",
            Self::Flapping => "flapping",
            Self::Greedy => "greedy",
            Self::Harsh => "harsh",
            Self::Blind => "blind",
        }
    }

    /// Returns its row of the table.
    pub(super) fn habits(self) -> Habits {
        let healthy = HEALTHY;
        match self {
            Self::Healthy => healthy,
            Self::Slow => Habits { out_after: 30, in_after: 30, ..healthy },
            Self::Frozen => Habits { out_after: u32::MAX, in_after: u32::MAX, ..healthy },
            Self::Flapping => Habits { swing: Some(Swing { every: 6, share: 0.5 }), ..healthy },
            Self::Greedy => Habits { exaggerates: 3.0, ..healthy },
            Self::Harsh => Habits { ending: Ending::Cut, ..healthy },
            Self::Blind => Habits { outage: Some(Outage { after: 15, lasts: 12, patience: 3 }), ..healthy },
        }
    }
}

/// The name is none of a [`Behaviour`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected healthy, slow, frozen, flapping, greedy, harsh or blind")]
pub struct UnknownBehaviour;

impl FromStr for Behaviour {
    type Err = UnknownBehaviour;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|behaviour| behaviour.name() == name).ok_or(UnknownBehaviour)
    }
}

/// What an autoscaler does, beside the rule. All times are numbers of looks, so that a faster
/// autoscaler is the same one on another scale of time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Habits {
    /// Looks in a row that must see too much load before it scales out.
    pub(super) out_after: u32,
    /// Looks in a row that must see too little load before it scales in: longer than out, because
    /// capacity that is missing hurts and capacity that is there only costs.
    pub(super) in_after: u32,
    /// How many times too high it takes the load to be.
    pub(super) exaggerates: f64,
    pub(super) swing: Option<Swing>,
    pub(super) outage: Option<Outage>,
    pub(super) ending: Ending,
}

const HEALTHY: Habits =
    Habits { out_after: 1, in_after: 5, exaggerates: 1.0, swing: None, outage: None, ending: Ending::Drained };

/// Out and in for no reason.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Swing {
    /// Looks from out to in and from in to out.
    pub(super) every: u32,
    /// How far, as a share of the instances that are needed; at least one.
    pub(super) share: f64,
}

/// The metric is missing.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Outage {
    /// It begins so many looks after more than the fewest instances were wanted: earlier nothing
    /// could be taken away, and nobody would notice.
    pub(super) after: u32,
    pub(super) lasts: u32,
    /// Looks without a metric after which it is taken for 0 %.
    pub(super) patience: u32,
}

/// What happens to the connections of an instance that is taken away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    /// They end in order, or go to another instance.
    Drained,
    /// They are closed at once.
    Cut,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_they_are_written() {
        for behaviour in Behaviour::ALL {
            assert_eq!(behaviour.name().parse(), Ok(behaviour));
            assert!(UnknownBehaviour.to_string().contains(behaviour.name()));
        }
        assert_eq!("lazy".parse::<Behaviour>(), Err(UnknownBehaviour));
    }

    #[test]
    fn each_differs_from_the_healthy_one() {
        for behaviour in Behaviour::ALL {
            assert_eq!(behaviour.habits() == HEALTHY, behaviour == Behaviour::Healthy, "{behaviour:?}");
        }
    }
}
