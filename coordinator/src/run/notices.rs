//! What the link has to tell about agents, and what follows from it for the run's numbers.

use std::time::{SystemTime, UNIX_EPOCH};

use rehearsal_link::coordinator::Notice;
use rehearsal_link::{Leaving, PresenceState, Stopping};
use rehearsal_metrics::UserState;
use rehearsal_plan::{AgentNumber, RunTime};
use rehearsal_report::view::{EventKind, RunState};
use rehearsal_store::Life;

use super::conductor::{ARMING, Conductor};
use super::control::Word;
use super::lifecycle;
use super::roster::Member;

impl Conductor {
    pub(super) fn on_notice(&mut self, notice: Notice) {
        match notice {
            Notice::Started { at, without } => self.on_started(at, &without),
            Notice::NotStarted { armed, quorum } => {
                let within = ARMING.as_secs();
                let text = format!("only {armed} of {quorum} agents were ready to start within {within} s");
                self.go(lifecycle::Event::NotStarted(text));
            }
            Notice::Presence { agent, state } => self.on_presence(agent, state),
            Notice::Lost { agent, to, .. } => self.on_lost(agent, to),
            Notice::Leaving { agent, leaving } => self.on_leaving(agent, &leaving),
            Notice::Drained { agent } => self.on_drained(agent),
            Notice::DoubleLoadPossible { agent, until } => {
                let until = self.since_start(until);
                self.note(
                    EventKind::Agent,
                    self.roster.name(agent),
                    format!("its users may be live twice until {until:.1} s"),
                );
            }
            Notice::Refused { agent, .. } => {
                self.note(
                    EventKind::Agent,
                    self.roster.name(agent),
                    "a second process came with its number and was refused".into(),
                );
            }
            Notice::Violation { agent, what } => {
                let name = agent.map_or_else(|| "an agent".to_owned(), |agent| self.roster.name(agent));
                self.note(EventKind::Agent, name, format!("broke the protocol: {what}"));
            }
            Notice::Superseded { .. } => {
                self.go(lifecycle::Event::Fault("another coordinator leads this run".into()));
            }
            Notice::Applied { agent, applied } => {
                if applied.missed > 0 {
                    let text = format!("took version {} late and dropped {} starts", applied.version, applied.missed);
                    self.note(EventKind::Agent, self.roster.name(agent), text);
                }
                self.heard_word(agent, Word::Version(applied.version), applied.at, applied.missed);
            }
            Notice::Stopping { agent, stopping } => {
                self.follow_stop(agent, stopping);
                self.heard_word(agent, Word::Stop(stopping.kind), stopping.at, 0);
            }
            Notice::Joined { agent, incarnation, owns_from } => {
                if let Some(member) = self.roster.get_mut(agent) {
                    member.life = Some(Life { incarnation: incarnation.0, owns_from });
                    self.keeper.member(agent, member);
                }
            }
        }
    }

    /// An agent was told to stop by a former life of the coordinator, which died before it could write that down.
    fn follow_stop(&mut self, agent: AgentNumber, stopping: Stopping) {
        if self.life.state == RunState::Running {
            let text = format!("says that it was stopped: the run of {} stops", self.settings.run_id);
            self.note(EventKind::Agent, self.roster.name(agent), text);
            self.load_ended.get_or_insert(stopping.at);
            self.go(lifecycle::Event::StoppedBefore(stopping.kind));
        }
    }

    fn on_started(&mut self, at: RunTime, without: &[AgentNumber]) {
        self.started = Some(at);
        self.started_at = SystemTime::now() + at.since(self.now());
        let unix = self.started_at.duration_since(UNIX_EPOCH).unwrap_or_default();
        self.keeper.fact("started_at_us", unix.as_micros() as i64);
        self.date_early_events();
        self.go(lifecycle::Event::Started);
        if let Some(versions) = self.end.versions() {
            self.timeline.plan_users(versions.planned());
        }
        // Whoever joined a former life of the coordinator and has ended owes nothing.
        let plays = |(agent, member): &(AgentNumber, &Member)| !member.ended && !without.contains(agent);
        let playing: Vec<AgentNumber> = self.roster.iter().filter(plays).map(|(agent, _)| agent).collect();
        for agent in playing {
            self.timeline.expects(agent.0, 0);
        }
        for agent in without {
            self.note(EventKind::Agent, self.roster.name(*agent), "was not ready in time and plays no part".into());
        }
    }

    fn on_presence(&mut self, agent: AgentNumber, state: PresenceState) {
        let Some(member) = self.roster.get_mut(agent) else { return };
        let before = member.presence.replace(state);
        let expected = self.is_ending();
        if matches!(state, PresenceState::Ended | PresenceState::Cleared) {
            self.may_return(agent, state);
        }
        if state == PresenceState::Cleared {
            // Its users are gone: from here on it owes nothing, whether it comes back or not.
            let start = self.started.map_or(0, RunTime::second);
            let now = self.now().second() - start;
            self.timeline.left(agent.0, now + 1);
        }
        let text = match state {
            PresenceState::Closed => "its connection is gone",
            PresenceState::Silent => "has not been heard for 3 s",
            PresenceState::Expired => "its lease has run out: its slots went to others",
            PresenceState::Connected if matches!(before, Some(PresenceState::Closed | PresenceState::Silent)) => {
                "is back"
            }
            _ => return,
        };
        if !expected {
            self.note(EventKind::Agent, self.roster.name(agent), text.into());
        }
    }

    /// Users of a lost agent: those that were live, and those that it should have started by then.
    pub(super) fn on_lost(&mut self, agent: AgentNumber, to: RunTime) {
        let start = self.started.map_or(0, RunTime::second);
        if let Some(member) = self.roster.get_mut(agent) {
            member.lost = true;
            self.keeper.member(agent, member);
        }
        let (lost_at, owned) =
            (to.second() - start, self.end.versions().map_or(0, |v| v.started_by(agent, to).count() as u64));
        let record = self.timeline.agents().get(&agent.0);
        let sent_away = record.map_or(0, |record| record.users.get(UserState::Live, UserState::Lost));
        let Some((live, waiting)) = self.timeline.lost(agent.0, lost_at, owned) else { return };
        if self.roster.get(agent).is_some_and(|member| member.ended) {
            // With its process everything ended that could be missing. Others may have taken over long before: one that was
            // going had users until its end.
            let now = self.now().second() - start;
            self.timeline.left(agent.0, lost_at.max(now) + 1);
        }
        let mut text = format!("was lost; {live} live users went with it");
        if sent_away > 0 {
            text += &format!(", and {sent_away} that it had sent away before");
        }
        if waiting > 0 {
            text += &format!(", of {waiting} more that were due nobody knows whether they had started");
        }
        self.note(EventKind::Agent, self.roster.name(agent), text);
    }

    /// An agent goes in order: the cloud or somebody wants it gone.
    fn on_leaving(&mut self, agent: AgentNumber, leaving: &Leaving) {
        let at = self.since_start(leaving.from);
        let text = format!("goes ({}): others take over from {at:.1} s on, its users leave in order", leaving.reason);
        self.note(EventKind::Agent, self.roster.name(agent), text);
    }

    fn on_drained(&mut self, agent: AgentNumber) {
        // It has handed in everything: what it reported last is the last it owed.
        let until = self.timeline.agents().get(&agent.0).and_then(|record| record.reported.end());
        self.timeline.left(agent.0, until.unwrap_or(0));
        self.drop_what_came_too_late(agent);
        if !self.is_ending() {
            let users = self
                .timeline
                .agents()
                .get(&agent.0)
                .map_or(0, |record| record.users.get(UserState::Live, UserState::Lost));
            let text = format!("has gone and handed in everything; {users} users had to leave with it");
            self.note(EventKind::Agent, self.roster.name(agent), text);
            self.may_return(agent, PresenceState::Cleared);
        }
    }

    /// Starts that a version wanted of an agent before its leaving, and that reached it when its users had gone already.
    fn drop_what_came_too_late(&mut self, agent: AgentNumber) {
        let Some(versions) = self.end.versions() else { return };
        let (Some(relieved), Some(record)) = (versions.relieved_at(agent), self.timeline.agents().get(&agent.0)) else {
            return;
        };
        let told: u64 =
            record.users.iter().filter(|(from, ..)| *from == UserState::Waiting).map(|(.., users)| users).sum();
        let late = (versions.started_by(agent, relieved).count() as u64).saturating_sub(told);
        if late > 0 && record.lost_at.is_none() {
            let second = relieved.second() - self.started.map_or(0, RunTime::second);
            let moved = self.timeline.move_users(second, UserState::Waiting, UserState::Dropped, late);
            moved.expect("the ledger has this move");
            let text = format!("had gone when the plan wanted {late} more starts of it: they were dropped");
            self.note(EventKind::Agent, self.roster.name(agent), text);
        }
    }
}
