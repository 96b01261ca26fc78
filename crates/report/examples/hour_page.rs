//! Measures what screens cost after an hour of twenty series: the first look, and then a change of three seconds.
//!
//! `cargo run --release -p rehearsal-report --example hour_page`
#![forbid(unsafe_code)]
#![allow(clippy::print_stdout)]

use std::error::Error;
use std::time::{Duration, Instant};

use rehearsal_metrics::{Kind, Limits, Recorder, SeriesKey, Timeline, UserState};
use rehearsal_plan::RunTime;
use rehearsal_report::view::{Screen, calls_now};

const SECONDS: i64 = 3_600;
/// Series of answers, two for each name of a call, and series of errors.
const DURATIONS: u64 = 12;
const COUNTS: u64 = 8;
/// Answers of each series in a second.
const SAMPLES: u32 = 800;

fn main() -> Result<(), Box<dyn Error>> {
    let timeline = hour()?;
    let mut screen = Screen::new(1);
    let all = timed("an hour at once", || screen.update(&timeline, timeline.known_seconds(), None, RunTime::ZERO));
    let change =
        timed("then a change of three seconds", || screen.update(&timeline, SECONDS - 3..SECONDS, None, RunTime::ZERO));
    let now = timed("all calls of the run so far", || {
        let metrics = screen.metrics(&timeline, &[], Duration::from_secs(SECONDS.unsigned_abs()));
        calls_now(&timeline, &metrics)
    });
    println!("a change costs 1/{:.0} of the whole", all.as_secs_f64() / (change + now).as_secs_f64());
    Ok(())
}

fn timed<T>(what: &str, work: impl FnOnce() -> T) -> Duration {
    let began = Instant::now();
    let result = work();
    let took = began.elapsed();
    drop(result);
    println!("{what}: {:.1} ms", took.as_secs_f64() * 1e3);
    took
}

fn hour() -> Result<Timeline, Box<dyn Error>> {
    let answers = (0..DURATIONS).map(|call| {
        let name = format!("call {}", call / 2);
        (Kind::Duration, SeriesKey::new("http.response").with("name", name).with("status", call.to_string()))
    });
    let errors = (0..COUNTS).map(|kind| (Kind::Count, SeriesKey::new("errors").with("kind", format!("kind {kind}"))));
    let series: Vec<(Kind, SeriesKey)> = answers.chain(errors).collect();
    let mut timeline = Timeline::new(Limits::default());
    timeline.plan_users(300_000);
    let mut recorder = Recorder::new(Limits::default());
    let mut random: u64 = 1;
    for second in 0..SECONDS {
        recorder.roll(second);
        for (kind, key) in &series {
            let id = recorder.series(*kind, key);
            if *kind == Kind::Count {
                recorder.count(id, 3);
                continue;
            }
            for _ in 0..SAMPLES {
                random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                let spread = (random >> 33) as f64 / f64::from(1_u32 << 31);
                recorder.duration(id, Duration::from_secs_f64(0.01 + 0.2 * spread * spread * spread));
            }
        }
        recorder.transition(UserState::Waiting, UserState::Live);
        for interval in recorder.take_closed() {
            timeline.add(1, &interval)?;
        }
    }
    for interval in recorder.finish() {
        timeline.add(1, &interval)?;
    }
    Ok(timeline)
}
