//! A small run in which a bit of everything happened, for the tests of all that is told of it.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, SystemTime};

use rehearsal_metrics::{
    CallStep, CueFiring, Health, Kind, Limits, MetricSet, Recorder, SeriesKey, Span, Summary, Tags, Timeline, UserState,
};
use rehearsal_plan::Threshold;
use rehearsal_verdict::elasticity::imaginary::{Character, Setting, expected, observe};
use rehearsal_verdict::elasticity::{Assessment, assess};
use rehearsal_verdict::{Autoscaler, Ending, Evidence, Generator, judge};

use crate::{AgentRow, AutoscalerRow, ReportInput, RunReport};

/// How long it lasts.
pub(crate) const LENGTH: Duration = Duration::from_secs(4);
/// What an agent has.
pub(crate) const CORES: u32 = 2;

/// Compares a text with a golden file beside this one; with `REHEARSAL_BLESS` set, writes the file instead.
pub(crate) fn compare(name: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/golden").join(name);
    if std::env::var_os("REHEARSAL_BLESS").is_some() {
        std::fs::write(&path, text).unwrap();
    }
    assert_eq!(text, std::fs::read_to_string(&path).unwrap());
}

/// Six users sign in; five vote over sockets; one is refused and one vote counts for nothing.
fn recorder() -> Recorder {
    let mut recorder = Recorder::new(Limits::default());
    recorder.roll(0);
    for _ in 0..6 {
        recorder.transition(UserState::Waiting, UserState::Live);
        call(&mut recorder, "POST /auth/guest", Some(Duration::from_millis(12)));
    }
    for transport in ["websocket", "websocket", "websocket", "websocket", "polling"] {
        let key = |metric: &str| SeriesKey::new(metric).with("transport", transport);
        let connect = recorder.series(Kind::Duration, &key("socket.connect").with("status", "101"));
        recorder.duration(connect, Duration::from_millis(3));
        let failed = recorder.series(Kind::Ratio, &key("socket.failed"));
        recorder.ratio(failed, false);
        let received = recorder.series(Kind::Count, &key("socket.received").with("event", "vote_open"));
        recorder.count(received, 1);
    }
    recorder.roll(2);
    recorder.health(Health { lag_max_micros: 31_000, ..Health::default() });
    recorder.cue_snapshot(1, "websocket", 5, 4);
    recorder.cue_snapshot(1, "polling", 1, 1);
    (0..4).for_each(|place| recorder.cue_heard(1, "websocket", 7_000 + place * 1_000, true));
    recorder.cue_heard(1, "polling", 40_000, true);
    for millis in [Some(80), Some(120), Some(450), Some(90), None] {
        call(&mut recorder, "vote", millis.map(Duration::from_millis));
        let check = recorder.series(Kind::Ratio, &SeriesKey::new("checks").with("name", "vote counted"));
        recorder.ratio(check, millis.is_some());
    }
    let tally = recorder.series(Kind::Duration, &SeriesKey::new("custom.tally").with("hall", "A"));
    recorder.duration(tally, Duration::from_millis(1_500));
    let seats = recorder.series(Kind::Count, &SeriesKey::new("custom.seats"));
    recorder.count(seats, 20_000);
    recorder.error("refused", "POST /api/votes: connection refused", &Tags::default());
    recorder.roll(3);
    (0..5).for_each(|_| recorder.transition(UserState::Live, UserState::Finished));
    recorder.transition(UserState::Live, UserState::Failed);
    recorder
}

fn call(recorder: &mut Recorder, name: &str, took: Option<Duration>) {
    let id = recorder.call_name(name);
    recorder.call(id, CallStep::Begun);
    recorder.call(id, if took.is_some() { CallStep::Answered } else { CallStep::Failed });
    let failed = recorder.series(Kind::Ratio, &SeriesKey::new("http.failed").with("name", name));
    recorder.ratio(failed, took.is_none());
    if let Some(took) = took {
        let response = recorder.series(Kind::Duration, &SeriesKey::new("http.response").with("name", name));
        recorder.duration(response, took);
    }
}

fn timeline() -> Timeline {
    let mut timeline = Timeline::new(Limits::default());
    timeline.plan_users(6);
    timeline.expects(1, 0);
    recorder().finish().iter().for_each(|interval| timeline.add(1, interval).unwrap());
    timeline.left(1, 4);
    timeline.expects(2, 0);
    timeline.add(2, &rehearsal_metrics::Interval::empty(0)).unwrap();
    timeline.lost(2, 1, 0);
    timeline
}

/// Everything that is known of that run.
pub(crate) struct Example {
    pub timeline: Timeline,
    pub firings: Vec<CueFiring>,
    pub thresholds: Vec<Threshold>,
    pub metrics: MetricSet,
    pub report: RunReport,
}

/// The report of that run.
pub(crate) fn report() -> RunReport {
    example().report
}

/// What is to be said of an imaginary autoscaler.
pub(crate) fn assessment(character: Character) -> Assessment {
    assess(&expected(40), &observe(Setting { character, at_most: 40.0, poll_s: 2, seed: 1 }))
}

/// Plays that run.
pub(crate) fn example() -> Example {
    let timeline = timeline();
    let firings = vec![CueFiring {
        name: "open_vote".to_owned(),
        number: 1,
        id: "b1".to_owned(),
        fired_at_s: 2.0,
        sent_after_micros: 2_000,
        clock_bound_s: 0.000_4,
    }];
    let metrics = MetricSet::whole(&timeline, &firings, LENGTH);
    let rules = [
        "http.response{name:vote} p(99) < 500ms",
        "http.failed rate < 0.1%",
        "cue.reach{cue:open_vote} rate > 80%",
        "http.response{name:\"GET /api/programme\"} p(99) < 1s",
    ];
    let thresholds: Vec<Threshold> = rules.iter().map(|rule| rule.parse().unwrap()).collect();
    let report = judged(&timeline, &firings, &metrics, &thresholds);
    Example { timeline, firings, thresholds, metrics, report }
}

fn judged(timeline: &Timeline, firings: &[CueFiring], metrics: &MetricSet, thresholds: &[Threshold]) -> RunReport {
    let summary = Summary::of(timeline, firings, LENGTH).unwrap();
    let generator = Generator::of(timeline.health(), CORES);
    let names: BTreeMap<u32, String> = [(1, "agent-1".to_owned()), (2, "agent-2".to_owned())].into();
    let judgement = judge(&Evidence {
        timeline,
        firings,
        unresolved: &[],
        metrics,
        summary: &summary,
        duration_s: LENGTH.as_secs_f64(),
        thresholds,
        breaches: &[],
        generator: &generator,
        guards: &[],
        autoscaler: &Autoscaler::NotObserved,
        ending: Ending::ByItself,
        agents: &names,
    });
    RunReport::new(ReportInput {
        run_id: "20261121-210000-0abc".to_owned(),
        scenario: "broadcast_vote".to_owned(),
        environment: "dev".to_owned(),
        started_at: SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_294_800),
        duration: LENGTH,
        judgement,
        summary,
        metrics,
        agents: vec![agent("agent-1", 6, false), agent("agent-2", 0, true)],
        generator,
        autoscaler: AutoscalerRow::not_judged("no observer is configured"),
    })
}

fn agent(id: &str, users: u64, lost: bool) -> AgentRow {
    AgentRow {
        id: id.to_owned(),
        region: "local".to_owned(),
        users,
        lost,
        clock_offset_s: (!lost).then_some(0.000_05),
        clock_bound_s: (!lost).then_some(0.000_2),
        unobserved: lost.then_some(Span { from_s: 1, to_s: 4 }).into_iter().collect(),
    }
}
