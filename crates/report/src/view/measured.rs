//! What happened in one second, from its merged samples.

use std::collections::BTreeMap;

use rehearsal_metrics::{Bins, Points, SeriesKey, Timeline, Transitions, UserState};
use rehearsal_verdict::Generator;

use super::second::{Band, Latency, Second, bands};
use crate::groups::{happened_by, percentile, responses};

/// One second by itself: levels, which depend on all seconds before, are still missing.
pub(super) struct Measured {
    /// Without users, sockets, plan, and whether it is settled.
    pub second: Second,
    /// How users moved.
    pub moved: Transitions,
    /// Sockets opened and closed, by transport.
    pub sockets: BTreeMap<String, Flow>,
}

/// What came and what went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Flow {
    pub opened: u64,
    pub closed: u64,
}

impl Measured {
    /// Reads a second; the agent with the fewest cores has `cores`.
    pub(super) fn of(timeline: &Timeline, s: i64, cores: u32) -> Measured {
        let definitions = timeline.series();
        let points = timeline.points_at(s).into_iter().flatten();
        let series: Vec<(&SeriesKey, &Points)> =
            points.map(|(id, points)| (&definitions[id.0 as usize].key, points)).collect();
        let series = || series.iter().copied();
        let moved = timeline.moves().get(&s).copied().unwrap_or_default();
        let responses = responses(series());
        let mut all = Bins::default();
        responses.values().for_each(|bins| all.merge(bins));
        let errors = happened_by(series(), "errors", "kind");
        Measured {
            second: Second {
                s,
                arrivals: arrivals(&moved),
                response: Latency::of(&all),
                calls: responses
                    .iter()
                    .filter_map(|(name, bins)| Some((name.to_string(), Latency::of(bins)?)))
                    .collect(),
                heat: heat(&all),
                errors: errors.into_iter().map(|(kind, count)| (kind.to_owned(), count)).collect(),
                generator: generator(timeline, s, cores),
                ..Second::default()
            },
            moved,
            sockets: flows(happened_by(series(), "socket.connect", "transport"), |flow| &mut flow.opened)
                .chain(flows(happened_by(series(), "socket.closed", "transport"), |flow| &mut flow.closed))
                .fold(BTreeMap::new(), |mut flows, (transport, flow)| {
                    flows.entry(transport).or_insert_with(Flow::default).add(flow);
                    flows
                }),
        }
    }
}

impl Flow {
    pub(super) fn add(&mut self, more: Flow) {
        self.opened = self.opened.saturating_add(more.opened);
        self.closed = self.closed.saturating_add(more.closed);
    }

    /// What is there. A stretch that an agent had to report in one piece may have closed what it opens only later.
    pub(super) fn open(self) -> u64 {
        self.opened.saturating_sub(self.closed)
    }
}

impl Latency {
    /// Sums up a distribution; `None` when it is empty.
    pub(super) fn of(bins: &Bins) -> Option<Latency> {
        let at = |percent| percentile(bins, percent);
        let max = bins.max()?.as_secs_f64();
        Some(Latency { n: bins.count(), p50: at(50.0)?, p90: at(90.0)?, p99: at(99.0)?, max })
    }
}

fn flows(counts: BTreeMap<&str, u64>, side: fn(&mut Flow) -> &mut u64) -> impl Iterator<Item = (String, Flow)> {
    counts.into_iter().map(move |(transport, count)| {
        let mut flow = Flow::default();
        *side(&mut flow) = count;
        (transport.to_owned(), flow)
    })
}

/// Users that came live. One whose agent had been given up, and of whom it is learnt late that it had come, has come, too.
fn arrivals(moved: &Transitions) -> u64 {
    let came = |from| moved.get(from, UserState::Live);
    came(UserState::Waiting).saturating_add(came(UserState::Lost))
}

/// Counts samples by band. A bin of a histogram is narrower than a hundredth of a band, so it counts where it begins.
fn heat(bins: &Bins) -> Vec<Band> {
    let bounds = bands();
    let mut heat: Vec<Band> = Vec::new();
    for (micros, count) in bins.starts() {
        let seconds = micros as f64 / 1e6;
        let number = bounds.partition_point(|bound| *bound <= seconds) as u16;
        match heat.last_mut() {
            Some(Band(last, total)) if *last == number => *total = total.saturating_add(count),
            _ => heat.push(Band(number, count)),
        }
    }
    heat
}

fn generator(timeline: &Timeline, s: i64, cores: u32) -> Option<String> {
    let health = *timeline.health().get(&s)?;
    Generator::of(&[(s, health)].into(), cores).grade.map(|grade| grade.name().to_owned())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn every_sample_is_in_the_band_that_begins_below_it() {
        let check = |micros: u64, band: u16| {
            let mut bins = Bins::default();
            bins.record(Duration::from_micros(micros));
            assert_eq!(heat(&bins), [Band(band, 1)], "{micros} µs");
        };
        check(0, 0);
        check(99, 0);
        check(101, 1);
        check(1_010, 11);
        check(99_000_000, 60);
        check(101_000_000, 61);
    }
}
