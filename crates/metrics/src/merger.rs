//! Makes one interval per second of those that the threads of an agent close.

use std::collections::BTreeMap;

use crate::catalogue::{Catalogue, Refused, add_points, check_span};
use crate::intern::Limits;
use crate::interval::Interval;

/// What a thread still owes.
#[derive(Clone, Copy, Debug)]
enum Progress {
    /// It has not delivered anything.
    Silent,
    /// It has delivered everything before this second.
    Until(i64),
    /// It has ended and owes nothing.
    Ended,
}

/// Collects intervals of all user threads of an agent.
#[derive(Debug)]
pub struct Merger {
    catalogue: Catalogue,
    /// By thread.
    threads: Vec<Progress>,
    pending: BTreeMap<i64, Interval>,
    /// The next second to give out, known with the first interval.
    next: Option<i64>,
}

impl Merger {
    /// Expects intervals of `threads` threads, numbered from 0.
    pub fn new(threads: usize, limits: Limits) -> Merger {
        Merger {
            catalogue: Catalogue::new(limits),
            threads: vec![Progress::Silent; threads],
            pending: BTreeMap::new(),
            next: None,
        }
    }

    /// Takes an interval that a thread's recorder closed.
    ///
    /// # Errors
    /// When the interval is not one that the thread's recorder can have made.
    pub fn add(&mut self, thread: usize, mut interval: Interval) -> Result<(), Refused> {
        let (from, to) = (interval.from, interval.to);
        check_span(from, to)?;
        let source = u32::try_from(thread).map_err(|_| Refused::TooMany)?;
        self.catalogue.learn(source, &std::mem::take(&mut interval.defines))?;
        let theirs = std::mem::take(&mut interval.points);
        add_points(&mut interval.points, self.catalogue.translate(source, &theirs)?);
        match self.pending.get_mut(&from) {
            Some(pending) => pending.merge(interval).expect("same start and checked kinds: nothing to refuse"),
            None => {
                self.pending.insert(from, interval);
            }
        }
        if let Some(progress) = self.threads.get_mut(thread) {
            *progress = match *progress {
                Progress::Until(before) => Progress::Until(before.max(to)),
                Progress::Silent => Progress::Until(to),
                Progress::Ended => Progress::Ended,
            };
        }
        self.next.get_or_insert(from);
        Ok(())
    }

    /// Says that a thread will deliver nothing more.
    pub fn ended(&mut self, thread: usize) {
        if let Some(progress) = self.threads.get_mut(thread) {
            *progress = Progress::Ended;
        }
    }

    /// Returns the seconds that every thread has delivered, in order; seconds without samples are
    /// empty intervals. What a thread delivers for an earlier second comes as one more interval of
    /// that second.
    pub fn ready(&mut self) -> Vec<Interval> {
        let last_pending = self.pending.values().map(|interval| interval.to).max();
        let Some(mut upto) = last_pending.or(self.next) else {
            return Vec::new();
        };
        for progress in &self.threads {
            match progress {
                Progress::Silent => return Vec::new(),
                Progress::Until(second) => upto = upto.min(*second),
                Progress::Ended => {}
            }
        }
        self.flush(upto)
    }

    /// Returns all seconds before `upto`, whoever has delivered: what a stuck thread owes comes
    /// later.
    pub fn flush(&mut self, upto: i64) -> Vec<Interval> {
        let Some(next) = self.next else {
            return Vec::new();
        };
        let rest = self.pending.split_off(&upto);
        let mut seconds = std::mem::replace(&mut self.pending, rest);
        for second in next..upto {
            seconds.entry(second).or_insert_with(|| Interval::empty(second));
        }
        self.next = Some(next.max(upto));
        let announced = seconds.into_values().map(|mut interval| {
            interval.defines = self.catalogue.interner.announce(interval.points.keys());
            interval
        });
        announced.collect()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;
    use crate::metric_set::MetricSet;
    use crate::points::Points;
    use crate::recorder::Recorder;
    use crate::series::{Kind, SeriesKey};
    use crate::timeline::Timeline;

    /// A thread that counts `metrics`, one after the other, in each of the seconds.
    fn thread(metrics: &[&str], seconds: std::ops::Range<i64>) -> Vec<Interval> {
        let mut recorder = Recorder::new(Limits::default());
        for second in seconds {
            recorder.roll(second);
            for metric in metrics {
                let id = recorder.series(Kind::Count, &SeriesKey::new(*metric));
                recorder.count(id, 1);
            }
        }
        recorder.finish()
    }

    fn seconds(intervals: &[Interval]) -> Vec<i64> {
        intervals.iter().map(|interval| interval.from).collect()
    }

    #[test]
    fn a_second_comes_when_all_threads_have_delivered_it() {
        let mut merger = Merger::new(2, Limits::default());
        for interval in thread(&["a", "b"], 0..3) {
            merger.add(0, interval).unwrap();
        }
        assert_eq!(merger.ready(), []);
        for interval in thread(&["b", "a"], 0..2) {
            merger.add(1, interval).unwrap();
        }
        let ready = merger.ready();
        assert_eq!(seconds(&ready), [0, 1]);
        for interval in &ready {
            assert!(interval.points.values().all(|points| *points == Points::Count(2)), "ids are those of the agent");
        }
        assert_eq!(ready.iter().map(|interval| interval.defines.len()).collect::<Vec<_>>(), [2, 0]);
        merger.ended(1);
        assert_eq!(seconds(&merger.ready()), [2]);
    }

    proptest! {
        /// Whatever the bounds are and however the threads share the work, the timeline has every
        /// sample once.
        #[test]
        fn no_sample_vanishes_and_none_counts_twice(
            series in 0..6_usize,
            names in 0..4_usize,
            samples in prop::collection::vec((0..3_usize, 0..5_i64, 0..20_u32), 0..200),
        ) {
            let limits = Limits { series, names, ..Limits::default() };
            let mut merger = Merger::new(3, limits);
            for thread in 0..3 {
                let mut recorder = Recorder::new(limits);
                for second in 0..5 {
                    recorder.roll(second);
                    for (_, _, pick) in samples.iter().filter(|sample| (sample.0, sample.1) == (thread, second)) {
                        let key = SeriesKey::new(format!("m{}", pick % 3)).with("name", pick.to_string());
                        let kind = if pick % 2 == 0 { Kind::Count } else { Kind::Duration };
                        let id = recorder.series(kind, &key);
                        match kind {
                            Kind::Count => recorder.count(id, 1),
                            _ => recorder.duration(id, Duration::from_micros(u64::from(*pick))),
                        }
                    }
                }
                for interval in recorder.finish() {
                    merger.add(thread, interval).unwrap();
                }
            }
            let mut timeline = Timeline::new(limits);
            for interval in merger.ready() {
                timeline.add(1, &interval).unwrap();
            }
            let set = MetricSet::whole(&timeline, &[], Duration::from_secs(5));
            let counted: u64 = set.iter().map(|(_, points)| points.count()).sum();
            prop_assert_eq!(counted, samples.len() as u64);
            prop_assert_eq!(timeline.errors().iter().count(), 0);
            prop_assert_eq!(timeline.settled(), Some(4));
        }
    }

    #[test]
    fn a_flushed_second_comes_again_for_the_slow_thread_only() {
        let mut merger = Merger::new(2, Limits::default());
        merger.add(0, thread(&["a"], 0..1).remove(0)).unwrap();
        assert_eq!(seconds(&merger.flush(3)), [0, 1, 2]);
        merger.add(1, thread(&["a"], 0..1).remove(0)).unwrap();
        let late = merger.flush(3);
        assert_eq!(seconds(&late), [0]);
        assert_eq!(late[0].points.values().collect::<Vec<_>>(), [&Points::Count(1)]);
    }
}
