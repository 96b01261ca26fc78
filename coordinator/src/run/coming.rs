//! Agents come and go: what services and launcher say of them.

use std::sync::Arc;

use rehearsal_ec2::meter::Due;
use rehearsal_fleet::{End, Exit, Guest};
use rehearsal_link::Assignment;
use rehearsal_link::coordinator::Event;
use rehearsal_metrics::Interval;
use rehearsal_plan::AgentNumber;
use rehearsal_report::view::{EventKind, RunState};

use super::conductor::Conductor;
use super::lifecycle;
use super::services::Arrival;
use crate::fleet::Spent;

impl Conductor {
    pub(super) fn on_arrival(&mut self, arrival: Arrival) -> Option<Event<Interval>> {
        match arrival {
            Arrival::Joined { agent, guest, stored } => {
                let event = self.enter(agent, &guest);
                self.keeper.tell(stored);
                event
            }
            Arrival::Connected { session, outgoing } => {
                self.sessions.insert(session, outgoing);
                None
            }
            // What is still on its way from a connection that was closed here is not broken protocol: nobody listens any more.
            Arrival::Said { session, message } => {
                self.sessions.contains_key(&session).then_some(Event::Message { session, message })
            }
            Arrival::Disconnected { session } => {
                self.sessions.remove(&session);
                Some(Event::Disconnected { session })
            }
        }
    }

    /// Enters an agent, unless it is in the roster already.
    fn enter(&mut self, agent: AgentNumber, guest: &Guest) -> Option<Event<Interval>> {
        if self.roster.get(agent).is_some() {
            return None;
        }
        let players = self.settings.gathering.players;
        let member = self.roster.enter(agent, guest, self.settings.weights.as_deref(), players).clone();
        self.keeper.member(agent, &member);
        let text = if member.weight == 0 { "joined, and waits as a spare" } else { "joined" };
        self.tell(EventKind::Agent, &member.id, text.to_owned());
        self.assignment_of(agent)
    }

    /// What an agent of the roster is to play.
    pub(super) fn assignment_of(&self, agent: AgentNumber) -> Option<Event<Interval>> {
        let member = self.roster.get(agent)?;
        let assignment = Assignment {
            agent_id: member.id.clone(),
            region: member.region.clone(),
            ..self.settings.assignment.clone()
        };
        Some(Event::Assign { agent, assignment: Arc::new(assignment), weight: member.weight })
    }

    pub(super) fn on_exit(&mut self, exit: &Exit) -> Option<Event<Interval>> {
        let agent = self.roster.of_instance(&exit.instance);
        let Some(agent) = agent else {
            if matches!(exit.end, End::Dismissed(_)) {
                return None; // nobody counts on it
            }
            let text = match &exit.end {
                End::Process(_) => {
                    format!("an agent ended before it had joined ({}); its log is in the run's folder", exit.end)
                }
                End::Instance(how) | End::Dismissed(how) => {
                    format!(
                        "{} ended before its agent had joined: {how}; did it reach this coordinator?",
                        exit.instance
                    )
                }
            };
            self.note(EventKind::Agent, "fleet".to_owned(), text.clone());
            self.go(lifecycle::Event::Vanished(text));
            return None;
        };
        if self.life.state == RunState::Gathering && !matches!(exit.end, End::Dismissed(_)) {
            // It is waited for no longer.
            self.go(lifecycle::Event::Vanished(format!(
                "{} ended before the start ({})",
                self.roster.name(agent),
                exit.end
            )));
        }
        Some(self.ended(agent, &format!("({})", exit.end)))
    }

    /// Tells that the run begins with fewer agents than were wanted: each of them plays more users.
    pub(super) fn tell_of_missing(&mut self) {
        let (here, wanted) = (self.roster.alive(), self.settings.gathering.players);
        if here < wanted {
            let more = wanted as f64 / here as f64;
            let text = format!("{here} of {wanted} agents came: each plays {more:.2} times the users it was to play");
            self.note(EventKind::Agent, "fleet".to_owned(), text);
        }
    }

    /// What the fleet has cost is told, and ends the load before its budget is passed.
    pub(super) fn on_spending(&mut self, spent: &Spent) {
        self.note(EventKind::Run, "fleet".to_owned(), spent.to_string());
        if spent.due >= Due::Drain {
            self.go(lifecycle::Event::OutOfBudget(spent.to_string()));
        }
    }

    /// Notes that the process of an agent has ended.
    pub(super) fn ended(&mut self, agent: AgentNumber, how: &str) -> Event<Interval> {
        let name = self.roster.name(agent);
        if let Some(member) = self.roster.get_mut(agent) {
            member.ended = true;
            self.keeper.member(agent, member);
        }
        let has_left = self.timeline.agents().get(&agent.0).is_some_and(|record| record.left_at.is_some());
        if has_left {
            self.tell(EventKind::Agent, &name, format!("its process ended {how}"));
        } else if !self.is_ending() {
            self.note(EventKind::Agent, name, format!("its process ended {how}"));
        }
        Event::ProcessEnded { agent }
    }
}
