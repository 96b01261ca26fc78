//! The trait that every adapter implements, and the source that wraps one with what all of them need: a time
//! limit, a limit of age, and secrets that stay secret.

use std::fmt;
use std::time::{Duration, SystemTime};

use futures_util::future::BoxFuture;
use tokio::time::Instant;

use crate::observation::{Departure, ErrorKind, Failure, Observation, Outcome, Role, Sample};
use crate::secret::Secret;

/// Reads one source.
pub trait Observer: Send {
    /// Reads once. The future may be dropped at any point: the reading is then over, and what it started is ended.
    ///
    /// # Errors
    /// [`Failure::Missing`] when the source answers and has no value, [`Failure::Error`] when it does not answer as
    /// it should. Never panics, whatever the source sends.
    fn read(&mut self, now: SystemTime) -> BoxFuture<'_, Result<Sample, Failure>>;

    /// Says when to read again.
    fn pace(&self) -> Pace {
        Pace::Polled
    }

    /// Whether a value comes with the time that it is of. Only then it can be too old.
    fn is_dated(&self) -> bool {
        false
    }

    /// Takes out the instances that the last reading found gone. Only sources that look at each instance know.
    fn departures(&mut self) -> Vec<Departure> {
        Vec::new()
    }
}

/// When a source is read again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// At fixed intervals.
    Polled,
    /// At once: a reading itself waits for a change, for this long at the most.
    Blocking(Duration),
}

/// One source of observations, as an environment describes it.
pub struct Source {
    /// Its table in the environment, such as `autoscaler.metrics.cpu`.
    pub place: String,
    /// Its name within its role: `cpu` of `autoscaler.metrics.cpu`.
    pub name: String,
    /// What it tells.
    pub role: Role,
    /// How often it is read.
    pub every: Duration,
    pub(crate) timeout: Duration,
    pub(crate) stale_after: Option<Duration>,
    pub(crate) secrets: Vec<Secret>,
    pub(crate) observer: Box<dyn Observer>,
}

impl Source {
    /// Reads the source once. `now` is the caller's clock at this instant. Takes no longer than the source's
    /// timeout, and for a blocking source its wait besides.
    pub async fn observe(&mut self, now: SystemTime) -> Observation {
        let limit = match self.observer.pace() {
            Pace::Polled => self.timeout,
            Pace::Blocking(wait) => self.timeout + wait,
        };
        let began = Instant::now();
        let read = tokio::time::timeout(limit, self.observer.read(now)).await;
        let took = began.elapsed();
        let observed_at = now.checked_add(took).unwrap_or(now);
        let read = read.unwrap_or_else(|_| {
            let text = format!("no answer within {}", rehearsal_plan::duration::print(limit));
            Err(Failure::Error(ErrorKind::Timeout, text))
        });
        let source_time = read.as_ref().ok().and_then(|sample| sample.source_time);
        let outcome = match read.and_then(|sample| self.fresh(sample, observed_at)) {
            Ok(sample) => Outcome::Ok(sample.reading),
            Err(failure) => self.masked(failure.into()),
        };
        Observation { observed_at, took, source_time, outcome, departures: self.observer.departures() }
    }

    /// Says when to read again.
    #[must_use]
    pub fn pace(&self) -> Pace {
        self.observer.pace()
    }

    /// For how long a reading stands for what comes after its beginning: until the next one begins, and the one after
    /// that if one is left out.
    #[must_use]
    pub fn max_age(&self) -> Duration {
        let wait = match self.observer.pace() {
            Pace::Polled => Duration::ZERO,
            Pace::Blocking(wait) => wait,
        };
        wait + self.every * 5 / 2
    }

    /// Lets a value pass that is young enough. One of unknown age is not.
    fn fresh(&self, sample: Sample, now: SystemTime) -> Result<Sample, Failure> {
        let Some(limit) = self.stale_after else { return Ok(sample) };
        let Some(time) = sample.source_time else {
            return Err(Failure::missing("stale: the source does not say how old its value is"));
        };
        // A clock of the source that is ahead of ours makes a value young, not old.
        let age = now.duration_since(time).unwrap_or_default();
        match age > limit {
            true => Err(Failure::missing(format!("stale: the value is {:.1} s old", age.as_secs_f64()))),
            false => Ok(sample),
        }
    }

    fn masked(&self, outcome: Outcome) -> Outcome {
        let mask = |text| self.secrets.iter().fold(text, |text, secret| secret.masked_in(text));
        match outcome {
            Outcome::Missing(reason) => Outcome::Missing(mask(reason)),
            Outcome::Error(kind, text) => Outcome::Error(kind, mask(text)),
            ok @ Outcome::Ok(_) => ok,
        }
    }
}

impl fmt::Debug for Source {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Source").field("place", &self.place).field("every", &self.every).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use super::*;
    use crate::observation::Reading;

    struct Says(Option<Result<Sample, Failure>>);

    impl Observer for Says {
        fn read(&mut self, _now: SystemTime) -> BoxFuture<'_, Result<Sample, Failure>> {
            match self.0.clone() {
                Some(answer) => Box::pin(async { answer }),
                None => Box::pin(std::future::pending()),
            }
        }
    }

    fn at(seconds: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(seconds)
    }

    async fn observe(answer: Option<Result<Sample, Failure>>, stale_after: Option<u64>) -> Observation {
        let mut source = Source {
            place: "autoscaler.metrics.cpu".into(),
            name: "cpu".into(),
            role: Role::Metric,
            every: Duration::from_secs(2),
            timeout: Duration::from_secs(3),
            stale_after: stale_after.map(Duration::from_secs),
            secrets: vec![Secret::new("hush")],
            observer: Box::new(Says(answer)),
        };
        source.observe(at(100)).await
    }

    #[tokio::test(start_paused = true)]
    async fn silence_ends_as_an_error_and_tells_when() {
        let seen = observe(None, None).await;
        assert_eq!(seen.outcome, Outcome::Error(ErrorKind::Timeout, "no answer within 3s".into()));
        assert!(seen.took >= Duration::from_secs(3), "{seen:?}");
        assert_eq!(seen.observed_at, at(100) + seen.took);
    }

    #[tokio::test(start_paused = true)]
    async fn a_value_counts_while_it_is_young() {
        let sample = |time: Option<u64>| Sample { source_time: time.map(at), reading: Reading::Metric(7.0) };
        let value = Outcome::Ok(Reading::Metric(7.0));
        let missing = |reason: &str| Outcome::Missing(reason.into());
        let unknown = "stale: the source does not say how old its value is";
        for (time, limit, expected) in [
            (None, None, value.clone()),
            (Some(1), None, value.clone()),
            (Some(90), Some(10), value.clone()),
            (Some(500), Some(10), value.clone()),
            (Some(89), Some(10), missing("stale: the value is 11.0 s old")),
            (None, Some(10), missing(unknown)),
        ] {
            let seen = observe(Some(Ok(sample(time))), limit).await;
            assert_eq!(seen.outcome, expected, "{time:?} {limit:?}");
            assert_eq!(seen.source_time, time.map(at));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_source_that_repeats_a_secret_gives_nothing_away() {
        let seen = observe(Some(Err(Failure::missing("no hush here"))), None).await;
        assert_eq!(seen.outcome, Outcome::Missing("no *** here".into()));
        let seen = observe(Some(Err(Failure::format("hush?"))), None).await;
        assert_eq!(seen.outcome, Outcome::Error(ErrorKind::Format, "***?".into()));
    }
}
