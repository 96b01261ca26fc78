//! What the pure machines of a run ask for, done: the effects of its [`Lifecycle`](super::lifecycle::Lifecycle) and of the
//! link's [`CoordinatorEnd`](rehearsal_link::CoordinatorEnd), whose consequences are given back to them.

use std::collections::VecDeque;
use std::time::Duration;

use rehearsal_link::coordinator::{Effect, Event};
use rehearsal_link::{Session, ToAgent};
use rehearsal_metrics::Interval;
use rehearsal_plan::AgentNumber;
use rehearsal_report::view::EventKind;

use super::conductor::Conductor;
#[cfg(test)]
use super::crash_points;
use super::keeping::{Stored, Then};
use super::lifecycle;
use super::telling::state_name;

/// How long a disk may refuse to store the run. Agents keep what is not acknowledged for longer than that.
const DISK_PATIENCE: Duration = Duration::from_secs(15);

impl Conductor {
    /// Takes the run's lifecycle a step further. What only an operator can cause is left to the caller.
    pub(super) fn step(&mut self, event: lifecycle::Event) -> Vec<lifecycle::Effect> {
        let before = self.life.state;
        let (next, effects) = self.life.clone().step(event, self.now());
        self.life = next;
        if self.life.state != before {
            self.tell(EventKind::Run, "run", state_name(self.life.state).to_owned());
        }
        self.is_over |= effects.contains(&lifecycle::Effect::End);
        effects
    }

    /// A step that nobody waits for.
    pub(super) fn go(&mut self, event: lifecycle::Event) {
        for effect in self.step(event) {
            match effect {
                lifecycle::Effect::Arm => self.arm(),
                lifecycle::Effect::Stop(kind) => {
                    let stop = self.order_stop(kind);
                    self.handle(Some(stop));
                }
                _ => {}
            }
        }
    }

    /// Gives events to the link and performs its effects, which may be events again.
    pub(super) fn handle(&mut self, event: Option<Event<Interval>>) {
        let mut events = VecDeque::from_iter(event);
        while let Some(event) = events.pop_front() {
            for effect in self.end.handle(event, self.now()) {
                events.extend(self.perform(effect));
            }
        }
    }

    fn perform(&mut self, effect: Effect<Interval>) -> Option<Event<Interval>> {
        match effect {
            // Whoever goes is forgotten only when its going is written down.
            Effect::Send { session, message: ToAgent::Goodbye } => {
                self.keeper.goodbye(session);
                None
            }
            Effect::Send { session, message } => self.send(session, message),
            Effect::Close { session } => {
                self.sessions.remove(&session);
                None
            }
            Effect::Persist(version) => {
                self.keeper.version(&version);
                None
            }
            Effect::Commit { agent, incarnation, number, payload } => {
                let until = payload.to;
                self.take_in(agent, payload);
                self.keeper.interval(agent, incarnation, number, until);
                None
            }
            Effect::Notice(notice) => {
                self.on_notice(notice);
                None
            }
        }
    }

    /// Sends to an agent. One that does not take its messages is as good as gone; it will dial again.
    fn send(&mut self, session: Session, message: ToAgent) -> Option<Event<Interval>> {
        let outgoing = self.sessions.get(&session)?;
        #[cfg(test)]
        let kind = crash_points::kind(&message);
        #[cfg(test)]
        crash_points::reach(crash_points::Point::Send(kind));
        let full = outgoing.try_send(Ok(message.into())).is_err();
        #[cfg(test)]
        crash_points::reach(crash_points::Point::Sent(kind));
        full.then(|| self.sessions.remove(&session)).flatten().map(|_| Event::Disconnected { session })
    }

    /// What was waiting for the disk goes on.
    pub(super) fn on_stored(&mut self, stored: Stored) {
        match stored {
            Stored::Yes(done) => {
                self.end.storing_took(self.keeper.storing_took());
                for then in done {
                    match then {
                        Then::Link(event) => self.handle(Some(*event)),
                        Then::Goodbye(session) => {
                            let gone = self.send(session, ToAgent::Goodbye);
                            self.handle(gone);
                        }
                        Then::Tell(whom) => {
                            let _ = whom.send(()); // it may have given up
                        }
                    }
                }
            }
            Stored::NotYet(error) => {
                let refused_for = self.keeper.refused_for(self.now());
                if refused_for.is_zero() {
                    self.note(
                        EventKind::Run,
                        "disk".to_owned(),
                        format!("storing the run failed and is tried again: {error}"),
                    );
                } else if refused_for >= DISK_PATIENCE {
                    self.go(lifecycle::Event::Fault(format!("storing the run failed: {error}")));
                }
            }
        }
    }

    fn take_in(&mut self, agent: AgentNumber, interval: Interval) {
        let Some(started) = self.started else { return }; // nothing is played before the start
        let interval = interval.shifted(-started.second());
        if let Err(error) = self.timeline.add(agent.0, &interval) {
            self.note(EventKind::Agent, self.roster.name(agent), format!("an interval was refused: {error}"));
        }
    }
}
