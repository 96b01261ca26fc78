//! Imaginary runs of which the truth is known.

use std::time::Duration;

use rand::{RngExt, SeedableRng};
use rand_distr::{Distribution, StandardNormal};
use rand_xoshiro::Xoshiro256PlusPlus;
use rehearsal_metrics::{CueFiring, Health, Kind, Limits, Recorder, SeriesId, SeriesKey, Timeline, UserState};

use super::Side;
use crate::generator::Generator;
use crate::judge::Verdict;
use crate::thresholds::ThresholdOutcome;

/// The recipe for a run.
#[derive(Clone, Debug)]
pub(super) struct Recipe {
    pub seed: u64,
    pub seconds: i64,
    /// Calls in a second, divided among `names`.
    pub calls: u32,
    pub names: &'static [&'static str],
    /// The standard deviation of the logarithm of a second's level.
    pub noise: f64,
    /// How much of its level a second has from the one before, 0 … 1.
    pub memory: f64,
    /// What all response times are multiplied by.
    pub slower: f64,
    /// The share of calls that take three times as long.
    pub tail: f64,
    /// The share of calls that fail.
    pub failing: f64,
    /// Seconds in which the generator was the limit.
    pub poor: std::ops::Range<i64>,
    /// Users that each firing of a cue finds, how many of them hear it, and after how many milliseconds.
    pub audience: Option<(u64, u64, i64)>,
    /// How often the cue is fired.
    pub firings: u32,
    /// The standard deviation of the logarithm of a firing's delays, which all of its users share.
    pub shock: f64,
}

impl Default for Recipe {
    fn default() -> Recipe {
        Recipe {
            seed: 1,
            seconds: 120,
            calls: 50,
            names: &["vote"],
            noise: 0.1,
            memory: 0.0,
            slower: 1.0,
            tail: 0.0,
            failing: 0.01,
            poor: 0..0,
            audience: None,
            firings: 1,
            shock: 0.0,
        }
    }
}

/// A run that was made.
pub(super) struct Run {
    pub timeline: Timeline,
    pub firings: Vec<CueFiring>,
    pub generator: Generator,
    pub duration: Duration,
    pub thresholds: Vec<ThresholdOutcome>,
}

struct CallSeries {
    response: SeriesId,
    answered: SeriesId,
    failed: SeriesId,
}

impl Recipe {
    pub(super) fn make(&self) -> Run {
        let mut random = Xoshiro256PlusPlus::seed_from_u64(self.seed);
        let mut recorder = Recorder::new(Limits::default());
        recorder.roll(0);
        let series: Vec<CallSeries> = self.names.iter().map(|name| call_series(&mut recorder, name)).collect();
        let mut weather: f64 = StandardNormal.sample(&mut random);
        for second in 0..self.seconds {
            recorder.roll(second);
            let lag_max_micros = if self.poor.contains(&second) { 900_000 } else { 1_000 };
            recorder.health(Health { lag_max_micros, ..Health::default() });
            let fresh: f64 = StandardNormal.sample(&mut random);
            weather = self.memory * weather + (1.0 - self.memory * self.memory).sqrt() * fresh;
            for call in 0..self.calls {
                let series = &series[call as usize % series.len()];
                self.call(series, (self.noise * weather).exp(), &mut recorder, &mut random);
            }
        }
        self.finish(recorder)
    }

    fn call(&self, series: &CallSeries, level: f64, recorder: &mut Recorder, random: &mut Xoshiro256PlusPlus) {
        if random.random_bool(self.failing) {
            recorder.ratio(series.failed, true);
            return recorder.error("timeout", "after 5 s", &rehearsal_metrics::Tags::default());
        }
        let tail = if random.random_bool(self.tail) { 3.0 } else { 1.0 };
        let own: f64 = StandardNormal.sample(random);
        let millis = 20.0 * self.slower * tail * level * (0.3 * own).exp();
        recorder.duration(series.response, Duration::from_secs_f64(millis / 1e3));
        recorder.ratio(series.answered, false);
    }

    fn finish(&self, mut recorder: Recorder) -> Run {
        for _ in 0..100 {
            recorder.transition(UserState::Waiting, UserState::Live);
        }
        let firings = 1..=self.audience.map_or(0, |_| self.firings);
        let mut random = Xoshiro256PlusPlus::seed_from_u64(!self.seed);
        for (number, (live, heard, millis)) in firings.clone().zip(self.audience.into_iter().cycle()) {
            let shock: f64 = StandardNormal.sample(&mut random);
            let delay_micros = (millis as f64 * 1e3 * (self.shock * shock).exp()) as i64;
            recorder.cue_snapshot(number, "websocket", live, live);
            for user in 0..heard as i64 {
                recorder.cue_heard(number, "websocket", delay_micros + user * 10, true);
            }
        }
        let mut timeline = Timeline::new(Limits::default());
        timeline.plan_users(100);
        timeline.expects(1, 0);
        recorder.finish().iter().for_each(|interval| timeline.add(1, interval).unwrap());
        timeline.left(1, self.seconds);
        let firing = |number: u32| CueFiring {
            name: "open_vote".to_owned(),
            number,
            id: number.to_string(),
            fired_at_s: (self.seconds * i64::from(number) / i64::from(self.firings + 1)) as f64,
            sent_after_micros: 0,
            clock_bound_s: 0.01,
        };
        Run {
            generator: Generator::of(timeline.health(), 1),
            timeline,
            firings: firings.map(firing).collect(),
            duration: Duration::from_secs(self.seconds.unsigned_abs()),
            thresholds: Vec::new(),
        }
    }
}

impl Run {
    pub(super) fn side(&self, name: &str) -> Side<'_> {
        Side {
            name: name.to_owned(),
            scenario: "broadcast_vote".to_owned(),
            environment: "dev".to_owned(),
            timeline: &self.timeline,
            firings: &self.firings,
            duration: self.duration,
            verdict: Verdict::Pass,
            thresholds: &self.thresholds,
            generator: &self.generator,
        }
    }
}

fn call_series(recorder: &mut Recorder, name: &str) -> CallSeries {
    let all = SeriesKey::new("http.failed").with("name", name);
    CallSeries {
        response: recorder.series(Kind::Duration, &SeriesKey::new("http.response").with("name", name)),
        answered: recorder.series(Kind::Ratio, &all),
        failed: recorder.series(Kind::Ratio, &all.with("kind", "timeout")),
    }
}
