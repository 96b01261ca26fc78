//! What was counted, merged as an agent does it, with look-ups for tests.

use std::collections::BTreeMap;

use rehearsal_engine::Solo;
use rehearsal_metrics::{
    Bins, CallCounts, CuePoints, ErrorCount, Interval, Ledger, Limits, Merger, Points, SeriesId, SeriesKey, Tags,
    UserState,
};

/// The sum of all intervals of all threads.
pub struct Told {
    merger: Merger,
    whole: Option<Interval>,
    keys: BTreeMap<SeriesId, SeriesKey>,
    /// The seconds that were told, in the order of telling.
    pub seconds: Vec<i64>,
}

impl Told {
    pub fn new(threads: usize) -> Self {
        let merger = Merger::new(threads, Limits::default());
        Self { merger, whole: None, keys: BTreeMap::new(), seconds: Vec::new() }
    }

    /// What was counted of functions that ran by themselves.
    pub fn of(solo: &Solo) -> Self {
        let mut told = Self::new(1);
        solo.intervals().into_iter().for_each(|interval| told.add(0, interval));
        told.ended(0);
        told.check_calls();
        told
    }

    pub fn add(&mut self, thread: usize, interval: Interval) {
        self.merger.add(thread, interval).unwrap();
        self.take_ready();
    }

    pub fn ended(&mut self, thread: usize) {
        self.merger.ended(thread);
        self.take_ready();
    }

    fn take_ready(&mut self) {
        for interval in self.merger.ready() {
            self.seconds.push(interval.from);
            self.keys.extend(interval.defines.iter().map(|series| (series.id, series.key.clone())));
            match &mut self.whole {
                Some(whole) => whole.merge(interval).unwrap(),
                none => *none = Some(interval),
            }
        }
    }

    /// Everything in one interval.
    pub fn whole(&self) -> &Interval {
        static NOTHING: std::sync::LazyLock<Interval> = std::sync::LazyLock::new(Interval::default);
        self.whole.as_ref().unwrap_or(&NOTHING)
    }

    fn points(&self, metric: &str, tags: &[(&str, &str)]) -> impl Iterator<Item = &Points> {
        let tags = tags.iter().fold(Tags::default(), |tags, (key, value)| tags.with(*key, *value));
        let matching = move |(id, _): &(&SeriesId, &Points)| self.keys[*id].matches(metric, &tags);
        self.whole().points.iter().filter(matching).map(|(_, points)| points)
    }

    /// Samples of a metric with at least these tags; for counts their sum.
    pub fn count(&self, metric: &str, tags: &[(&str, &str)]) -> u64 {
        self.points(metric, tags).map(Points::count).sum()
    }

    /// Yes of all, for ratios.
    pub fn ratio(&self, metric: &str, tags: &[(&str, &str)]) -> (u64, u64) {
        self.points(metric, tags).fold((0, 0), |(yeses, totals), points| match points {
            Points::Ratio { yes, total } => (yeses + yes, totals + total),
            other => panic!("{metric} is {}", other.kind()),
        })
    }

    /// Seconds at a percentile of a duration; 0 is the shortest and 100 the longest.
    pub fn seconds_at(&self, percent: f64, metric: &str, tags: &[(&str, &str)]) -> f64 {
        let mut all = Bins::default();
        for points in self.points(metric, tags) {
            match points {
                Points::Duration(bins) => all.merge(bins),
                other => panic!("{metric} is {}", other.kind()),
            }
        }
        all.percentile(percent).unwrap_or_else(|| panic!("{metric} {tags:?} has no samples")).as_secs_f64()
    }

    pub fn error(&self, kind: &str) -> ErrorCount {
        let found = self.whole().errors.iter().find(|(known, _)| *known == kind);
        found.map_or(ErrorCount { count: 0, sample: String::new() }, |(_, error)| error.clone())
    }

    pub fn calls(&self, name: &str) -> CallCounts {
        self.whole().calls.get(name).copied().unwrap_or_default()
    }

    pub fn moved(&self, from: UserState, to: UserState) -> u64 {
        self.whole().users.values().map(|moved| moved.get(from, to)).sum()
    }

    pub fn cue(&self, firing: u32) -> CuePoints {
        self.whole().cues.get(&firing).cloned().unwrap_or_default()
    }

    /// Every call that began has ended in one way.
    pub fn check_calls(&self) {
        for (name, calls) in &self.whole().calls {
            assert_eq!(calls.begun, calls.answered + calls.failed + calls.cut, "{name}: {calls:?}");
        }
    }

    /// No second is missing or told twice, and the users of every second sum to the planned.
    pub fn check_users(&self, planned: u64) {
        assert!(self.seconds.windows(2).all(|pair| pair[1] == pair[0] + 1), "{:?}", self.seconds);
        let mut ledger = Ledger::new(planned);
        for (second, moved) in &self.whole().users {
            ledger.apply(moved).unwrap_or_else(|error| panic!("second {second}: {error}"));
        }
        let still_there = ledger.users(UserState::Waiting) + ledger.users(UserState::Live);
        assert_eq!(still_there, 0, "{:?}", self.whole().users);
    }
}
