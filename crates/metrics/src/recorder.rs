//! Takes the samples of one user thread and closes an interval for every second.
//!
//! This is the hot path of a load generator: a sample costs an array access, and everything that
//! allocates happens when a name is first used or a second ends.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::calls::{CallBook, CallId, CallStep};
use crate::health::Health;
use crate::hearings::{CuePoints, Snapshot};
use crate::intern::{Interner, Limits};
use crate::interval::Interval;
use crate::layout::micros;
use crate::ledger::{Transitions, UserState};
use crate::open_bins::OpenBins;
use crate::points::Points;
use crate::series::{Kind, SeriesId, SeriesKey, Tags};

/// The samples of a series in the second that is still open.
#[derive(Debug)]
enum OpenPoints {
    Duration(Box<OpenBins>),
    Count(u64),
    Ratio { yes: u64, total: u64 },
}

#[derive(Debug)]
struct Slot {
    points: OpenPoints,
    /// Whether this second has a sample, so that closing passes over series without.
    used: bool,
}

/// Collects what one thread sees. All of it belongs to the second last given to [`Recorder::roll`].
#[derive(Debug)]
pub struct Recorder {
    limits: Limits,
    interner: Interner,
    /// By series id.
    slots: Vec<Slot>,
    used: Vec<SeriesId>,
    calls: CallBook,
    users: Transitions,
    health: Option<Health>,
    /// What is counted in its final form; the rest joins when the second ends.
    open: Interval,
    second: Option<i64>,
    closed: Vec<Interval>,
}

impl Recorder {
    /// Starts without a second: samples before the first [`Recorder::roll`] belong to the one it
    /// names.
    pub fn new(limits: Limits) -> Recorder {
        Recorder {
            limits,
            interner: Interner::new(limits),
            slots: Vec::new(),
            used: Vec::new(),
            calls: CallBook::new(limits.calls),
            users: Transitions::default(),
            health: None,
            open: Interval::default(),
            second: None,
            closed: Vec::new(),
        }
    }

    /// Returns the number of a series, for samples of the same kind. Past the bound on series it is
    /// that of a blurred one.
    pub fn series(&mut self, kind: Kind, key: &SeriesKey) -> SeriesId {
        let id = self.interner.intern(kind, key);
        if id.0 as usize == self.slots.len() {
            let points = match kind {
                Kind::Duration => OpenPoints::Duration(Box::default()),
                Kind::Count => OpenPoints::Count(0),
                Kind::Ratio => OpenPoints::Ratio { yes: 0, total: 0 },
            };
            self.slots.push(Slot { points, used: false });
        }
        id
    }

    /// Says which second of run time it is now and closes those before it. A second that goes back
    /// is ignored.
    pub fn roll(&mut self, second: i64) {
        let open = *self.second.get_or_insert(second);
        if second > open {
            self.close(open);
            self.closed.extend((open + 1..second).map(Interval::empty));
            self.second = Some(second);
        }
    }

    /// Records how long something took.
    pub fn duration(&mut self, id: SeriesId, sample: Duration) {
        match self.open_points(id) {
            Some(OpenPoints::Duration(bins)) => bins.record(micros(sample)),
            _ => self.misuse(id, Kind::Duration),
        }
    }

    /// Adds to a count.
    pub fn count(&mut self, id: SeriesId, more: u64) {
        match self.open_points(id) {
            Some(OpenPoints::Count(count)) => *count = count.saturating_add(more),
            _ => self.misuse(id, Kind::Count),
        }
    }

    /// Records one yes or no.
    pub fn ratio(&mut self, id: SeriesId, is_yes: bool) {
        match self.open_points(id) {
            Some(OpenPoints::Ratio { yes, total }) => {
                *yes += u64::from(is_yes);
                *total += 1;
            }
            _ => self.misuse(id, Kind::Ratio),
        }
    }

    /// Counts a user that moved. A move that the ledger does not have is our mistake and shows as
    /// an error of kind `ledger`.
    pub fn transition(&mut self, from: UserState, to: UserState) {
        if let Err(error) = self.users.record(from, to, 1) {
            self.error("ledger", &error.to_string(), &Tags::default());
        }
    }

    /// Notes that a user will not be restored, whatever becomes of this agent.
    pub fn ended(&mut self, scenario: u32, index: u64) {
        self.open.ended.entry(scenario).or_default().insert(index);
    }

    /// Returns the number of a call's name; past the bound on names, that of all others.
    pub fn call_name(&mut self, name: &str) -> CallId {
        self.calls.id(name)
    }

    /// Counts one step of a call.
    pub fn call(&mut self, name: CallId, step: CallStep) {
        self.calls.step(name, step);
    }

    /// Counts an error: in the list of errors with a sample text, and in the series `errors{kind}`
    /// with the user's tags.
    pub fn error(&mut self, kind: &str, sample: &str, tags: &Tags) {
        self.open.errors.add(kind, 1, sample, self.limits.errors);
        let series = SeriesKey { metric: "errors".to_owned(), tags: tags.with("kind", kind) };
        let id = self.series(Kind::Count, &series);
        self.count(id, 1);
    }

    /// Notes who should hear a cue, at its intended instant. Call it also with zeros: no snapshot
    /// means unknown.
    pub fn cue_snapshot(&mut self, cue: u32, transport: &str, live: u64, connected: u64) {
        self.cue(cue).take_snapshot(transport, Snapshot { live, connected });
    }

    /// Counts the first hearing of a user in the snapshot, `after_micros` after the intended
    /// instant.
    /// `ready` says whether it was connected with a handler at that instant.
    pub fn cue_heard(&mut self, cue: u32, transport: &str, after_micros: i64, ready: bool) {
        let points = self.cue(cue);
        points.hear(transport, after_micros);
        if !ready {
            points.was_unready(transport);
        }
    }

    /// Counts a hearing of a user that is not in the snapshot.
    pub fn cue_late_heard(&mut self, cue: u32) {
        self.cue(cue).late_heard += 1;
    }

    /// Counts a further hearing of a user that had heard it.
    pub fn cue_duplicate(&mut self, cue: u32) {
        self.cue(cue).duplicates += 1;
    }

    /// Notes the agent's own condition in this second; several notes keep the worst.
    pub fn health(&mut self, health: Health) {
        self.health.get_or_insert_default().merge(&health);
    }

    /// Returns the closed intervals of one second each, in order and without gaps.
    pub fn take_closed(&mut self) -> Vec<Interval> {
        std::mem::take(&mut self.closed)
    }

    /// Closes the open second too and returns what has not been taken.
    pub fn finish(mut self) -> Vec<Interval> {
        if let Some(second) = self.second {
            self.close(second);
        }
        self.closed
    }

    fn cue(&mut self, cue: u32) -> &mut CuePoints {
        self.open.cues.entry(cue).or_default()
    }

    fn open_points(&mut self, id: SeriesId) -> Option<&mut OpenPoints> {
        let slot = self.slots.get_mut(id.0 as usize)?;
        if !slot.used {
            slot.used = true;
            self.used.push(id);
        }
        Some(&mut slot.points)
    }

    /// A sample for a series of another kind is our mistake; it must show, and must not end a
    /// rehearsal.
    #[cold]
    fn misuse(&mut self, id: SeriesId, kind: Kind) {
        self.error("metrics", &format!("series {} is not a {kind}", id.0), &Tags::default());
    }

    fn close(&mut self, second: i64) {
        let mut interval = std::mem::take(&mut self.open);
        (interval.from, interval.to) = (second, second + 1);
        interval.points = self.close_points();
        interval.defines = self.interner.announce(interval.points.keys());
        let users = std::mem::take(&mut self.users);
        interval.users.extend((!users.is_empty()).then_some((second, users)));
        interval.health.extend(self.health.take().map(|health| (second, health)));
        interval.calls = self.calls.close();
        self.closed.push(interval);
    }

    fn close_points(&mut self) -> BTreeMap<SeriesId, Points> {
        let used = self.used.drain(..).map(|id| {
            let slot = &mut self.slots[id.0 as usize];
            slot.used = false;
            (id, slot.points.close())
        });
        used.filter(|(_, points)| points.count() > 0).collect()
    }
}

impl OpenPoints {
    fn close(&mut self) -> Points {
        match self {
            OpenPoints::Duration(bins) => Points::Duration(bins.close()),
            OpenPoints::Count(count) => Points::Count(std::mem::take(count)),
            OpenPoints::Ratio { yes, total } => {
                Points::Ratio { yes: std::mem::take(yes), total: std::mem::take(total) }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_second_closes_once_and_defines_its_series_once() {
        let mut recorder = Recorder::new(Limits::default());
        let id = recorder.series(Kind::Duration, &SeriesKey::new("http.response"));
        recorder.duration(id, Duration::from_millis(1));
        recorder.roll(-1);
        recorder.roll(2);
        recorder.duration(id, Duration::from_millis(2));
        recorder.roll(1);
        recorder.duration(id, Duration::from_millis(3));
        let mut intervals = recorder.take_closed();
        intervals.extend(recorder.finish());
        let seconds: Vec<_> = intervals.iter().map(|interval| (interval.from, interval.to)).collect();
        assert_eq!(seconds, [(-1, 0), (0, 1), (1, 2), (2, 3)]);
        let samples: Vec<_> =
            intervals.iter().map(|interval| interval.points.get(&id).map_or(0, Points::count)).collect();
        assert_eq!(samples, [1, 0, 0, 2]);
        let defined: Vec<_> = intervals.iter().map(|interval| interval.defines.len()).collect();
        assert_eq!(defined, [1, 0, 0, 0]);
    }

    #[test]
    fn all_sorts_of_records_reach_the_interval() {
        let mut recorder = Recorder::new(Limits::default());
        recorder.roll(7);
        let failed = recorder.series(Kind::Ratio, &SeriesKey::new("http.failed"));
        recorder.ratio(failed, true);
        recorder.ratio(failed, false);
        recorder.transition(UserState::Waiting, UserState::Live);
        let vote = recorder.call_name("vote");
        recorder.call(vote, CallStep::Begun);
        recorder.error("timeout", "after 5 s", &Tags::default());
        recorder.cue_snapshot(1, "websocket", 10, 8);
        recorder.cue_heard(1, "websocket", -1, true);
        recorder.cue_late_heard(1);
        recorder.cue_duplicate(1);
        recorder.health(Health { cpu_milli: 500, ..Health::default() });
        let interval = recorder.finish().remove(0);
        assert_eq!(interval.points[&failed], Points::Ratio { yes: 1, total: 2 });
        assert_eq!(interval.users[&7].get(UserState::Waiting, UserState::Live), 1);
        assert_eq!(interval.calls["vote"].begun, 1);
        assert_eq!(interval.errors.iter().next().map(|(kind, error)| (kind, error.count)), Some(("timeout", 1)));
        assert_eq!(interval.points.len(), 2, "errors are a series as well");
        let cue = &interval.cues[&1];
        assert_eq!(cue.heard["websocket"], [(-1, 1)].into());
        assert_eq!((cue.late_heard, cue.duplicates, cue.first_micros), (1, 1, Some(-1)));
        assert_eq!(interval.health[&7].cpu_milli, 500);
    }

    #[test]
    fn mistakes_of_the_caller_show_as_errors() {
        let mut recorder = Recorder::new(Limits::default());
        recorder.roll(0);
        let id = recorder.series(Kind::Count, &SeriesKey::new("m"));
        recorder.duration(id, Duration::ZERO);
        recorder.ratio(SeriesId(99), true);
        recorder.transition(UserState::Finished, UserState::Live);
        let interval = recorder.finish().remove(0);
        let kinds: Vec<_> = interval.errors.iter().map(|(kind, error)| (kind, error.count)).collect();
        assert_eq!(kinds, [("ledger", 1), ("metrics", 2)]);
        assert!(!interval.points.contains_key(&id));
    }
}
