//! Grades the load generator second by second: whether a stretch of bad numbers speaks of the
//! system or of us.
//!
//! | gauge | fair above | poor above | where the limit comes from |
//! |---|---|---|---|
//! | lateness of timers | 20 ms | 200 ms | a start may lag 5 ms at the 99th percentile, and the worst of a second is some times that; 204 ms was measured when users computed without yielding |
//! | CPU | 70 % | 90 % | at a utilisation u work waits u/(1−u) times its own length: 2.3 times at 70 %, 9 times at 90 % |
//! | steal | 20 ms/s | 200 ms/s | what is stolen in a second may be stolen in one piece, and then is lateness |
//! | clock bound | 150 ms | 500 ms | half of the longest round trip on earth; beyond half a second most samples belong to another second |
//! | dropped starts | 0 | never | a slow system fills a rate's `at_most` too, so drops alone do not blame the generator |

use std::collections::BTreeMap;

use rehearsal_metrics::{Health, Span, Spans};
use serde::{Deserialize, Serialize};

/// The longest list of stretches in a report; further ones are milder or shorter.
const MOST_STRETCHES: usize = 10;

/// The overall grade is the worst that at least one of so many seconds had: a single hiccup does
/// not condemn an hour.
const SECONDS_PER_BAD_ONE: u64 = 20;

/// How well the generator was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Grade {
    /// Its own part in the numbers can be neglected.
    Good,
    /// It shows in the numbers, but does not make them.
    Fair,
    /// It was the limit: the numbers speak of the generator rather than of the system.
    Poor,
}

impl Grade {
    /// The grade's name in files.
    pub fn name(self) -> &'static str {
        match self {
            Grade::Good => "good",
            Grade::Fair => "fair",
            Grade::Poor => "poor",
        }
    }
}

/// Seconds in a row with the same grade.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stretch {
    /// First second.
    pub from_s: i64,
    /// The second after the last.
    pub to_s: i64,
    /// How well the generator was.
    pub grade: Grade,
    /// What was beyond its limit, at its worst.
    pub reasons: Vec<String>,
}

/// How well the generator was over a run.
///
/// One that was read from a file knows only the poor seconds that the file lists, which are the worst:
/// what depends on all of them takes [`Generator::of`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Written")]
pub struct Generator {
    /// Overall; `None` when no agent said anything of itself.
    pub grade: Option<Grade>,
    /// The stretches that were not good, worst and longest first.
    pub worst: Vec<Stretch>,
    /// All poor seconds.
    #[serde(skip)]
    poor: Spans,
}

impl Generator {
    /// Grades every second from the start on by the worst of its agents, of which the smallest may
    /// use `cores` cores. Before the start nothing is measured.
    pub fn of(health: &BTreeMap<i64, Health>, cores: u32) -> Generator {
        let grade_of = |health: &Health| GAUGES.iter().map(|gauge| gauge.grade(health, cores)).max();
        let seconds = health.range(0..).map(|(second, health)| (*second, *health));
        let graded: Vec<_> =
            seconds.filter_map(|(second, health)| Some((second, health, grade_of(&health)?))).collect();
        let mut poor = Spans::default();
        for (second, _, _) in graded.iter().filter(|(.., grade)| *grade == Grade::Poor) {
            poor.insert(Span { from_s: *second, to_s: second + 1 });
        }
        Generator { grade: overall(&graded), worst: worst_stretches(&graded, cores), poor }
    }

    /// Lists the parts of a stretch in which the generator was not the limit.
    pub fn fit_parts(&self, within: Span) -> Vec<Span> {
        self.poor.missing(within)
    }
}

/// What files say of the generator.
#[derive(Deserialize)]
struct Written {
    grade: Option<Grade>,
    worst: Vec<Stretch>,
}

impl From<Written> for Generator {
    fn from(Written { grade, worst }: Written) -> Generator {
        let mut poor = Spans::default();
        let stretches = worst.iter().filter(|stretch| stretch.grade == Grade::Poor);
        stretches.for_each(|stretch| poor.insert(Span { from_s: stretch.from_s, to_s: stretch.to_s }));
        Generator { grade, worst, poor }
    }
}

/// One thing to look at in an agent's health.
struct Gauge {
    read: fn(&Health, f64) -> f64,
    fair_above: f64,
    poor_above: f64,
    say: fn(f64) -> String,
}

const GAUGES: [Gauge; 5] = [
    Gauge {
        read: |health, _| health.lag_max_micros as f64 / 1e3,
        fair_above: 20.0,
        poor_above: 200.0,
        say: |millis| format!("timers up to {millis:.0} ms late"),
    },
    Gauge {
        read: |health, cores| f64::from(health.cpu_milli) / cores / 10.0,
        fair_above: 70.0,
        poor_above: 90.0,
        say: |percent| format!("an agent used {percent:.0}% of its CPU"),
    },
    Gauge {
        read: |health, _| f64::from(health.steal_milli),
        fair_above: 20.0,
        poor_above: 200.0,
        say: |millis| format!("the hypervisor took {millis:.0} ms of a core's second"),
    },
    Gauge {
        read: |health, _| health.clock_bound_micros as f64 / 1e3,
        fair_above: 150.0,
        poor_above: 500.0,
        say: |millis| format!("a clock known only to ±{millis:.0} ms"),
    },
    Gauge {
        read: |health, _| health.dropped_starts as f64,
        fair_above: 0.0,
        poor_above: f64::INFINITY,
        say: |starts| format!("{starts:.0} starts dropped"),
    },
];

impl Gauge {
    fn value(&self, health: &Health, cores: u32) -> f64 {
        (self.read)(health, f64::from(cores.max(1)))
    }

    fn grade(&self, health: &Health, cores: u32) -> Grade {
        match self.value(health, cores) {
            value if value > self.poor_above => Grade::Poor,
            value if value > self.fair_above => Grade::Fair,
            _ => Grade::Good,
        }
    }
}

type Graded = (i64, Health, Grade);

fn overall(graded: &[Graded]) -> Option<Grade> {
    let at_least = |grade: &Grade| {
        let seconds = graded.iter().filter(|(.., found)| found >= grade).count() as u64;
        seconds > 0 && seconds * SECONDS_PER_BAD_ONE >= graded.len() as u64
    };
    [Grade::Poor, Grade::Fair, Grade::Good].into_iter().find(at_least)
}

fn worst_stretches(graded: &[Graded], cores: u32) -> Vec<Stretch> {
    let is_same = |one: &Graded, next: &Graded| one.0 + 1 == next.0 && one.2 == next.2;
    let stretches = graded.chunk_by(is_same).filter_map(|seconds| {
        let ((from_s, _, grade), (last_s, ..)) = (seconds.first()?, seconds.last()?);
        let mut worst = Health::default();
        seconds.iter().for_each(|(_, health, _)| worst.merge(health));
        let beyond = GAUGES.iter().filter(|gauge| gauge.grade(&worst, cores) > Grade::Good);
        Some(Stretch {
            from_s: *from_s,
            to_s: last_s + 1,
            grade: *grade,
            reasons: beyond.map(|gauge| (gauge.say)(gauge.value(&worst, cores))).collect(),
        })
    });
    let mut worst: Vec<Stretch> = stretches.filter(|stretch| stretch.grade > Grade::Good).collect();
    worst.sort_by_key(|stretch| (std::cmp::Reverse((stretch.grade, stretch.to_s - stretch.from_s)), stretch.from_s));
    worst.truncate(MOST_STRETCHES);
    worst
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lag(millis: u64) -> Health {
        Health { lag_max_micros: millis * 1_000, ..Health::default() }
    }

    fn check(health: Health, grade: Grade, reason: &str) {
        let generator = Generator::of(&[(0, health)].into(), 2);
        assert_eq!(generator.grade, Some(grade), "{health:?}");
        let reasons: Vec<_> = generator.worst.iter().flat_map(|stretch| &stretch.reasons).collect();
        assert_eq!(reasons, (!reason.is_empty()).then_some(reason).into_iter().collect::<Vec<_>>());
    }

    #[test]
    fn each_gauge_has_its_limits() {
        let with = Health::default;
        check(with(), Grade::Good, "");
        check(lag(20), Grade::Good, "");
        check(lag(21), Grade::Fair, "timers up to 21 ms late");
        check(lag(201), Grade::Poor, "timers up to 201 ms late");
        check(Health { cpu_milli: 1_400, ..with() }, Grade::Good, "");
        check(Health { cpu_milli: 1_840, ..with() }, Grade::Poor, "an agent used 92% of its CPU");
        check(Health { steal_milli: 30, ..with() }, Grade::Fair, "the hypervisor took 30 ms of a core's second");
        check(Health { clock_bound_micros: 600_000, ..with() }, Grade::Poor, "a clock known only to ±600 ms");
        check(Health { dropped_starts: 9_000, ..with() }, Grade::Fair, "9000 starts dropped");
    }

    #[test]
    fn stretches_are_sorted_by_how_bad_they_are() {
        let millis = [0, 30, 40, 0, 300, 50, 0, 60, 0];
        let health = millis.iter().enumerate().map(|(second, millis)| (second as i64, lag(*millis)));
        let generator = Generator::of(&health.chain([(-1, lag(900))]).collect(), 1);
        let spans: Vec<_> =
            generator.worst.iter().map(|stretch| (stretch.from_s, stretch.to_s, stretch.grade)).collect();
        let expected = [(4, 5, Grade::Poor), (1, 3, Grade::Fair), (5, 6, Grade::Fair), (7, 8, Grade::Fair)];
        assert_eq!(spans, expected, "and what was before the start does not count");
        assert_eq!(generator.worst[1].reasons, ["timers up to 40 ms late"]);
        let run = Span { from_s: 0, to_s: 9 };
        assert_eq!(generator.fit_parts(run), [Span { from_s: 0, to_s: 4 }, Span { from_s: 5, to_s: 9 }]);
        let written = serde_json::to_string(&generator).unwrap();
        assert_eq!(serde_json::from_str::<Generator>(&written).unwrap(), generator);
    }

    #[test]
    fn one_bad_second_does_not_condemn_an_hour() {
        let grade = |seconds: i64| {
            let health = (0..seconds).map(|second| (second, lag(if second == 3 { 300 } else { 1 })));
            Generator::of(&health.collect(), 1).grade
        };
        assert_eq!(grade(20), Some(Grade::Poor));
        assert_eq!(grade(21), Some(Grade::Good));
        assert_eq!(Generator::of(&BTreeMap::new(), 1).grade, None, "nobody said anything");
    }
}
