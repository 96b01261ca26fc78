//! What a former life of the coordinator left behind of a run that it did not end: everything with which the next one goes on.

use std::net::SocketAddr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, bail};
use rehearsal_fleet::InstanceId;
use rehearsal_link::coordinator::{Saved, SavedHolder, SavedLife};
use rehearsal_link::{CueAnnouncement, Epoch, Incarnation, PresenceState, StopKind};
use rehearsal_metrics::{Limits, Timeline};
use rehearsal_plan::{AgentNumber, RunTime, Versions};
use rehearsal_report::view::{EventRow, RunState};
use rehearsal_store::{Batch, CueIntent, CueOutcome, Recorded, Store};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::anchor::Anchor;
use super::cues::{Fired, Sent};
use super::keeping::{NOTE, SEEN};
use super::outcome::{Ending, Note};
use super::roster::Member;
use crate::archive::{STATE, event_row};
use crate::fleet::{Advertised, Home};
use crate::scaler::Look;

/// The name of the fact: which life of the coordinator performs the run.
const EPOCH: &str = "epoch";
/// The name of the fact: how the load ends.
pub(crate) const STOP: &str = "stop";

/// What is written down before agents are launched.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Stage {
    /// Where run time begins.
    pub(crate) anchor: Anchor,
    /// Where relative addresses of the scenario lead.
    pub(crate) target: String,
    /// What `setup()` returned.
    pub(crate) common: Value,
    /// Where agents join, and where they dial.
    pub(crate) listeners: [SocketAddr; 2],
    /// Whether others than agents of this machine are to reach them.
    pub(crate) is_public: bool,
    /// The host by which agents elsewhere reach the coordinator.
    pub(crate) advertised: Option<Advertised>,
    /// Where the fleet is kept that plays, if it stood before the run.
    pub(crate) fleet: Option<Home>,
}

/// The name of the fact that holds the [`Stage`].
pub(crate) const STAGE: &str = "stage";

/// The end of load, as it is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Stopped {
    pub(crate) is_hard: bool,
    /// When it was ordered, in microseconds of run time.
    pub(crate) at_us: i64,
    /// Somebody wanted it.
    pub(crate) by_operator: bool,
}

/// A run that goes on.
pub(crate) struct Past {
    pub(crate) epoch: Epoch,
    /// None if it was not written down before the coordinator died: then nothing was launched.
    pub(crate) stage: Option<Stage>,
    pub(super) saved: Saved,
    pub(super) timeline: Timeline,
    pub(super) members: Vec<(AgentNumber, Member)>,
    pub(super) fired: Vec<Fired>,
    pub(super) events: Vec<EventRow>,
    pub(super) notes: Vec<Note>,
    pub(super) looks: Vec<Look>,
    pub(super) started: Option<RunTime>,
    pub(super) started_at: SystemTime,
    pub(super) stopped: Option<Stopped>,
    /// Until when the former life is known to have lived.
    pub(super) seen: RunTime,
}

impl Past {
    /// Takes the run over from a former life that has ended: whatever that one still sends is refused from now on.
    pub(crate) fn take_over(store: &mut Store) -> anyhow::Result<Self> {
        let recorded = store.load()?;
        if recorded.facts.contains_key(STATE) {
            bail!("the run is over");
        }
        let epoch = Epoch(recorded.facts.get(EPOCH).and_then(Value::as_u64).unwrap_or(1) + 1);
        store.commit(&Batch { facts: vec![(EPOCH.to_owned(), epoch.0.into())], ..Batch::default() })?;
        Self::of(recorded, epoch)
    }

    fn of(recorded: Recorded, epoch: Epoch) -> anyhow::Result<Self> {
        let Recorded { about, changes, marks, versions, cues, events, looks, members, facts } = recorded;
        let timeline = Timeline::rebuild(Limits::default(), changes).context("reading what was measured")?;
        let versions = (!versions.is_empty())
            .then(|| {
                serde_json::from_value::<Versions>(serde_json::json!({ "seed": about.seed, "versions": versions }))
            })
            .transpose()
            .context("reading the versions of the plan")?;
        let stopped: Option<Stopped> = fact(&facts, STOP)?;
        let stop = stopped.map(|stopped| if stopped.is_hard { StopKind::Hard } else { StopKind::Graceful });
        let started = versions.as_ref().and_then(|versions| Some(versions.history().next()?.at));
        let mut saved = Saved { versions, stop, ..Saved::default() };
        for mark in marks {
            let agent = AgentNumber(mark.agent);
            let life = SavedLife { agent, mark: mark.mark, stored_until: mark.stored_until };
            saved.lives.insert(Incarnation(mark.incarnation), life);
        }
        for member in &members {
            let Some(life) = member.life else { continue };
            let left_at = timeline.agents().get(&member.agent).and_then(|record| record.left_at);
            // After a stop nothing that it owned was still to come: it had cancelled that.
            let left = left_at.filter(|_| !member.lost).map(|second| match stop {
                Some(_) => RunTime(i64::MAX),
                None => RunTime((started.map_or(0, RunTime::second) + second).saturating_mul(1_000_000)),
            });
            let state = match (member.ended || left_at.is_some(), member.lost) {
                (true, _) => PresenceState::Ended,
                (_, true) => PresenceState::Expired,
                _ => PresenceState::Joined,
            };
            let (incarnation, owns_from) = (Incarnation(life.incarnation), life.owns_from);
            let holder = SavedHolder { incarnation, weight: member.weight, owns_from, state, left };
            saved.holders.insert(AgentNumber(member.agent), holder);
        }
        let is_note = |event: &&rehearsal_store::Event| event.detail[NOTE] == true;
        let note = |event: &rehearsal_store::Event| Note {
            subject: event.who.clone(),
            text: event.text.clone(),
            at_s: event.at_s,
        };
        Ok(Self {
            epoch,
            stage: fact(&facts, STAGE)?,
            saved,
            timeline,
            fired: cues.into_iter().map(fired).collect(),
            notes: events.iter().filter(is_note).map(note).collect(),
            events: events.iter().map(event_row).collect(),
            looks: looks
                .into_iter()
                .map(|look| serde_json::from_value(look.content))
                .collect::<Result<_, _>>()
                .context("reading what was seen of the autoscaler")?,
            members: members.into_iter().map(|member| (AgentNumber(member.agent), of_roster(member))).collect(),
            started,
            started_at: UNIX_EPOCH + Duration::from_micros(about.started_at_us.unwrap_or(0).try_into().unwrap_or(0)),
            stopped,
            seen: RunTime(facts.get(SEEN).and_then(Value::as_i64).unwrap_or(0)),
        })
    }

    /// Whether the run had its first instant: then nobody is launched any more.
    pub(crate) fn has_started(&self) -> bool {
        self.started.is_some()
    }

    /// In which state the run goes on, and how its load ended if it has.
    pub(super) fn state(&self) -> (RunState, Ending) {
        match (self.stopped, self.started) {
            (Some(Stopped { by_operator: true, .. }), _) => (RunState::Stopping, Ending::Operator),
            (Some(_), _) => (RunState::Stopping, Ending::ByItself),
            (None, Some(_)) => (RunState::Running, Ending::ByItself),
            (None, None) => (RunState::Gathering, Ending::ByItself),
        }
    }
}

fn fact<T: DeserializeOwned>(
    facts: &std::collections::BTreeMap<String, Value>,
    name: &str,
) -> anyhow::Result<Option<T>> {
    let read = facts.get(name).map(|value| serde_json::from_value(value.clone())).transpose();
    read.with_context(|| format!("reading the fact {name}"))
}

fn of_roster(member: rehearsal_store::Member) -> Member {
    Member {
        id: member.id,
        instance: InstanceId(member.instance),
        region: member.region,
        weight: member.weight,
        ended: member.ended,
        presence: None,
        lost: member.lost,
        life: member.life,
    }
}

/// What was being fired is unknown: the message may have gone out, and a second one would be worse than none.
fn fired(cue: CueIntent) -> Fired {
    let CueIntent { firing, name, number, id, at_us, by, event, pointer, outcome } = cue;
    let outcome = match outcome {
        Some(CueOutcome::Sent(after)) => Sent::After(after),
        Some(CueOutcome::Nothing) => Sent::Nothing,
        Some(CueOutcome::Failed(why)) => Sent::Failed(why),
        Some(CueOutcome::Unknown) | None => Sent::Unknown,
    };
    let announcement = CueAnnouncement { firing, name, number, id, at: RunTime(at_us), event, pointer };
    Fired { announcement, by, outcome: Some(outcome) }
}
