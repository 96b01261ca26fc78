//! The users of a simulated agent: they come by the real gate and go; the recorder counts them, and so does this file.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use rehearsal_engine::{Admitted, Due, Gate, Share};
use rehearsal_metrics::{Interval, Kind, Limits, Recorder, SeriesId, SeriesKey, UserState as State};
use rehearsal_plan::{AgentNumber, RunTime, Versions};

/// What was really counted: by series and second of run time.
pub(super) type Samples = BTreeMap<(String, i64), u64>;

/// A user who is here.
struct Guest {
    due: Due,
    leaves: Option<RunTime>,
    how: State,
}

/// What became of an arrival: whether it started, and how it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Fate {
    pub(super) started: bool,
    pub(super) end: Option<State>,
}

/// The audience of one agent.
pub(super) struct Crew {
    gate: Gate,
    here: BTreeMap<u64, Guest>,
    last_leaves: Option<RunTime>,
    /// None once everything was handed out.
    recorder: Option<Recorder>,
    series: [(SeriesId, String); 3],
    has_begun: bool,
    /// By index; of an arrival that was given out twice, both.
    pub(super) fates: BTreeMap<u64, Vec<Fate>>,
    pub(super) samples: Samples,
}

impl Crew {
    pub(super) fn new(agent: AgentNumber) -> Self {
        let mut recorder = Recorder::new(Limits::default());
        let own = format!("agent {}", agent.0);
        // Agents learn of series in orders of their own, and so each numbers them in its own way.
        let mut names = ["came".to_owned(), "went".to_owned(), own];
        names.rotate_left(agent.0 as usize % 3);
        let series = names.map(|name| (recorder.series(Kind::Count, &SeriesKey::new(&name)), name));
        Self {
            gate: Gate::new(agent, Share { thread: 0, of: 1 }),
            here: BTreeMap::new(),
            last_leaves: None,
            recorder: Some(recorder),
            series,
            has_begun: false,
            fates: BTreeMap::new(),
            samples: Samples::new(),
        }
    }

    /// Plays what is due by now and gives the seconds that are complete.
    pub(super) fn play(&mut self, now: RunTime) -> Vec<Interval> {
        let due = self.gate.take_due(now);
        self.start(due, now);
        let gone = self.here.extract_if(.., |_, guest| guest.leaves.is_some_and(|leaves| leaves <= now));
        let gone: Vec<Guest> = gone.map(|(_, guest)| guest).collect();
        for Guest { due, how, .. } in gone {
            self.settle(vec![due], State::Live, how, now);
            self.count("went", now);
        }
        self.recorder(now).map(Recorder::take_closed).unwrap_or_default()
    }

    /// Hands out what is left.
    pub(super) fn end(&mut self) -> Vec<Interval> {
        self.recorder.take().map(Recorder::finish).unwrap_or_default()
    }

    pub(super) fn is_idle(&self, now: RunTime) -> bool {
        self.gate.is_shut(now) && self.here.is_empty()
    }

    pub(super) fn take_versions(&mut self, versions: Arc<Versions>, now: RunTime) -> u64 {
        if self.recorder.is_none() {
            return 0; // its threads have ended: they hear nothing more
        }
        self.has_begun = true;
        for guest in self.here.values_mut().filter(|guest| guest.how == State::Finished) {
            let arrival = versions.arrival(guest.due.scenario, guest.due.arrival.index);
            guest.leaves = arrival.and_then(|arrival| arrival.leave);
        }
        let Admitted { start, drop, cancel } = self.gate.take_versions(versions, now);
        let missed = drop.len() as u64;
        self.start(start, now);
        self.settle(drop, State::Waiting, State::Dropped, now);
        self.settle(cancel, State::Waiting, State::Cancelled, now);
        missed
    }

    pub(super) fn hold(&mut self, is_held: bool, now: RunTime) {
        let late = self.gate.hold(is_held);
        self.settle(late, State::Waiting, State::Dropped, now);
    }

    pub(super) fn send_away(&mut self, now: RunTime) {
        self.all_leave(now, Duration::ZERO, State::Lost);
    }

    pub(super) fn relieve(&mut self, from: RunTime, over: Duration, now: RunTime) {
        self.gate.relieve(from);
        self.last_leaves = Some(now + over);
        self.all_leave(now, over, State::Lost);
    }

    pub(super) fn stop(&mut self, now: RunTime) {
        let waiting = self.gate.stop(now);
        self.settle(waiting, State::Waiting, State::Cancelled, now);
        self.all_leave(now, Duration::ZERO, State::Cancelled);
    }

    fn all_leave(&mut self, now: RunTime, over: Duration, how: State) {
        let all = self.here.len() as u32;
        for (guest, place) in self.here.values_mut().zip(1..) {
            let turn = now + over * place / all;
            if guest.leaves.is_none_or(|leaves| turn < leaves) {
                (guest.leaves, guest.how) = (Some(turn), how);
            }
        }
    }

    fn start(&mut self, start: Vec<Due>, now: RunTime) {
        for due in start {
            self.count("came", now);
            if let Some(recorder) = self.recorder(now) {
                recorder.transition(State::Waiting, State::Live);
            }
            self.fates.entry(due.arrival.index).or_default().push(Fate { started: true, end: None });
            let (leaves, how) = match self.last_leaves {
                Some(last) => (Some(due.arrival.leave.map_or(last, |leave| leave.min(last))), State::Lost),
                None => (due.arrival.leave, State::Finished),
            };
            self.here.insert(due.arrival.index, Guest { due, leaves, how });
        }
    }

    fn settle(&mut self, users: Vec<Due>, from: State, to: State, now: RunTime) {
        for due in users {
            if let Some(recorder) = self.recorder(now) {
                recorder.transition(from, to);
            }
            let fates = self.fates.entry(due.arrival.index).or_default();
            match fates.last_mut().filter(|_| from == State::Live) {
                Some(fate) => fate.end = Some(to),
                None => fates.push(Fate { started: false, end: Some(to) }),
            }
        }
    }

    /// Counts a sample of this series, and one of the agent's own.
    fn count(&mut self, name: &str, now: RunTime) {
        let own = self.series.iter().filter(|(_, series)| series == name || series.starts_with("agent"));
        for (id, name) in own.cloned().collect::<Vec<_>>() {
            if let Some(recorder) = self.recorder(now) {
                recorder.count(id, 1);
                *self.samples.entry((name, now.second())).or_default() += 1;
            }
        }
    }

    fn recorder(&mut self, now: RunTime) -> Option<&mut Recorder> {
        let recorder = self.recorder.as_mut()?;
        if self.has_begun {
            recorder.roll(now.second());
        }
        Some(recorder)
    }
}
