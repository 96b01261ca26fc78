//! What the link has to tell about agents, and what follows from it for the run's numbers.

use std::time::{SystemTime, UNIX_EPOCH};

use rehearsal_link::PresenceState;
use rehearsal_link::coordinator::Notice;
use rehearsal_metrics::UserState;
use rehearsal_plan::{AgentNumber, RunTime};
use rehearsal_report::view::EventKind;

use super::conductor::{ARMING, Conductor};
use super::control::Word;
use super::lifecycle;

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
            Notice::Lost { agent, from, to } => self.on_lost(agent, from, to),
            Notice::Drained { agent } => {
                // It has handed in everything: what it reported last is the last it owed.
                let until = self.timeline.agents().get(&agent.0).and_then(|record| record.reported.end());
                self.timeline.left(agent.0, until.unwrap_or(0));
            }
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
                self.heard_word(agent, Word::Stop(stopping.kind), stopping.at, 0);
            }
            Notice::Joined { .. } => {}
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
        let playing: Vec<AgentNumber> =
            self.roster.iter().map(|(agent, _)| agent).filter(|agent| !without.contains(agent)).collect();
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
    fn on_lost(&mut self, agent: AgentNumber, from: i64, to: RunTime) {
        let start = self.started.map_or(0, RunTime::second);
        let second = to.second() - start;
        if let Some(member) = self.roster.get_mut(agent) {
            member.lost = true;
            self.keeper.member(agent, member);
        }
        self.timeline.lost(agent.0, second);
        let Some(record) = self.timeline.agents().get(&agent.0) else { return };
        let into = |state| record.users.iter().filter(|(_, to, _)| *to == state).map(|(.., n)| n).sum::<u64>();
        let out_of = |state| record.users.iter().filter(|(from, ..)| *from == state).map(|(.., n)| n).sum::<u64>();
        let live = into(UserState::Live).saturating_sub(out_of(UserState::Live));
        let told = out_of(UserState::Waiting);
        let owned = self.owned_before(agent, to);
        for (state, users) in [(UserState::Live, live), (UserState::Waiting, owned.saturating_sub(told))] {
            // Both moves are in the ledger's table.
            let _ = self.timeline.move_users(second, state, UserState::Lost, users);
        }
        let text =
            format!("was lost: nothing is known of it from {} s on; {live} live users went with it", from - start);
        self.note(EventKind::Agent, self.roster.name(agent), text);
    }

    fn owned_before(&self, agent: AgentNumber, to: RunTime) -> u64 {
        let Some(versions) = self.end.versions() else { return 0 };
        let of =
            |scenario| versions.arrivals_of(agent, scenario, 0).take_while(|arrival| arrival.at < to).count() as u64;
        (0..versions.scenarios()).map(of).sum()
    }
}
