//! The course of a run as a pure function: state and event in, state and effects out.
//!
//! | state | event | next | effects |
//! |---|---|---|---|
//! | `Launching` | `Launched` | `Gathering` | |
//! | `Gathering` | `Joined`, all of them | `Armed` | arm |
//! | `Gathering` | its time is up, and the fewest that will do are there | `Armed` | arm |
//! | `Gathering` | its time is up otherwise | `Failed` | end |
//! | `Gathering` | an agent `Vanished` that can be done without | `Gathering`, for one fewer | |
//! | `Gathering` | another agent `Vanished` | `Failed` | end |
//! | `Armed` | `Started` | `Running` | |
//! | `Armed` | `NotStarted` | `Failed` | end |
//! | before `Running` | stop | `Cancelled` | end |
//! | before `Running` | any other command | | refuse |
//! | `Running` | pause, resume, scale, cue | | perform it, or refuse what makes no sense now |
//! | `Running` | stop | `Stopping` | stop, gracefully or hard |
//! | `Running` | `LoadOver`, `OutOfBudget` | `Stopping` | stop gracefully |
//! | `Running` | `StoppedBefore` | `Stopping` | stop likewise |
//! | `Stopping` | stop now, after a graceful stop | `Stopping` | stop hard |
//! | `Stopping` | `UsersGone` | `Collecting` | |
//! | `Stopping`, `Collecting` | `AllIn`, or its time is up | `Collecting` | end |
//! | `Stopping`, `Collecting` | any other command | | refuse |
//! | `Collecting` | `Judged` | `Judged` | end, if it has not ended |
//! | any but the last three | `Fault` | `Failed`; from `Running` on, `Collecting` | end |
//!
//! States only go forward. `Judged`, `Failed` and `Cancelled` are final: whatever comes then changes nothing.
//! What was measured before a fault is judged as far as it goes, so a run that had started ends in `Judged`.

use std::time::Duration;

use rehearsal_api::Command;
use rehearsal_link::StopKind;
use rehearsal_plan::RunTime;
use rehearsal_report::view::RunState;

use super::outcome::Ending;

/// How long agents of this machine may take to join.
const JOINING: Duration = Duration::from_secs(30);
/// The same for instances, which boot first and download their agent.
const BOOTING: Duration = Duration::from_secs(5 * 60);
/// How long the run waits for agents that come by themselves: somebody has to start them.
const WAITING: Duration = Duration::from_secs(1_800);
/// How long users may take to leave: 5 s for calls, 5 s for closing handshakes, and time to hand in the numbers.
const COLLECTING: Duration = Duration::from_secs(20);
/// The same after a hard stop, which waits for no handshake.
const COLLECTING_HARD: Duration = Duration::from_secs(5);

/// How many agents a run starts with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gathering {
    /// As many as are expected.
    pub wanted: usize,
    /// How many are to play; those beyond are spares.
    pub players: usize,
    /// With fewer it does not start.
    pub least: usize,
    /// How long they may take.
    pub within: Duration,
}

impl Gathering {
    /// All of these processes of this machine.
    pub fn local(agents: usize) -> Self {
        Self { wanted: agents, players: agents, least: agents, within: JOINING }
    }

    /// All of these, whoever starts them.
    pub fn by_themselves(agents: usize) -> Self {
        Self { wanted: agents, players: agents, least: agents, within: WAITING }
    }

    /// These instances, or most of them; those over `players` are spares.
    pub fn instances(wanted: usize, players: usize, least: usize) -> Self {
        Self { wanted, players, least: least.min(wanted).max(1), within: BOOTING }
    }
}

/// Where a run is on its way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Lifecycle {
    pub(crate) state: RunState,
    /// Whether plan time stands still.
    pub(super) paused: bool,
    /// The stop in force.
    pub(super) stop: Option<StopKind>,
    /// Why the load ended, as far as it is known.
    pub(super) ending: Ending,
    /// Agents that are to join before the start.
    gathering: Gathering,
    /// How many have.
    joined: usize,
    /// When the patience of the present state ends.
    until: Option<RunTime>,
}

/// What happens to a run.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Event {
    /// The agents were ordered.
    Launched,
    /// So many agents have joined by now.
    Joined(usize),
    /// An agent's process ended before it had joined.
    Vanished(String),
    /// The plan's first version has its instant.
    Started,
    /// Too few agents were ready.
    NotStarted(String),
    /// An operator wants something.
    Command(Command),
    /// The plan is through, or something in it ends the load.
    LoadOver,
    /// The fleet has cost nearly what it may.
    OutOfBudget(String),
    /// Agents were stopped by a former life of the coordinator, which died before it could write that down.
    StoppedBefore(StopKind),
    /// No user is left.
    UsersGone,
    /// Every agent has handed in everything or has ended.
    AllIn,
    /// It cannot go on.
    Fault(String),
    /// The verdict is there.
    Judged,
    /// Time passes.
    Tick,
}

/// What follows.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Effect {
    /// Prepare the agents for the start.
    Arm,
    /// End the load.
    Stop(StopKind),
    /// Do what the operator wants: pause, resume, scale or a cue.
    Perform(Command),
    /// Tell the operator why not.
    Refuse(String),
    /// Leave the loop: nothing more is to come.
    End,
}

impl Lifecycle {
    /// A run whose agents are about to be launched, or come by themselves.
    pub(super) fn new(gathering: Gathering) -> Self {
        let (state, ending) = (RunState::Launching, Ending::ByItself);
        Self { state, paused: false, stop: None, ending, gathering, joined: 0, until: None }
    }

    /// A run whose coordinator has come back. Agents have `redial` to find it again.
    pub(super) fn resumed(
        self,
        (state, ending): (RunState, Ending),
        (paused, stop): (bool, Option<StopKind>),
        redial: Duration,
        now: RunTime,
    ) -> Self {
        let until = match state {
            RunState::Gathering => Some(now + self.gathering.within),
            RunState::Stopping => Some(now + redial + COLLECTING),
            _ => None,
        };
        Self { state, paused, stop, ending, until, ..self }
    }

    /// Takes an event at an instant; the table is that of the module.
    pub(super) fn step(self, event: Event, now: RunTime) -> (Self, Vec<Effect>) {
        use RunState::{Armed, Cancelled, Collecting, Draft, Failed, Gathering, Judged, Launching, Running, Stopping};
        match (self.state, event) {
            (Judged | Failed | Cancelled, Event::Command(_)) => self.refuse("the run is over"),
            (Judged | Failed | Cancelled, _) => (self, vec![]),
            (_, Event::Command(command)) => self.obey(command, now),
            (Running | Stopping | Collecting, Event::Fault(text)) => {
                let ending = Ending::Fault(text);
                (Self { state: Collecting, ending, until: None, ..self }, vec![Effect::End])
            }
            (_, Event::Fault(text) | Event::NotStarted(text)) => self.fail(text),
            (Draft | Launching, Event::Launched) => {
                let until = Some(now + self.gathering.within);
                (Self { state: Gathering, until, ..self }, vec![])
            }
            (Gathering, Event::Joined(agents)) if agents >= self.gathering.wanted => self.arm(),
            (Gathering, Event::Joined(joined)) => (Self { joined, ..self }, vec![]),
            (Gathering, Event::Vanished(_)) if self.gathering.wanted > self.gathering.least => {
                let gathering = self.gathering;
                (Self { gathering: self::Gathering { wanted: gathering.wanted - 1, ..gathering }, ..self }, vec![])
            }
            (Gathering, Event::Vanished(text)) => self.fail(text),
            (Gathering, Event::Tick) if self.is_late(now) && self.joined >= self.gathering.least => self.arm(),
            (Gathering, Event::Tick) if self.is_late(now) => {
                let self::Gathering { wanted, least, within, .. } = self.gathering;
                let musts = if least < wanted { format!(", and {least} are a must") } else { String::new() };
                let text = format!("{} of {wanted} agents joined within {} s{musts}", self.joined, within.as_secs());
                self.fail(text)
            }
            (Armed, Event::Started) => (Self { state: Running, ..self }, vec![]),
            (Running, Event::LoadOver) => self.stop(StopKind::Graceful, now),
            (Running, Event::OutOfBudget(why)) => {
                Self { ending: Ending::Fault(why), ..self }.stop(StopKind::Graceful, now)
            }
            (Running, Event::StoppedBefore(kind)) => Self { ending: Ending::Operator, ..self }.stop(kind, now),
            (Stopping, Event::UsersGone) => (Self { state: Collecting, ..self }, vec![]),
            (Stopping | Collecting, Event::AllIn) => (Self { state: Collecting, ..self }, vec![Effect::End]),
            (Stopping | Collecting, Event::Tick) if self.is_late(now) => {
                (Self { state: Collecting, until: None, ..self }, vec![Effect::End])
            }
            (Collecting, Event::Judged) => (Self { state: Judged, ..self }, vec![Effect::End]),
            _ => (self, vec![]),
        }
    }

    /// The run once it has its verdict.
    pub(crate) fn judged(self) -> Self {
        self.step(Event::Judged, RunTime::ZERO).0
    }

    fn obey(self, command: Command, now: RunTime) -> (Self, Vec<Effect>) {
        use RunState::{Collecting, Running, Stopping};
        match (self.state, command) {
            (Running, Command::Stop { now: hard }) => {
                let kind = if hard { StopKind::Hard } else { StopKind::Graceful };
                Self { ending: Ending::Operator, ..self }.stop(kind, now)
            }
            (Stopping, Command::Stop { now: true }) if self.stop == Some(StopKind::Graceful) => {
                Self { ending: Ending::Operator, ..self }.stop(StopKind::Hard, now)
            }
            (Stopping | Collecting, Command::Stop { .. }) => self.refuse("the run is stopping already"),
            (Stopping | Collecting, _) => self.refuse("the load has ended"),
            (Running, Command::Pause) if self.paused => self.refuse("arrivals are paused already"),
            (Running, Command::Resume) if !self.paused => self.refuse("arrivals are not paused"),
            (Running, command) => {
                let paused = match command {
                    Command::Pause => true,
                    Command::Resume => false,
                    _ => self.paused,
                };
                (Self { paused, ..self }, vec![Effect::Perform(command)])
            }
            (_, Command::Stop { .. }) => {
                let ending = Ending::Operator;
                (Self { state: RunState::Cancelled, ending, until: None, ..self }, vec![Effect::End])
            }
            _ => self.refuse("the run has not started: wait for its first second"),
        }
    }

    fn arm(self) -> (Self, Vec<Effect>) {
        (Self { state: RunState::Armed, until: None, ..self }, vec![Effect::Arm])
    }

    fn stop(self, kind: StopKind, now: RunTime) -> (Self, Vec<Effect>) {
        let patience = if kind == StopKind::Hard { COLLECTING_HARD } else { COLLECTING };
        let until = Some(now + patience);
        (Self { state: RunState::Stopping, stop: Some(kind), until, ..self }, vec![Effect::Stop(kind)])
    }

    fn fail(self, text: String) -> (Self, Vec<Effect>) {
        (Self { state: RunState::Failed, ending: Ending::Fault(text), until: None, ..self }, vec![Effect::End])
    }

    fn refuse(self, why: &str) -> (Self, Vec<Effect>) {
        (self, vec![Effect::Refuse(why.to_owned())])
    }

    fn is_late(&self, now: RunTime) -> bool {
        self.until.is_some_and(|until| now >= until)
    }
}

#[cfg(test)]
#[path = "lifecycle/tests.rs"]
mod tests;
