//! Makes a timeline of its stored rows again: for a coordinator that goes on after a crash, and for everyone who reads a
//! finished run.

use crate::catalogue::Catalogue;
use crate::changes::{Changes, Touched};
use crate::intern::Limits;
use crate::points::Points;
use crate::series::SeriesId;
use crate::timeline::{Planned, Timeline};

/// Rows are not those of one timeline.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RebuildError {
    /// Series are missing, listed twice, or of two kinds under one name.
    #[error("rebuilding a timeline: the list of series contradicts itself")]
    Series,
    /// A row is of a series that is not listed.
    #[error("rebuilding a timeline: series {} is used and not listed", .0.0)]
    Unlisted(SeriesId),
    /// The samples of a second are not of the kind that their series has, or count more than their whole.
    #[error("rebuilding a timeline: second {0} of series {id} has samples of another kind", id = .1.0)]
    Points(i64, SeriesId),
}

impl Timeline {
    /// Makes the timeline that gave all these changes, taken together with [`Changes::absorb`] or by the store. It goes on
    /// where the last taking was: nothing in it counts as changed.
    ///
    /// # Errors
    /// When the rows cannot be those of one timeline.
    pub fn rebuild(limits: Limits, changes: Changes) -> Result<Timeline, RebuildError> {
        let series_taken = changes.series.len();
        let mut catalogue = Catalogue::new(limits);
        if !catalogue.interner.restore(changes.series) {
            return Err(RebuildError::Series);
        }
        for (agent, ids) in changes.sources {
            if let Some(unlisted) = ids.values().find(|id| id.0 as usize >= series_taken) {
                return Err(RebuildError::Unlisted(*unlisted));
            }
            catalogue.sources.insert(agent, ids.into_iter().collect());
        }
        for (second, points) in &changes.points {
            points.iter().try_for_each(|(id, points)| check(&catalogue, *second, *id, points))?;
        }
        let Planned { now, greatest } = changes.planned.unwrap_or_default();
        Ok(Timeline {
            catalogue,
            planned: Planned { now, greatest: greatest.max(now) },
            seconds: changes.points,
            users: changes.users,
            health: changes.health,
            calls: changes.calls,
            errors: changes.errors.unwrap_or_default(),
            cues: changes.cues,
            agents: changes.agents,
            coarse: changes.coarse,
            ended: changes.ended,
            touched: Touched { series_taken, ..Touched::default() },
            ..Timeline::new(limits)
        })
    }
}

/// Checks that samples can be those of a series, so that merging them later cannot fail.
fn check(catalogue: &Catalogue, second: i64, id: SeriesId, points: &Points) -> Result<(), RebuildError> {
    let listed = catalogue.interner.definitions().get(id.0 as usize).ok_or(RebuildError::Unlisted(id))?;
    let is_share = !matches!(points, Points::Ratio { yes, total } if yes > total);
    if listed.kind == points.kind() && is_share { Ok(()) } else { Err(RebuildError::Points(second, id)) }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;
    use crate::calls::CallStep;
    use crate::cues::CueFiring;
    use crate::health::Health;
    use crate::interval::Interval;
    use crate::ledger::UserState;
    use crate::metric_set::MetricSet;
    use crate::recorder::Recorder;
    use crate::series::{Definition, Kind, SeriesKey};

    /// Small, so that names, calls and errors of the samples below pass the bounds.
    const LIMITS: Limits = Limits { series: 5, names: 3, calls: 2, errors: 2 };

    /// What one agent does in one second, and whether the changes are taken after it.
    #[derive(Clone, Debug)]
    struct Act {
        agent: u32,
        samples: Vec<(u32, u64)>,
        taken: bool,
    }

    fn acts() -> impl Strategy<Value = Vec<Act>> {
        let samples = prop::collection::vec((0..40_u32, 0..5_000_000_u64), 0..5);
        let act = (1..4_u32, samples, any::<bool>()).prop_map(|(agent, samples, taken)| Act { agent, samples, taken });
        prop::collection::vec(act, 0..40)
    }

    fn sample(recorder: &mut Recorder, pick: u32, value: u64) {
        let name = format!("n{}", pick / 4);
        let key = |metric: &str| SeriesKey::new(metric).with("name", &name);
        match pick % 4 {
            0 => {
                let id = recorder.series(Kind::Duration, &key("http.response"));
                recorder.duration(id, Duration::from_micros(value));
                let call = recorder.call_name(&name);
                recorder.call(call, CallStep::Begun);
                recorder.health(Health { lag_max_micros: value, ..Health::default() });
            }
            1 => {
                let id = recorder.series(Kind::Ratio, &key("checks"));
                recorder.ratio(id, value.is_multiple_of(2));
                recorder.error(&name, "a text", &Default::default());
            }
            2 => {
                let id = recorder.series(Kind::Count, &key("custom.n"));
                recorder.count(id, value);
                recorder.transition(UserState::Waiting, UserState::Live);
            }
            _ => {
                recorder.cue_snapshot(pick % 3, "websocket", value, value / 2);
                recorder.cue_heard(pick % 3, "websocket", value as i64, true);
            }
        }
    }

    /// Turns acts into the intervals that the coordinator gets; each agent's seconds ascend, one of them coarse.
    fn intervals(acts: &[Act]) -> Vec<(u32, Interval)> {
        let mut recorders: std::collections::BTreeMap<u32, (Recorder, i64)> = Default::default();
        let mut intervals = Vec::new();
        for act in acts {
            let (recorder, second) =
                recorders.entry(act.agent).or_insert_with(|| (Recorder::new(Limits::default()), -1));
            recorder.roll(*second);
            act.samples.iter().for_each(|(pick, value)| sample(recorder, *pick, *value));
            *second += 1;
            recorder.roll(*second);
            let mut closed = recorder.take_closed();
            if let Some(interval) = closed.first_mut().filter(|interval| interval.from == 2) {
                interval.to = 4;
                *second = 4;
            }
            intervals.extend(closed.into_iter().map(|interval| (act.agent, interval)));
        }
        intervals
    }

    /// Everything that anybody can ask of a timeline, as one text.
    fn views(timeline: &Timeline) -> String {
        let firing = CueFiring {
            name: "open".to_owned(),
            number: 1,
            id: "b1".to_owned(),
            fired_at_s: 1.0,
            sent_after_micros: 0,
            clock_bound_s: 0.0,
        };
        let seconds: Vec<_> = (-2..50).map(|second| timeline.ledger_at(second)).collect();
        let set = MetricSet::whole(timeline, &[firing], Duration::from_secs(10));
        let coarse: Vec<_> = timeline.coarse().collect();
        format!(
            "{seconds:?} {set:?} {:?} {:?} {coarse:?} {:?} {:?} {:?} {:?} {:?} {:?}",
            timeline.settled(),
            timeline.span(),
            timeline.series(),
            timeline.agents(),
            timeline.health(),
            timeline.calls(),
            timeline.errors(),
            timeline.cues(),
        )
    }

    proptest! {
        /// Half of the acts come after the rebuilding and lean on definitions from before it.
        #[test]
        fn all_changes_together_are_the_timeline(before in acts(), after in acts(), planned in 0..300_u64) {
            let whole: Vec<Act> = before.iter().chain(&after).cloned().collect();
            let intervals = intervals(&whole);
            let (early, late) = intervals.split_at(before.len());
            let mut timeline = Timeline::new(LIMITS);
            let mut changes = Changes::default();
            timeline.expects(1, 0);
            timeline.plan_users(planned + 7);
            for ((agent, interval), act) in early.iter().zip(&before) {
                timeline.add(*agent, interval).unwrap();
                if act.taken {
                    changes.absorb(timeline.take_changes());
                }
            }
            timeline.plan_users(planned);
            timeline.lost(2, 3, 100);
            timeline.left(3, 4);
            changes.absorb(timeline.take_changes());
            prop_assert!(timeline.take_changes().is_empty());

            let mut rebuilt = Timeline::rebuild(LIMITS, changes).unwrap();
            prop_assert_eq!(views(&rebuilt), views(&timeline));
            prop_assert!(rebuilt.take_changes().is_empty());
            for (agent, interval) in late {
                prop_assert_eq!(rebuilt.add(*agent, interval), timeline.add(*agent, interval));
            }
            prop_assert_eq!(views(&rebuilt), views(&timeline));
            prop_assert_eq!(rebuilt.take_changes(), timeline.take_changes());
        }
    }

    #[test]
    fn only_what_was_touched_is_taken() {
        let intervals = intervals(&[
            Act { agent: 1, samples: vec![(0, 5), (2, 1)], taken: false },
            Act { agent: 1, samples: vec![(2, 1)], taken: false },
        ]);
        let mut timeline = Timeline::new(Limits::default());
        timeline.add(1, &intervals[0].1).unwrap();
        let first = timeline.take_changes();
        assert_eq!((first.series.len(), first.sources[&1].len()), (2, 2));
        assert_eq!(first.seconds().collect::<Vec<_>>(), [-1]);
        timeline.add(1, &intervals[1].1).unwrap();
        let second = timeline.take_changes();
        assert_eq!(second.points.keys().collect::<Vec<_>>(), [&0]);
        assert_eq!((second.series.len(), second.sources.len(), second.calls.len()), (0, 0, 0));
        assert_eq!((second.errors, second.planned), (None, None));
        assert_eq!(second.agents[&1].latest, Some((-1, Health { lag_max_micros: 5, ..Health::default() })));
    }

    #[test]
    fn rows_that_contradict_are_refused() {
        let series = |id: u32, kind: Kind| Definition { id: SeriesId(id), kind, key: SeriesKey::new("m") };
        let check = |changes: Changes, expected: RebuildError| {
            assert_eq!(Timeline::rebuild(Limits::default(), changes).map(|_| ()), Err(expected));
        };
        let listed = Changes { series: vec![series(0, Kind::Ratio)], ..Changes::default() };
        check(Changes { series: vec![series(1, Kind::Count)], ..Changes::default() }, RebuildError::Series);
        let twice = vec![series(0, Kind::Count), series(1, Kind::Count)];
        check(Changes { series: twice, ..Changes::default() }, RebuildError::Series);
        let sources = [(1, [(SeriesId(9), SeriesId(1))].into())].into();
        check(Changes { sources, ..listed.clone() }, RebuildError::Unlisted(SeriesId(1)));
        let points = |id: u32, points| [(3, [(SeriesId(id), points)].into())].into();
        let of = |id: u32, one: Points| Changes { points: points(id, one), ..listed.clone() };
        check(of(1, Points::Count(1)), RebuildError::Unlisted(SeriesId(1)));
        check(of(0, Points::Count(1)), RebuildError::Points(3, SeriesId(0)));
        check(of(0, Points::Ratio { yes: 2, total: 1 }), RebuildError::Points(3, SeriesId(0)));
    }
}
