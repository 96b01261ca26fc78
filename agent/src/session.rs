//! The agent's loop: gives events to the pure [`AgentEnd`] and performs the effects that it answers.
//!
//! It alone owns connection, clock and crew; everything else sends it messages.

mod drain;
mod ending;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{anyhow, bail};
use rand::Rng as _;
use rehearsal_engine::{Command, CueAnnouncement, RunClock, Stop};
use rehearsal_link::agent::{AgentConfig, Effect, Event};
use rehearsal_link::outbox::OutboxLimits;
use rehearsal_link::{AgentEnd, Applied, Assignment, Incarnation, MonoTime, Probe, StopKind, Stopping, ToAgent};
use rehearsal_metrics::Interval;
use rehearsal_plan::{AgentNumber, Instances, RunTime, Version, Versions};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::connection::{Connection, Dialer, News, log};
use crate::crew::{Crew, CrewNews};
use crate::identity::Identity;
use crate::missed::missed;
use crate::orders::{Order, stay};
use crate::probes::probe;
use crate::{Monotonic, NO_LAUNCHER};
use drain::Drain;
pub(crate) use ending::Ended;

/// How often leases and the run clock are looked at.
const TICK: Duration = Duration::from_millis(50);
/// How long after lease and drain an agent still tries to hand in its intervals.
const GIVE_UP: Duration = Duration::from_secs(60);
/// A running agent.
pub(crate) struct Session<C: Crew> {
    agent: AgentNumber,
    end: AgentEnd<Interval>,
    monotonic: Monotonic,
    clock: Arc<RunClock>,
    dialer: Dialer,
    connection: Option<Connection>,
    news: mpsc::Sender<News>,
    options: C::Options,
    crew: Option<C>,
    seed: u64,
    versions: Option<Versions>,
    /// The instances of the target as they were told last, if it is a service that is followed.
    instances: Option<Arc<Instances>>,
    /// Whether a coordinator has ever accepted it.
    welcomed: bool,
    /// Whether the agent waits for another run after this one.
    stays: bool,
    /// Why no coordinator took this agent, which stays: it was not even welcomed.
    unwelcome: Option<anyhow::Error>,
    /// Asks for the time, once there is somebody to ask; ends with the session.
    probing: JoinSet<()>,
    /// Since when arrivals are held because the lease ran out.
    held_since: Option<RunTime>,
    /// The load ends: when the users are gone the crew ends.
    stopping: bool,
    /// So it does when others have taken over.
    relieved: bool,
    ending: bool,
    drain: Option<Drain>,
    reports: Option<mpsc::Receiver<C::Report>>,
    inbox: mpsc::Receiver<News>,
}

impl<C: Crew> Session<C> {
    pub(crate) fn new(identity: &Identity, options: C::Options) -> Self {
        let (monotonic, agent) = (Monotonic::starting_now(), identity.agent());
        let config = AgentConfig {
            agent,
            incarnation: Incarnation(random_bytes()),
            build: env!("CARGO_PKG_VERSION").to_owned(),
            outbox: OutboxLimits::default(),
            give_up: GIVE_UP,
        };
        let (news, inbox) = mpsc::channel(64);
        Self {
            agent,
            end: AgentEnd::new(config, monotonic.now()),
            monotonic,
            clock: Arc::new(RunClock::starting_at(monotonic.origin())),
            dialer: Dialer::new(identity.clone()),
            connection: None,
            news,
            options,
            crew: None,
            seed: 0,
            versions: None,
            instances: None,
            welcomed: false,
            stays: identity.blob().stays,
            unwelcome: None,
            probing: JoinSet::new(),
            held_since: None,
            stopping: false,
            relieved: false,
            ending: false,
            drain: None,
            reports: None,
            inbox,
        }
    }

    /// Performs events and their effects until there is nothing more to do.
    async fn play(&mut self, orders: &mut mpsc::Receiver<Order>) -> anyhow::Result<()> {
        let (probes, mut probed) = mpsc::channel::<Probe>(4);
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        self.open(Duration::ZERO);
        loop {
            let mut events = VecDeque::new();
            tokio::select! {
                // What the coordinator says, and what becomes of the connection.
                Some(news) = self.inbox.recv() => events.extend(self.on_news(news, &probes)),
                // The time, from the connection of its own.
                Some(probe) = probed.recv() => events.push_back(Event::Probed(probe)),
                // What the users measured.
                Some(report) = receive(&mut self.reports) => self.on_report(report, &mut events),
                // The launcher or the operating system wants something of this agent.
                Some(order) = orders.recv() => {
                    let has_begun = self.versions.is_some();
                    if let Order::Drain { is_advice: true, reason, .. } = &order && !has_begun {
                        stay(reason);
                        continue;
                    }
                    // Whatever it is, this run is the last.
                    self.stays = false;
                    match order {
                        // Nothing of the run is here that could be lost.
                        Order::Drain { .. } if !has_begun => return Ok(()),
                        Order::Drain { reason, deadline, .. } => events.extend(self.drain(reason, deadline)),
                        Order::Orphaned if !self.welcomed => bail!(NO_LAUNCHER),
                        Order::Orphaned => events.push_back(Event::Orphaned),
                    }
                }
                // Leases run out by themselves.
                _ = tick.tick() => events.push_back(Event::Tick),
            }
            events.extend(self.end_when_idle());
            while let Some(event) = events.pop_front() {
                let effects = self.end.handle(event, self.monotonic.now());
                self.set_clock();
                for effect in effects {
                    if let Effect::Exit(exit) = effect {
                        return self.part(&exit).await;
                    }
                    events.extend(self.perform(effect)?);
                }
            }
            if let Some(why) = self.unwelcome.take() {
                return Err(why);
            }
            self.go_on_draining()?;
        }
    }

    fn open(&mut self, after: Duration) {
        self.connection = Some(Connection::open(self.dialer.clone(), after, self.news.clone()));
    }

    fn on_news(&mut self, news: News, probes: &mpsc::Sender<Probe>) -> Option<Event<Interval>> {
        match news {
            News::Connected => Some(Event::Connected),
            News::Message(message) => {
                if matches!(message, ToAgent::Welcome(_)) && !std::mem::replace(&mut self.welcomed, true) {
                    self.probing.spawn(probe(self.dialer.clone(), self.monotonic, probes.clone()));
                }
                Some(Event::Message(message))
            }
            // A connection that we gave up ourselves has been reported.
            News::Gone(why) => {
                self.connection.as_ref()?;
                self.note(why.or((!self.welcomed).then(|| anyhow!("the coordinator does not want this agent"))));
                self.hang_up()
            }
        }
    }

    /// Says why a connection is gone, or that no coordinator takes this agent.
    fn note(&mut self, why: Option<anyhow::Error>) {
        match why {
            Some(why) if self.stays && !self.welcomed => self.unwelcome = Some(why),
            Some(why) => log(&format!("{why:#}")),
            None => {}
        }
    }

    /// The engine's clock follows the link's: the offset moves by at most 500 ppm once a version holds.
    fn set_clock(&self) {
        let now = self.monotonic.now();
        if let Some(run_time) = self.end.clock().run_time(now) {
            self.clock.set_offset(run_time.0.saturating_sub_unsigned(now.0));
        }
        let until = |at: Option<MonoTime>| at.map_or(i64::MIN, |at| i64::try_from(at.0).unwrap_or(i64::MAX));
        self.clock.permit().set(until(self.end.arrivals_until()), until(self.end.users_until()));
    }

    /// What was measured goes the way of all events: whichever comes first after a sleep finds out how much time has passed.
    fn on_report(&mut self, report: C::Report, events: &mut VecDeque<Event<Interval>>) {
        let (intervals, ended) = match self.crew.as_mut().and_then(|crew| crew.take(report)) {
            None => return,
            Some(CrewNews::Intervals(intervals)) => (intervals, false),
            Some(CrewNews::Ended(intervals)) => (intervals, true),
        };
        events.extend(intervals.into_iter().map(|interval| Event::IntervalReady(self.with_clock_bound(interval))));
        events.extend(ended.then_some(Event::UsersGone));
    }

    fn with_clock_bound(&self, mut interval: Interval) -> Interval {
        let bound = self.end.clock().bound(self.monotonic.now());
        if let (Some(bound), Some(health)) = (bound, interval.health.values_mut().next_back()) {
            health.clock_bound_micros = bound.as_micros() as u64;
        }
        interval
    }

    fn tell(&self, command: &Command) {
        if let Some(crew) = &self.crew {
            crew.tell(command);
        }
    }

    fn perform(&mut self, effect: Effect<Interval>) -> anyhow::Result<Option<Event<Interval>>> {
        match effect {
            Effect::Send(message) => {
                let sent = self.connection.as_ref().is_some_and(|connection| connection.send(message));
                return Ok((!sent).then(|| self.hang_up()).flatten());
            }
            Effect::Dial { after } => self.open(after),
            Effect::HangUp(why) => {
                self.note(Some(why.into()));
                return Ok(self.hang_up());
            }
            Effect::Prepare(assignment) => return self.prepare(&assignment).map(Some),
            Effect::Apply(version) => return self.apply(&version).map(Some),
            Effect::Cue(cue) => self.tell(&Command::Cue(CueAnnouncement {
                firing: cue.firing,
                at: cue.at,
                id: cue.id.clone(),
                event: cue.event.clone(),
                pointer: cue.pointer.clone(),
            })),
            Effect::Follow(instances) => {
                self.crew.iter().for_each(|crew| crew.follow(&instances));
                self.instances = Some(instances);
            }
            Effect::StopArrivals => {
                self.held_since = Some(self.clock.now());
                self.tell(&Command::Hold(true));
            }
            Effect::ResumeArrivals => {
                self.held_since = None;
                self.tell(&Command::Hold(false));
            }
            Effect::LeaveAll => self.tell(&Command::SendAway),
            Effect::CutAll => self.tell(&Command::Cut),
            Effect::Relieve => {
                // What was due since the lease ran out is not this agent's to count: others may have played it.
                let from = self.held_since.take().unwrap_or_else(|| self.clock.now());
                self.relieve(from, Duration::ZERO);
            }
            Effect::Stop(kind) => {
                self.stopping = true;
                self.tell(&Command::Stop(match kind {
                    StopKind::Graceful => Stop::Graceful,
                    StopKind::Hard => Stop::Hard,
                }));
                return Ok(Some(Event::Stopping(Stopping { kind, at: self.clock.now() })));
            }
            Effect::Exit(_) => {}
        }
        Ok(None)
    }

    fn hang_up(&mut self) -> Option<Event<Interval>> {
        self.connection.take().map(|_| Event::Disconnected { random: rand::rng().next_u64() })
    }

    /// Compiling takes milliseconds, and nothing else is due before the agent is armed: it may hold up the link.
    fn prepare(&mut self, assignment: &Assignment) -> anyhow::Result<Event<Interval>> {
        let (crew, reports) = C::start(&self.options, assignment, self.agent, &self.clock)?;
        self.instances.iter().for_each(|instances| crew.follow(instances));
        (self.crew, self.reports, self.seed) = (Some(crew), Some(reports), assignment.seed);
        Ok(Event::Prepared)
    }

    fn apply(&mut self, version: &Version) -> anyhow::Result<Event<Interval>> {
        let mut versions = match &self.versions {
            Some(before) => before.clone(),
            None => Versions::first(version.at, version.loads.clone(), version.slots.clone(), self.seed),
        };
        if self.versions.is_some() {
            versions.push(version.clone())?;
        }
        let now = self.clock.now();
        let missed = missed(self.versions.as_ref(), &versions, self.agent, now);
        self.tell(&Command::Versions(Arc::new(versions.clone())));
        self.versions = Some(versions);
        Ok(Event::Applied(Applied { version: version.number, at: version.at.max(now), missed }))
    }

    fn relieve(&mut self, from: RunTime, over: Duration) {
        self.relieved = true;
        self.tell(&Command::Relieve { from, over });
    }

    /// Ends the crew when the last user is gone and none will come; without one nobody needs to be waited for. While the
    /// lease is out it is not known whether what was due is still to be counted here.
    fn end_when_idle(&mut self) -> Option<Event<Interval>> {
        let is_leaving = self.stopping || (self.relieved && self.held_since.is_none());
        if !is_leaving || self.ending || self.crew.as_ref().is_some_and(|crew| !crew.is_idle()) {
            return None;
        }
        self.ending = true;
        self.tell(&Command::End);
        self.crew.is_none().then_some(Event::UsersGone)
    }
}

async fn receive<R>(reports: &mut Option<mpsc::Receiver<R>>) -> Option<R> {
    match reports {
        Some(reports) => reports.recv().await,
        None => std::future::pending().await,
    }
}

fn random_bytes() -> [u8; 16] {
    let mut bytes = [0; 16];
    rand::rng().fill_bytes(&mut bytes);
    bytes
}
