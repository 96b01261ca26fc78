//! What goes to disk and when. Everything that must outlive a crash is collected into one batch; when it is on disk, what
//! waited for it goes on: versions are sent, intervals acknowledged, cues announced.
//!
//! ```text
//! interval, version, cue, event ──► batch ──► writer's thread ──► on disk ──► events for the link
//! ```
//!
//! At most four batches a second are written, unless a version or a cue waits: an operator waits for those.

use std::collections::BTreeMap;
use std::time::Duration;

use rehearsal_link::coordinator::Event;
use rehearsal_link::{Incarnation, Session};
use rehearsal_metrics::{Changes, Interval};
use rehearsal_plan::{AgentNumber, RunTime, Version};
use rehearsal_report::view::EventRow;
use rehearsal_store::{Batch, CueIntent, CueOutcome, Mark, Options, Store, StoreError, Writer};
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

#[cfg(test)]
use super::crash_points;
use super::cues::{Fired, Sent};
use super::roster::Member;
use crate::scaler::Look;

/// Under which name it is stored until when the coordinator lived, in microseconds of run time.
pub(crate) const SEEN: &str = "seen_us";
/// In the detail of an event: the report tells of it.
pub(crate) const NOTE: &str = "note";

/// The time between batches that nobody waits for.
const PACE: Duration = Duration::from_millis(250);

/// The run's database, as the conductor sees it.
pub(crate) struct Keeper {
    writer: Writer,
    done: mpsc::UnboundedReceiver<Result<(), StoreError>>,
    /// What the next batch will hold.
    batch: Batch,
    /// The newest mark of each incarnation in it.
    marks: BTreeMap<Incarnation, Mark>,
    /// What waits for something that has not been gathered.
    waiting: Vec<Then>,
    /// What goes on when the next batch is on disk.
    gathered: Vec<Then>,
    /// The same for the batch that is being written.
    flying: Option<Vec<Then>>,
    /// When the last batch was given to the writer.
    written: Instant,
    tickets: u64,
    /// Something waits that an operator waits for.
    is_urgent: bool,
    /// There is something to write.
    is_full: bool,
    gathered_at: RunTime,
    /// Since when the disk has refused everything.
    refused_since: Option<RunTime>,
}

/// What goes on when something is on disk.
#[derive(Debug)]
pub(super) enum Then {
    /// An event for the link.
    Link(Box<Event<Interval>>),
    /// Somebody waits for it.
    Tell(oneshot::Sender<()>),
    /// An agent may go.
    Goodbye(Session),
}

/// What came of a batch.
pub(super) enum Stored {
    /// It is on disk: this goes on.
    Yes(Vec<Then>),
    /// The disk refuses: it is tried again with the next batch, and what waited for it waits on.
    NotYet(StoreError),
}

impl Keeper {
    /// Puts a thread before the database of a run that begins.
    pub(crate) fn start(store: Store, options: Options) -> Self {
        let (sender, done) = mpsc::unbounded_channel();
        let writer = Writer::start(store, options, move |_, result| {
            let _ = sender.send(result); // the run may be over
        });
        Self {
            writer,
            done,
            batch: Batch::default(),
            marks: BTreeMap::new(),
            waiting: Vec::new(),
            gathered: Vec::new(),
            flying: None,
            written: Instant::now(),
            tickets: 0,
            is_urgent: false,
            is_full: false,
            gathered_at: RunTime::ZERO,
            refused_since: None,
        }
    }

    /// Stores a version of the plan; then it may be sent.
    pub(super) fn version(&mut self, version: &Version) {
        self.batch.versions.push(version.clone());
        self.then(Event::Persisted { version: version.number });
    }

    /// Stores how far an incarnation's intervals have come; then they are acknowledged. Their content goes with the
    /// changes of the timeline.
    pub(super) fn interval(&mut self, agent: AgentNumber, incarnation: Incarnation, number: u64, until: i64) {
        let mark = Mark { incarnation: incarnation.0, agent: agent.0, mark: number, stored_until: Some(until) };
        self.marks.insert(incarnation, mark);
        self.waiting.push(Then::Link(Box::new(Event::Committed { incarnation, number })));
    }

    /// Stores a cue as intended, or what became of it.
    pub(super) fn cue(&mut self, fired: &Fired) {
        self.batch.cues.push(intent(fired));
        self.is_urgent = true;
    }

    /// Stores an event of the log, and whether the report tells of it.
    pub(super) fn event(&mut self, row: &EventRow, is_note: bool) {
        let EventRow { at_s, kind, who, text } = row.clone();
        let kind = format!("{kind:?}").to_lowercase();
        let detail = serde_json::json!({ NOTE: is_note });
        self.batch.events.push(rehearsal_store::Event { at_s, kind, who, text, detail });
    }

    /// Stores a reading of the autoscaler under test.
    pub(super) fn look(&mut self, look: &Look) {
        let content = serde_json::to_value(look).unwrap_or_default();
        self.batch.looks.push(rehearsal_store::Look { at_us: look.at_us, place: look.place.clone(), content });
    }

    /// Stores how an agent stands.
    pub(super) fn member(&mut self, agent: AgentNumber, member: &Member) {
        self.batch.members.push(rehearsal_store::Member {
            agent: agent.0,
            id: member.id.clone(),
            region: member.region.clone(),
            instance: member.instance.0.clone(),
            weight: member.weight,
            ended: member.ended,
            lost: member.lost,
            life: member.life,
        });
    }

    /// Stores a fact that others will go by: at once.
    pub(super) fn urgent_fact(&mut self, name: &str, value: impl Into<serde_json::Value>) {
        self.fact(name, value);
        self.is_urgent = true;
    }

    /// Stores a single fact under its name, in place of what was there.
    pub(super) fn fact(&mut self, name: &str, value: impl Into<serde_json::Value>) {
        self.batch.facts.push((name.to_owned(), value.into()));
    }

    /// Lets something happen when all that was said until now is on disk.
    pub(super) fn then(&mut self, event: Event<Interval>) {
        self.waiting.push(Then::Link(Box::new(event)));
        self.is_urgent = true;
    }

    /// Lets an agent go when all that was said until now is on disk.
    pub(super) fn goodbye(&mut self, session: Session) {
        self.waiting.push(Then::Goodbye(session));
        self.is_urgent = true;
    }

    /// Tells somebody when all that was said until now is on disk.
    pub(super) fn tell(&mut self, whom: oneshot::Sender<()>) {
        self.waiting.push(Then::Tell(whom));
        self.is_urgent = true;
    }

    /// Whether it is time to gather what has changed.
    pub(super) fn is_due(&self, now: RunTime) -> bool {
        self.is_urgent || now.since(self.gathered_at) >= PACE
    }

    /// Puts what has changed into the next batch, and with it all that was said until now.
    pub(super) fn gather(&mut self, changes: Changes, now: RunTime) {
        self.gathered_at = now;
        self.is_urgent = false;
        let marks = std::mem::take(&mut self.marks).into_values().collect();
        self.batch.absorb(Batch { changes, marks, ..Batch::default() });
        self.gathered.append(&mut self.waiting);
        self.is_full |= !self.batch.is_empty() || !self.gathered.is_empty();
        if self.is_full {
            self.fact(SEEN, now.0);
        }
    }

    /// Writes what was gathered, unless another batch is under way: then it waits, and later changes join it.
    pub(super) fn write(&mut self) {
        if !self.is_full || self.flying.is_some() {
            return;
        }
        #[cfg(test)]
        crash_points::reach(crash_points::Point::Commit);
        self.tickets += 1;
        self.is_full = false;
        self.flying = Some(std::mem::take(&mut self.gathered));
        self.written = Instant::now();
        if let Err(batch) = self.writer.send(Box::new(std::mem::take(&mut self.batch)), self.tickets) {
            self.batch = *batch;
            self.gathered = self.flying.take().unwrap_or_default();
            self.is_full = true;
        }
        #[cfg(test)]
        crash_points::committed(|| !self.done.is_empty());
    }

    /// Whether an agent waits to be told that it may go.
    pub(super) fn owes_goodbye(&self) -> bool {
        let all = self.waiting.iter().chain(&self.gathered).chain(self.flying.iter().flatten());
        all.into_iter().any(|then| matches!(then, Then::Goodbye(_)))
    }

    /// Waits until the batch that is being written is on disk, or was refused.
    pub(super) async fn stored(&mut self) -> Option<Stored> {
        let result = self.done.recv().await?;
        let mut events = self.flying.take().unwrap_or_default();
        Some(match result {
            Ok(()) => {
                self.refused_since = None;
                Stored::Yes(events)
            }
            Err(error) => {
                // The writer keeps the batch and writes it together with the next.
                events.append(&mut self.gathered);
                self.gathered = events;
                self.is_full = true;
                Stored::NotYet(error)
            }
        })
    }

    /// A batch has just been stored: how long the disk took for it.
    pub(super) fn storing_took(&self) -> Duration {
        self.written.elapsed()
    }

    /// The disk has just refused: for how long it has done so.
    pub(super) fn refused_for(&mut self, now: RunTime) -> Duration {
        now.since(*self.refused_since.get_or_insert(now))
    }

    /// Writes what is left and gives the database back.
    pub(super) async fn finish(mut self) -> Result<Store, StoreError> {
        if self.flying.is_some() {
            let _ = self.stored().await; // what was refused goes with the last batch
        }
        self.write();
        if self.flying.is_some()
            && let Some(Stored::NotYet(error)) = self.stored().await
        {
            return Err(error);
        }
        Ok(self.writer.close())
    }
}

fn intent(fired: &Fired) -> CueIntent {
    let announcement = &fired.announcement;
    CueIntent {
        firing: announcement.firing,
        name: announcement.name.clone(),
        number: announcement.number,
        id: announcement.id.clone(),
        at_us: announcement.at.0,
        by: fired.by.clone(),
        event: announcement.event.clone(),
        pointer: announcement.pointer.clone(),
        outcome: fired.outcome.as_ref().map(|sent| match sent {
            Sent::After(micros) => CueOutcome::Sent(*micros),
            Sent::Nothing => CueOutcome::Nothing,
            Sent::Failed(why) => CueOutcome::Failed(why.clone()),
            Sent::Unknown => CueOutcome::Unknown,
        }),
    }
}
