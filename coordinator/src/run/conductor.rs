//! The loop that owns a run: takes what services, launcher, director, operators and disk say, gives it to the pure
//! machines (the [`Lifecycle`] of the run, the [`CoordinatorEnd`] of the link), has their [`effects`](super::effects)
//! performed, and keeps the timeline.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rehearsal_engine::RunClock;
use rehearsal_fleet::Exit;
use rehearsal_link::coordinator::{CoordinatorConfig, Event, Opening};
use rehearsal_link::{CoordinatorEnd, Epoch, Session, StopKind};
use rehearsal_metrics::{Interval, Limits, Timeline};
use rehearsal_plan::{AgentNumber, RunTime};
use rehearsal_proto::v1;
use rehearsal_report::view::{EventKind, EventRow, RunState};
use rehearsal_verdict::WatchedThresholds;
use tokio::sync::mpsc;
use tonic::Status;

use super::control::{Order, Orders};
#[cfg(test)]
use super::crash_points;
use super::cues::CueBook;
use super::director::Director;
use super::doors::{Doors, interrupted};
use super::followed::{Followed, next_known};
use super::following::Known;
use super::keeping::Keeper;
use super::lifecycle::{self, Lifecycle};
use super::outcome::{Ending, Note, Outcome, Settings};
use super::past::{STOP, Stopped};
use super::playing::CueDone;
use super::roster::Roster;
use super::services::Arrival;
use super::showing::Showing;
use crate::archive::CORES;
use crate::fleet::{Crew, Spent};
use crate::scaler::Watching;

/// That of the coordinator that started the run.
const FIRST_EPOCH: Epoch = Epoch(1);
/// Slots of the plan: enough that a thousand agents get fair shares, few enough to be sent with every version.
const SLOTS: usize = 1_024;
/// How long agents that have joined may take to arm.
pub(super) const ARMING: Duration = Duration::from_secs(60);
const TICK: Duration = Duration::from_millis(50);
/// From this on a coordinator that did not look was stopped, or its machine was.
const STANDSTILL: Duration = Duration::from_secs(2);

/// Where a conductor hears from.
pub(crate) struct Ears<'a> {
    /// Agents, by way of the services.
    pub(crate) inbox: mpsc::Receiver<Arrival>,
    /// The launcher.
    pub(crate) exits: mpsc::Receiver<Exit>,
    /// The meter of a fleet that costs something.
    pub(crate) spending: mpsc::Receiver<Spent>,
    /// Operators, by way of the API and the terminal.
    pub(crate) doors: &'a mut Doors,
    /// Consul, if the target's instances are followed there.
    pub(crate) followed: Option<Followed>,
}

/// The owner of a run.
pub struct Conductor {
    pub(super) settings: Settings,
    pub(super) clock: Arc<RunClock>,
    pub(super) life: Lifecycle,
    pub(super) is_over: bool,
    /// When it last looked at what is due.
    looked_at: RunTime,
    /// Some agent has a version in force in which plan time stands still.
    pub(super) is_paused: bool,
    pub(super) end: CoordinatorEnd<Interval>,
    /// Until when cues wait for agents to come back, after the run was taken up.
    pub(super) gathers_until: Option<RunTime>,
    /// Agents whose lost users may come once more, and from when on.
    pub(super) returning: BTreeMap<AgentNumber, RunTime>,
    pub(super) sessions: HashMap<Session, mpsc::Sender<Result<v1::CoordinatorMessage, Status>>>,
    pub(super) roster: Roster,
    pub(super) timeline: Timeline,
    pub(super) cues: CueBook,
    pub(super) director: Director,
    pub(super) cue_done: (mpsc::Sender<CueDone>, mpsc::Receiver<CueDone>),
    pub(super) orders: Orders,
    pub(super) started: Option<RunTime>,
    /// The same by the machine's clock; until then, when the conductor was made.
    pub(super) started_at: SystemTime,
    pub(super) load_ended: Option<RunTime>,
    /// Events before the start, which tells what their times are.
    pub(super) early: Vec<(RunTime, EventRow, bool)>,
    pub(super) notes: Vec<Note>,
    pub(super) watched: WatchedThresholds,
    /// The autoscaler under test.
    pub(super) scaler: Watching,
    /// The service that is the target, and what is known of its instances, if it is one that is followed.
    pub(super) service: String,
    pub(super) known: Option<Known>,
    /// Whoever launched the agents.
    pub(super) crew: Crew,
    pub(super) keeper: Keeper,
    pub(super) showing: Showing,
}

impl Conductor {
    /// The conductor of a run that begins, and whose agents have been launched.
    pub(crate) fn new(
        settings: Settings,
        clock: Arc<RunClock>,
        director: Director,
        crew: Crew,
        keeper: Keeper,
        showing: Showing,
        scaler: Watching,
    ) -> Self {
        let config = CoordinatorConfig { epoch: FIRST_EPOCH, lease: settings.lease, takeover: settings.plan.takeover };
        Self {
            life: Lifecycle::new(settings.gathering),
            is_over: false,
            looked_at: clock.now(),
            is_paused: false,
            end: CoordinatorEnd::new(config),
            gathers_until: None,
            returning: BTreeMap::new(),
            sessions: HashMap::new(),
            roster: Roster::default(),
            timeline: Timeline::new(Limits::default()),
            cues: CueBook::new(&settings.plan.cues, &settings.run_id),
            director,
            cue_done: mpsc::channel(16),
            orders: Orders::default(),
            started: None,
            started_at: SystemTime::now(),
            load_ended: None,
            early: Vec::new(),
            notes: Vec::new(),
            watched: WatchedThresholds::new(&settings.plan.thresholds),
            scaler,
            service: String::new(),
            known: None,
            crew,
            keeper,
            showing,
            clock,
            settings,
        }
    }

    /// Conducts the run to the end of its load, and until all its numbers have arrived and are stored.
    pub(crate) async fn run(mut self, mut ears: Ears<'_>) -> anyhow::Result<Outcome> {
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        self.keeper.fact(CORES, self.settings.cores);
        self.begin_following(ears.followed.as_mut());
        self.step(lifecycle::Event::Launched);
        // What a former life left to do.
        self.go(lifecycle::Event::Tick);
        while !self.is_over {
            let event = tokio::select! {
                // What agents say, and their coming and going.
                Some(arrival) = ears.inbox.recv() => self.on_arrival(arrival),
                // What ran an agent has ended.
                Some(exit) = ears.exits.recv() => self.on_exit(&exit),
                // The fleet has cost a good part of what it may.
                Some(spent) = ears.spending.recv() => { self.on_spending(&spent); None }
                // A cue's function has returned.
                Some(done) = self.cue_done.1.recv() => { self.on_cue_done(done); None }
                // An operator wants something.
                Some(order) = ears.doors.orders.recv() => self.on_order(order),
                // The target's instances are others now, or Consul is gone or back.
                Some(known) = next_known(&mut ears.followed) => self.on_known(known),
                // The operator presses Ctrl-C.
                () = interrupted(&mut ears.doors.interrupts) => self.on_interrupt(),
                // A batch is on disk.
                Some(stored) = self.keeper.stored() => { self.on_stored(stored); None }
                // A source has told of the autoscaler under test.
                Some(sighting) = self.scaler.next() => { self.on_sighting(sighting); None }
                // Time passes.
                _ = tick.tick() => Some(Event::Tick),
            };
            // Nothing that follows from the whole state is in a hurry but what waits for the disk.
            let is_tick = matches!(event, Some(Event::Tick));
            self.handle(event);
            if is_tick {
                self.proceed();
            }
            self.keep();
        }
        self.finish().await
    }

    pub(super) fn now(&self) -> RunTime {
        self.clock.now()
    }

    /// Ctrl-C lets users leave, and cuts them off when it comes again.
    fn on_interrupt(&mut self) -> Option<Event<Interval>> {
        let now = self.life.stop.is_some();
        let (answer, _) = tokio::sync::oneshot::channel();
        self.on_order(Order { command: rehearsal_api::Command::Stop { now }, by: "Ctrl-C".to_owned(), answer })
    }

    pub(super) fn order_stop(&mut self, kind: StopKind) -> Event<Interval> {
        let ended = *self.load_ended.get_or_insert(self.clock.now());
        let by_operator = self.life.ending == Ending::Operator;
        let stopped = Stopped { is_hard: kind == StopKind::Hard, at_us: ended.0, by_operator };
        // Not awaited: a stop must not wait for a disk. What agents were told they say again to whoever leads the run then.
        self.keeper.urgent_fact(STOP, serde_json::json!(stopped));
        Event::Stop(kind)
    }

    /// Whether what goes now goes as planned.
    pub(super) fn is_ending(&self) -> bool {
        self.life.state >= RunState::Stopping
    }

    /// What has become due, whoever said what.
    fn proceed(&mut self) {
        let now = self.now();
        let before = std::mem::replace(&mut self.looked_at, now);
        if now.since(before) > STANDSTILL && self.started.is_some() {
            let (from_s, to_s) = (self.since_start(before), self.since_start(now));
            let text = format!("stood still from {from_s:.1} s to {to_s:.1} s: meanwhile it heard and told nothing");
            self.note(EventKind::Run, "coordinator".to_owned(), text);
        }
        match self.life.state {
            RunState::Gathering => self.go(lifecycle::Event::Joined(self.roster.alive())),
            RunState::Running => self.play(now),
            RunState::Stopping if self.everyone_has_left() => self.go(lifecycle::Event::UsersGone),
            _ => {}
        }
        // An agent that does not hear that it may go would wait for a coordinator that has ended.
        let have_parted = !self.keeper.owes_goodbye() && !self.end.awaits_farewell(now);
        if self.is_ending() && self.everyone_is_done() && have_parted {
            self.go(lifecycle::Event::AllIn);
        }
        self.bring_back(now);
        self.go(lifecycle::Event::Tick);
        self.answer_orders();
        self.judge_scaler(now);
        self.show(now);
    }

    /// Hands what changed to the screens and to the disk. Screens go on when the disk does not.
    fn keep(&mut self) {
        let now = self.now();
        if self.keeper.is_due(now) {
            let changes = self.timeline.take_changes();
            self.redraw(&changes);
            self.keeper.gather(changes, now);
        }
        #[cfg(test)]
        if crash_points::disk_rests() {
            return;
        }
        self.keeper.write();
    }

    pub(super) fn arm(&mut self) {
        self.tell_of_missing();
        self.handle(Some(Event::Arm(Opening {
            loads: self.settings.plan.scenarios.iter().map(|scenario| scenario.load.clone()).collect(),
            slots: SLOTS,
            seed: self.settings.seed,
            quorum: self.settings.gathering.least,
            within: ARMING,
        })));
    }
}
