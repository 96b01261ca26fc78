//! When an agent is gone: what is shown, what is lost, and who gets its slots.
//!
//! | why | slots move | from when on |
//! |---|---|---|
//! | ended (process exit, drained) | at once | now + lead |
//! | expired (lease run out on both sides) | at once | now + lead |
//! | closed (gone, or unheard for L/4), takeover eager | at once; double load is possible and reported | now + lead |
//! | leaving, by its own announcement | at once | what it announced, or now + lead if that is later |
//!
//! With nobody to take them over, slots wait for the first agent that is able. An agent of weight 0 is a spare: it has no
//! slots until it takes over all those of one that goes.

use rehearsal_plan::{AgentNumber, Change, RunTime, SlotTable, Takeover};

use super::{CoordinatorEnd, Effect, Member, Notice, Stage};
use crate::message::Leaving;
use crate::outbox::Coarsen;
use crate::presence::PresenceState;

impl<T: Coarsen> CoordinatorEnd<T> {
    /// Looks at every agent for what the passing of time has changed.
    pub(super) fn watch(&mut self, now: RunTime) {
        let agents: Vec<AgentNumber> = self.members.keys().copied().collect();
        for agent in agents {
            if self.member(agent).presence.is_unheard(now) {
                self.give_up_connection(agent, now);
            }
            while let Some(state) = self.member(agent).presence.tick(now) {
                self.notice(Notice::Presence { agent, state });
                match state {
                    PresenceState::Expired => self.lose(agent, now),
                    PresenceState::Closed if self.config.takeover == Takeover::Eager => self.fence_early(agent, now),
                    _ => {}
                }
            }
        }
    }

    pub(super) fn process_ended(&mut self, agent: AgentNumber, now: RunTime) {
        for life in self.lives.values_mut().filter(|life| life.agent == agent) {
            life.told_goodbye = None;
        }
        let Some(member) = self.members.get_mut(&agent) else {
            return;
        };
        let (was_harmless, before) = (member.presence.is_harmless(), member.presence.state());
        member.presence.ended();
        if before != PresenceState::Ended {
            self.notice(Notice::Presence { agent, state: PresenceState::Ended });
        }
        if !was_harmless {
            self.lose(agent, now);
        }
    }

    /// The agent delivered everything and starts nothing any more, perhaps earlier than it had announced.
    pub(super) fn delivered_all(&mut self, agent: AgentNumber, now: RunTime) {
        let member = self.member(agent);
        member.presence.ended();
        member.leaving = Some(member.leaving.map_or(now, |from| from.min(now)));
        self.hand_over(agent, now);
    }

    pub(super) fn leaving(&mut self, agent: AgentNumber, leaving: Leaving) {
        // It says so again on every connection.
        if self.member(agent).leaving.replace(leaving.from).is_none() {
            self.to_move.insert(agent, leaving.from);
            self.notice(Notice::Leaving { agent, leaving });
        }
    }

    fn give_up_connection(&mut self, agent: AgentNumber, now: RunTime) {
        let incarnation = self.member(agent).incarnation;
        let life = self.lives.get(&incarnation);
        if let Some(session) = life.and_then(|life| life.session) {
            self.effects.push(Effect::Close { session });
            self.disconnected(session, now);
        }
    }

    fn fence_early(&mut self, agent: AgentNumber, now: RunTime) {
        let presence = &mut self.member(agent).presence;
        presence.fence();
        let until = presence.clears();
        if self.owns_slots(agent) {
            self.notice(Notice::DoubleLoadPossible { agent, until });
        }
        self.lose(agent, now);
    }

    /// The agent is gone with whatever it had not delivered.
    fn lose(&mut self, agent: AgentNumber, now: RunTime) {
        self.member(agent).leaving = None;
        self.hand_over(agent, now);
    }

    fn hand_over(&mut self, agent: AgentNumber, now: RunTime) {
        match self.versions().and_then(|versions| versions.relieved_at(agent)) {
            // Others take over at an instant that was settled earlier; it may not have lasted until then.
            Some(at) => self.report_loss(agent, at),
            // It never had any slots: nobody has to take over, and nobody waits for its numbers any more.
            None if self.versions().is_some() && !self.owns_slots(agent) => self.report_loss(agent, now),
            None => {
                self.to_move.entry(agent).or_insert(now);
            }
        }
    }

    fn owns_slots(&self, agent: AgentNumber) -> bool {
        self.versions().is_some_and(|versions| versions.latest().slots.slots_of(agent).next().is_some())
    }

    /// Moves all slots that need another owner in one version, as soon as somebody is able to take them.
    pub(super) fn move_slots(&mut self, now: RunTime) {
        if self.to_move.is_empty() || !matches!(self.stage, Stage::Running(_)) {
            return;
        }
        let owners: Vec<AgentNumber> = self.to_move.keys().copied().filter(|agent| self.owns_slots(*agent)).collect();
        if owners.is_empty() || self.stop.is_some() {
            // The load ends: nobody takes over, but what was due until now is missing all the same.
            owners.into_iter().for_each(|agent| self.report_loss(agent, now));
            return self.to_move.clear();
        }
        let heirs = self.able();
        let Some(slots) = self.inherited(&owners, &heirs) else {
            return;
        };
        let promised = self.to_move.values().copied().max().unwrap_or(now);
        let free = owners.iter().map(|owner| self.others_may_play_from(*owner)).collect::<Option<Vec<_>>>();
        let Some(free) = free.map(|free| free.into_iter().fold(promised, RunTime::max)) else {
            return;
        };
        let Some(at) = self.issue(Change::Slots(slots), free.max(now + self.lead())) else {
            return;
        };
        for agent in owners {
            self.report_loss(agent, at);
        }
        self.to_move.clear();
    }

    /// The slots of those who go: all of one agent's go to one spare as long as there are spares, and then to all who play.
    fn inherited(&self, owners: &[AgentNumber], heirs: &[(AgentNumber, u32)]) -> Option<SlotTable> {
        let latest = &self.versions()?.latest().slots;
        let (spares, players): (Vec<_>, Vec<_>) =
            heirs.iter().copied().partition(|(agent, weight)| *weight == 0 && !self.owns_slots(*agent));
        // A spare that has taken over plays like any other.
        let players: Vec<_> = players.into_iter().map(|(agent, weight)| (agent, weight.max(1))).collect();
        let mut spares = spares.into_iter().map(|(agent, _)| [(agent, 1)]);
        let moved = |slots: SlotTable, owner: &AgentNumber| match spares.next() {
            Some(spare) => slots.moved(*owner, &spare),
            None => slots.moved(*owner, &players),
        };
        (!heirs.is_empty()).then(|| owners.iter().fold(latest.clone(), moved))
    }

    /// Says which arrivals are lost: those between the last second that is stored and the takeover, or, of an agent
    /// that announced its leaving and delivers the rest, those between its leaving and a takeover that came later.
    fn report_loss(&mut self, agent: AgentNumber, to: RunTime) {
        let Some(member) = self.members.get(&agent) else {
            return;
        };
        let from = match member.leaving {
            Some(from) if to <= from => return,
            Some(from) => from.second(),
            None => self.last_known(member),
        };
        self.notice(Notice::Lost { agent, from, to });
    }

    /// The first second of which nothing of this agent is stored.
    fn last_known(&self, member: &Member) -> i64 {
        let stored = self.lives.get(&member.incarnation).and_then(|life| life.stored_until);
        let start = self.versions().and_then(|versions| versions.history().next()).map(|version| version.at.second());
        stored.or(start).unwrap_or_default()
    }
}
