//! The loop that owns a run: takes what services, launcher, director and operator say, gives it to the pure
//! [`CoordinatorEnd`], performs the effects, and keeps the timeline.
//!
//! | phase | begins | ends |
//! |---|---|---|
//! | gathering | agents were launched | all have joined (or one of them has died: fault) |
//! | arming | all have joined | the link says that the run starts |
//! | running | version 1's instant | everybody has left, `ends_after`, the operator, or no agent is left |
//! | collecting | the stop was sent | every agent has handed in everything or has ended; at most [`COLLECTING`] |

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use rehearsal_engine::{RunClock, SoloOutcome};
use rehearsal_fleet::{Exit, Local};
use rehearsal_link::coordinator::{CoordinatorConfig, Effect, Event, Opening};
use rehearsal_link::{Assignment, CoordinatorEnd, Epoch, LeaseTerms, PresenceState, Session, StopKind};
use rehearsal_metrics::{CueFiring, Interval, Limits, Timeline, UserState};
use rehearsal_plan::{AgentNumber, RunTime, Takeover};
use rehearsal_proto::v1;
use rehearsal_script::CueState;
use rehearsal_verdict::WatchedThresholds;
use tokio::sync::mpsc;
use tonic::Status;

use super::cues::{CueBook, Sent};
use super::director::Director;
use super::ending::Interrupts;
use super::outcome::{Ending, Note, Outcome, Settings};
use super::progress::Progress;
use super::roster::{Member, Roster};
use super::services::Arrival;

/// Slots of the plan: enough that a thousand agents get fair shares, few enough to be sent with every version.
const SLOTS: usize = 1_024;
/// How long agents may take to join, and then to arm.
const JOINING: Duration = Duration::from_secs(30);
pub(super) const ARMING: Duration = Duration::from_secs(30);
/// How long users may take to leave: 5 s for calls, 5 s for closing handshakes, and time to hand in the numbers.
const COLLECTING: Duration = Duration::from_secs(20);
const TICK: Duration = Duration::from_millis(50);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    Gathering { until: RunTime },
    Arming,
    Running,
    Collecting { until: RunTime },
    Over,
}

/// What the director has done.
struct CueDone {
    firing: u32,
    result: anyhow::Result<Option<SoloOutcome>>,
}

/// The owner of a run.
pub struct Conductor {
    settings: Settings,
    clock: Arc<RunClock>,
    pub(super) end: CoordinatorEnd<Interval>,
    pub(super) phase: Phase,
    sessions: HashMap<Session, mpsc::Sender<Result<v1::CoordinatorMessage, Status>>>,
    pub(super) roster: Roster,
    pub(super) timeline: Timeline,
    cues: CueBook,
    director: Director,
    cue_done: (mpsc::Sender<CueDone>, mpsc::Receiver<CueDone>),
    pub(super) started: Option<RunTime>,
    load_ended: Option<RunTime>,
    ending: Ending,
    stop: Option<StopKind>,
    notes: Vec<Note>,
    watched: WatchedThresholds,
    launcher: Local,
    progress: Progress,
}

impl Conductor {
    /// A conductor whose agents have been launched.
    pub(crate) fn new(settings: Settings, clock: Arc<RunClock>, director: Director, launcher: Local) -> Self {
        let lease = LeaseTerms::default();
        let config = CoordinatorConfig { epoch: Epoch(1), lease, takeover: Takeover::Lease };
        let config = CoordinatorConfig { takeover: settings.plan.takeover, ..config };
        Self {
            end: CoordinatorEnd::new(config),
            phase: Phase::Gathering { until: clock.now() + JOINING },
            sessions: HashMap::new(),
            roster: Roster::default(),
            timeline: Timeline::new(Limits::default()),
            cues: CueBook::new(&settings.plan.cues, &settings.run_id),
            director,
            cue_done: mpsc::channel(16),
            started: None,
            load_ended: None,
            ending: Ending::ByItself,
            stop: None,
            notes: Vec::new(),
            watched: WatchedThresholds::new(&settings.plan.thresholds),
            launcher,
            progress: Progress::new(settings.agents),
            clock,
            settings,
        }
    }

    /// Conducts the run to its end.
    pub(crate) async fn run(
        mut self,
        mut inbox: mpsc::Receiver<Arrival>,
        mut exits: mpsc::Receiver<Exit>,
    ) -> anyhow::Result<Outcome> {
        let mut interrupt = Interrupts::new()?;
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        while self.phase != Phase::Over {
            let event = tokio::select! {
                // What agents say, and their coming and going.
                Some(arrival) = inbox.recv() => self.on_arrival(arrival),
                // A local agent's process has ended.
                Some(exit) = exits.recv() => self.on_exit(&exit),
                // A cue's function has returned.
                Some(done) = self.cue_done.1.recv() => { self.on_cue_done(done); None }
                // The operator presses Ctrl-C.
                () = interrupt.recv() => self.on_interrupt(),
                // Time passes.
                _ = tick.tick() => Some(Event::Tick),
            };
            self.handle(event);
            self.proceed();
        }
        Ok(self.finish())
    }

    /// Gives events to the link and performs its effects, which may be events again.
    fn handle(&mut self, event: Option<Event<Interval>>) {
        let mut events = VecDeque::from_iter(event);
        while let Some(event) = events.pop_front() {
            for effect in self.end.handle(event, self.clock.now()) {
                events.extend(self.perform(effect));
            }
        }
    }

    fn on_arrival(&mut self, arrival: Arrival) -> Option<Event<Interval>> {
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
        let member = self.roster.enter(agent, instance, self.settings.weights.as_deref());
        let assignment = Assignment {
            agent_id: member.id.clone(),
            region: member.region.clone(),
            ..self.settings.assignment.clone()
        };
        Event::Assign { agent, assignment: Arc::new(assignment), weight: member.weight }
    }

    fn on_exit(&mut self, exit: &Exit) -> Option<Event<Interval>> {
        let agent = self.roster.of_instance(&exit.instance);
        let status = exit.status.as_ref().map_or_else(ToString::to_string, ToString::to_string);
        let Some(agent) = agent else {
            if matches!(self.phase, Phase::Gathering { .. }) {
                self.fault(format!("an agent ended before it had joined ({status}); its log is in the run's folder"));
            }
            return None;
        };
        let name = self.roster.name(agent);
        if let Some(member) = self.roster.get_mut(agent) {
            member.ended = true;
        }
        let expected = matches!(self.phase, Phase::Collecting { .. } | Phase::Over);
        if !expected {
            self.note(name, format!("its process ended ({status})"));
        }
        Some(Event::ProcessEnded { agent })
    }

    fn on_interrupt(&mut self) -> Option<Event<Interval>> {
        match (self.phase, self.stop) {
            (Phase::Gathering { .. } | Phase::Arming, _) => {
                self.ending = Ending::Operator;
                self.phase = Phase::Over;
                None
            }
            (_, None) => {
                self.ending = Ending::Operator;
                self.progress.say("stopping: users leave (Ctrl-C once more to cut them off)");
                Some(self.order_stop(StopKind::Graceful))
            }
            (_, Some(_)) => {
                self.ending = Ending::Operator;
                self.progress.say("cutting off");
                Some(self.order_stop(StopKind::Hard))
            }
        }
    }

    fn order_stop(&mut self, kind: StopKind) -> Event<Interval> {
        let now = self.clock.now();
        self.stop = Some(kind);
        self.load_ended.get_or_insert(now);
        let patience = if kind == StopKind::Hard { COLLECTING / 4 } else { COLLECTING };
        self.phase = Phase::Collecting { until: now + patience };
        Event::Stop(kind)
    }

    pub(super) fn fault(&mut self, text: String) {
        self.ending = Ending::Fault(text);
        self.phase = Phase::Over;
    }

    pub(super) fn note(&mut self, subject: String, text: String) {
        let at_s = self.since_start(self.clock.now());
        self.progress.say(&format!("{subject}: {text}"));
        self.notes.push(Note { subject, text, at_s });
    }

    pub(super) fn since_start(&self, at: RunTime) -> f64 {
        self.started.map_or(0.0, |started| (at.0 - started.0) as f64 / 1e6)
    }

    fn perform(&mut self, effect: Effect<Interval>) -> Option<Event<Interval>> {
        match effect {
            Effect::Send { session, message } => {
                let outgoing = self.sessions.get(&session)?;
                // An agent that does not take its messages is as good as gone; it will dial again.
                let full = outgoing.try_send(Ok(message.into())).is_err();
                full.then(|| self.sessions.remove(&session)).flatten().map(|_| Event::Disconnected { session })
            }
            Effect::Close { session } => {
                self.sessions.remove(&session);
                None
            }
            // There is no disk yet: what is in memory is as durable as it gets.
            Effect::Persist(version) => Some(Event::Persisted { version: version.number }),
            Effect::Commit { agent, incarnation, number, payload } => {
                self.commit(agent, payload);
                Some(Event::Committed { incarnation, number })
            }
            Effect::Notice(notice) => {
                self.on_notice(notice);
                None
            }
        }
    }

    fn commit(&mut self, agent: AgentNumber, interval: Interval) {
        let Some(started) = self.started else { return }; // nothing is played before the start
        let interval = interval.shifted(-started.second());
        if let Err(error) = self.timeline.add(agent.0, &interval) {
            self.note(self.roster.name(agent), format!("an interval was refused: {error}"));
        }
    }

    fn on_cue_done(&mut self, done: CueDone) {
        let sent = match done.result {
            Err(error) => Sent::Failed(error.to_string()),
            Ok(None) => Sent::Failed("the scenario has no such function".into()),
            Ok(Some(SoloOutcome { failure: Some(failure), .. })) => Sent::Failed(failure.to_string()),
            Ok(Some(outcome)) => self.sent_after(done.firing, &outcome),
        };
        self.cues.sent(done.firing, sent);
    }

    fn sent_after(&self, firing: u32, outcome: &SoloOutcome) -> Sent {
        let fired = self.cues.fired().iter().find(|fired| fired.announcement.firing == firing);
        match (outcome.first_sent, fired) {
            (Some(sent), Some(fired)) => Sent::After(self.clock.at(sent).0 - fired.announcement.at.0),
            _ => Sent::Nothing,
        }
    }

    /// What has become due, whoever said what.
    fn proceed(&mut self) {
        let now = self.clock.now();
        match self.phase {
            Phase::Gathering { until } => self.gather(until, now),
            Phase::Arming | Phase::Over => {}
            Phase::Running => self.play(now),
            Phase::Collecting { until } => {
                if now >= until || self.everyone_is_done() {
                    self.phase = Phase::Over;
                }
            }
        }
        let started = self.started.unwrap_or(now);
        self.progress.show(&self.timeline, &self.roster, self.end.versions(), started, now, &self.cues);
    }

    fn gather(&mut self, until: RunTime, now: RunTime) {
        if self.roster.len() >= self.settings.agents {
            self.phase = Phase::Arming;
            self.handle(Some(Event::Arm(Opening {
                loads: self.settings.plan.scenarios.iter().map(|scenario| scenario.load.clone()).collect(),
                slots: SLOTS,
                seed: self.settings.seed,
                quorum: self.settings.agents,
                within: ARMING,
            })));
        } else if now >= until {
            let (joined, wanted) = (self.roster.len(), self.settings.agents);
            self.fault(format!("only {joined} of {wanted} agents joined within {} s", JOINING.as_secs()));
        }
    }

    fn play(&mut self, now: RunTime) {
        let Some(started) = self.started else { return };
        let due = match self.end.versions() {
            Some(versions) => self.cues.due(versions, started, now),
            None => Vec::new(),
        };
        for (announcement, state) in due {
            self.fire(announcement, state);
        }
        let firings = self.firings();
        let aborts = self.watched.settle(&self.timeline, &firings);
        for breach in &aborts {
            self.note("threshold".into(), format!("{} is broken: the run is aborted", breach.text));
        }
        let over = !aborts.is_empty() || self.settings.plan.ends_after.is_some_and(|after| now >= started + after);
        let nobody_plays = self.roster.iter().all(|(_, member)| member.ended);
        if nobody_plays {
            self.ending = Ending::Fault("no agent is left".into());
        }
        if over || nobody_plays || (now > started && self.everyone_has_left()) {
            let stop = self.order_stop(StopKind::Graceful);
            self.handle(Some(stop));
        }
    }

    /// The firings of which it is known when they were sent.
    fn firings(&self) -> Vec<CueFiring> {
        let started = self.started.unwrap_or(RunTime::ZERO);
        let bound = self.timeline.health().values().map(|health| health.clock_bound_micros).max().unwrap_or(0);
        self.cues.fired().iter().filter_map(|fired| fired.firing(started, bound)).collect()
    }

    /// Announces a cue, and has its function called at the instant.
    fn fire(&mut self, announcement: rehearsal_link::CueAnnouncement, state: CueState) {
        let (firing, at, name) = (announcement.firing, self.clock.instant(announcement.at), announcement.name.clone());
        self.progress.say(&format!("cue {name} fires at {:.1} s", self.since_start(announcement.at)));
        self.handle(Some(Event::Announce(Arc::new(announcement))));
        let (director, done) = (self.director.clone(), self.cue_done.0.clone());
        tokio::spawn(async move {
            tokio::time::sleep_until(at).await;
            let result = director.call(&name, Some(state)).await;
            let _ = done.send(CueDone { firing, result }).await; // the run may be over
        });
    }

    /// Every planned user has come and gone, as far as all agents have reported, and no cue is still to come.
    fn everyone_has_left(&self) -> bool {
        let Some(ledger) = self.timeline.settled().and_then(|second| self.timeline.ledger_at(second).ok()) else {
            return false;
        };
        let left = ledger.users(UserState::Waiting) == 0 && ledger.users(UserState::Live) == 0;
        left && !self.cues.is_open()
    }

    fn everyone_is_done(&self) -> bool {
        let done = |member: &Member| {
            member.ended || matches!(member.presence, Some(PresenceState::Ended | PresenceState::Cleared))
        };
        self.roster.iter().all(|(_, member)| done(member)) && !self.cues.is_open()
    }

    fn finish(mut self) -> Outcome {
        self.progress.clear();
        let now = self.clock.now();
        let ended = self.load_ended.unwrap_or(now);
        Outcome {
            firings: self.firings(),
            breaches: self.watched.breaches().to_vec(),
            duration: self.started.map_or(Duration::ZERO, |started| ended.since(started)),
            timeline: self.timeline,
            fired: self.cues.fired().to_vec(),
            unfired: self.cues.unfired(),
            members: self.roster.into_members(),
            started: self.started,
            ending: self.ending,
            notes: self.notes,
            launcher: self.launcher,
        }
    }
}
