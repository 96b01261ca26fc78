//! What is seen of the autoscaler under test: it is stored, held against the guards, and judged while the run goes on.

use std::time::SystemTime;

use rehearsal_observe::Sighting;
use rehearsal_plan::RunTime;
use rehearsal_report::view::EventKind;

use super::conductor::Conductor;
use crate::scaler::Look;

impl Conductor {
    pub(super) fn on_sighting(&mut self, sighting: Sighting) {
        let look = Look::of(sighting, (self.now(), SystemTime::now()));
        let (look, told) = self.scaler.seen.add(look);
        self.keeper.look(look);
        for (about, text) in told {
            self.note(EventKind::Run, about, text);
        }
    }

    /// Judges the scaler by what is known until now, for the screens.
    pub(super) fn judge_scaler(&mut self, now: RunTime) {
        let Some(started) = self.started else { return };
        let until = self.load_ended.unwrap_or(now);
        let plan = self.settings.plan.autoscaler.as_ref();
        let judged = self.scaler.judge(|log| log.judge(plan, &self.timeline, started, until));
        if let Some((revision, assessment)) = judged {
            self.showing.assess(revision, &assessment);
        }
    }
}
