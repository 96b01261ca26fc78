//! A run whose coordinator died goes on: the conductor takes up what a former life left behind.

use std::collections::BTreeSet;

use rehearsal_fleet::{InstanceId, Launched};
use rehearsal_link::CoordinatorEnd;
use rehearsal_link::coordinator::CoordinatorConfig;
use rehearsal_plan::{AgentNumber, PlanRate, RunTime};
use rehearsal_report::view::EventKind;

use super::conductor::Conductor;
use super::lifecycle::Lifecycle;
use super::past::Past;

impl Conductor {
    /// Takes up a run. `alive` are the launcher's agents that still run, if it can tell.
    pub(crate) fn resume(mut self, past: Past, alive: Option<&[Launched]>) -> Self {
        let now = self.now();
        let settings = &self.settings;
        let config = CoordinatorConfig { epoch: past.epoch, lease: settings.lease, takeover: settings.plan.takeover };
        let paused = past.saved.versions.as_ref().is_some_and(|versions| versions.latest().running == PlanRate::Paused);
        let (state, stop) = (past.state(), past.saved.stop);
        // Half of it for agents to find the way back, half for those that do not at once.
        let redial = settings.lease.lease;
        self.life = Lifecycle::new(settings.gathering).resumed(state, (paused, stop), redial, now);
        self.is_paused = paused;
        self.end = CoordinatorEnd::resume(config, past.saved, now);
        self.timeline = past.timeline;
        self.cues.restore(past.fired);
        (self.started, self.notes) = (past.started, past.notes);
        if past.started.is_some() {
            self.started_at = past.started_at;
        }
        for look in past.looks {
            self.scaler.seen.add(look);
        }
        self.load_ended = past.stopped.map(|stopped| RunTime(stopped.at_us));
        self.showing.replace_events(past.events);
        past.members.into_iter().for_each(|(agent, member)| self.roster.restore(agent, member));
        for fired in self.cues.fired().to_vec() {
            self.keeper.cue(&fired);
        }
        let agents: Vec<AgentNumber> = self.roster.iter().map(|(agent, _)| agent).collect();
        for agent in &agents {
            let assign = self.assignment_of(*agent);
            self.handle(assign);
        }
        self.tell_of_absence(past.seen, now);
        self.note_ended(alive);
        self.plan_returns(now);
        self.gathers_until = Some(now + redial / 2);
        self.redraw_all();
        self
    }

    fn tell_of_absence(&mut self, seen: RunTime, now: RunTime) {
        if self.started.is_none() {
            return self.tell(EventKind::Run, "run", "taken up by another coordinator".to_owned());
        }
        let (from_s, to_s) = (self.since_start(seen).max(0.0), self.since_start(now));
        let text = format!("was away from {from_s:.1} s to {to_s:.1} s: agents went on by themselves");
        self.note(EventKind::Run, "coordinator".to_owned(), text);
        if self.settings.hosts_demo {
            let text =
                "the demo ended with the coordinator and began anew: it knows no session, vote or count from before";
            self.note(EventKind::Run, "demo".to_owned(), text.to_owned());
        }
    }

    /// Agents that ended while nobody looked.
    fn note_ended(&mut self, alive: Option<&[Launched]>) {
        let Some(alive) = alive else { return };
        let alive: BTreeSet<&InstanceId> = alive.iter().map(|launched| &launched.instance).collect();
        let gone = self.roster.iter().filter(|(_, member)| !member.ended && !alive.contains(&member.instance));
        let gone: Vec<AgentNumber> = gone.map(|(agent, _)| agent).collect();
        for agent in gone {
            let event = self.ended(agent, "while the coordinator was away");
            self.handle(Some(event));
        }
    }
}
