//! What operators want of a running run, and the answers they get: which version of the plan it became, from when on
//! it holds, and which agents put it in force when.
//!
//! ```text
//! order ──► lifecycle ──► change of the plan ──► stored ──► sent ──► agents say "applied" ──► answer
//!               └── refused: answer at once
//! ```

use std::collections::BTreeSet;
use std::time::Duration;

use rehearsal_api::{Answer, Applied, Command, Refusal};
use rehearsal_link::coordinator::Event;
use rehearsal_link::{PresenceState, StopKind};
use rehearsal_metrics::Interval;
use rehearsal_plan::{AgentNumber, Change, PlanRate, RunTime, Scale, duration, scaled_loads};
use rehearsal_report::view::EventKind;
use tokio::sync::oneshot;

use super::conductor::Conductor;
use super::lifecycle;
use super::roster::Member;

/// How long after its instant a command waits for agents that have not said that they put it in force.
const PATIENCE: Duration = Duration::from_secs(2);

/// An agent that has a command in force later than this after its instant is said to be late, in seconds.
const LATE_S: f64 = 0.01;

/// An operator's command on its way to the conductor.
pub(crate) struct Order {
    /// What is wanted.
    pub(crate) command: Command,
    /// By whom.
    pub(crate) by: String,
    /// Where the answer goes; whoever asked may have gone.
    pub(crate) answer: oneshot::Sender<Result<Answer, Refusal>>,
}

/// What agents say when they have done it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Word {
    /// They put this version in force.
    Version(u64),
    /// They stopped in this way.
    Stop(StopKind),
}

/// A command that is being put in force.
struct Awaited {
    word: Word,
    answer: Answer,
    to: oneshot::Sender<Result<Answer, Refusal>>,
    open: BTreeSet<AgentNumber>,
    until: RunTime,
}

/// All commands that are being put in force.
#[derive(Default)]
pub(super) struct Orders(Vec<Awaited>);

impl Orders {
    /// Notes that an agent has put a command in force.
    fn heard(&mut self, agent: AgentNumber, word: Word, by: &Applied) {
        for awaited in self.0.iter_mut().filter(|awaited| awaited.word == word) {
            if awaited.open.remove(&agent) {
                awaited.answer.applied.push(by.clone());
            }
        }
    }

    /// Takes out the commands that every agent has put in force, and those whose time is up.
    fn done(&mut self, now: RunTime) -> Vec<Awaited> {
        self.0.extract_if(.., |awaited| awaited.open.is_empty() || now >= awaited.until).collect()
    }
}

impl Conductor {
    /// Takes an operator's command; the answer may come later.
    pub(super) fn on_order(&mut self, order: Order) -> Option<Event<Interval>> {
        let Order { command, by, answer } = order;
        let effects = self.step(lifecycle::Event::Command(command.clone()));
        for effect in effects {
            let done = match effect {
                lifecycle::Effect::Perform(command) => self.perform_command(&command, &by),
                lifecycle::Effect::Stop(kind) => Ok(self.stop_for(kind, &by)),
                lifecycle::Effect::Refuse(why) => Err(Refusal::Conflict(why)),
                lifecycle::Effect::End => Ok(self.called_off(&by)),
                lifecycle::Effect::Arm => continue,
            };
            match done {
                Err(refusal) => {
                    self.tell(EventKind::Control, &by, format!("{} was refused: {refusal}", told(&command)));
                    let _ = answer.send(Err(refusal));
                    return None;
                }
                Ok(Performed { text, at, word, next }) => {
                    self.tell(EventKind::Control, &by, text.clone());
                    self.await_word(answer, &command, &by, text, at, word);
                    return next;
                }
            }
        }
        None
    }

    /// Answers when all agents that can have said the word, or at once if none has to.
    fn await_word(
        &mut self,
        to: oneshot::Sender<Result<Answer, Refusal>>,
        command: &Command,
        by: &str,
        text: String,
        at: RunTime,
        word: Option<Word>,
    ) {
        let version = match word {
            Some(Word::Version(version)) => Some(version),
            _ => None,
        };
        let answer = Answer {
            command: told(command),
            by: by.to_owned(),
            version,
            at_s: self.since_start(at),
            applied: Vec::new(),
            pending: Vec::new(),
            text,
        };
        match word {
            None if self.is_over => {
                let _ = to.send(Ok(answer)); // whoever asked may have gone
            }
            None => {
                // An order that was answered holds, whatever dies then.
                let (stored, is_stored) = oneshot::channel();
                self.keeper.tell(stored);
                tokio::spawn(async move {
                    if is_stored.await.is_ok() {
                        let _ = to.send(Ok(answer)); // whoever asked may have gone
                    }
                });
            }
            Some(word) => {
                // Of those whose slots are others' nobody waits for a word.
                let gone = self.end.presences().filter(|(_, state)| *state >= PresenceState::Expired);
                let gone: BTreeSet<AgentNumber> = gone.map(|(agent, _)| agent).collect();
                let can = |(agent, member): &(AgentNumber, &Member)| !member.ended && !gone.contains(agent);
                let open = self.roster.iter().filter(can).map(|(agent, _)| agent).collect();
                self.orders.0.push(Awaited { word, answer, to, open, until: at.max(self.now()) + PATIENCE });
            }
        }
    }

    /// An agent says that it put something in force.
    pub(super) fn heard_word(&mut self, agent: AgentNumber, word: Word, at: RunTime, missed: u64) {
        if let Word::Version(number) = word {
            let versions = self.end.versions().into_iter().flat_map(|versions| versions.history());
            let running = versions.filter(|version| version.number == number).map(|version| version.running).next();
            self.is_paused = running.map_or(self.is_paused, |running| running == PlanRate::Paused);
        }
        let by = Applied { agent: self.roster.name(agent), at_s: self.since_start(at), missed };
        self.orders.heard(agent, word, &by);
        self.answer_orders();
    }

    /// Answers commands that every agent has put in force, and those that were waited for long enough.
    pub(super) fn answer_orders(&mut self) {
        let done = self.orders.done(self.now());
        self.answer(done);
    }

    /// Answers all commands as far as they are known to be in force: the run is over.
    pub(super) fn answer_all_orders(&mut self) {
        let all = std::mem::take(&mut self.orders.0);
        self.answer(all);
    }

    fn answer(&mut self, orders: Vec<Awaited>) {
        for Awaited { mut answer, to, open, .. } in orders {
            answer.pending = open.iter().map(|agent| self.roster.name(*agent)).collect();
            let all = answer.applied.len() + answer.pending.len();
            let late = answer.applied.iter().map(|applied| applied.at_s).fold(answer.at_s, f64::max);
            let late =
                if late > answer.at_s + LATE_S { format!(", at the last from {late:.3} s on") } else { String::new() };
            let text = format!("taken by {} of {all} agents{late}", answer.applied.len());
            self.tell(EventKind::Control, &answer.command, text.clone());
            answer.text = format!("{}: {text}", answer.text);
            let _ = to.send(Ok(answer)); // whoever asked may have gone
        }
    }

    fn perform_command(&mut self, command: &Command, by: &str) -> Result<Performed, Refusal> {
        match command {
            Command::Pause => Ok(self.change(Change::Pause, "arrivals pause")),
            Command::Resume => Ok(self.change(Change::Resume, "arrivals go on")),
            Command::Scale { to, scenario, over } => self.scale(*to, scenario.as_deref(), *over, command),
            Command::Cue { name } => self.fire_by_hand(name, by),
            Command::Stop { .. } => Err(Refusal::Internal("a stop is not performed but ordered".into())),
        }
    }

    fn scale(
        &mut self,
        to: Scale,
        scenario: Option<&str>,
        over: Option<Duration>,
        command: &Command,
    ) -> Result<Performed, Refusal> {
        let Some(versions) = self.end.versions() else {
            return Err(Refusal::Conflict("the run has not started: wait for its first second".into()));
        };
        let names: Vec<&str> = self.settings.plan.scenarios.iter().map(|scenario| scenario.name.as_str()).collect();
        let at = self.end.next_instant(self.now());
        let loads = scaled_loads(versions, &names, at, to, scenario, over.unwrap_or_default());
        let loads = loads.map_err(|problem| Refusal::BadRequest(problem.to_string()))?;
        let performed = self.change(Change::Loads(loads), &told(command));
        let planned = self.end.versions().map_or(0, |versions| versions.planned());
        self.timeline.plan_users(planned);
        Ok(Performed { text: format!("{}; {planned} users are planned in all", performed.text), ..performed })
    }

    /// Makes a version of the plan and says from when on it holds.
    fn change(&mut self, change: Change, what: &str) -> Performed {
        self.handle(Some(Event::Change(change)));
        let Some(version) = self.end.versions().map(|versions| versions.latest()) else {
            return Performed { text: what.to_owned(), at: self.now(), word: None, next: None };
        };
        let (number, at) = (version.number, version.at);
        let text = format!("{what} from {:.3} s on (version {number})", self.since_start(at));
        Performed { text, at, word: Some(Word::Version(number)), next: None }
    }

    fn fire_by_hand(&mut self, name: &str, by: &str) -> Result<Performed, Refusal> {
        let now = self.now();
        match self.cues.fire_now(name, now, by) {
            Ok((announcement, state)) => {
                let at = announcement.at;
                let text = format!("cue {name} is to fire at {:.3} s", self.since_start(at));
                self.display_say(&format!("{text} ({by})"));
                self.fire(announcement, state);
                Ok(Performed { text, at, word: None, next: None })
            }
            Err(problem) => Err(Refusal::NotFound(problem.to_string())),
        }
    }

    fn stop_for(&mut self, kind: StopKind, by: &str) -> Performed {
        let text = match kind {
            StopKind::Graceful => "stopping: users leave",
            StopKind::Hard => "stopping: users are cut off",
        };
        self.display_say(&format!("{text} ({by})"));
        let next = Some(self.order_stop(kind));
        Performed { text: text.to_owned(), at: self.now(), word: Some(Word::Stop(kind)), next }
    }

    fn called_off(&mut self, by: &str) -> Performed {
        self.display_say(&format!("called off before the start ({by})"));
        Performed { text: "called off before the start".to_owned(), at: self.now(), word: None, next: None }
    }
}

/// A command as the log names it.
fn told(command: &Command) -> String {
    match command {
        Command::Stop { now: false } => "stop".to_owned(),
        Command::Stop { now: true } => "stop now".to_owned(),
        Command::Pause => "pause".to_owned(),
        Command::Resume => "resume".to_owned(),
        Command::Cue { name } => format!("cue {name}"),
        Command::Scale { to, scenario, over } => {
            let of = scenario.as_ref().map_or_else(String::new, |scenario| format!(" of {scenario}"));
            let over = over.map_or_else(String::new, |over| format!(" over {}", duration::print(over)));
            format!("scale to {to}{of}{over}")
        }
    }
}

/// What was done for an operator.
struct Performed {
    text: String,
    /// From when on it holds.
    at: RunTime,
    /// What agents say when they have done it; none if they need not.
    word: Option<Word>,
    next: Option<Event<Interval>>,
}
