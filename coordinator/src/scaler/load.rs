//! What the load was, second by second, as the scaler's verdict needs it: how much there was to serve, and what went wrong.
//! Seconds that some agent has not told of, or not yet, are missing.

use rehearsal_metrics::{SeriesKey, Span, Timeline};
use rehearsal_plan::Capacity;
use rehearsal_verdict::elasticity::Series;

/// A value stands for its own second, and a little longer so that rounding makes no gaps.
const MAX_AGE_S: f64 = 1.5;
/// Seconds over which requests are averaged: one second alone is chance.
const WINDOW: usize = 5;

/// How much there was to serve in each second, in the unit of a capacity: users that were live at its end, or calls that
/// ended in it per second, on average over the last [`WINDOW`] seconds. A second's value stands at its end.
pub(super) fn load(timeline: &Timeline, capacity: Capacity) -> Series {
    let values = match capacity {
        Capacity::Users(_) => live_users(timeline),
        Capacity::Requests(_) => averaged(&by_second(timeline, &[SeriesKey::new("http.failed")], |row| row.count)),
    };
    known(timeline, values, 1.0)
}

/// The errors of users per second: calls and sockets that failed, and connections of sockets that broke.
pub(super) fn errors(timeline: &Timeline) -> Series {
    let failed = [SeriesKey::new("http.failed"), SeriesKey::new("socket.failed")];
    let broken = [SeriesKey::new("socket.closed").with("by", "network")];
    let failed = by_second(timeline, &failed, |row| row.yes.unwrap_or(0));
    let broken = by_second(timeline, &broken, |row| row.count);
    let sum = failed.iter().zip(&broken).map(|(one, other)| one + other).collect();
    known(timeline, sum, 0.0)
}

/// The settled seconds of a run.
fn settled(timeline: &Timeline) -> Span {
    Span { from_s: 0, to_s: timeline.settled().map_or(0, |last| (last + 1).max(0)) }
}

/// Dates values of the settled seconds from 0 on, without those that an agent has kept to itself.
fn known(timeline: &Timeline, values: Vec<f64>, shift_s: f64) -> Series {
    let until = settled(timeline).to_s;
    let missing: Vec<Span> = timeline.agents().values().flat_map(|agent| agent.unobserved(until)).collect();
    let is_missing = |second: i64| missing.iter().any(|span| (span.from_s..span.to_s).contains(&second));
    let dated = (0..).zip(values);
    let samples = dated.map(|(second, value)| (second as f64 + shift_s, (!is_missing(second)).then_some(value)));
    Series::new(samples.collect(), MAX_AGE_S)
}

fn live_users(timeline: &Timeline) -> Vec<f64> {
    let mut moved = timeline.live_by_second().peekable();
    let mut live = 0;
    let at_end = |second: i64| {
        while let Some((_, users)) = moved.next_if(|(moved_at, _)| *moved_at <= second) {
            live = users;
        }
        live as f64
    };
    (0..settled(timeline).to_s).map(at_end).collect()
}

fn by_second(timeline: &Timeline, selectors: &[SeriesKey], of: fn(&rehearsal_metrics::Row) -> u64) -> Vec<f64> {
    let span = settled(timeline);
    let mut values = vec![0.0; usize::try_from(span.to_s).unwrap_or_default()];
    for row in selectors.iter().flat_map(|selector| timeline.rows(selector, span)) {
        if let Some(value) = usize::try_from(row.second).ok().and_then(|second| values.get_mut(second)) {
            *value += of(&row) as f64;
        }
    }
    values
}

fn averaged(values: &[f64]) -> Vec<f64> {
    let mean = |end: usize| {
        let window = &values[end.saturating_sub(WINDOW)..end];
        window.iter().sum::<f64>() / window.len() as f64
    };
    (1..=values.len()).map(mean).collect()
}

#[cfg(test)]
mod tests {
    use rehearsal_metrics::{Kind, Limits, Recorder, UserState};

    use super::*;

    /// Four seconds: two users come in each, one leaves in the last, every second has ten calls, of which three fail in second 2.
    fn timeline(seconds: i64) -> Timeline {
        let mut recorder = Recorder::new(Limits::default());
        for second in 0..seconds {
            recorder.roll(second);
            let calls = recorder.series(Kind::Ratio, &SeriesKey::new("http.failed").with("name", "vote"));
            (0..10).for_each(|call| recorder.ratio(calls, second == 2 && call < 3));
            let closed = SeriesKey::new("socket.closed").with("by", if second == 1 { "network" } else { "server" });
            let closed = recorder.series(Kind::Count, &closed);
            recorder.count(closed, 1);
            recorder.transition(UserState::Waiting, UserState::Live);
            recorder.transition(UserState::Waiting, UserState::Live);
            if second == 3 {
                recorder.transition(UserState::Live, UserState::Finished);
            }
        }
        let mut timeline = Timeline::new(Limits::default());
        timeline.plan_users(100);
        timeline.expects(1, 0);
        recorder.finish().iter().for_each(|interval| timeline.add(1, interval).unwrap());
        timeline
    }

    #[test]
    fn users_stand_at_the_end_of_their_second() {
        let live = load(&timeline(4), Capacity::Users(500.0)).samples;
        assert_eq!(live, [(1.0, Some(2.0)), (2.0, Some(4.0)), (3.0, Some(6.0)), (4.0, Some(7.0))]);
    }

    #[test]
    fn requests_are_averaged_and_errors_are_not() {
        let timeline = timeline(4);
        let requests = load(&timeline, Capacity::Requests(5.0)).samples;
        assert!(requests.iter().all(|(_, rate)| *rate == Some(10.0)), "{requests:?}");
        let errors = errors(&timeline).samples;
        assert_eq!(errors, [(0.0, Some(0.0)), (1.0, Some(1.0)), (2.0, Some(3.0)), (3.0, Some(0.0))]);
    }

    #[test]
    fn what_an_agent_has_not_told_is_missing() {
        let mut timeline = timeline(4);
        timeline.expects(2, 0);
        assert_eq!(errors(&timeline).samples, [], "nothing is settled");
        timeline.left(2, 0);
        assert_eq!(errors(&timeline).samples.len(), 4);
        timeline.expects(3, 2);
        timeline.lost(3, 3, 0);
        let missing: Vec<f64> =
            errors(&timeline).samples.iter().filter(|(_, value)| value.is_none()).map(|(at_s, _)| *at_s).collect();
        assert_eq!(missing, [2.0, 3.0]);
    }
}
