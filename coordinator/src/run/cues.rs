//! When cues fire, and what became of each firing. Pure: instants come from the versions, "now" from the caller.

use std::time::Duration;

use rehearsal_link::CueAnnouncement;
use rehearsal_metrics::CueFiring;
use rehearsal_plan::{Cue, CueTime, Problem, RunTime, Versions};
use rehearsal_script::CueState;

/// How long before its instant a cue is announced: several times the lead that agents need to take a snapshot in time.
const AHEAD: Duration = Duration::from_secs(1);
/// Who fires the cues that the plan has an instant for.
const PLAN: &str = "plan";
/// The least lead, for cues that are due at once (design.md §6).
const LEAST_LEAD: Duration = Duration::from_millis(300);

/// One firing of a cue.
#[derive(Clone, Debug, PartialEq)]
pub struct Fired {
    /// What agents were told.
    pub announcement: CueAnnouncement,
    /// Who fired it: an operator, or the plan.
    pub by: String,
    /// What became of it; none while it is not known.
    pub outcome: Option<Sent>,
}

/// What the cue's function did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sent {
    /// Its first request was sent this many microseconds after the intended instant.
    After(i64),
    /// It made no request.
    Nothing,
    /// It failed.
    Failed(String),
    /// The coordinator died while it was fired: nobody knows, and it is not fired again.
    Unknown,
}

impl Fired {
    /// What became of it, in words.
    pub(super) fn told(&self) -> String {
        match &self.outcome {
            None => "announced".to_owned(),
            Some(Sent::After(micros)) => format!("sent {:.1} ms after its instant", *micros as f64 / 1e3),
            Some(Sent::Nothing) => "its function sent no request".to_owned(),
            Some(Sent::Failed(why)) => format!("its function failed: {why}"),
            Some(Sent::Unknown) => "unknown: the coordinator died while it was fired".to_owned(),
        }
    }

    /// The firing as the timeline wants it, if it is known when it was sent. `clock_bound` in microseconds.
    pub(super) fn firing(&self, started: RunTime, clock_bound: u64) -> Option<CueFiring> {
        matches!(self.outcome, Some(Sent::After(_))).then(|| self.as_sent(started, clock_bound))
    }

    /// The same, as if it was sent at its instant while it is not known when: who heard it is known all the same.
    pub(crate) fn as_sent(&self, started: RunTime, clock_bound: u64) -> CueFiring {
        let sent_after_micros = match self.outcome {
            Some(Sent::After(micros)) => micros,
            _ => 0,
        };
        CueFiring {
            name: self.announcement.name.clone(),
            number: self.announcement.firing,
            id: self.announcement.id.clone(),
            fired_at_s: (self.announcement.at.0 - started.0) as f64 / 1e6,
            sent_after_micros,
            clock_bound_s: clock_bound as f64 / 1e6,
        }
    }
}

/// All cues of a plan and their firings.
pub(super) struct CueBook {
    run_id: String,
    waiting: Vec<Cue>,
    all: Vec<Cue>,
    fired: Vec<Fired>,
}

impl CueBook {
    pub(super) fn new(cues: &[Cue], run_id: &str) -> Self {
        let waiting = cues.iter().filter(|cue| cue.when != CueTime::ByHand).cloned().collect();
        Self { run_id: run_id.to_owned(), waiting, all: cues.to_vec(), fired: Vec::new() }
    }

    /// Goes on with the firings that a former life of the coordinator wrote down. What it had announced is not fired again.
    pub(super) fn restore(&mut self, fired: Vec<Fired>) {
        let planned = |cue: &Cue| fired.iter().any(|fired| fired.by == PLAN && fired.announcement.name == cue.name);
        self.waiting.retain(|cue| !planned(cue));
        self.fired = fired;
    }

    /// Cues whose time has nearly come; each is given once, with the instant that can still be kept, and how much later
    /// than planned that is.
    pub(super) fn due(
        &mut self,
        versions: &Versions,
        started: RunTime,
        now: RunTime,
    ) -> Vec<(CueAnnouncement, CueState, Duration)> {
        let instant = |cue: &Cue| match cue.when {
            CueTime::AfterArrivals(d) => versions.last_arrival().map(|last| last + d),
            CueTime::At(d) => Some(started + d),
            CueTime::ByHand => None,
        };
        let is_due = |cue: &Cue| instant(cue).is_some_and(|at| at <= now + AHEAD);
        let (due, waiting): (Vec<Cue>, Vec<Cue>) = std::mem::take(&mut self.waiting).into_iter().partition(is_due);
        self.waiting = waiting;
        let fire = |cue: &Cue| {
            let planned = instant(cue).unwrap_or(now);
            let at = planned.max(now + LEAST_LEAD);
            let (announcement, state) = self.fire(cue, at, PLAN);
            (announcement, state, at.since(planned))
        };
        due.iter().map(fire).collect()
    }

    /// Fires a cue as soon as agents can be told, whatever the plan says of it: a cue that the plan fires, too, then
    /// fires twice.
    pub(super) fn fire_now(
        &mut self,
        name: &str,
        now: RunTime,
        by: &str,
    ) -> Result<(CueAnnouncement, CueState), Problem> {
        let Some(cue) = self.all.iter().find(|cue| cue.name == name).cloned() else {
            let known = self.all.iter().map(|cue| cue.name.as_str());
            return Err(Problem::new(format!("the plan has no cue {name}")).did_you_mean(name, known));
        };
        Ok(self.fire(&cue, now + LEAST_LEAD, by))
    }

    fn fire(&mut self, cue: &Cue, at: RunTime, by: &str) -> (CueAnnouncement, CueState) {
        let firing = self.fired.len() as u32 + 1;
        let before = self.fired.iter().filter(|fired| fired.announcement.name == cue.name).count() as u32;
        let (name, number) = (cue.name.clone(), before + 1);
        // Unique even when two rehearsals run against the same system.
        let id = format!("{name}-{number}-{}", self.run_id);
        let announcement = CueAnnouncement {
            firing,
            name: name.clone(),
            number: u64::from(number),
            id: id.clone(),
            at,
            event: cue.event.clone(),
            pointer: cue.pointer.clone(),
        };
        self.fired.push(Fired { announcement: announcement.clone(), by: by.to_owned(), outcome: None });
        (announcement, CueState { name, number, id })
    }

    /// Notes what a cue's function did.
    pub(super) fn sent(&mut self, firing: u32, outcome: Sent) {
        if let Some(fired) = self.fired.iter_mut().find(|fired| fired.announcement.firing == firing) {
            fired.outcome = Some(outcome);
        }
    }

    /// Whether a cue has yet to fire, or its function to return.
    pub(super) fn is_open(&self) -> bool {
        self.fired.iter().any(|fired| fired.outcome.is_none())
    }

    /// All cues of the plan.
    pub(super) fn all(&self) -> &[Cue] {
        &self.all
    }

    pub(super) fn fired(&self) -> &[Fired] {
        &self.fired
    }

    /// Names of cues that never fired.
    pub(super) fn unfired(&self) -> Vec<String> {
        let fired = |cue: &&Cue| !self.fired.iter().any(|fired| fired.announcement.name == cue.name);
        self.all.iter().filter(fired).map(|cue| cue.name.clone()).collect()
    }
}

#[cfg(test)]
mod tests {
    use rehearsal_plan::{AgentNumber, Load, SlotTable, Spacing, Stay};

    use super::*;

    fn versions() -> Versions {
        let over = Duration::from_secs(10);
        let load = Load::Arrive { users: 10, over, spacing: Spacing::Even, stay: Stay::UntilDone };
        Versions::first(RunTime(5_000_000), vec![load], SlotTable::weighted(8, &[(AgentNumber(0), 1)]), 1)
    }

    fn cue(when: CueTime) -> Cue {
        Cue { name: "open_vote".into(), event: Some("vote_open".into()), pointer: Some("/ballot".into()), when }
    }

    #[test]
    fn a_cue_is_announced_once_before_its_instant() {
        let mut book = CueBook::new(&[cue(CueTime::AfterArrivals(Duration::from_secs(3)))], "r1");
        let versions = versions();
        // The last of ten arrivals over ten seconds comes nine seconds after the start at 5 s.
        assert!(book.due(&versions, RunTime(5_000_000), RunTime(15_900_000)).is_empty());
        let due = book.due(&versions, RunTime(5_000_000), RunTime(16_100_000));
        assert_eq!((due[0].0.at, due[0].2), (RunTime(17_000_000), Duration::ZERO));
        assert_eq!(due[0].1.id, "open_vote-1-r1");
        assert!(book.due(&versions, RunTime(5_000_000), RunTime(16_200_000)).is_empty());
        assert!(book.is_open());
        book.sent(1, Sent::After(250));
        assert!(!book.is_open());
    }

    #[test]
    fn a_late_cue_still_gets_its_lead() {
        let mut book = CueBook::new(&[cue(CueTime::At(Duration::ZERO))], "r1");
        let due = book.due(&versions(), RunTime(5_000_000), RunTime(6_000_000));
        assert_eq!((due[0].0.at, due[0].2), (RunTime(6_300_000), Duration::from_millis(1_300)), "and is told as late");
    }

    #[test]
    fn what_was_announced_by_a_former_life_is_not_fired_again() {
        let mut before = CueBook::new(&[cue(CueTime::At(Duration::ZERO))], "r1");
        before.due(&versions(), RunTime(5_000_000), RunTime(6_000_000));
        let fired =
            before.fired().iter().map(|fired| Fired { outcome: Some(Sent::Unknown), ..fired.clone() }).collect();
        let mut after = CueBook::new(&[cue(CueTime::At(Duration::ZERO))], "r1");
        after.restore(fired);
        assert!(after.due(&versions(), RunTime(5_000_000), RunTime(9_000_000)).is_empty());
        assert!(!after.is_open() && after.unfired().is_empty());
        let (by_hand, _) = after.fire_now("open_vote", RunTime(9_000_000), "host").unwrap();
        assert_eq!((by_hand.firing, by_hand.number), (2, 2));
    }

    #[test]
    fn cues_by_hand_wait_for_a_hand() {
        let mut book = CueBook::new(&[cue(CueTime::ByHand)], "r1");
        assert!(book.due(&versions(), RunTime::ZERO, RunTime(i64::MAX / 2)).is_empty());
        assert_eq!(book.unfired(), ["open_vote"]);
        let (announcement, _) = book.fire_now("open_vote", RunTime(7_000_000), "host").unwrap();
        assert_eq!((announcement.at, announcement.number), (RunTime(7_300_000), 1));
        let (announcement, state) = book.fire_now("open_vote", RunTime(9_000_000), "host").unwrap();
        assert_eq!((announcement.firing, state.id.as_str()), (2, "open_vote-2-r1"));
        assert_eq!(book.fired()[1].by, "host");
        let refused = book.fire_now("open_vot", RunTime::ZERO, "host").unwrap_err();
        assert!(refused.to_string().contains("open_vote"), "{refused}");
    }
}
