//! The samples of the run so far, kept up to date at the cost of what changed.
//!
//! Distributions can be merged and never be taken apart, so a running sum would be wrong as soon as a late interval joins its
//! second. A tree of merges is always right: each node has the sum of eight below it, and a second that changed touches one
//! node on each level.
//!
//! ```text
//! seconds   0 … 7   8 … 15   16 … 23 …        a changed second: 8 merges on each of 4 levels,
//! level 0   └─┬─┘   └─┬──┘   └──┬──┘          however long the run is
//! level 1     └───────┴─────────┴── …
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use rehearsal_metrics::{Bins, Changes, CueFiring, Limits, MetricSet, Points, SeriesId, SeriesKey, Timeline};

use crate::groups::responses;

/// Children of each node.
const FAN: i64 = 8;
/// Levels of the tree: its roots have 4,096 seconds each, more than an hour.
const LEVELS: usize = 4;

type Samples = BTreeMap<SeriesId, Points>;

/// Sums of samples, by level and node: node `i` of level `l` has the seconds from `i × FAN^(l + 1)` on.
#[derive(Debug)]
pub(super) struct Totals {
    levels: [BTreeMap<i64, Samples>; LEVELS],
    /// What the series are, by id.
    keys: Vec<SeriesKey>,
}

impl Totals {
    pub(super) fn new() -> Totals {
        Totals { levels: Default::default(), keys: Vec::new() }
    }

    /// Merges anew what the changed seconds are part of.
    pub(super) fn update(&mut self, timeline: &Timeline, changed: &BTreeSet<i64>) {
        self.keys.extend(timeline.series()[self.keys.len()..].iter().map(|series| series.key.clone()));
        let mut touched = parents(changed);
        for node in &touched {
            let samples = merged(children(*node).filter_map(|second| timeline.points_at(second)));
            self.levels[0].insert(*node, samples);
        }
        for level in 1..LEVELS {
            touched = parents(&touched);
            for node in &touched {
                let samples = merged(children(*node).filter_map(|child| self.levels[level - 1].get(&child)));
                self.levels[level].insert(*node, samples);
            }
        }
    }

    /// Gives the response times by the name of the call.
    pub(super) fn responses(&self) -> BTreeMap<String, Bins> {
        let total = self.whole();
        let series = total.iter().map(|(id, points)| (&self.keys[id.0 as usize], points));
        responses(series).into_iter().map(|(name, bins)| (name.to_owned(), bins)).collect()
    }

    /// Gives the samples of all seconds as those of a run that has lasted `length`, the same that
    /// [`MetricSet::whole`] computes from the timeline in full.
    pub(super) fn metrics(&self, timeline: &Timeline, firings: &[CueFiring], length: Duration) -> MetricSet {
        let Some(span) = timeline.span() else {
            return MetricSet::whole(timeline, firings, length);
        };
        // The run as if it had been reported in one piece.
        let condensed = Changes {
            series: timeline.series().to_vec(),
            points: [(span.from_s, self.whole())].into(),
            coarse: [span].into(),
            cues: timeline.cues().clone(),
            ..Changes::default()
        };
        let condensed =
            Timeline::rebuild(Limits::default(), condensed).expect("series and samples are those of one timeline");
        MetricSet::whole(&condensed, firings, length)
    }

    fn whole(&self) -> Samples {
        merged(self.levels[LEVELS - 1].values())
    }
}

fn parents(nodes: &BTreeSet<i64>) -> BTreeSet<i64> {
    nodes.iter().map(|node| node.div_euclid(FAN)).collect()
}

fn children(node: i64) -> std::ops::Range<i64> {
    node * FAN..(node + 1) * FAN
}

fn merged<'a>(parts: impl Iterator<Item = &'a Samples>) -> Samples {
    let mut total = Samples::new();
    for (id, points) in parts.flatten() {
        match total.get_mut(id) {
            Some(known) => known.merge(points).expect("a series has one kind"),
            None => {
                total.insert(*id, points.clone());
            }
        }
    }
    total
}
