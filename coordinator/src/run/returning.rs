//! Users that were lost with their agent come once more elsewhere, if the plan restores users.
//!
//! | the agent | its users may come once more |
//! |---|---|
//! | ended | when what it had still sent has been read, at most [`LAST_WORDS`] later |
//! | drained | at once: it told of all its users |
//! | silent or closed | when its lease and its drain limit are over, so that nobody is live twice |
//!
//! Who had ended, never begun, or would have to leave before the ramp is over stays away; so do those of a rate, whose
//! starts are the plan's and not theirs.

use std::time::Duration;

use rehearsal_link::PresenceState;
use rehearsal_link::coordinator::Event;
use rehearsal_metrics::UserState;
use rehearsal_plan::{AgentNumber, Change, Load, Returns, RunTime, Versions};
use rehearsal_report::view::{EventKind, RunState};
use rehearsal_verdict::amounts::counted;

use super::conductor::Conductor;

/// How long bytes that a process sent before its end may take to be read.
const LAST_WORDS: Duration = Duration::from_secs(1);

impl Conductor {
    /// Notes that nobody of an agent's users can be live any more.
    pub(super) fn may_return(&mut self, agent: AgentNumber, state: PresenceState) {
        let patience = if state == PresenceState::Ended { LAST_WORDS } else { Duration::ZERO };
        // They come once: also when this coordinator is taken up again, or the agent hands in the rest later.
        let came_back = self.timeline.agents().get(&agent.0).is_some_and(|record| record.restored);
        if self.settings.plan.restore.is_some() && !came_back {
            let at = self.now() + patience;
            self.returning.entry(agent).or_insert(at);
        }
    }

    /// After the coordinator's own return: agents that had ended before, and whose users nobody has brought back.
    pub(super) fn plan_returns(&mut self, now: RunTime) {
        if self.settings.plan.restore.is_none() {
            return;
        }
        let ended = self.end.presences().filter(|(_, state)| *state == PresenceState::Ended).map(|(agent, _)| agent);
        let brought_back =
            |agent: &AgentNumber| self.timeline.agents().get(&agent.0).is_none_or(|record| record.restored);
        let open: Vec<AgentNumber> = ended.filter(|agent| !brought_back(agent)).collect();
        self.returning.extend(open.into_iter().map(|agent| (agent, now + LAST_WORDS)));
    }

    /// Brings users back that may come once more, as soon as their slots have another owner.
    pub(super) fn bring_back(&mut self, now: RunTime) {
        if self.life.state != RunState::Running || self.life.paused {
            return;
        }
        let due: Vec<AgentNumber> =
            self.returning.iter().filter(|(_, at)| now >= **at).map(|(agent, _)| *agent).collect();
        for agent in due {
            let Some(relieved) = self.end.versions().and_then(|versions| versions.relieved_at(agent)) else { continue };
            if now < relieved {
                continue;
            }
            self.returning.remove(&agent);
            self.bring_back_those_of(agent, relieved);
        }
    }

    fn bring_back_those_of(&mut self, agent: AgentNumber, relieved: RunTime) {
        let (Some(over), Some(versions)) = (self.settings.plan.restore, self.end.versions()) else { return };
        let at = self.end.next_instant(self.now());
        let (users, away) = self.lost_users(versions, agent, relieved, at + over);
        if away > 0 {
            let text =
                format!("{} stay away: they would have to leave before they are back", counted(away, "lost user"));
            self.note(EventKind::Agent, self.roster.name(agent), text);
        }
        let count: u64 = users.iter().map(|users| users.len() as u64).sum();
        if count == 0 {
            return;
        }
        self.handle(Some(Event::Change(Change::Return(Returns { over, users }))));
        let Some(version) = self.end.versions().map(|versions| versions.latest()) else { return };
        let (at, started) = (version.at, self.started.unwrap_or(RunTime::ZERO));
        self.timeline.restored(agent.0, at.second() - started.second(), count);
        let over = rehearsal_plan::duration::print(over);
        let text =
            format!("{count} of its users come once more elsewhere, from {:.1} s on over {over}", self.since_start(at));
        self.note(EventKind::Agent, self.roster.name(agent), text);
    }

    /// The arrivals of an agent of which nobody has told that they ended, by scenario, and how many of these users have to
    /// leave before an instant, and so stay away.
    fn lost_users(
        &self,
        versions: &Versions,
        agent: AgentNumber,
        relieved: RunTime,
        until: RunTime,
    ) -> (Vec<Vec<u64>>, u64) {
        let (mut users, mut away) = (vec![Vec::new(); versions.scenarios()], 0);
        for (scenario, index) in versions.started_by(agent, relieved) {
            let is_of_a_rate = matches!(versions.latest().loads.get(scenario), Some(Load::Rate { .. }));
            let has_ended = self.timeline.has_ended(scenario as u32, index);
            let leave = versions.arrival(scenario, index).and_then(|arrival| arrival.leave);
            match leave.is_none_or(|leave| leave > until) {
                _ if is_of_a_rate || has_ended => {}
                true => users[scenario].push(index),
                false => away += 1,
            }
        }
        for users in &mut users {
            users.sort_unstable();
            users.dedup();
        }
        // Nobody comes back who was not counted as lost: an agent that drained may still have told of an end.
        let ledger = self.timeline.ledger_now();
        let lost = ledger.map_or(0, |ledger| ledger.users(UserState::Lost)) as usize;
        let mut left = lost;
        for users in &mut users {
            users.truncate(left);
            left -= users.len();
        }
        (users, away)
    }
}
