//! Writes what is told of a run over an imaginary autoscaler: to look at, and for the pages' own tests.
//!
//! ```text
//! cargo run -p rehearsal-report --example scaler -- flapping summary
//! cargo run -p rehearsal-report --example scaler -- flapping page coordinator/web/dist/report.html > report.html
//! ```
#![forbid(unsafe_code)]
#![allow(clippy::print_stdout)]

use std::error::Error;
use std::time::{Duration, SystemTime};

use rehearsal_metrics::{CallStep, Kind, Limits, MetricSet, Recorder, SeriesKey, Summary, Timeline, UserState};
use rehearsal_plan::RunTime;
use rehearsal_report::view::{RunNow, RunState, calls_now, finding_now, whole};
use rehearsal_report::{AgentRow, AutoscalerRow, ReportInput, RunReport, html, text};
use rehearsal_verdict::elasticity::imaginary::{Character, Setting, expected, observe};
use rehearsal_verdict::elasticity::{Observations, assess};
use rehearsal_verdict::{Autoscaler, Ending, Evidence, Generator, judge};

const CORES: u32 = 2;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (character, form) = match arguments.as_slice() {
        [character, form, ..] => (character_of(character)?, form.as_str()),
        _ => return Err("say which character, and `text`, `summary`, or `page TEMPLATE`".into()),
    };
    let seen = observe(Setting { character, at_most: 40.0, poll_s: 2, seed: 1 });
    let timeline = timeline(&seen)?;
    let report = report(&timeline, &seen)?;
    match (form, arguments.get(2)) {
        ("text", _) => print!("{}", text::render(&report, false)),
        ("summary", _) => print!("{}", report.to_json()?),
        ("page", Some(template)) => {
            let seconds = whole(&timeline, None, RunTime::ZERO, CORES);
            print!("{}", html(&std::fs::read_to_string(template)?, &report, &last_seen(&timeline, &report), &seconds)?);
        }
        _ => return Err("say `text`, `summary`, or `page TEMPLATE`".into()),
    }
    Ok(())
}

fn character_of(name: &str) -> Result<Character, String> {
    let all = [
        ("healthy", Character::Healthy),
        ("slow", Character::Slow),
        ("frozen", Character::Frozen),
        ("flapping", Character::Flapping),
        ("greedy", Character::Greedy),
        ("harsh", Character::Harsh),
        ("blind", Character::Blind),
    ];
    let found = all.iter().find(|(known, _)| *known == name);
    found.map(|(_, character)| *character).ok_or_else(|| format!("`{name}` is none of {:?}", all.map(|(name, _)| name)))
}

/// A run whose users come and go as the load does, each with a call a second.
fn timeline(seen: &Observations) -> Result<Timeline, Box<dyn Error>> {
    let loads: Vec<i64> = seen.load.samples.iter().map(|(_, users)| users.unwrap_or(0.0) as i64).collect();
    let arrived = loads.iter().fold((0, 0), |(all, before), now| (all + (now - before).max(0), *now)).0;
    let mut timeline = Timeline::new(Limits::default());
    timeline.plan_users(arrived.unsigned_abs());
    timeline.expects(1, 0);
    let mut recorder = Recorder::new(Limits::default());
    let call = recorder.call_name("GET /api/heartbeat");
    let key = SeriesKey::new("http.response").with("name", "GET /api/heartbeat").with("status", "200");
    let mut live = 0;
    for (second, users) in (0..).zip(loads) {
        recorder.roll(second);
        (live..users).for_each(|_| recorder.transition(UserState::Waiting, UserState::Live));
        (users..live).for_each(|_| recorder.transition(UserState::Live, UserState::Finished));
        live = users;
        let response = recorder.series(Kind::Duration, &key);
        let failed = recorder.series(Kind::Ratio, &SeriesKey::new("http.failed").with("name", "GET /api/heartbeat"));
        for place in 0..users / 10 {
            recorder.call(call, CallStep::Begun);
            recorder.call(call, CallStep::Answered);
            recorder.ratio(failed, false);
            recorder.duration(response, Duration::from_millis(12 + place.unsigned_abs() % 30));
        }
    }
    (0..live).for_each(|_| recorder.transition(UserState::Live, UserState::Finished));
    for interval in recorder.finish() {
        timeline.add(1, &interval)?;
    }
    timeline.left(1, seen.to_s as i64);
    Ok(timeline)
}

fn report(timeline: &Timeline, seen: &Observations) -> Result<RunReport, Box<dyn Error>> {
    let duration = Duration::from_secs_f64(seen.to_s);
    let summary = Summary::of(timeline, &[], duration)?;
    let metrics = MetricSet::whole(timeline, &[], duration);
    let generator = Generator::of(timeline.health(), CORES);
    let assessment = Box::new(assess(&expected(40), seen));
    let judgement = judge(&Evidence {
        timeline,
        firings: &[],
        unresolved: &[],
        metrics: &metrics,
        summary: &summary,
        duration_s: seen.to_s,
        thresholds: &[],
        breaches: &[],
        generator: &generator,
        guards: &[],
        autoscaler: &Autoscaler::Observed(assessment.clone()),
        ending: Ending::ByItself,
        agents: &[(1, "local-0".to_owned())].into(),
    });
    Ok(RunReport::new(ReportInput {
        run_id: "20261122-210000-0abc".to_owned(),
        scenario: "broadcast_vote".to_owned(),
        environment: "stress".to_owned(),
        started_at: SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_294_800),
        duration,
        judgement,
        summary,
        metrics: &metrics,
        agents: vec![AgentRow {
            id: "local-0".to_owned(),
            region: "local".to_owned(),
            users: timeline.planned().now,
            lost: false,
            clock_offset_s: None,
            clock_bound_s: Some(0.000_2),
            unobserved: Vec::new(),
        }],
        generator,
        autoscaler: AutoscalerRow::Judged(assessment),
    }))
}

fn last_seen(timeline: &Timeline, report: &RunReport) -> RunNow {
    let metrics = MetricSet::whole(timeline, &[], Duration::from_secs_f64(report.duration_s));
    RunNow {
        id: report.run_id.clone(),
        scenario: report.scenario.clone(),
        environment: report.environment.clone(),
        state: RunState::Judged,
        started_at: Some(report.started_at.clone()),
        now_s: Some(report.duration_s),
        settled_s: timeline.settled(),
        users: report.users,
        calls: calls_now(timeline, &metrics),
        verdict: Some(report.verdict.name().to_owned()),
        findings: report.findings.iter().map(finding_now).collect(),
        ..RunNow::default()
    }
}
