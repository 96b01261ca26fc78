//! What changed in a timeline since somebody last asked: what the store writes and the live view redraws.
//!
//! A change is a whole row, as it now stands, never a difference. So writing one twice does no harm, a later row replaces
//! an earlier one, and all rows together are the timeline ([`Timeline::rebuild`]).

use std::collections::{BTreeMap, BTreeSet};

use crate::attendance::AgentRecord;
use crate::calls::CallCounts;
use crate::errors::Errors;
use crate::health::Health;
use crate::interval::{Arrivals, merge_maps};
use crate::ledger::Transitions;
use crate::points::Points;
use crate::series::{Definition, SeriesId};
use crate::spans::Span;
use crate::timeline::{CueRecord, Planned, Timeline};

/// The rows of a timeline that changed. The fields have the meaning of the timeline's own views.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Changes {
    /// How many users the plan has.
    pub planned: Option<Planned>,
    /// New series, ascending by id; ids count up from zero.
    pub series: Vec<Definition>,
    /// What agents mean by their own ids of series, by agent: theirs → the timeline's. An agent defines an id once, so
    /// without these a coordinator that goes on could not read its next interval.
    pub sources: BTreeMap<u32, BTreeMap<SeriesId, SeriesId>>,
    /// Samples by second and series. A second without any was reported and nothing happened in it.
    pub points: BTreeMap<i64, BTreeMap<SeriesId, Points>>,
    /// Moves of users by second.
    pub users: BTreeMap<i64, Transitions>,
    /// The worst condition of any agent, by second.
    pub health: BTreeMap<i64, Health>,
    /// Calls since the start, by name.
    pub calls: BTreeMap<String, CallCounts>,
    /// All errors since the start, if any came: a new kind may push another one out.
    pub errors: Option<Errors>,
    /// Firings of cues, by number.
    pub cues: BTreeMap<u32, CueRecord>,
    /// Incarnations of agents, by number.
    pub agents: BTreeMap<u32, AgentRecord>,
    /// Stretches that some agent could only report in one piece.
    pub coarse: BTreeSet<Span>,
    /// Users that will not be restored, as far as they were told of since the last taking.
    pub ended: Arrivals,
}

impl Changes {
    /// Tells whether nothing changed.
    pub fn is_empty(&self) -> bool {
        *self == Changes::default()
    }

    /// Lists the seconds whose samples, users or health changed, ascending, each once.
    pub fn seconds(&self) -> impl Iterator<Item = i64> {
        let seconds: BTreeSet<i64> =
            self.points.keys().chain(self.users.keys()).chain(self.health.keys()).copied().collect();
        seconds.into_iter()
    }

    /// Adds what changed after this was taken; later rows replace earlier ones.
    pub fn absorb(&mut self, later: Changes) {
        self.planned = later.planned.or(self.planned);
        self.series.extend(later.series);
        for (agent, ids) in later.sources {
            self.sources.entry(agent).or_default().extend(ids);
        }
        for (second, points) in later.points {
            self.points.entry(second).or_default().extend(points);
        }
        self.users.extend(later.users);
        self.health.extend(later.health);
        self.calls.extend(later.calls);
        self.errors = later.errors.or(self.errors.take());
        self.cues.extend(later.cues);
        self.agents.extend(later.agents);
        self.coarse.extend(later.coarse);
        merge_maps(&mut self.ended, later.ended, |mine, theirs| mine.extend(theirs));
    }
}

/// Which rows changed since the last taking.
#[derive(Debug, Default)]
pub(crate) struct Touched {
    pub(crate) planned: bool,
    /// How many series were already given out.
    pub(crate) series_taken: usize,
    pub(crate) sources: BTreeSet<(u32, SeriesId)>,
    pub(crate) points: BTreeMap<i64, BTreeSet<SeriesId>>,
    pub(crate) users: BTreeSet<i64>,
    pub(crate) health: BTreeSet<i64>,
    pub(crate) calls: BTreeSet<String>,
    pub(crate) errors: bool,
    pub(crate) cues: BTreeSet<u32>,
    pub(crate) agents: BTreeSet<u32>,
    pub(crate) coarse: BTreeSet<Span>,
    pub(crate) ended: Arrivals,
}

impl Timeline {
    /// Gives copies of all rows that changed since this was last called, or since the beginning. Who never calls it pays with
    /// a list of keys, which is small beside the rows.
    pub fn take_changes(&mut self) -> Changes {
        let all_series = self.series().len();
        let touched = std::mem::replace(&mut self.touched, Touched { series_taken: all_series, ..Touched::default() });
        Changes {
            planned: touched.planned.then_some(self.planned),
            series: self.series()[touched.series_taken..].to_vec(),
            sources: self.sources_of(&touched.sources),
            points: touched.points.iter().map(|(second, ids)| (*second, self.points_of(*second, ids))).collect(),
            users: rows(&self.users, touched.users),
            health: rows(&self.health, touched.health),
            calls: rows(&self.calls, touched.calls),
            errors: touched.errors.then(|| self.errors.clone()),
            cues: rows(&self.cues, touched.cues),
            agents: rows(&self.agents, touched.agents),
            coarse: touched.coarse,
            ended: touched.ended,
        }
    }

    /// What agents mean by some of their ids. An interval that was refused may have named ids that nobody defined.
    fn sources_of(&self, ids: &BTreeSet<(u32, SeriesId)>) -> BTreeMap<u32, BTreeMap<SeriesId, SeriesId>> {
        let mut sources: BTreeMap<u32, BTreeMap<SeriesId, SeriesId>> = BTreeMap::new();
        for (agent, theirs) in ids {
            if let Some(ours) = self.catalogue.sources.get(agent).and_then(|known| known.get(theirs)) {
                sources.entry(*agent).or_default().insert(*theirs, *ours);
            }
        }
        sources
    }

    fn points_of(&self, second: i64, ids: &BTreeSet<SeriesId>) -> BTreeMap<SeriesId, Points> {
        let points = self.seconds.get(&second);
        ids.iter().filter_map(|id| points?.get(id).map(|points| (*id, points.clone()))).collect()
    }
}

/// Copies the rows with the given keys.
fn rows<K: Ord, V: Clone>(of: &BTreeMap<K, V>, keys: BTreeSet<K>) -> BTreeMap<K, V> {
    let row = |key: K| of.get(&key).cloned().map(|row| (key, row));
    keys.into_iter().filter_map(row).collect()
}
