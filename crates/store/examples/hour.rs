//! Measures an hour of 1,000 agents with 20 series: what it takes on the disk, how long commits take, how far the
//! write-ahead log grows, and how long reading takes.
//!
//! `cargo run --release -p rehearsal-store --example hour`
#![forbid(unsafe_code)]
#![allow(clippy::print_stdout)]

use std::error::Error;
use std::path::Path;
use std::time::{Duration, Instant};

use rehearsal_metrics::{
    AgentRecord, Bins, Changes, Definition, Health, Kind, Limits, Points, SeriesId, SeriesKey, Span, Spans, Timeline,
    Transitions, UserState,
};
use rehearsal_store::{About, Batch, Mark, Reader, Store};
use serde_json::Value;

const SECONDS: i64 = 3_600;
/// Agents report at different instants, so a second is written again in several ticks.
const TICKS: u32 = 3;
const AGENTS: u32 = 1_000;
const DURATIONS: u32 = 12;
const SERIES: u32 = 20;
/// Samples of a duration in one second; they fill about 1,000 bins, which is more than most systems' do.
const SAMPLES: u64 = 2_000;

fn main() -> Result<(), Box<dyn Error>> {
    let folder = tempfile::TempDir::new()?;
    let path = folder.path().join("run.db");
    let mut store = Store::create(&path, &about())?;
    let (mut commits, mut longest_log, mut bins_in_use) = (Vec::new(), 0, 0);
    let samples = Samples::draw();
    for second in 0..SECONDS {
        for tick in 1..=TICKS {
            let batch = batch(second, tick, &samples);
            bins_in_use += bins_of(&batch);
            let began = Instant::now();
            store.commit(&batch)?;
            commits.push(began.elapsed());
            longest_log = longest_log.max(size(&path.with_extension("db-wal")));
        }
    }
    store.finish(&Value::Null)?;
    drop(store);
    let began = Instant::now();
    let changes = Reader::open(&path)?.load()?.changes;
    let read = began.elapsed();
    Timeline::rebuild(Limits::default(), changes)?;
    commits.sort_unstable();
    let at = |share: f64| commits[(commits.len() as f64 * share) as usize].as_secs_f64() * 1e3;
    let mebi = |bytes: u64| bytes as f64 / f64::from(1 << 20);
    let rows = f64::from(TICKS * DURATIONS) * SECONDS as f64;
    println!("{} commits of {AGENTS} agents in {TICKS} parts", commits.len());
    println!("bins in use, of a duration in a second: {:.0}", bins_in_use as f64 / rows);
    println!("run.db {:.1} MiB, write-ahead log at most {:.1} MiB", mebi(size(&path)), mebi(longest_log));
    println!("commit: median {:.1} ms, p99 {:.1} ms, longest {:.1} ms", at(0.5), at(0.99), at(1.0 - 1e-9));
    println!("reading everything: {:.2} s", read.as_secs_f64());
    Ok(())
}

fn size(path: &Path) -> u64 {
    std::fs::metadata(path).map_or(0, |file| file.len())
}

fn about() -> About {
    About {
        run_id: "an-hour".to_owned(),
        scenario: "show".to_owned(),
        environment: "dev".to_owned(),
        seed: 1,
        started_at_us: None,
        plan: Value::Null,
        settings: Value::Null,
        program: "0".to_owned(),
    }
}

/// What one tick writes: the second as it stands when `tick` of its parts have come, and the agents of this part.
fn batch(second: i64, tick: u32, samples: &Samples) -> Batch {
    let mut changes = Changes::default();
    if (second, tick) == (0, 1) {
        changes.series = (0..SERIES).map(definition).collect();
    }
    let points = |id: u32| {
        let points = if id < DURATIONS {
            Points::Duration(samples.of(second.unsigned_abs() + u64::from(id), tick))
        } else {
            Points::Count(1_000 * u64::from(id * tick))
        };
        (SeriesId(id), points)
    };
    changes.points.insert(second, (0..SERIES).map(points).collect());
    let mut moved = Transitions::default();
    moved.record(UserState::Waiting, UserState::Live, 83).expect("users start");
    changes.users.insert(second, moved);
    let health = Health { lag_max_micros: 900, cpu_milli: 700, open_files: 900, ..Health::default() };
    changes.health.insert(second, health);
    let part = (AGENTS * (tick - 1) / TICKS)..(AGENTS * tick / TICKS);
    let record = AgentRecord {
        from_s: 0,
        left_at: None,
        lost_at: None,
        restored: false,
        reported: Spans::from(vec![Span { from_s: 0, to_s: second + 1 }]),
        users: moved,
        worst: health,
        latest: Some((second, health)),
    };
    changes.agents = part.clone().map(|agent| (agent, record.clone())).collect();
    let mark = |agent: u32| Mark {
        incarnation: (u128::from(agent) << 96).to_be_bytes(),
        agent,
        mark: second.unsigned_abs() + 1,
        stored_until: Some(second + 1),
    };
    Batch { changes, marks: part.map(mark).collect(), ..Batch::default() }
}

fn definition(id: u32) -> Definition {
    let kind = if id < DURATIONS { Kind::Duration } else { Kind::Count };
    let metric = if id < DURATIONS { "http.response" } else { "socket.received" };
    Definition { id: SeriesId(id), kind, key: SeriesKey::new(metric).with("name", format!("call {id}")) }
}

fn bins_of(batch: &Batch) -> usize {
    let of = |points: &Points| if let Points::Duration(bins) = points { bins.gaps().count() } else { 0 };
    batch.changes.points.values().flat_map(|series| series.values().map(of)).sum()
}

/// Some seconds of a duration, each as it stands after each tick; drawing all of them would take longer than writing.
struct Samples(Vec<Vec<Bins>>);

impl Samples {
    fn draw() -> Samples {
        let after = |seed, tick| bins(seed, SAMPLES * u64::from(tick) / u64::from(TICKS));
        Samples((0..97).map(|seed| (1..=TICKS).map(|tick| after(seed, tick)).collect()).collect())
    }

    fn of(&self, pick: u64, tick: u32) -> Bins {
        self.0[(pick % self.0.len() as u64) as usize][tick as usize - 1].clone()
    }
}

/// Durations around 20 ms with a long tail: the product of four even draws.
fn bins(seed: u64, samples: u64) -> Bins {
    let mut bins = Bins::default();
    let mut state = (seed + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut draw = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        0.5 + (state >> 40) as f64 / f64::from(1 << 24)
    };
    for _ in 0..samples {
        let millis = 20.0 * draw() * draw() * draw() * draw();
        bins.record(Duration::from_secs_f64(millis / 1e3));
    }
    bins
}
