//! The loop that owns a run: takes what services, launcher, director and operator say, gives it to the pure
//! [`CoordinatorEnd`], performs the effects, and keeps the timeline.
//!
//! | phase | begins | ends |
//! |---|---|---|
//! | gathering | agents were launched | all have joined (or one of them has died: fault) |
//! | arming | all have joined | the link says that the run starts |
//! | running | version 1's instant | everybody has left, `ends_after`, the operator, or no agent is left |
//! | collecting | the stop was sent | every agent has handed in everything or has ended; at most [`COLLECTING`] |

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use rehearsal_engine::{RunClock, SoloOutcome};
use rehearsal_fleet::{Exit, Launcher, Local};
use rehearsal_link::coordinator::{CoordinatorConfig, Effect, Event, Notice, Opening};
use rehearsal_link::{Assignment, CoordinatorEnd, Epoch, LeaseTerms, PresenceState, Session, StopKind};
use rehearsal_metrics::{CueFiring, Interval, Limits, Timeline, UserState};
use rehearsal_plan::{AgentNumber, Plan, RunTime, Takeover};
use rehearsal_proto::v1;
use rehearsal_script::CueState;
use rehearsal_verdict::{Breach, WatchedThresholds};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;
use tonic::Status;

use super::cues::{CueBook, Fired, Sent};
use super::director::Director;
use super::progress::Progress;
use super::roster::{Member, Roster};
use super::services::Arrival;

/// Slots of the plan: enough that a thousand agents get fair shares, few enough to be sent with every version.
const SLOTS: usize = 1_024;
/// How long agents may take to join, and then to arm.
const JOINING: Duration = Duration::from_secs(30);
const ARMING: Duration = Duration::from_secs(30);
/// How long users may take to leave: 5 s for calls, 5 s for closing handshakes, and time to hand in the numbers.
const COLLECTING: Duration = Duration::from_secs(20);
const TICK: Duration = Duration::from_millis(50);

/// What a conductor is given.
pub struct Settings {
    /// The run's id.
    pub run_id: String,
    /// What is to be done.
    pub plan: Plan,
    /// The seed of everything random.
    pub seed: u64,
    /// What each agent gets, but for its own name.
    pub assignment: Assignment,
    /// How many agents there will be.
    pub agents: usize,
    /// Their weights in the order of joining; equal without.
    pub weights: Option<Vec<u32>>,
}

/// Why the load ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ending {
    /// Everybody had left, or the plan's end had come.
    ByItself,
    /// The operator stopped it.
    Operator,
    /// It could not go on.
    Fault(String),
}

/// What a run leaves behind.
pub struct Outcome {
    /// All numbers, in seconds since the start.
    pub timeline: Timeline,
    /// All firings.
    pub fired: Vec<Fired>,
    /// Those of them of which it is known when they were sent.
    pub firings: Vec<CueFiring>,
    /// Cues that never fired.
    pub unfired: Vec<String>,
    /// What thresholds with `for` or `abort` have seen.
    pub breaches: Vec<Breach>,
    /// The agents, by their number.
    pub members: BTreeMap<AgentNumber, Member>,
    /// When the run started, in run time; none if it never did.
    pub started: Option<RunTime>,
    /// From the start to the end of load.
    pub duration: Duration,
    /// Why it ended.
    pub ending: Ending,
    /// Things that happened and should be known.
    pub notes: Vec<Note>,
    /// The launcher, for ending what is left.
    pub launcher: Local,
}

/// Something that happened.
#[derive(Clone, Debug, PartialEq)]
pub struct Note {
    /// Whom it is about.
    pub subject: String,
    /// What happened.
    pub text: String,
    /// When, in seconds since the start.
    pub at_s: f64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
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
    end: CoordinatorEnd<Interval>,
    phase: Phase,
    sessions: HashMap<Session, mpsc::Sender<Result<v1::CoordinatorMessage, Status>>>,
    roster: Roster,
    timeline: Timeline,
    cues: CueBook,
    director: Director,
    cue_done: (mpsc::Sender<CueDone>, mpsc::Receiver<CueDone>),
    started: Option<RunTime>,
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

    fn fault(&mut self, text: String) {
        self.ending = Ending::Fault(text);
        self.phase = Phase::Over;
    }

    fn note(&mut self, subject: String, text: String) {
        let at_s = self.since_start(self.clock.now());
        self.progress.say(&format!("{subject}: {text}"));
        self.notes.push(Note { subject, text, at_s });
    }

    fn since_start(&self, at: RunTime) -> f64 {
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

    fn on_notice(&mut self, notice: Notice) {
        match notice {
            Notice::Started { at, without } => self.on_started(at, &without),
            Notice::NotStarted { armed, quorum } => {
                self.fault(format!(
                    "only {armed} of {quorum} agents were ready to start within {} s",
                    ARMING.as_secs()
                ));
            }
            Notice::Presence { agent, state } => self.on_presence(agent, state),
            Notice::Lost { agent, from, to } => self.on_lost(agent, from, to),
            Notice::Drained { agent } => {
                // It has handed in everything: what it reported last is the last it owed.
                let until = self.timeline.agents().get(&agent.0).and_then(|record| record.reported.end());
                self.timeline.left(agent.0, until.unwrap_or(0));
            }
            Notice::DoubleLoadPossible { agent, until } => {
                let until = self.since_start(until);
                self.note(self.roster.name(agent), format!("its users may be live twice until {until:.1} s"));
            }
            Notice::Refused { agent, .. } => {
                self.note(self.roster.name(agent), "a second process came with its number and was refused".into());
            }
            Notice::Violation { agent, what } => {
                let name = agent.map_or_else(|| "an agent".to_owned(), |agent| self.roster.name(agent));
                self.note(name, format!("broke the protocol: {what}"));
            }
            Notice::Superseded { .. } => self.fault("another coordinator leads this run".into()),
            Notice::Applied { agent, applied } if applied.missed > 0 => {
                let text = format!("took version {} late and dropped {} starts", applied.version, applied.missed);
                self.note(self.roster.name(agent), text);
            }
            Notice::Applied { .. } | Notice::Joined { .. } => {}
        }
    }

    fn on_started(&mut self, at: RunTime, without: &[AgentNumber]) {
        self.started = Some(at);
        self.phase = Phase::Running;
        if let Some(versions) = self.end.versions() {
            self.timeline.plan_users(versions.planned());
        }
        let playing: Vec<AgentNumber> =
            self.roster.iter().map(|(agent, _)| agent).filter(|agent| !without.contains(agent)).collect();
        for agent in playing {
            self.timeline.expects(agent.0, 0);
        }
        for agent in without {
            self.note(self.roster.name(*agent), "was not ready in time and plays no part".into());
        }
    }

    fn on_presence(&mut self, agent: AgentNumber, state: PresenceState) {
        let Some(member) = self.roster.get_mut(agent) else { return };
        let before = member.presence.replace(state);
        let expected = matches!(self.phase, Phase::Collecting { .. } | Phase::Over);
        let text = match state {
            PresenceState::Closed => "its connection is gone",
            PresenceState::Silent => "has not been heard for 3 s",
            PresenceState::Expired => "its lease has run out: its slots went to others",
            PresenceState::Connected if matches!(before, Some(PresenceState::Closed | PresenceState::Silent)) => {
                "is back"
            }
            _ => return,
        };
        if !expected {
            self.note(self.roster.name(agent), text.into());
        }
    }

    /// Users of a lost agent: those that were live, and those that it should have started by then.
    fn on_lost(&mut self, agent: AgentNumber, from: i64, to: RunTime) {
        let start = self.started.map_or(0, RunTime::second);
        let second = to.second() - start;
        if let Some(member) = self.roster.get_mut(agent) {
            member.lost = true;
        }
        self.timeline.lost(agent.0, second);
        let Some(record) = self.timeline.agents().get(&agent.0) else { return };
        let into = |state| record.users.iter().filter(|(_, to, _)| *to == state).map(|(.., n)| n).sum::<u64>();
        let out_of = |state| record.users.iter().filter(|(from, ..)| *from == state).map(|(.., n)| n).sum::<u64>();
        let live = into(UserState::Live).saturating_sub(out_of(UserState::Live));
        let told = out_of(UserState::Waiting);
        let owned = self.owned_before(agent, to);
        for (state, users) in [(UserState::Live, live), (UserState::Waiting, owned.saturating_sub(told))] {
            // Both moves are in the ledger's table.
            let _ = self.timeline.move_users(second, state, UserState::Lost, users);
        }
        let text =
            format!("was lost: nothing is known of it from {} s on; {live} live users went with it", from - start);
        self.note(self.roster.name(agent), text);
    }

    fn owned_before(&self, agent: AgentNumber, to: RunTime) -> u64 {
        let Some(versions) = self.end.versions() else { return 0 };
        let of =
            |scenario| versions.arrivals_of(agent, scenario, 0).take_while(|arrival| arrival.at < to).count() as u64;
        (0..versions.scenarios()).map(of).sum()
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

/// Ctrl-C and SIGTERM mean the same.
struct Interrupts {
    interrupt: Signal,
    terminate: Signal,
}

impl Interrupts {
    fn new() -> anyhow::Result<Self> {
        let listen = |kind| signal(kind).context("listening for signals");
        Ok(Self { interrupt: listen(SignalKind::interrupt())?, terminate: listen(SignalKind::terminate())? })
    }

    async fn recv(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

/// Ends what a launcher started; agents that were told goodbye have ended by themselves.
pub async fn end_agents(mut launcher: Local) -> anyhow::Result<()> {
    let left: Vec<_> = launcher.list().await?.into_iter().map(|launched| launched.instance).collect();
    launcher.terminate(&left).await?;
    if !launcher.list().await?.is_empty() {
        bail!("some agents could not be ended");
    }
    Ok(())
}
