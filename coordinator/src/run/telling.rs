//! What a conductor tells: lines on the terminal, rows of the run's log, notes for the report, and in the end everything.

use std::time::Duration;

use rehearsal_metrics::{AgentRecord, UserState};
use rehearsal_plan::{AgentNumber, RunTime};
use rehearsal_report::view::{EventKind, EventRow, RunState};

use super::conductor::Conductor;
use super::outcome::{Note, Outcome};

impl Conductor {
    /// Something that people and the report should know.
    pub(super) fn note(&mut self, kind: EventKind, subject: String, text: String) {
        self.display_say(&format!("{subject}: {text}"));
        self.log(kind, &subject, text.clone(), true);
        let at_s = self.since_start(self.now());
        self.notes.push(Note { subject, text, at_s });
    }

    /// Enters something into the run's log of events.
    pub(super) fn tell(&mut self, kind: EventKind, who: &str, text: String) {
        self.log(kind, who, text, false);
    }

    fn log(&mut self, kind: EventKind, who: &str, text: String, is_note: bool) {
        let at = self.now();
        let row = EventRow { at_s: self.since_start(at), kind, who: who.to_owned(), text };
        self.showing.event(row.clone());
        match self.started {
            Some(_) => self.keeper.event(&row, is_note),
            None => self.early.push((at, row, is_note)),
        }
    }

    /// Dates what was told before anybody knew when the run would start.
    pub(super) fn date_early_events(&mut self) {
        let early = std::mem::take(&mut self.early);
        let mut dated = Vec::new();
        for (at, row, is_note) in early {
            let row = EventRow { at_s: self.since_start(at), ..row };
            self.keeper.event(&row, is_note);
            dated.push(row);
        }
        self.showing.replace_events(dated);
    }

    pub(super) fn display_say(&mut self, line: &str) {
        self.showing.say(line);
    }

    pub(super) fn since_start(&self, at: RunTime) -> f64 {
        self.started.map_or(0.0, |started| (at.0 - started.0) as f64 / 1e6)
    }

    /// After the run nobody is live: users of an agent that has neither handed in everything nor was given up are lost with
    /// it, and whoever still waits will not come, because the load is over.
    fn account_for_all(&mut self, ended: RunTime) {
        let owes = |(number, record): (&u32, &AgentRecord)| {
            (record.left_at.is_none() && record.lost_at.is_none()).then_some(AgentNumber(*number))
        };
        let owing: Vec<AgentNumber> = self.timeline.agents().iter().filter_map(owes).collect();
        for agent in owing {
            self.on_lost(agent, ended);
        }
        let waiting = self.timeline.ledger_now().map_or(0, |ledger| ledger.users(UserState::Waiting));
        if let Some(started) = self.started.filter(|_| waiting > 0) {
            let moved = self.timeline.move_users(
                ended.second() - started.second(),
                UserState::Waiting,
                UserState::Cancelled,
                waiting,
            );
            moved.expect("the ledger has this move");
        }
    }

    /// Gathers what the run leaves behind, with its database up to date.
    pub(super) async fn finish(mut self) -> anyhow::Result<Outcome> {
        let ended = self.load_ended.unwrap_or_else(|| self.now());
        self.account_for_all(ended);
        let changes = self.timeline.take_changes();
        self.redraw(&changes);
        self.show_last();
        self.answer_all_orders();
        let firings = self.firings();
        if self.started.is_none() {
            self.date_early_events();
        }
        self.keeper.gather(changes, ended);
        let store = self.keeper.finish().await;
        Ok(Outcome {
            firings,
            breaches: self.watched.breaches().to_vec(),
            seen: self.scaler.seen,
            duration: self.started.map_or(Duration::ZERO, |started| ended.since(started)),
            timeline: self.timeline,
            fired: self.cues.fired().to_vec(),
            unfired: self.cues.unfired(),
            members: self.roster.into_members(),
            started: self.started,
            started_at: self.started_at,
            ending: self.life.ending.clone(),
            life: self.life,
            notes: self.notes,
            crew: self.crew,
            store,
        })
    }
}

/// What becoming so is called in the log.
pub(super) fn state_name(state: RunState) -> &'static str {
    match state {
        RunState::Draft => "draft",
        RunState::Launching => "launching agents",
        RunState::Gathering => "agents are joining",
        RunState::Armed => "all agents have joined and prepare themselves",
        RunState::Running => "started",
        RunState::Stopping => "the load has ended: users leave",
        RunState::Collecting => "the last numbers arrive",
        RunState::Judged => "judged",
        RunState::Failed => "failed",
        RunState::Cancelled => "called off",
    }
}
