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
            Arrival::Joined { agent, instance } => Some(self.enter(agent, instance)),
            Arrival::Connected { session, outgoing } => {
                self.sessions.insert(session, outgoing);
                None
            }
            Arrival::Said { session, message } => Some(Event::Message { session, message }),
            Arrival::Disconnected { session } => {
                self.sessions.remove(&session);
                Some(Event::Disconnected { session })
            }
        }
    }

    fn enter(&mut self, agent: AgentNumber, instance: String) -> Event<Interval> {
        let member = self.roster.enter(agent, instance, self.settings.weights.as_deref()).clone();
        let assignment = Assignment {
            agent_id: member.id.clone(),
            region: member.region.clone(),
            ..self.settings.assignment.clone()
        };
        self.keeper.member(agent, &member);
        self.tell(EventKind::Agent, &member.id, "joined".to_owned());
        Event::Assign { agent, assignment: Arc::new(assignment), weight: member.weight }
    }

    pub(super) fn on_exit(&mut self, exit: &Exit) -> Option<Event<Interval>> {
        let agent = self.roster.of_instance(&exit.instance);
        let status = exit.status.as_ref().map_or_else(ToString::to_string, ToString::to_string);
        let Some(agent) = agent else {
            let text = format!("an agent ended before it had joined ({status}); its log is in the run's folder");
            self.go(lifecycle::Event::Vanished(text));
            return None;
        };
        let name = self.roster.name(agent);
        if let Some(member) = self.roster.get_mut(agent) {
            member.ended = true;
            self.keeper.member(agent, member);
        }
        if !self.is_ending() {
            self.note(EventKind::Agent, name, format!("its process ended ({status})"));
        }
        Some(Event::ProcessEnded { agent })
    }
}
