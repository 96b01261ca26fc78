//! Connections of agents: greeting, what they say, and the acknowledgement of what is stored.

use std::sync::Arc;

use rehearsal_plan::{AgentNumber, RunTime};

use super::{CoordinatorEnd, Effect, Life, Member, Notice, Part, Violation};
use crate::fence::{self, Admission, Caller};
use crate::identity::{Incarnation, Session};
use crate::inbox::Receipt;
use crate::message::{Assignment, Hello, Readiness, ToAgent, ToCoordinator, Welcome};
use crate::outbox::Coarsen;
use crate::presence::{AgentPresence, PresenceState};

impl<T: Coarsen> CoordinatorEnd<T> {
    pub(super) fn hear(&mut self, session: Session, message: ToCoordinator<T>, now: RunTime) {
        match (self.sessions.get(&session).copied(), message) {
            (None, ToCoordinator::Hello(hello)) => self.greet(session, &hello, now),
            (None, _) => self.violated(session, Violation::NoHello),
            (Some(_), ToCoordinator::Hello(_)) => self.violated(session, Violation::SecondHello),
            (Some(incarnation), ToCoordinator::Interval { number, payload }) => {
                self.note_alive(incarnation, now);
                self.take_interval(session, incarnation, number, payload);
            }
            (Some(incarnation), message) => {
                self.note_alive(incarnation, now);
                self.hear_holder(session, incarnation, message, now);
            }
        }
    }

    pub(super) fn disconnected(&mut self, session: Session, now: RunTime) {
        let Some(incarnation) = self.sessions.remove(&session) else {
            return;
        };
        if let Some(life) = self.lives.get_mut(&incarnation) {
            life.session = None;
        }
        if let Some(agent) = self.held_by(incarnation) {
            self.member(agent).presence.disconnected(now);
        }
    }

    pub(super) fn committed(&mut self, incarnation: Incarnation, number: u64) {
        let Some(life) = self.lives.get_mut(&incarnation) else {
            return;
        };
        let staged = life.inbox.staged();
        life.inbox.committed(number);
        for _ in life.inbox.staged()..staged {
            life.stored_until = life.staged_until.pop_front().max(life.stored_until);
        }
        self.acknowledge(incarnation);
    }

    pub(super) fn assign(&mut self, agent: AgentNumber, assignment: Arc<Assignment>, weight: u32) {
        self.parts.insert(agent, Part { assignment, weight });
        self.send_assignment(agent);
    }

    fn greet(&mut self, session: Session, hello: &Hello, now: RunTime) {
        if hello.epoch > self.config.epoch {
            self.effects.push(Effect::Close { session });
            return self.notice(Notice::Superseded { by: hello.epoch });
        }
        let admission = self.admission(hello);
        if admission == Admission::Refused {
            self.effects.push(Effect::Close { session });
            return self.notice(Notice::Refused { agent: hello.agent, incarnation: hello.incarnation });
        }
        if admission == Admission::New && self.stop.is_some() && self.has_said_farewell(hello.agent) {
            // An agent that stays for the next run dials again at once. In this one there is nothing left for it, and a
            // member that comes back and goes, again and again, would keep it from ending.
            return self.effects.push(Effect::Close { session });
        }
        if admission == Admission::New {
            let presence = AgentPresence::new(self.config.lease, now);
            let owns_from = self.versions().map_or(1, |versions| versions.latest().number + 1);
            self.members.insert(hello.agent, Member::new(hello.incarnation, presence, owns_from));
            self.notice(Notice::Joined { agent: hello.agent, incarnation: hello.incarnation, owns_from });
        }
        self.open(session, hello);
        let holds = self.held_by(hello.incarnation).is_some();
        if holds {
            self.note_played(hello.agent, hello.version, now);
            let member = self.member(hello.agent);
            (member.readiness, member.told) = (hello.readiness, hello.version);
            let news = member.presence.connected(now);
            self.tell_presence(hello.agent, news);
        }
        if admission == Admission::Fenced {
            self.effects.push(Effect::Send { session, message: ToAgent::Fenced });
        }
        if let Some(instances) = &self.instances {
            let message = ToAgent::Instances(Arc::clone(instances));
            self.effects.push(Effect::Send { session, message });
        }
        if holds {
            self.send_assignment(hello.agent);
            // The fenced one, too: from the versions it learns until when the missed arrivals were its own.
            self.send_versions(hello.agent);
        }
        if let Some(kind) = self.stop {
            self.effects.push(Effect::Send { session, message: ToAgent::Stop(kind) });
        }
    }

    fn admission(&self, hello: &Hello) -> Admission {
        let holder = self.members.get(&hello.agent);
        let caller = match holder {
            Some(member) if member.incarnation == hello.incarnation => Caller::Current,
            _ if self.lives.contains_key(&hello.incarnation) => Caller::Former,
            _ => Caller::Unknown,
        };
        fence::admit(caller, holder.map(|member| &member.presence))
    }

    fn has_said_farewell(&self, agent: AgentNumber) -> bool {
        self.members.get(&agent).is_some_and(|member| member.presence.state() == PresenceState::Ended)
    }

    /// Puts this session in the place of the life's former one, whose messages no longer count, and welcomes it.
    /// Intervals that the former one brought stay with the writer: the inbox knows them when they are repeated.
    fn open(&mut self, session: Session, hello: &Hello) {
        let life = self.lives.entry(hello.incarnation).or_insert_with(|| Life::new(hello.agent, 0));
        let mark = life.inbox.mark();
        if let Some(former) = life.session.replace(session) {
            self.sessions.remove(&former);
            self.effects.push(Effect::Close { session: former });
        }
        self.sessions.insert(session, hello.incarnation);
        let welcome = Welcome { epoch: self.config.epoch, mark, lease: self.config.lease };
        self.effects.push(Effect::Send { session, message: ToAgent::Welcome(welcome) });
    }

    /// Takes what only the holder of an agent's number may say; from a former life only its farewell counts.
    fn hear_holder(&mut self, session: Session, incarnation: Incarnation, message: ToCoordinator<T>, now: RunTime) {
        let holder = self.held_by(incarnation);
        match (message, holder) {
            (ToCoordinator::Drained, _) => self.drained(session, incarnation, now),
            (ToCoordinator::Farewell, _) => {
                if let Some(life) = self.lives.get_mut(&incarnation) {
                    life.told_goodbye = None;
                }
            }
            (ToCoordinator::Heartbeat { sequence, round_trip }, Some(agent)) => {
                let member = self.member(agent);
                member.round_trip = round_trip;
                let answer = if member.presence.may_answer(now) {
                    ToAgent::HeartbeatAnswer { sequence }
                } else {
                    ToAgent::Fenced
                };
                self.effects.push(Effect::Send { session, message: answer });
            }
            (ToCoordinator::Armed, Some(agent)) => {
                self.member(agent).readiness = Readiness::Armed;
                self.send_versions(agent);
            }
            (ToCoordinator::Applied(applied), Some(agent)) => {
                self.note_played(agent, applied.version.saturating_sub(1), applied.at);
                self.notice(Notice::Applied { agent, applied });
            }
            (ToCoordinator::Stopping(stopping), Some(agent)) => self.notice(Notice::Stopping { agent, stopping }),
            (ToCoordinator::Leaving(leaving), Some(agent)) => self.leaving(agent, leaving),
            _ => {}
        }
    }

    fn take_interval(&mut self, session: Session, incarnation: Incarnation, number: u64, payload: T) {
        let Some(life) = self.lives.get_mut(&incarnation) else {
            return;
        };
        match life.inbox.receive(number) {
            Receipt::Commit => {
                life.staged_until.push_back(payload.seconds().end);
                self.effects.push(Effect::Commit { agent: life.agent, incarnation, number, payload });
            }
            Receipt::Staged => {}
            Receipt::Duplicate => self.acknowledge(incarnation),
            Receipt::Gap { expected } => self.violated(session, Violation::Gap { got: number, expected }),
        }
    }

    fn acknowledge(&mut self, incarnation: Incarnation) {
        let Some(life) = self.lives.get(&incarnation) else {
            return;
        };
        if let Some(session) = life.session {
            self.effects.push(Effect::Send { session, message: ToAgent::Ack { number: life.inbox.mark() } });
        }
    }

    fn drained(&mut self, session: Session, incarnation: Incarnation, now: RunTime) {
        self.effects.push(Effect::Send { session, message: ToAgent::Goodbye });
        if let Some(life) = self.lives.get_mut(&incarnation) {
            life.told_goodbye.get_or_insert(now);
        }
        if let Some(agent) = self.held_by(incarnation) {
            self.notice(Notice::Drained { agent });
            self.delivered_all(agent, now);
        }
    }

    fn violated(&mut self, session: Session, what: Violation) {
        let agent =
            self.sessions.get(&session).and_then(|incarnation| self.lives.get(incarnation)).map(|life| life.agent);
        self.effects.push(Effect::Close { session });
        self.notice(Notice::Violation { agent, what });
    }

    fn send_assignment(&mut self, agent: AgentNumber) {
        let waits = self.members.get(&agent).is_some_and(|member| member.readiness == Readiness::Unassigned);
        if let Some(part) = self.parts.get(&agent).filter(|_| waits) {
            let assignment = Arc::clone(&part.assignment);
            self.tell(agent, ToAgent::Assignment(assignment));
        }
    }

    fn note_alive(&mut self, incarnation: Incarnation, now: RunTime) {
        if let Some(agent) = self.held_by(incarnation) {
            let news = self.member(agent).presence.heard(now);
            self.tell_presence(agent, news);
        }
    }

    fn tell_presence(&mut self, agent: AgentNumber, news: Option<PresenceState>) {
        if let Some(state) = news {
            self.notice(Notice::Presence { agent, state });
        }
    }

    /// The agent whose number this life holds.
    fn held_by(&self, incarnation: Incarnation) -> Option<AgentNumber> {
        let agent = self.lives.get(&incarnation)?.agent;
        self.members.get(&agent).filter(|member| member.incarnation == incarnation).map(|_| agent)
    }

    pub(super) fn member(&mut self, agent: AgentNumber) -> &mut Member {
        self.members.get_mut(&agent).expect("a holder is a member, and members are never removed")
    }
}
