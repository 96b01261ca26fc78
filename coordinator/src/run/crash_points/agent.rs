//! A simulated agent: the real end of the link, performed as an agent's session does, with a channel in place of a network.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{Rng as _, RngExt as _, SeedableRng as _};
use rehearsal_fleet::Guest;
use rehearsal_link::agent::{AgentConfig, Effect, Event, Exit};
use rehearsal_link::outbox::OutboxLimits;
use rehearsal_link::{
    AgentEnd, Applied, Incarnation, Leaving, MonoTime, Probe, Session, Stopping, ToAgent, ToCoordinator,
};
use rehearsal_metrics::Interval;
use rehearsal_plan::{AgentNumber, RunTime, Version, Versions};
use rehearsal_proto::v1::CoordinatorMessage;
use tokio::sync::{mpsc, oneshot};
use tonic::Status;

use super::crew::Crew;
use crate::run::services::Arrival;

/// Between an agent's word that it goes and its last arrival; users then leave over a time.
const NOTICE: Duration = Duration::from_millis(500);
const PACE: Duration = Duration::from_secs(1);

/// A connection, whose other end may be gone.
struct Line {
    session: Session,
    inbox: mpsc::Sender<Arrival>,
    messages: mpsc::Receiver<Result<CoordinatorMessage, Status>>,
}

/// The way to the coordinator, if it lives.
pub(super) struct Way<'a> {
    pub(super) inbox: &'a mpsc::Sender<Arrival>,
    pub(super) sessions: &'a mut u64,
}

/// How far an agent has come with its certificate; once it has one it never asks again.
enum Admission {
    Unasked,
    Asked(oneshot::Receiver<()>),
    Granted,
}

/// One agent.
pub(super) struct Agent {
    pub(super) number: AgentNumber,
    end: AgentEnd<Interval>,
    random: StdRng,
    /// When its process began, by the world's clock.
    began: RunTime,
    line: Option<Line>,
    dials_at: Option<RunTime>,
    admission: Admission,
    probes_at: RunTime,
    pub(super) crew: Option<Crew>,
    pub(super) versions: Option<Versions>,
    held_since: Option<RunTime>,
    is_stopping: bool,
    /// From when on its arrivals are somebody else's, by its own word.
    pub(super) leaves_from: Option<RunTime>,
    is_relieved: bool,
    is_ending: bool,
    pub(super) exit: Option<Exit>,
}

impl Agent {
    pub(super) fn new(number: AgentNumber, random: u64, now: RunTime) -> Self {
        let mut random = StdRng::seed_from_u64(random);
        let mut incarnation = [0; 16];
        random.fill_bytes(&mut incarnation);
        let config = AgentConfig {
            agent: number,
            incarnation: Incarnation(incarnation),
            build: "test".to_owned(),
            outbox: OutboxLimits::default(),
            give_up: Duration::from_secs(60),
        };
        Self {
            number,
            end: AgentEnd::new(config, MonoTime(0)),
            random,
            began: now,
            line: None,
            dials_at: Some(now),
            admission: Admission::Unasked,
            probes_at: now,
            crew: None,
            versions: None,
            held_since: None,
            is_stopping: false,
            leaves_from: None,
            is_relieved: false,
            is_ending: false,
            exit: None,
        }
    }

    /// Plays, speaks and listens for as long as nothing has to be waited for.
    pub(super) fn step(&mut self, now: RunTime, mut way: Option<Way<'_>>) {
        if self.exit.is_some() {
            return;
        }
        if !self.join(way.as_ref()) {
            return;
        }
        let dialled = self.dial(now, way.as_mut());
        self.take(dialled, now);
        if way.is_some() && now >= self.probes_at {
            self.probes_at = now + Duration::from_secs(1);
            let at = self.mono(now);
            let probe = Probe { sent: at, received: now, answered: now, returned: at };
            self.take(Some(Event::Probed(probe)), now);
        }
        while let Some(event) = self.hear() {
            self.take(Some(event), now);
        }
        let played = self.crew.as_mut().map(|crew| crew.play(now)).unwrap_or_default();
        for interval in played {
            self.take(Some(Event::IntervalReady(interval)), now);
        }
        self.take(Some(Event::Tick), now);
        let ended = self.end_when_idle(now);
        self.take(ended, now);
    }

    /// Goes in order, for a reason of its own.
    pub(super) fn drain(&mut self, now: RunTime) {
        let from = now + NOTICE;
        (self.leaves_from, self.is_relieved) = (Some(from), true);
        if let Some(crew) = &mut self.crew {
            crew.relieve(from, PACE, now);
        }
        let leaving = Leaving { from, reason: "a test".to_owned() };
        self.take(Some(Event::Leave(leaving)), now);
    }

    /// The coordinator is gone: of what it had said last, some may never arrive.
    pub(super) fn cut(&mut self) {
        let Some(line) = &mut self.line else { return };
        let arrived = match self.random.random_bool(0.5) {
            true => line.messages.len(),
            false => self.random.random_range(0..=line.messages.len()),
        };
        let (outgoing, messages) = mpsc::channel(arrived.max(1));
        for message in std::iter::from_fn(|| line.messages.try_recv().ok()).take(arrived) {
            outgoing.try_send(message).expect("there is room for all that arrived");
        }
        line.messages = messages;
    }

    fn mono(&self, now: RunTime) -> MonoTime {
        MonoTime((now.0 - self.began.0) as u64)
    }

    /// Asks to be admitted until it is.
    fn join(&mut self, way: Option<&Way<'_>>) -> bool {
        if let Admission::Asked(answer) = &mut self.admission {
            match answer.try_recv() {
                Ok(()) => self.admission = Admission::Granted,
                Err(oneshot::error::TryRecvError::Empty) => {}
                Err(oneshot::error::TryRecvError::Closed) => self.admission = Admission::Unasked,
            }
        }
        if let (Admission::Unasked, Some(way)) = (&self.admission, way) {
            let (stored, answer) = oneshot::channel();
            let guest = Guest { instance: format!("test:{}", self.number.0), ..Guest::default() };
            let joined = Arrival::Joined { agent: self.number, guest, stored };
            let _ = way.inbox.try_send(joined); // it may have died just now
            self.admission = Admission::Asked(answer);
        }
        matches!(self.admission, Admission::Granted)
    }

    fn dial(&mut self, now: RunTime, way: Option<&mut Way<'_>>) -> Option<Event<Interval>> {
        self.dials_at.take_if(|at| now >= *at)?;
        let Some(way) = way else { return Some(self.disconnected()) };
        *way.sessions += 1;
        let session = Session(*way.sessions);
        let (outgoing, messages) = mpsc::channel(256);
        let connected = way.inbox.try_send(Arrival::Connected { session, outgoing });
        self.line = Some(Line { session, inbox: way.inbox.clone(), messages });
        Some(if connected.is_ok() { Event::Connected } else { self.disconnected() })
    }

    fn disconnected(&mut self) -> Event<Interval> {
        self.line = None;
        Event::Disconnected { random: self.random.next_u64() }
    }

    fn hear(&mut self) -> Option<Event<Interval>> {
        let heard = self.line.as_mut()?.messages.try_recv();
        match heard {
            Ok(Ok(message)) => {
                Some(Event::Message(ToAgent::try_from(message).expect("it was understood before it went")))
            }
            Err(mpsc::error::TryRecvError::Empty) => None,
            Ok(Err(_)) | Err(mpsc::error::TryRecvError::Disconnected) => Some(self.disconnected()),
        }
    }

    fn take(&mut self, event: Option<Event<Interval>>, now: RunTime) {
        let mut events = VecDeque::from_iter(event);
        while let Some(event) = events.pop_front() {
            for effect in self.end.handle(event, self.mono(now)) {
                events.extend(self.perform(effect, now));
            }
        }
    }

    fn perform(&mut self, effect: Effect<Interval>, now: RunTime) -> Option<Event<Interval>> {
        match (effect, &mut self.crew) {
            (Effect::Send(message), _) => self.say(message),
            (Effect::Dial { after }, _) => self.dials_at = Some(now + after),
            (Effect::HangUp(why), _) => panic!("agent {} hung up: {why}", self.number.0),
            (Effect::Prepare(_), _) => {
                self.crew = Some(Crew::new(self.number));
                return Some(Event::Prepared);
            }
            (Effect::Apply(version), _) => return Some(self.apply(&version, now)),
            (Effect::Stop(kind), Some(crew)) => {
                self.is_stopping = true;
                crew.stop(now);
                return Some(Event::Stopping(Stopping { kind, at: now }));
            }
            (Effect::StopArrivals, Some(crew)) => {
                self.held_since = Some(now);
                crew.hold(true, now);
            }
            (Effect::ResumeArrivals, Some(crew)) => {
                self.held_since = None;
                crew.hold(false, now);
            }
            (Effect::LeaveAll | Effect::CutAll, Some(crew)) => crew.send_away(now),
            (Effect::Relieve, Some(crew)) => {
                self.is_relieved = true;
                crew.relieve(self.held_since.take().unwrap_or(now), Duration::ZERO, now);
            }
            (Effect::Exit(exit), _) => self.exit = Some(exit),
            (Effect::Cue(_) | Effect::Follow(_), _) | (_, None) => {}
        }
        None
    }

    fn say(&mut self, message: ToCoordinator<Interval>) {
        if let Some(Line { session, inbox, .. }) = &self.line {
            let _ = inbox.try_send(Arrival::Said { session: *session, message }); // it may have died just now
        }
    }

    fn apply(&mut self, version: &Version, now: RunTime) -> Event<Interval> {
        let versions = match self.versions.take() {
            None => Versions::first(version.at, version.loads.clone(), version.slots.clone(), super::world::SEED),
            Some(mut versions) => {
                versions.push(version.clone()).expect("a version follows the one before");
                versions
            }
        };
        let crew = self.crew.as_mut().expect("versions come to those that are armed");
        let missed = crew.take_versions(Arc::new(versions.clone()), now);
        self.versions = Some(versions);
        Event::Applied(Applied { version: version.number, at: version.at.max(now), missed })
    }

    fn end_when_idle(&mut self, now: RunTime) -> Option<Event<Interval>> {
        let is_leaving = self.is_stopping || (self.is_relieved && self.held_since.is_none());
        if !is_leaving || self.is_ending || !self.crew.as_ref().is_none_or(|crew| crew.is_idle(now)) {
            return None;
        }
        self.is_ending = true;
        for interval in self.crew.as_mut().map(Crew::end).unwrap_or_default() {
            self.take(Some(Event::IntervalReady(interval)), now);
        }
        Some(Event::UsersGone)
    }
}
