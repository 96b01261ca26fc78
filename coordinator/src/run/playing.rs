//! While the load goes on: cues that are due, thresholds that abort, and whether everybody has left.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use rehearsal_engine::SoloOutcome;
use rehearsal_link::PresenceState;
use rehearsal_link::coordinator::Event;
use rehearsal_metrics::{CueFiring, UserState};
use rehearsal_plan::{AgentNumber, RunTime, Versions};
use rehearsal_report::view::EventKind;
use rehearsal_script::CueState;
use rehearsal_verdict::amounts::{counted, seconds};
use tokio::sync::oneshot;

use super::conductor::Conductor;
use super::cues::Sent;
use super::lifecycle;

/// From this on a cue is late, and people are told: half of the second in which everybody is to hear it.
pub(crate) const LATE: Duration = Duration::from_millis(500);

/// How long after its instant a start may be made or told as dropped, at the very latest.
const LATEST_START: Duration = Duration::from_secs(10);

/// What the director has done.
pub(super) struct CueDone {
    firing: u32,
    result: anyhow::Result<Option<SoloOutcome>>,
}

impl Conductor {
    pub(super) fn play(&mut self, now: RunTime) {
        let Some(started) = self.started else { return };
        let is_gathering = self.gathers_again(now);
        let due = match self.end.versions() {
            Some(versions) if !is_gathering => self.cues.due(versions, started, now),
            _ => Vec::new(),
        };
        for (announcement, state, late) in due {
            let at = self.since_start(announcement.at);
            match late < LATE {
                true => {
                    let text = format!("is to fire at {at:.1} s");
                    self.display_say(&format!("cue {} {text}", announcement.name));
                    self.tell(EventKind::Cue, &announcement.name, text);
                }
                false => {
                    let text = format!("is to fire at {at:.1} s, {} later than planned", seconds(late.as_secs_f64()));
                    self.note(EventKind::Cue, format!("cue {}", announcement.name), text);
                }
            }
            self.fire(announcement, state);
        }
        let firings = self.firings();
        let aborts = self.watched.settle(&self.timeline, &firings);
        for breach in &aborts {
            self.note(
                EventKind::Threshold,
                "threshold".into(),
                format!("{} is broken: the run is aborted", breach.text),
            );
        }
        if self.all_agents_are(&[PresenceState::Expired, PresenceState::Cleared, PresenceState::Ended]) {
            return self.go(lifecycle::Event::Fault("no agent is left".into()));
        }
        let over = !aborts.is_empty()
            || self.scaler.seen.guards.is_crossed()
            || self.settings.plan.ends_after.is_some_and(|after| now >= started + after);
        if over || (now > started && self.everyone_has_left()) {
            self.go(lifecycle::Event::LoadOver);
        }
    }

    /// Whether agents have yet to find a coordinator that has just taken the run up: who should hear a cue, they alone know.
    fn gathers_again(&mut self, now: RunTime) -> bool {
        let Some(until) = self.gathers_until else { return false };
        let away = self.end.presences().filter(|(_, state)| *state == PresenceState::Joined).count();
        if away > 0 && now < until {
            return true;
        }
        self.gathers_until = None;
        let text = match away {
            0 => "its agents are back".to_owned(),
            _ => format!("{} did not come back in time: it goes on without", counted(away as u64, "agent")),
        };
        self.note(EventKind::Run, "coordinator".to_owned(), text);
        false
    }

    /// The firings of which it is known when they were sent.
    pub(super) fn firings(&self) -> Vec<CueFiring> {
        let started = self.started.unwrap_or(RunTime::ZERO);
        let bound = self.clock_bound();
        self.cues.fired().iter().filter_map(|fired| fired.firing(started, bound)).collect()
    }

    /// How far any agent's clock may have been off, in microseconds.
    pub(super) fn clock_bound(&self) -> u64 {
        self.timeline.health().values().map(|health| health.clock_bound_micros).max().unwrap_or(0)
    }

    /// Writes a cue down as intended, then announces it, and has its function called at the instant.
    pub(super) fn fire(&mut self, announcement: rehearsal_link::CueAnnouncement, state: CueState) {
        let (firing, at, name) = (announcement.firing, self.clock.instant(announcement.at), announcement.name.clone());
        let fired = self.cues.fired().iter().find(|fired| fired.announcement.firing == firing);
        if let Some(fired) = fired {
            self.keeper.cue(fired);
        }
        self.keeper.then(Event::Announce(Arc::new(announcement)));
        // What is not on disk must not happen: the next life of the coordinator would fire it again.
        let (stored, is_stored) = oneshot::channel();
        self.keeper.tell(stored);
        let (director, done) = (self.director.clone(), self.cue_done.0.clone());
        tokio::spawn(async move {
            let result = match director.ready(&name, Some(state)).await {
                Ok(Some(ready)) => {
                    tokio::time::sleep_until(at).await;
                    match is_stored.await {
                        Ok(()) => ready.call().await.map(Some),
                        Err(_) => return, // the run is over
                    }
                }
                Ok(None) => Ok(None),
                Err(error) => Err(error),
            };
            let _ = done.send(CueDone { firing, result }).await; // the run may be over
        });
    }

    /// Every planned user has come and gone, as far as all agents have reported, and no cue is still to come.
    pub(super) fn everyone_has_left(&self) -> bool {
        let has_left = |second| self.timeline.is_empty_at(second) || self.nobody_comes_after(second);
        self.timeline.settled().is_some_and(has_left) && !self.cues.is_open()
    }

    /// Whether nobody is live, and whoever still waits is not going to come: who was to return may have to leave before,
    /// since a load was scaled or paused.
    fn nobody_comes_after(&self, second: i64) -> bool {
        let is_live = self.timeline.ledger_at(second).is_ok_and(|ledger| ledger.users(UserState::Live) > 0);
        let (Some(started), false) = (self.started, is_live) else { return false };
        let last = self.end.versions().and_then(Versions::last_start);
        last.is_some_and(|last| (last + LATEST_START).second() - started.second() < second)
    }

    pub(super) fn everyone_is_done(&self) -> bool {
        self.all_agents_are(&[PresenceState::Cleared, PresenceState::Ended]) && !self.cues.is_open()
    }

    /// Whether every agent's process has ended, or the link knows it to be in one of these states.
    fn all_agents_are(&self, states: &[PresenceState]) -> bool {
        let presences: BTreeMap<AgentNumber, PresenceState> = self.end.presences().collect();
        let is_there = |agent| presences.get(&agent).is_some_and(|state| states.contains(state));
        self.roster.iter().all(|(agent, member)| member.ended || is_there(agent))
    }

    pub(super) fn on_cue_done(&mut self, done: CueDone) {
        let sent = match done.result {
            Err(error) => Sent::Failed(error.to_string()),
            Ok(None) => Sent::Failed("the scenario has no such function".into()),
            Ok(Some(SoloOutcome { failure: Some(failure), .. })) => Sent::Failed(failure.to_string()),
            Ok(Some(outcome)) => self.sent_after(done.firing, &outcome),
        };
        self.cues.sent(done.firing, sent);
        let fired = self.cues.fired().iter().find(|fired| fired.announcement.firing == done.firing).cloned();
        if let Some(fired) = fired {
            self.tell(EventKind::Cue, &fired.announcement.name, fired.told());
            self.keeper.cue(&fired);
        }
    }

    fn sent_after(&self, firing: u32, outcome: &SoloOutcome) -> Sent {
        let fired = self.cues.fired().iter().find(|fired| fired.announcement.firing == firing);
        match (outcome.first_sent, fired) {
            (Some(sent), Some(fired)) => Sent::After(self.clock.at(sent).0 - fired.announcement.at.0),
            _ => Sent::Nothing,
        }
    }
}
