//! Agents come and go: what services and launcher say of them.

use std::sync::Arc;

use rehearsal_fleet::Exit;
use rehearsal_link::Assignment;
use rehearsal_link::coordinator::Event;
use rehearsal_metrics::Interval;
use rehearsal_plan::AgentNumber;
use rehearsal_report::view::EventKind;

use super::conductor::Conductor;
use super::lifecycle;
use super::services::Arrival;

impl Conductor {
    pub(super) fn on_arrival(&mut self, arrival: Arrival) -> Option<Event<Interval>> {
        match arrival {
            Arrival::Joined { agent, instance, stored } => {
                let event = self.enter(agent, instance);
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

    fn enter(&mut self, agent: AgentNumber, instance: String) -> Option<Event<Interval>> {
        let member = self.roster.enter(agent, instance, self.settings.weights.as_deref()).clone();
        self.keeper.member(agent, &member);
        self.tell(EventKind::Agent, &member.id, "joined".to_owned());
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
        let status = exit.status.as_ref().map_or_else(ToString::to_string, ToString::to_string);
        let Some(agent) = agent else {
            let text = format!("an agent ended before it had joined ({status}); its log is in the run's folder");
            self.go(lifecycle::Event::Vanished(text));
            return None;
        };
        Some(self.ended(agent, &format!("({status})")))
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
