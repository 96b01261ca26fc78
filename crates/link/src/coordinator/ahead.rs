//! Agents that have played ahead: who hears of a pause late goes on by the older version until then, and starts arrivals whose
//! instants are later by the newer one. While the slots are its own that is all right, for it does not start them again;
//! another agent would. So its slots move no sooner than at the instants which those arrivals have now.
//!
//! What is noted here is not stored: it is told anew only as far as an agent still holds an older version.

use rehearsal_plan::{AgentNumber, Change, RunTime};

use super::CoordinatorEnd;
use crate::outbox::Coarsen;

impl<T: Coarsen> CoordinatorEnd<T> {
    /// Notes that an agent has played by the versions up to a number until now, at most until its lease ran out.
    pub(super) fn note_played(&mut self, agent: AgentNumber, version: u64, now: RunTime) {
        let Some(versions) = self.versions() else { return };
        let followed = versions.history().any(|next| next.number > version && next.at < now);
        if version == 0 || !followed {
            return; // nothing is newer, or holds yet
        }
        let slots = versions.latest().slots.clone();
        let until = now.min(self.members.get(&agent).map_or(now, |member| member.presence.expires()));
        let played = versions.as_of(version).with(Change::Slots(slots), until).base;
        let known = &mut self.member(agent).played;
        known.resize(played.len(), 0);
        known.iter_mut().zip(played).for_each(|(known, played)| *known = played.max(*known));
    }

    /// From when on others may have an agent's slots; `None` while plan time stands still and nobody knows.
    pub(super) fn others_may_play_from(&self, agent: AgentNumber) -> Option<RunTime> {
        let (Some(versions), Some(member)) = (self.versions(), self.members.get(&agent)) else {
            return Some(RunTime::ZERO);
        };
        let mut from = RunTime::ZERO;
        for (scenario, played) in member.played.iter().enumerate() {
            if let Some(last) = (*played).min(versions.planned_of(scenario)).checked_sub(1) {
                from = from.max(RunTime(versions.arrival(scenario, last)?.at.0.saturating_add(1)));
            }
        }
        Some(from)
    }
}
