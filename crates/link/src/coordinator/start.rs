//! The start and every later version: who takes part, from which instant, and who was told.

use std::sync::Arc;
use std::time::Duration;

use rehearsal_plan::{AgentNumber, Change, RunTime, SlotTable, Versions};

use super::{CoordinatorEnd, Effect, Member, Notice, Opening, Stage};
use crate::message::{Readiness, ToAgent};
use crate::outbox::Coarsen;

/// The least time between the storing of a version and its instant: disk, network and an agent's own thread.
const LEAST_LEAD: Duration = Duration::from_millis(300);

/// The most: one agent with a clogged way must not make the others wait longer.
const MOST_LEAD: Duration = Duration::from_secs(5);

impl<T: Coarsen> CoordinatorEnd<T> {
    pub(super) fn arm(&mut self, opening: Opening, now: RunTime) {
        if matches!(self.stage, Stage::Gathering | Stage::NotStarted) {
            let deadline = now + opening.within;
            self.stage = Stage::Arming { opening, deadline };
        }
    }

    /// Starts when every agent that is there is armed, or when the deadline has come.
    pub(super) fn start_if_ready(&mut self, now: RunTime) {
        let Stage::Arming { opening, deadline } = &self.stage else {
            return;
        };
        let quorum = opening.quorum.max(1);
        let armed = self.able();
        let expected = self.members.values().filter(|member| !member.presence.is_harmless()).count();
        if now < *deadline && (armed.len() < expected || armed.len() < quorum) {
            return;
        }
        if armed.len() < quorum {
            self.stage = Stage::NotStarted;
            return self.notice(Notice::NotStarted { armed: armed.len(), quorum });
        }
        let at = whole_second(now + self.lead());
        let slots = SlotTable::weighted(opening.slots, &armed);
        let versions = Versions::first(at, opening.loads.clone(), slots, opening.seed);
        let takes_part = |agent: &AgentNumber| armed.iter().any(|(able, _)| able == agent);
        let without = self.members.keys().copied().filter(|agent| !takes_part(agent)).collect();
        self.stage = Stage::Running(Box::new(versions));
        self.persist_latest();
        self.notice(Notice::Started { at, without });
    }

    pub(super) fn change(&mut self, change: Change, now: RunTime) {
        self.issue(change, now + self.lead());
    }

    /// Appends a version that holds from `earliest` on, or as soon as agents can know of it; gives its instant.
    pub(super) fn issue(&mut self, change: Change, earliest: RunTime) -> Option<RunTime> {
        let Stage::Running(versions) = &mut self.stage else {
            return None;
        };
        let version = versions.with(change, earliest);
        let at = version.at;
        versions.push(version).expect("it was computed to follow the latest");
        self.persist_latest();
        Some(at)
    }

    pub(super) fn version_persisted(&mut self, version: u64) {
        self.persisted = self.persisted.max(version);
        let agents: Vec<AgentNumber> = self.members.keys().copied().collect();
        agents.into_iter().for_each(|agent| self.send_versions(agent));
    }

    /// Sends every stored version that the agent does not hold, in order, once it is armed. None may be left out: until
    /// a later one takes effect the earlier one says whose arrivals are whose.
    pub(super) fn send_versions(&mut self, agent: AgentNumber) {
        let Stage::Running(versions) = &self.stage else {
            return;
        };
        let Some(member) = self.members.get_mut(&agent) else {
            return;
        };
        let session = self.lives.get(&member.incarnation).and_then(|life| life.session);
        let Some(session) = session.filter(|_| member.readiness == Readiness::Armed) else {
            return;
        };
        let news =
            versions.history().filter(|version| version.number > member.told && version.number <= self.persisted);
        for version in news {
            let mut version = version.clone();
            if version.number < member.owns_from {
                version.slots = version.slots.moved(agent, &[]);
            }
            self.effects.push(Effect::Send { session, message: ToAgent::Version(Arc::new(version)) });
        }
        member.told = member.told.max(self.persisted);
    }

    /// The time between the decision for a version and its instant.
    pub(super) fn lead(&self) -> Duration {
        // A version may have to wait for the batch that is being written, and is then written itself.
        (self.round_trip_p99() * 2 + self.storing * 2).clamp(LEAST_LEAD, MOST_LEAD)
    }

    /// Agents that can own slots, with their weights.
    pub(super) fn able(&self) -> Vec<(AgentNumber, u32)> {
        let able = self.members.iter().filter(|(_, member)| self.is_able(member));
        able.map(|(agent, _)| (*agent, self.weight(*agent))).collect()
    }

    fn is_able(&self, member: &Member) -> bool {
        let connected = self.lives.get(&member.incarnation).is_some_and(|life| life.session.is_some());
        connected && member.readiness == Readiness::Armed && !member.presence.is_fenced() && member.leaving.is_none()
    }

    fn weight(&self, agent: AgentNumber) -> u32 {
        let assigned = self.parts.get(&agent).map(|part| part.weight);
        assigned.or(self.weights.get(&agent).copied()).unwrap_or(1)
    }

    fn persist_latest(&mut self) {
        if let Stage::Running(versions) = &self.stage {
            self.effects.push(Effect::Persist(Arc::new(versions.latest().clone())));
        }
    }
}

/// The next whole second: seconds since the start are then whole seconds of run time, too, and the first one is not cut.
fn whole_second(at: RunTime) -> RunTime {
    const SECOND: i64 = 1_000_000;
    RunTime(at.0.saturating_add(SECOND - 1).div_euclid(SECOND).saturating_mul(SECOND))
}
