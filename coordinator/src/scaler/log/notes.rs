//! What people should know of the readings themselves: late ones, clocks that differ, sources that never gave anything.

use rehearsal_verdict::amounts::{counted, seconds};

use super::{Log, Place};
use crate::scaler::look::{Decision, Look, What};

/// From this on a reading that began late is told.
const LATE_US: u64 = 1_000_000;
/// From this on a clock differs from ours: sources round to whole seconds.
const OFF_US: i64 = 2_000_000;
/// How many decisions have to be told late: a single one may have been.
const SEVERAL: usize = 2;

impl Log {
    /// What the first reading that gave nothing met, with the name of its source.
    pub(crate) fn first_failure(&self) -> Option<String> {
        self.looks.iter().find_map(|look| Some(format!("{}: {}", look.place, why(look)?)))
    }

    /// Says how punctual the readings were, if that is worth a word.
    pub(crate) fn lateness(&self) -> Option<String> {
        let late = self.looks.iter().filter(|look| look.late_us >= LATE_US).count() as u64;
        let skipped: u64 = self.looks.iter().map(|look| look.skipped).sum();
        let worst = seconds(self.looks.iter().map(|look| look.late_us).max().unwrap_or_default() as f64 / 1e6);
        let late = (late > 0).then(|| format!("{} of it began late, the worst by {worst}", counted(late, "reading")));
        let skipped = (skipped > 0).then(|| {
            let were = if skipped == 1 { "was" } else { "were" };
            format!("{} of it {were} left out, because those before took too long", counted(skipped, "reading"))
        });
        let told: Vec<String> = late.into_iter().chain(skipped).collect();
        (!told.is_empty()).then(|| told.join("; "))
    }

    /// Says what makes the sources' words less than they seem, one by one.
    pub(crate) fn doubts(&self) -> Vec<String> {
        let of = |place| [self.silence(place), self.clock_ahead(place), self.log_behind(place)];
        self.places.iter().flat_map(of).flatten().collect()
    }

    /// A source that was read and never gave anything. If none did, the verdict says so by itself.
    fn silence(&self, place: &Place) -> Option<String> {
        let is_mute = !self.is_silent() && !self.looks_of(place).any(Look::is_value);
        let why = self.looks_of(place).find_map(why).filter(|_| is_mute)?;
        let readings = counted(self.looks_of(place).count() as u64, "reading");
        Some(format!("{} gave nothing in {readings}: {why}", place.place))
    }

    /// Nothing can be told before it was.
    fn clock_ahead(&self, place: &Place) -> Option<String> {
        let ahead_us = |look: &Look| match &look.what {
            What::Activities(new) => new.iter().map(|decision| decision.at_us - look.until_us()).max(),
            _ => look.of_us.map(|of_us| of_us - look.until_us()),
        };
        let most_us = self.looks_of(place).filter_map(ahead_us).max().filter(|ahead_us| *ahead_us > OFF_US)?;
        let by = seconds(most_us as f64 / 1e6);
        Some(format!("the clock of {} is {by} ahead of ours: what it dates later counts from its reading", place.place))
    }

    /// What is new in a reading was not told by the one before: if all of that is dated before it, the log is late, or
    /// its clock is.
    fn log_behind(&self, place: &Place) -> Option<String> {
        let readings: Vec<(i64, &[Decision])> = self.looks_of(place).filter_map(decisions).collect();
        let pairs = readings.windows(2).map(|pair| (pair[0].0, pair[1].1));
        let behind = pairs.flat_map(|(before_us, new)| new.iter().map(move |decision| before_us - decision.at_us));
        let behind: Vec<i64> = behind.collect();
        let least_us = behind.iter().copied().min().filter(|least_us| *least_us > OFF_US)?;
        (behind.len() >= SEVERAL).then(|| {
            format!(
                "{} told each of {} {} or more after the time that it gives: it tells late, or its clock is behind ours, \
                 and then decisions came later than it says",
                place.place,
                counted(behind.len() as u64, "decision"),
                seconds(least_us as f64 / 1e6),
            )
        })
    }
}

/// When a reading of the scaler's log began, and what was new in it.
fn decisions(look: &Look) -> Option<(i64, &[Decision])> {
    match &look.what {
        What::Activities(new) => Some((look.at_us, new)),
        _ => None,
    }
}

fn why(look: &Look) -> Option<&str> {
    match &look.what {
        What::Error(why) | What::Missing(why) => Some(why),
        _ => None,
    }
}
