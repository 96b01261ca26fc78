//! Who is out of date: the agent refuses a coordinator that was succeeded, the coordinator an agent that was replaced.

use crate::identity::Epoch;
use crate::presence::AgentPresence;

/// The agent's memory of the highest epoch that greeted it.
#[derive(Debug, Clone, Copy, Default)]
pub struct EpochFence {
    highest: Epoch,
}

/// What a greeting's epoch means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EpochStep {
    /// The coordinator known so far.
    Same,
    /// A coordinator that succeeded it.
    Newer,
    /// A coordinator that was succeeded: it must not be obeyed.
    Stale,
}

impl EpochFence {
    /// Judges the epoch of a greeting and remembers it if it is the highest.
    pub fn admit(&mut self, epoch: Epoch) -> EpochStep {
        let step = match epoch.cmp(&self.highest) {
            std::cmp::Ordering::Less => EpochStep::Stale,
            std::cmp::Ordering::Equal => EpochStep::Same,
            std::cmp::Ordering::Greater => EpochStep::Newer,
        };
        self.highest = self.highest.max(epoch);
        step
    }

    /// The highest epoch seen.
    pub fn highest(&self) -> Epoch {
        self.highest
    }
}

/// Which life of an agent is dialling, as the coordinator's records tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Caller {
    /// The life that holds this agent's number now.
    Current,
    /// A life that held the number earlier.
    Former,
    /// A life never seen.
    Unknown,
}

/// Whether a caller may make load.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admission {
    /// A new life takes the agent's number.
    New,
    /// The life that holds the number goes on.
    Returning,
    /// Its load belongs to others: only its intervals are taken.
    Fenced,
    /// Another life with this number may still make load; it must try again later.
    Refused,
}

/// Decides whether a caller may make load.
///
/// | caller | no holder | holder may make load | holder fenced early | holder harmless |
/// |---|---|---|---|---|
/// | current | | returning | fenced | fenced |
/// | former | fenced | fenced | fenced | fenced |
/// | unknown | new | refused | refused | new |
pub fn admit(caller: Caller, holder: Option<&AgentPresence>) -> Admission {
    match (caller, holder) {
        (Caller::Former, _) => Admission::Fenced,
        (Caller::Unknown, Some(holder)) if !holder.is_harmless() => Admission::Refused,
        (Caller::Unknown, _) => Admission::New,
        (Caller::Current, Some(holder)) if holder.is_fenced() => Admission::Fenced,
        (Caller::Current, _) => Admission::Returning,
    }
}

#[cfg(test)]
mod tests {
    use rehearsal_plan::RunTime;

    use super::*;
    use crate::lease::LeaseTerms;

    #[test]
    fn lower_epochs_are_refused() {
        let mut fence = EpochFence::default();
        let steps = [3, 3, 2, 4, 3].map(|epoch| fence.admit(Epoch(epoch)));
        assert_eq!(steps, [EpochStep::Newer, EpochStep::Same, EpochStep::Stale, EpochStep::Newer, EpochStep::Stale]);
        assert_eq!(fence.highest(), Epoch(4));
    }

    #[test]
    fn the_table_of_admissions_holds() {
        let alive = AgentPresence::new(LeaseTerms::default(), RunTime::ZERO);
        let (mut eager, mut ended) = (alive.clone(), alive.clone());
        eager.fence();
        ended.ended();
        let holders = [None, Some(&alive), Some(&eager), Some(&ended)];
        let row = |caller| holders.map(|holder| admit(caller, holder));
        use Admission::{Fenced, New, Refused, Returning};
        assert_eq!(row(Caller::Current)[1..], [Returning, Fenced, Fenced]);
        assert_eq!(row(Caller::Former), [Fenced, Fenced, Fenced, Fenced]);
        assert_eq!(row(Caller::Unknown), [New, Refused, Refused, New]);
    }
}
