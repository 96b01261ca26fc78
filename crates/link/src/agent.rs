//! The agent's end of the link as one machine: connection, intervals, lease, clock, versions and the way out.
//!
//! | connection | event | next | effects |
//! |---|---|---|---|
//! | `Down` | `Connected` | `Greeting` | send hello |
//! | `Greeting` | welcome of a known or newer epoch | `Up` | send again what the loss of a connection may have swallowed |
//! | `Greeting` | welcome of a lower epoch, any other message | `HungUp` | hang up |
//! | `Up` | impossible message (gap of versions, false acknowledgement) | `HungUp` | hang up |
//! | `Greeting`, `Up` | nothing heard for L/4 | `HungUp` | hang up |
//! | any | `Disconnected` | `Down` | dial after a jittered delay |
//! | `Up` | goodbye | over | say farewell, exit |
//! | any | nothing heard for lease, drain and [`AgentConfig::give_up`] | over | exit |
//!
//! Independent of the connection, each step of [`LeasePhase`] is performed once, whichever event reveals it. The
//! executor ticks at least every 100 ms; between ticks user threads keep to [`AgentEnd::arrivals_until`] themselves.

mod interface;

use std::sync::Arc;
use std::time::Duration;

use rehearsal_plan::{RunTime, Version};

pub use interface::{AgentConfig, Effect, Event, Exit, HangUp};

use crate::clock::{ASSUMED_DRIFT_PPM, RunClock};
use crate::fence::{EpochFence, EpochStep};
use crate::identity::MonoTime;
use crate::lease::{AgentLease, LeasePhase, LeaseTerms};
use crate::message::{Applied, Hello, Leaving, Readiness, StopKind, Stopping, ToAgent, ToCoordinator, Welcome};
use crate::outbox::{Coarsen, Outbox};
use crate::redial::Redial;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Connection {
    Down,
    Greeting,
    Up,
    HungUp,
}

/// The agent's end of the link.
#[derive(Debug, Clone)]
pub struct AgentEnd<T> {
    config: AgentConfig,
    connection: Connection,
    /// When the coordinator was heard last, or this end was made.
    heard: MonoTime,
    redial: Redial,
    epoch: EpochFence,
    lease: AgentLease,
    /// The last phase whose effects were performed.
    phase: LeasePhase,
    heartbeat_due: MonoTime,
    round_trip: Duration,
    clock: RunClock,
    outbox: Outbox<T>,
    readiness: Readiness,
    /// Whether the engine is ready; the agent is armed when its clock is, too.
    prepared: bool,
    /// The newest version received.
    version: u64,
    applied: Option<Applied>,
    leaving: Option<Leaving>,
    /// Whether it was told that its slots are gone for good.
    relieved: bool,
    stop: Option<StopKind>,
    stopping: Option<Stopping>,
    users_gone: bool,
    /// Whether `Drained` was said on the present connection.
    drained_said: bool,
    over: bool,
    effects: Vec<Effect<T>>,
}

impl<T: Coarsen + Clone> AgentEnd<T> {
    /// An agent that has not dialled yet; the executor's first act is to dial.
    pub fn new(config: AgentConfig, now: MonoTime) -> Self {
        let terms = LeaseTerms::default();
        AgentEnd {
            connection: Connection::Down,
            heard: now,
            redial: Redial::new(terms.lease),
            epoch: EpochFence::default(),
            lease: AgentLease::new(terms),
            phase: LeasePhase::Unheld,
            heartbeat_due: now,
            round_trip: Duration::ZERO,
            clock: RunClock::new(ASSUMED_DRIFT_PPM),
            outbox: Outbox::new(config.outbox),
            readiness: Readiness::Unassigned,
            prepared: false,
            version: 0,
            applied: None,
            leaving: None,
            relieved: false,
            stop: None,
            stopping: None,
            users_gone: false,
            drained_said: false,
            over: false,
            effects: Vec::new(),
            config,
        }
    }

    /// Takes an event and gives the effects to perform, in order. After [`Effect::Exit`] there are no more.
    pub fn handle(&mut self, event: Event<T>, now: MonoTime) -> Vec<Effect<T>> {
        if self.over {
            return Vec::new();
        }
        match event {
            Event::Connected => self.greet(now),
            Event::Disconnected { random } => self.dial_again(random),
            Event::Message(message) => self.hear(message, now),
            Event::Probed(probe) => self.clock.observe(probe, now),
            Event::Tick => {}
            Event::IntervalReady(interval) => self.outbox.push(interval),
            Event::Prepared => self.prepared = true,
            Event::Applied(applied) => {
                self.applied = Some(applied);
                self.say(ToCoordinator::Applied(applied));
            }
            Event::Stopping(stopping) => {
                self.stopping = Some(stopping);
                self.say(ToCoordinator::Stopping(stopping));
            }
            Event::Leave(leaving) => {
                // Whoever is asked twice goes for the first reason, at the earlier instant.
                let from = self.leaves_from().map_or(leaving.from, |earlier| earlier.min(leaving.from));
                self.leaving = Some(Leaving { from, ..self.leaving.take().unwrap_or(leaving) });
                self.say_leaving();
            }
            Event::Orphaned => self.config.give_up = Duration::ZERO,
            Event::UsersGone => self.users_gone = true,
        }
        self.follow_lease(now);
        self.give_up_what_is_dead(now);
        self.say_what_is_due(now);
        std::mem::take(&mut self.effects)
    }

    /// The instant from which no arrival may start, whatever its own instant; `None` if none may start at all.
    pub fn arrivals_until(&self) -> Option<MonoTime> {
        self.lease.arrivals_until()
    }

    /// The instant from which no user may do anything; `None` if none may at all.
    pub fn users_until(&self) -> Option<MonoTime> {
        self.lease.users_until()
    }

    /// The run time from which no arrival may be due, if the agent leaves.
    pub fn leaves_from(&self) -> Option<RunTime> {
        self.leaving.as_ref().map(|leaving| leaving.from)
    }

    /// Whether an arrival that is due at `due` may start now.
    pub fn may_start(&self, due: RunTime, now: MonoTime) -> bool {
        self.arrivals_until().is_some_and(|until| now < until) && self.leaves_from().is_none_or(|from| due < from)
    }

    /// The clock that maps this process's time to run time.
    pub fn clock(&self) -> &RunClock {
        &self.clock
    }

    /// The intervals that are not known to be stored.
    pub fn outbox(&self) -> &Outbox<T> {
        &self.outbox
    }

    fn greet(&mut self, now: MonoTime) {
        self.connection = Connection::Greeting;
        self.heard = now;
        self.effects.push(Effect::Send(ToCoordinator::Hello(Hello {
            agent: self.config.agent,
            incarnation: self.config.incarnation,
            epoch: self.epoch.highest(),
            version: self.version,
            readiness: self.readiness,
            build: self.config.build.clone(),
        })));
    }

    fn dial_again(&mut self, random: u64) {
        self.connection = Connection::Down;
        self.effects.push(Effect::Dial { after: self.redial.next_delay(random) });
    }

    fn hear(&mut self, message: ToAgent, now: MonoTime) {
        let heard = match (self.connection, message) {
            // What was still on its way when this end hung up is of a connection that no longer counts.
            (Connection::Down | Connection::HungUp, _) => return,
            (Connection::Greeting, ToAgent::Welcome(welcome)) => self.welcomed(&welcome, now),
            (Connection::Greeting, _) => Err(HangUp::NotWelcomed),
            (Connection::Up, message) => self.obey(message, now),
        };
        self.heard = now;
        if let Err(reason) = heard {
            self.hang_up(reason);
        }
    }

    fn welcomed(&mut self, welcome: &Welcome, now: MonoTime) -> Result<(), HangUp> {
        match self.epoch.admit(welcome.epoch) {
            EpochStep::Stale => return Err(HangUp::StaleEpoch),
            EpochStep::Newer => self.clock.forget_probes(),
            EpochStep::Same => {}
        }
        self.outbox.resumed(welcome.mark)?;
        self.lease.set_terms(welcome.lease);
        self.connection = Connection::Up;
        self.heartbeat_due = now;
        self.drained_said = false;
        if let Some(applied) = self.applied {
            self.say(ToCoordinator::Applied(applied));
        }
        if let Some(stopping) = self.stopping {
            self.say(ToCoordinator::Stopping(stopping));
        }
        self.say_leaving();
        Ok(())
    }

    fn obey(&mut self, message: ToAgent, now: MonoTime) -> Result<(), HangUp> {
        match message {
            ToAgent::Welcome(_) => {}
            ToAgent::Assignment(assignment) if self.readiness == Readiness::Unassigned => {
                self.readiness = Readiness::Assigned;
                self.effects.push(Effect::Prepare(assignment));
            }
            ToAgent::Assignment(_) => {}
            ToAgent::Ack { number } => self.outbox.acknowledged(number)?,
            ToAgent::HeartbeatAnswer { sequence } => {
                if let Some(round_trip) = self.lease.answered(sequence, now) {
                    self.round_trip = round_trip;
                    self.redial = Redial::new(self.lease.terms().lease);
                }
            }
            ToAgent::Version(version) => self.take_version(version)?,
            ToAgent::Cue(cue) => self.effects.push(Effect::Cue(cue)),
            ToAgent::Instances(instances) => self.effects.push(Effect::Follow(instances)),
            ToAgent::Stop(kind) => self.stop(kind),
            ToAgent::Fenced => self.lease.fence(now),
            ToAgent::Goodbye => {
                self.say(ToCoordinator::Farewell);
                self.exit(Exit::Done);
            }
        }
        Ok(())
    }

    fn take_version(&mut self, version: Arc<Version>) -> Result<(), HangUp> {
        let expected = self.version + 1;
        if version.number > expected {
            return Err(HangUp::VersionGap { got: version.number, expected });
        }
        if version.number == expected {
            self.version = expected;
            self.clock.hold();
            self.effects.push(Effect::Apply(version));
        }
        Ok(())
    }

    /// Stops once, and once more if a graceful stop becomes a hard one.
    fn stop(&mut self, kind: StopKind) {
        if self.stop.is_none() || (self.stop == Some(StopKind::Graceful) && kind == StopKind::Hard) {
            self.stop = Some(kind);
            self.effects.push(Effect::Stop(kind));
        }
    }

    /// Performs each phase between the last one performed and the present one, once.
    fn follow_lease(&mut self, now: MonoTime) {
        let phase = self.lease.phase(now);
        if phase == LeasePhase::Held && self.phase > phase {
            self.effects.push(Effect::ResumeArrivals);
        }
        let crossed = [LeasePhase::ArrivalsStopped, LeasePhase::UsersLeaving, LeasePhase::UsersGone];
        for step in crossed.into_iter().filter(|step| *step > self.phase && *step <= phase) {
            self.effects.push(match step {
                LeasePhase::ArrivalsStopped => Effect::StopArrivals,
                LeasePhase::UsersLeaving => Effect::LeaveAll,
                _ => Effect::CutAll,
            });
        }
        self.phase = phase;
        if self.lease.is_fenced() && !std::mem::replace(&mut self.relieved, true) {
            self.effects.push(Effect::Relieve);
        }
    }

    fn give_up_what_is_dead(&mut self, now: MonoTime) {
        let unheard = now.since(self.heard);
        let terms = self.lease.terms();
        let connected = matches!(self.connection, Connection::Greeting | Connection::Up);
        if connected && unheard >= terms.hang_up_after() {
            self.hang_up(HangUp::Unheard);
        }
        if unheard >= terms.lease + terms.drain + self.config.give_up {
            self.exit(Exit::Abandoned { unacknowledged: self.outbox.unacknowledged() });
        }
    }

    fn say_what_is_due(&mut self, now: MonoTime) {
        if self.connection != Connection::Up || self.over {
            return;
        }
        // Not before the welcome: the hello has said how far this is, and nobody would hear more.
        if self.readiness == Readiness::Assigned && self.prepared && self.clock.bound(now).is_some() {
            self.readiness = Readiness::Armed;
            self.say(ToCoordinator::Armed);
        }
        if now >= self.heartbeat_due {
            self.heartbeat_due = now + self.lease.terms().heartbeat_every();
            let sequence = self.lease.send_heartbeat(now);
            self.say(ToCoordinator::Heartbeat { sequence, round_trip: self.round_trip });
        }
        while let Some((number, payload)) = self.outbox.next_to_send() {
            self.effects.push(Effect::Send(ToCoordinator::Interval { number, payload: payload.clone() }));
        }
        if self.users_gone && self.outbox.is_drained() && !self.drained_said {
            self.drained_said = true;
            self.say(ToCoordinator::Drained);
        }
    }

    fn say_leaving(&mut self) {
        if let Some(leaving) = self.leaving.clone() {
            self.say(ToCoordinator::Leaving(leaving));
        }
    }

    /// Sends if the connection stands; whatever must not be lost is said again after the next welcome.
    fn say(&mut self, message: ToCoordinator<T>) {
        if self.connection == Connection::Up {
            self.effects.push(Effect::Send(message));
        }
    }

    fn hang_up(&mut self, reason: HangUp) {
        self.connection = Connection::HungUp;
        self.effects.push(Effect::HangUp(reason));
    }

    fn exit(&mut self, exit: Exit) {
        if !self.over {
            self.over = true;
            self.effects.push(Effect::Exit(exit));
        }
    }
}

#[cfg(test)]
mod tests;
