//! What people see of the run while it goes on: gathered four times a second for the board (dashboard, Prometheus, API)
//! and for the terminal.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use rehearsal_link::PresenceState;
use rehearsal_metrics::Changes;
use rehearsal_plan::{AgentNumber, RunTime};
use rehearsal_report::view::{
    AgentNow, CueNow, EventRow, FiringState, RunNow, Screen, agent_now, calls_now, checks_now, cue_now, ends_now,
    errors_now, firing_now, generator_now, loads_now, sockets_now, thresholds_now, users_now,
};
use rehearsal_terminal::Display;
use rehearsal_verdict::elasticity::Assessment;
use tokio::time::Instant;

use super::board::Board;
use super::conductor::Conductor;
use super::cues::{Fired, Sent};
use super::roster::Member;

/// How often screens are told. What they show is of whole seconds, so more would tell nothing new.
const PACE: Duration = Duration::from_millis(250);
/// Events that screens get; the database has all of them.
const MOST_EVENTS: usize = 500;
/// Seconds that the terminal looks back over.
const LOOK_BACK: usize = 200;

/// The terminal of whoever started the run.
pub(crate) struct Terminal {
    display: Display,
    dashboard: Option<String>,
}

impl Terminal {
    /// A display that names the dashboard, if there is one.
    pub(crate) fn new(dashboard: Option<String>) -> Self {
        Self { display: Display::new(), dashboard }
    }
}

/// The screens of a run.
pub(crate) struct Showing {
    board: Arc<Board>,
    terminal: Option<Terminal>,
    events: Vec<EventRow>,
    shown: Option<Instant>,
}

impl Showing {
    pub(crate) fn new(board: Arc<Board>, terminal: Option<Terminal>) -> Self {
        Self { board, terminal, events: Vec::new(), shown: None }
    }

    /// What is to be said of the autoscaler by now.
    pub(super) fn assess(&mut self, revision: u64, assessment: &Arc<Assessment>) {
        self.board.assess(revision, assessment);
    }

    /// A line that stays on the terminal.
    pub(super) fn say(&mut self, line: &str) {
        if let Some(terminal) = &mut self.terminal {
            terminal.display.say(line);
        }
    }

    /// An event of the run's log.
    pub(super) fn event(&mut self, row: EventRow) {
        if self.events.len() == MOST_EVENTS {
            self.events.remove(0);
        }
        self.events.push(row);
    }

    /// The same events with other times.
    pub(super) fn replace_events(&mut self, events: Vec<EventRow>) {
        self.events = events;
    }
}

impl Conductor {
    /// Shows how the run stands, if the last time is long enough ago.
    pub(super) fn show(&mut self, now: RunTime) {
        if self.showing.shown.is_none_or(|shown| shown.elapsed() >= PACE) {
            self.show_now(now);
        }
    }

    /// Shows how the run stands after its last numbers, and leaves the terminal to the summary.
    pub(super) fn show_last(&mut self) {
        self.show_now(self.now());
        if let Some(mut terminal) = self.showing.terminal.take() {
            terminal.display.clear();
        }
    }

    /// Redraws the seconds that changed.
    pub(super) fn redraw(&mut self, changes: &Changes) {
        let (versions, started) = (self.end.versions(), self.started.unwrap_or(RunTime::ZERO));
        self.showing.board.draw(|screen| {
            screen.update(&self.timeline, changes.seconds(), versions, started);
        });
    }

    /// Redraws everything: the run was taken up.
    pub(super) fn redraw_all(&mut self) {
        let (versions, started) = (self.end.versions(), self.started.unwrap_or(RunTime::ZERO));
        self.showing.board.draw(|screen| {
            screen.update(&self.timeline, self.timeline.known_seconds(), versions, started);
        });
    }

    fn show_now(&mut self, now: RunTime) {
        self.showing.shown = Some(Instant::now());
        let (board, at_terminal) = (Arc::clone(&self.showing.board), self.showing.terminal.is_some());
        let base = board.run();
        let mut recent = Vec::new();
        let mut run = RunNow::default();
        board.publish(|screen| {
            run = self.run_now(base, screen, now);
            recent = if at_terminal { screen.last(LOOK_BACK) } else { Vec::new() };
            run.clone()
        });
        if let Some(Terminal { display, dashboard }) = &mut self.showing.terminal {
            display.show(&run, &recent, dashboard.as_deref(), Instant::now().into());
        }
    }

    /// The run as it stands; what never changes is taken over.
    fn run_now(&self, base: RunNow, screen: &Screen, now: RunTime) -> RunNow {
        let (plan, timeline, cores) = (&self.settings.plan, &self.timeline, self.settings.cores);
        let started = self.started.map(|started| (started, self.load_ended.unwrap_or(now)));
        let length = started.map_or(Duration::ZERO, |(started, until)| until.since(started));
        let metrics = screen.metrics(timeline, &self.firings(), length);
        let versions = self.end.versions();
        RunNow {
            state: self.life.state,
            paused: self.is_paused,
            started_at: self.started.map(|_| rehearsal_report::utc(self.started_at)),
            now_s: started.map(|(_, until)| self.since_start(until)),
            settled_s: timeline.settled(),
            ends_s: versions.zip(self.started).and_then(|(versions, at)| ends_now(versions, at, plan.ends_after)),
            // Agents that contradict each other are told of elsewhere.
            users: timeline.ledger_now().map_or(base.users, |ledger| users_now(&ledger)),
            loads: versions.map_or_else(Vec::new, |versions| loads_now(plan, versions)),
            calls: calls_now(timeline, &metrics),
            sockets: sockets_now(&metrics),
            agents: self.agents_now(),
            cues: self.cues_now(),
            checks: checks_now(&metrics),
            errors: errors_now(timeline),
            thresholds: thresholds_now(&plan.thresholds, &metrics, self.watched.breaches()),
            events: self.showing.events.clone(),
            generator: generator_now(timeline, cores),
            ..base
        }
    }

    fn agents_now(&self) -> Vec<AgentNow> {
        let presences: BTreeMap<AgentNumber, PresenceState> = self.end.presences().collect();
        let state = |agent: AgentNumber, member: &Member| match presences.get(&agent) {
            _ if member.ended => "ended",
            None | Some(PresenceState::Joined) => "joined", // it has not dialled yet, or not again
            Some(PresenceState::Connected) => "connected",
            Some(PresenceState::Closed) => "closed",
            Some(PresenceState::Silent) => "silent",
            Some(PresenceState::Expired | PresenceState::Cleared) => "expired",
            Some(PresenceState::Ended) => "ended",
        };
        let settled = self.timeline.settled();
        let rows = self.roster.iter().map(|(agent, member)| {
            let record = self.timeline.agents().get(&agent.0);
            let (name, state) = ((&*member.id, &*member.region), state(agent, member));
            let now = agent_now(name, state, record, settled, self.settings.cores);
            // With its process its users are gone, whatever it said last.
            if member.ended { AgentNow { users: 0, ..now } } else { now }
        });
        rows.collect()
    }

    fn cues_now(&self) -> Vec<CueNow> {
        let (started, bound) = (self.started.unwrap_or(RunTime::ZERO), self.clock_bound());
        let firing = |fired: &Fired| {
            let state = match fired.outcome {
                None => FiringState::Announced,
                Some(Sent::After(_)) => FiringState::Sent,
                Some(Sent::Nothing) => FiringState::NothingSent,
                Some(Sent::Failed(_)) => FiringState::Failed,
                Some(Sent::Unknown) => FiringState::Unknown,
            };
            firing_now(&self.timeline, &fired.as_sent(started, bound), state, &fired.by)
        };
        let of = |cue: &rehearsal_plan::Cue| {
            let fired = self.cues.fired().iter().filter(|fired| fired.announcement.name == cue.name);
            cue_now(cue, fired.map(firing).collect())
        };
        self.cues.all().iter().map(of).collect()
    }
}
