//! Users who only come and go: at their instants, counted as real ones are, without doing anything.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::Context as _;
use rehearsal_engine::{Admitted, Command, Due, Gate, RunClock, Share};
use rehearsal_link::Assignment;
use rehearsal_metrics::{Interval, Kind, Limits, Recorder, SeriesKey, UserState as State};
use rehearsal_plan::{AgentNumber, Instances, Load, Plan, RunTime, Versions};
use tokio::sync::mpsc;

use super::{Made, SwarmOptions};
use crate::crew::{Crew, CrewNews};

/// Reports that wait for the session: intervals of several seconds.
const WAITING: usize = 16;
/// The samples of a series lie this far apart, on so many places: about as spread as those of a quiet second.
const STEP: Duration = Duration::from_micros(777);
const PLACES: u32 = 64;

/// What every agent of a swarm measures each second, made once: a thousand agents are to load the coordinator, not this
/// process.
pub(crate) struct Pattern {
    second: Interval,
    samples: u64,
    counted: u64,
}

impl Pattern {
    pub(crate) fn new(SwarmOptions { series, samples_per_second }: SwarmOptions) -> Self {
        let mut recorder = Recorder::new(Limits::default());
        recorder.roll(0);
        let (all, mut samples, mut counted) = (u64::from(series.max(1)), 0, 0);
        for number in 0..u64::from(series) {
            let part = samples_per_second * (number + 1) / all - samples_per_second * number / all;
            let name = format!("simulated {number}");
            if number % 4 == 3 {
                let key = SeriesKey::new("socket.received").with("transport", "websocket").with("event", name);
                let id = recorder.series(Kind::Count, &key);
                recorder.count(id, part);
                counted += part;
            } else {
                let key =
                    SeriesKey::new("http.response").with("name", name).with("method", "GET").with("status", "200");
                let id = recorder.series(Kind::Duration, &key);
                (0..part as u32).for_each(|sample| recorder.duration(id, STEP * (sample % PLACES + 1)));
                samples += part;
            }
        }
        let second = recorder.finish().pop().unwrap_or_default();
        Self { second, samples, counted }
    }
}

/// The audience of one agent, which plays in a task.
pub(crate) struct Simulated {
    commands: mpsc::UnboundedSender<Command>,
    is_idle: bool,
}

/// What that task tells.
pub(crate) enum Report {
    News(CrewNews),
    Idle(bool),
}

impl Crew for Simulated {
    type Options = (Arc<Pattern>, Arc<Made>);
    type Report = Report;

    fn start(
        (pattern, made): &Self::Options,
        assignment: &Assignment,
        agent: AgentNumber,
        clock: &Arc<RunClock>,
    ) -> anyhow::Result<(Self, mpsc::Receiver<Report>)> {
        let plan: Plan = serde_json::from_str(&assignment.plan).context("reading the plan")?;
        let (commands, orders) = mpsc::unbounded_channel();
        let (reports, receiver) = mpsc::channel(WAITING);
        let audience = Audience {
            clock: Arc::clone(clock),
            gate: Gate::new(agent, Share { thread: 0, of: 1 }),
            restores: plan.restore.is_some(),
            here: BTreeMap::new(),
            last_leaves: None,
            recorder: Recorder::new(Limits::default()),
            has_begun: false,
            is_defined: false,
            pattern: Arc::clone(pattern),
            made: Arc::clone(made),
        };
        tokio::spawn(audience.play(orders, reports));
        Ok((Self { commands, is_idle: false }, receiver))
    }

    fn tell(&self, command: &Command) {
        let _ = self.commands.send(command.clone()); // who has ended has said so
    }

    /// Simulated users connect to nothing.
    fn follow(&self, _: &Arc<Instances>) {}

    fn take(&mut self, report: Report) -> Option<CrewNews> {
        match report {
            Report::News(news) => Some(news),
            Report::Idle(is_idle) => {
                self.is_idle = is_idle;
                None
            }
        }
    }

    fn is_idle(&self) -> bool {
        self.is_idle
    }

    /// Its task ends with the channel of its commands.
    fn end(self) {}
}

/// A user who is here.
struct Guest {
    due: Due,
    /// When it leaves; none if nobody knows yet.
    leaves: Option<RunTime>,
    how: State,
}

struct Audience {
    clock: Arc<RunClock>,
    gate: Gate,
    restores: bool,
    /// By scenario and index.
    here: BTreeMap<(usize, u64), Guest>,
    /// When everybody has left in order.
    last_leaves: Option<RunTime>,
    recorder: Recorder,
    /// Whether there was a version: before the first one seconds have no meaning.
    has_begun: bool,
    /// Whether the series were told of.
    is_defined: bool,
    pattern: Arc<Pattern>,
    made: Arc<Made>,
}

impl Audience {
    async fn play(mut self, mut orders: mpsc::UnboundedReceiver<Command>, reports: mpsc::Sender<Report>) {
        let mut was_idle = false;
        loop {
            let next = self.next().map(|at| self.clock.instant(at));
            let at_next = async {
                match next {
                    Some(at) => tokio::time::sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                order = orders.recv() => match order {
                    None | Some(Command::End) => break,
                    Some(order) => self.obey(order),
                },
                () = at_next => {}
            }
            let now = self.come_and_go();
            let closed = self.recorder.take_closed();
            let closed = self.filled(closed);
            let is_idle = self.gate.is_shut(now) && self.here.is_empty();
            let idle = (std::mem::replace(&mut was_idle, is_idle) != is_idle).then_some(Report::Idle(is_idle));
            let news = (!closed.is_empty()).then_some(Report::News(CrewNews::Intervals(closed)));
            for report in news.into_iter().chain(idle) {
                let _ = reports.send(report).await; // the session may have ended
            }
        }
        let rest = std::mem::replace(&mut self.recorder, Recorder::new(Limits::default())).finish();
        let _ = reports.send(Report::News(CrewNews::Ended(self.filled(rest)))).await;
    }

    /// When something happens by itself.
    fn next(&self) -> Option<RunTime> {
        let now = self.clock.now();
        let second = self.has_begun.then_some(RunTime((now.second() + 1).saturating_mul(1_000_000)));
        let leave = self.here.values().filter_map(|guest| guest.leaves).min();
        [second, leave, self.gate.next_at(), self.gate.shuts_at(now)].into_iter().flatten().min()
    }

    fn now(&mut self) -> RunTime {
        let now = self.clock.now();
        if self.has_begun {
            self.recorder.roll(now.second());
        }
        now
    }

    fn obey(&mut self, order: Command) {
        let now = self.now();
        match order {
            Command::Versions(versions) => self.take_versions(versions),
            Command::Hold(held) => {
                let late = self.gate.hold(held);
                self.settle(late, State::Waiting, State::Dropped);
            }
            Command::SendAway | Command::Cut => self.all_leave(now, Duration::ZERO, State::Lost),
            Command::Relieve { from, over } => {
                self.gate.relieve(from);
                self.last_leaves = Some(now + over);
                self.all_leave(now, over, State::Lost);
            }
            Command::Stop(_) => {
                let waiting = self.gate.stop(now);
                self.settle(waiting, State::Waiting, State::Cancelled);
                self.all_leave(now, Duration::ZERO, State::Cancelled);
            }
            Command::Cue(_) | Command::End => {}
        }
    }

    fn take_versions(&mut self, versions: Arc<Versions>) {
        self.has_begun = true;
        let now = self.now();
        for guest in self.here.values_mut().filter(|guest| guest.how == State::Finished) {
            let arrival = versions.arrival(guest.due.scenario, guest.due.arrival.index);
            guest.leaves = arrival.and_then(|arrival| arrival.leave);
        }
        let Admitted { start, drop, cancel } = self.gate.take_versions(versions, now);
        self.start(start);
        self.settle(drop, State::Waiting, State::Dropped);
        self.settle(cancel, State::Waiting, State::Cancelled);
    }

    /// Everybody leaves, evenly spread over a time, unless it leaves sooner.
    fn all_leave(&mut self, now: RunTime, over: Duration, how: State) {
        let all = self.here.len() as u32;
        for (guest, place) in self.here.values_mut().zip(1..) {
            let turn = now + over * place / all;
            if guest.leaves.is_none_or(|leaves| turn < leaves) {
                (guest.leaves, guest.how) = (Some(turn), how);
            }
        }
    }

    /// Plays what is due by now.
    fn come_and_go(&mut self) -> RunTime {
        let now = self.now();
        let due = self.gate.take_due(now);
        self.start(due);
        let gone = self.here.extract_if(.., |_, guest| guest.leaves.is_some_and(|leaves| leaves <= now));
        let gone: Vec<(Due, State)> = gone.map(|(_, guest)| (guest.due, guest.how)).collect();
        self.made.leaves.fetch_add(gone.len() as u64, Ordering::Relaxed);
        gone.into_iter().for_each(|(due, how)| self.settle(vec![due], State::Live, how));
        now
    }

    fn start(&mut self, start: Vec<Due>) {
        for due in start {
            self.recorder.transition(State::Waiting, State::Live);
            add(&self.made.starts, 1);
            add(&self.made.restored, u64::from(due.restored));
            let (leaves, how) = match self.last_leaves {
                Some(last) => (Some(due.arrival.leave.map_or(last, |leave| leave.min(last))), State::Lost),
                None => (due.arrival.leave, State::Finished),
            };
            self.here.insert((due.scenario, due.arrival.index), Guest { due, leaves, how });
        }
    }

    fn settle(&mut self, users: Vec<Due>, from: State, to: State) {
        for due in users {
            self.recorder.transition(from, to);
            let is_rate = matches!(self.gate.load(due.scenario), Some(Load::Rate { .. }));
            if to != State::Lost && self.restores && !is_rate {
                self.recorder.ended(due.scenario as u32, due.arrival.index);
            }
        }
    }

    /// Puts the samples in. Series are told of once.
    fn filled(&mut self, mut intervals: Vec<Interval>) -> Vec<Interval> {
        for interval in &mut intervals {
            interval.points.clone_from(&self.pattern.second.points);
            if !std::mem::replace(&mut self.is_defined, true) {
                interval.defines.clone_from(&self.pattern.second.defines);
            }
            add(&self.made.intervals, 1);
            add(&self.made.samples, self.pattern.samples);
            add(&self.made.counted, self.pattern.counted);
        }
        intervals
    }
}

fn add(count: &AtomicU64, more: u64) {
    count.fetch_add(more, Ordering::Relaxed);
}

#[cfg(test)]
mod tests {
    use rehearsal_metrics::Points;

    use super::*;

    #[test]
    fn the_pattern_has_as_many_samples_as_wanted() {
        for (series, samples_per_second) in [(20, 4_000), (3, 10), (1, 0), (0, 7)] {
            let pattern = Pattern::new(SwarmOptions { series, samples_per_second });
            let told = |kind| -> u64 {
                let points = pattern.second.points.values().filter(|points| points.kind() == kind);
                points.map(Points::count).sum()
            };
            assert_eq!((told(Kind::Duration), told(Kind::Count)), (pattern.samples, pattern.counted));
            let expected = if series == 0 { 0 } else { samples_per_second };
            assert_eq!(pattern.samples + pattern.counted, expected, "{series} series");
        }
    }
}
