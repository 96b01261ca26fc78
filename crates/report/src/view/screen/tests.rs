//! Screens against the timeline's own, slower answers.

use std::time::Duration;

use proptest::prelude::*;
use rehearsal_metrics::{Kind, Limits, Recorder, SeriesKey, UserState};
use rehearsal_plan::{AgentNumber, Change, Load, SlotTable, Spacing, Stay};

use super::*;
use crate::example::{CORES, LENGTH, example};
use crate::view::{CallNow, bands, calls_now, checks_now, errors_now, sockets_now, threshold_now, thresholds_now};

const STARTED: RunTime = RunTime::ZERO;

/// What one agent did in one second.
#[derive(Clone, Debug)]
struct Act {
    agent: u32,
    second: i64,
    came: u64,
    left: u64,
    answers: Vec<(u8, u64)>,
    opened: u64,
    closed: u64,
}

fn act() -> impl Strategy<Value = Act> {
    let answers = prop::collection::vec((0..3_u8, 1..3_000_000_u64), 0..6);
    (1..4_u32, -2..90_i64, 0..4_u64, 0..3_u64, answers, 0..3_u64, 0..2_u64).prop_map(
        |(agent, second, came, left, answers, opened, closed)| Act {
            agent,
            second,
            came,
            left,
            answers,
            opened,
            closed,
        },
    )
}

fn play(timeline: &mut Timeline, act: &Act) {
    let mut recorder = Recorder::new(Limits::default());
    recorder.roll(act.second);
    for (name, micros) in &act.answers {
        let key = SeriesKey::new("http.response").with("name", format!("call {name}")).with("status", "200");
        let id = recorder.series(Kind::Duration, &key.with("region", if micros % 2 == 0 { "eu" } else { "us" }));
        recorder.duration(id, Duration::from_micros(*micros));
        recorder.error(&format!("kind {name}"), "text", &Default::default());
    }
    let transport = |metric: &str| SeriesKey::new(metric).with("transport", "websocket");
    for _ in 0..act.opened {
        let id = recorder.series(Kind::Duration, &transport("socket.connect"));
        recorder.duration(id, Duration::from_millis(3));
    }
    let closed = recorder.series(Kind::Count, &transport("socket.closed"));
    recorder.count(closed, act.closed);
    (0..act.came).for_each(|_| recorder.transition(UserState::Waiting, UserState::Live));
    (0..act.left).for_each(|_| recorder.transition(UserState::Live, UserState::Finished));
    // Each recorder numbers its series by itself, so each is an agent of its own.
    let agent = timeline.agents().len() as u32 * 10 + act.agent;
    recorder.finish().iter().for_each(|interval| timeline.add(agent, interval).unwrap());
}

/// A screen that holds what it was handed, as a browser does.
#[derive(Default)]
struct Viewer {
    revision: u64,
    seconds: BTreeMap<i64, Second>,
}

impl Viewer {
    fn look(&mut self, screen: &Screen) {
        self.seconds.extend(screen.since(self.revision).into_iter().map(|second| (second.s, second)));
        self.revision = screen.revision();
    }
}

fn update(screen: &mut Screen, timeline: &mut Timeline, versions: Option<&Versions>) -> usize {
    let before = screen.revision();
    let changes = timeline.take_changes();
    screen.update(timeline, changes.seconds(), versions, STARTED);
    screen.since(before).len()
}

proptest! {
    #[test]
    fn pieces_in_any_order_are_the_whole(
        acts in prop::collection::vec(act(), 1..25),
        looks in prop::collection::vec(any::<bool>(), 25),
        planned in 0..120_u64,
    ) {
        let mut timeline = Timeline::new(Limits::default());
        timeline.plan_users(planned);
        let (mut screen, mut viewer) = (Screen::new(CORES), Viewer::default());
        for (act, look) in acts.iter().zip(looks) {
            play(&mut timeline, act);
            if look {
                timeline.plan_users(planned / 2 + 20);
                update(&mut screen, &mut timeline, None);
                viewer.look(&screen);
            }
        }
        update(&mut screen, &mut timeline, None);
        viewer.look(&screen);

        let whole = whole(&timeline, None, STARTED, CORES);
        prop_assert_eq!(viewer.seconds.values().cloned().collect::<Vec<_>>(), whole.clone());
        for second in &whole {
            let users = timeline.ledger_at(second.s).map(|ledger| users_now(&ledger).by_state());
            let expected: BTreeMap<String, u64> =
                users.iter().flatten().map(|(state, users)| (state.to_string(), *users)).collect();
            prop_assert_eq!(&second.users, &expected, "second {}", second.s);
            let total: u64 = second.calls.values().map(|call| call.n).sum();
            prop_assert_eq!(second.response.map_or(0, |response| response.n), total);
            prop_assert_eq!(second.heat.iter().map(|band| band.1).sum::<u64>(), total);
            prop_assert!(second.heat.iter().all(|band| usize::from(band.0) <= bands().len()));
        }
        let length = Duration::from_secs(90);
        let (short, full) = (screen.metrics(&timeline, &[], length), MetricSet::whole(&timeline, &[], length));
        prop_assert_eq!(format!("{short:?}"), format!("{full:?}"));
    }
}

/// The same figures on the last screen and in the report.
#[test]
fn the_last_screen_has_the_numbers_of_the_report() {
    let example = example();
    let (timeline, report) = (&example.timeline, &example.report);
    let mut screen = Screen::new(CORES);
    screen.update(timeline, timeline.known_seconds(), None, STARTED);
    let metrics = screen.metrics(timeline, &example.firings, LENGTH);
    assert_eq!(format!("{metrics:?}"), format!("{:?}", example.metrics));

    let calls = calls_now(timeline, &metrics);
    let shown =
        |call: &CallNow| (call.name.clone(), call.begun, call.answered, call.failed, call.cut, call.p50, call.max);
    let told = report.tables.calls.iter().map(|row| {
        let counts = row.counts;
        (row.name.clone(), counts.begun, counts.answered, counts.failed, counts.cut, row.p50, row.max)
    });
    assert_eq!(calls.iter().map(shown).collect::<Vec<_>>(), told.collect::<Vec<_>>());
    for (call, metric) in calls.iter().zip(report.metrics.iter().filter(|metric| metric.name == "http.response")) {
        assert_eq!((call.p50, call.p90, call.p99, call.max), (metric.p50, metric.p90, metric.p99, metric.max));
    }
    let checks: Vec<_> = checks_now(&metrics).into_iter().map(|c| (c.name, c.passed, c.failed)).collect();
    assert_eq!(checks, report.checks.iter().map(|c| (c.name.clone(), c.passed, c.failed)).collect::<Vec<_>>());
    let errors: Vec<_> = errors_now(timeline).into_iter().map(|e| (e.kind, e.count, e.sample)).collect();
    assert_eq!(errors, report.errors.iter().map(|e| (e.kind.clone(), e.count, e.sample.clone())).collect::<Vec<_>>());
    assert_eq!(
        thresholds_now(&example.thresholds, &metrics, &[]),
        report.thresholds.iter().map(threshold_now).collect::<Vec<_>>()
    );
    let sockets = sockets_now(&metrics);
    assert_eq!(sockets.iter().map(|row| row.opened).collect::<Vec<_>>(), [1, 4]);

    let seconds = screen.since(0);
    let last = seconds.last().unwrap();
    assert_eq!(last.users, report.users.by_state().map(|(state, users)| (state.to_owned(), users)).into());
    assert_eq!(last.sockets, sockets.iter().map(|row| (row.transport.clone(), row.open)).collect());
    let answers =
        |name: &str| seconds.iter().filter_map(|second| second.calls.get(name)).map(|call| call.n).sum::<u64>();
    assert_eq!(calls.iter().map(|call| answers(&call.name)).collect::<Vec<_>>(), [6, 4]);
    assert_eq!(seconds.iter().map(|second| second.arrivals).sum::<u64>(), 6);
    assert_eq!(seconds.iter().filter_map(|second| second.errors.get("refused")).sum::<u64>(), 1);
    assert_eq!(
        seconds.iter().map(|second| second.generator.as_deref()).collect::<Vec<_>>(),
        [None, None, Some("fair"), None]
    );
    assert!(seconds.iter().all(|second| second.settled));
}

fn came(second: i64, came: u64) -> Act {
    Act { agent: 1, second, came, left: 0, answers: Vec::new(), opened: 0, closed: 0 }
}

#[test]
fn a_lost_agent_settles_seconds_that_nothing_else_changes() {
    let mut timeline = Timeline::new(Limits::default());
    timeline.plan_users(9);
    timeline.expects(1, 0);
    let mut screen = Screen::new(CORES);
    for second in 0..3 {
        play(&mut timeline, &came(second, 1));
    }
    update(&mut screen, &mut timeline, None);
    let settled = |screen: &Screen| screen.since(0).iter().map(|second| second.settled).collect::<Vec<_>>();
    assert_eq!(settled(&screen), [false; 3], "agent 1 has not told of any");
    let agents: Vec<u32> = timeline.agents().keys().copied().collect();
    for agent in agents {
        timeline.lost(agent, 2, 0);
    }
    assert_eq!(update(&mut screen, &mut timeline, None), 3);
    assert_eq!(settled(&screen), [true; 3]);
    assert_eq!(update(&mut screen, &mut timeline, None), 0, "nothing changed since");
}

#[test]
fn what_is_late_changes_the_levels_from_its_second_on() {
    let mut timeline = Timeline::new(Limits::default());
    timeline.plan_users(9);
    let mut screen = Screen::new(CORES);
    for second in 0..10 {
        play(&mut timeline, &came(second, 0));
    }
    update(&mut screen, &mut timeline, None);
    play(&mut timeline, &came(6, 2));
    assert_eq!(update(&mut screen, &mut timeline, None), 4);
    let live: Vec<u64> = screen.since(0).iter().map(|second| second.users["live"]).collect();
    assert_eq!(live, [0, 0, 0, 0, 0, 0, 2, 2, 2, 2]);
    timeline.plan_users(12);
    assert_eq!(update(&mut screen, &mut timeline, None), 10, "three more wait in all of them");
}

#[test]
fn the_plan_is_shown_beside_what_happened() {
    let stay = Stay::Each(Duration::from_secs(2));
    let load = Load::Arrive { users: 4, over: Duration::from_secs(4), spacing: Spacing::Even, stay };
    let slots = SlotTable::weighted(4, &[(AgentNumber(1), 1)]);
    let mut versions = Versions::first(STARTED, vec![load], slots, 0);
    let mut timeline = Timeline::new(Limits::default());
    let mut screen = Screen::new(CORES);
    for second in 0..4 {
        play(&mut timeline, &came(second, 0));
    }
    update(&mut screen, &mut timeline, Some(&versions));
    let plan = |screen: &Screen| {
        screen.since(0).iter().map(|second| (second.arrivals_planned, second.target)).collect::<Vec<_>>()
    };
    assert_eq!(plan(&screen), [(1, Some(1)), (1, Some(2)), (1, Some(2)), (1, Some(2))]);
    let pause = versions.with(Change::Pause, RunTime::from_secs_f64(2.5));
    versions.push(pause).unwrap();
    assert_eq!(update(&mut screen, &mut timeline, Some(&versions)), 1, "only the last second is another one");
    assert_eq!(plan(&screen)[3], (0, Some(2)));
}
