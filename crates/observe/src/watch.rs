//! Reads every source at its own rate, and tells of each reading how punctual it was.

use std::time::{Duration, SystemTime};

use futures_util::future::join_all;
use tokio::sync::mpsc::Sender;
use tokio::time::{Instant, sleep_until};

use crate::observation::{Observation, Outcome, Role};
use crate::observer::{Pace, Source};

/// The shortest time between two readings of a blocking source: one that never blocks must not be stormed.
const BREATH: Duration = Duration::from_millis(100);

/// One observation on its way to whoever watches.
#[derive(Clone, Debug, PartialEq)]
pub struct Sighting {
    /// The table of the source in the environment, such as `autoscaler.metrics.cpu`.
    pub place: String,
    /// The name of the source within its role, such as `cpu`.
    pub name: String,
    /// What the source tells.
    pub role: Role,
    /// How much later than planned the reading began, because the one before or the receiver took too long.
    pub late: Duration,
    /// How many readings were left out for the same reason since the one before.
    pub skipped: u64,
    /// What was read.
    pub observation: Observation,
}

/// Reads all sources until the receiver of `sink` is gone. A source's readings never overlap; sources do not wait for
/// each other, except that a full sink holds up whoever has something to tell. Readings are planned at whole
/// multiples of the source's rate: one that lasts longer makes the next late, and those left out are counted.
/// Blocking sources are read again at once, after an error only at their rate.
///
/// `now` is the caller's clock. Dropping the future ends all readings that are on their way.
pub async fn watch(sources: Vec<Source>, now: impl Fn() -> SystemTime, sink: Sender<Sighting>) {
    let now = &now;
    let sink = &sink;
    join_all(sources.into_iter().map(|mut source| async move {
        tokio::select! {
            () = attend(&mut source, now, sink) => {}
            // Nobody listens any more, also while a source is silent.
            () = sink.closed() => {}
        }
    }))
    .await;
}

/// Reads one source until nobody listens.
async fn attend(source: &mut Source, now: &impl Fn() -> SystemTime, sink: &Sender<Sighting>) {
    let mut due = Instant::now();
    let mut skipped = 0;
    loop {
        sleep_until(due).await;
        let began = Instant::now();
        let late = began.duration_since(due);
        let observation = source.observe(now()).await;
        let failed = matches!(observation.outcome, Outcome::Error(..));
        let (place, name, role) = (source.place.clone(), source.name.clone(), source.role);
        if sink.send(Sighting { place, name, role, late, skipped, observation }).await.is_err() {
            return;
        }
        (due, skipped) = match source.pace() {
            Pace::Blocking(_) if !failed => ((began + BREATH).max(Instant::now()), 0),
            Pace::Blocking(_) => ((began + source.every).max(Instant::now()), 0),
            Pace::Polled => next(due, source.every, Instant::now()),
        };
    }
}

/// Gives the instant of the next reading and how many were left out: the newest planned instant after `due` that has
/// passed is made up for at once, those between are not.
fn next(due: Instant, every: Duration, now: Instant) -> (Instant, u64) {
    let passed = now.duration_since(due).as_nanos() / every.as_nanos().max(1);
    match u32::try_from(passed) {
        Ok(0) => (due + every, 0),
        Ok(passed) => (due + every * passed, u64::from(passed - 1)),
        Err(_) => (now, u64::MAX),
    }
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use futures_util::future::BoxFuture;
    use tokio::sync::mpsc::channel;

    use super::*;
    use crate::observation::{ErrorKind, Failure, Reading, Sample};
    use crate::observer::Observer;

    /// Takes as long as its list says, then no time; counts its readings and fails where told.
    struct Slow {
        takes: Vec<u64>,
        count: usize,
        pace: Pace,
        fails: bool,
    }

    impl Observer for Slow {
        fn read(&mut self, _now: SystemTime) -> BoxFuture<'_, Result<Sample, Failure>> {
            let takes = Duration::from_millis(self.takes.get(self.count).copied().unwrap_or_default());
            self.count += 1;
            let (count, fails) = (self.count, self.fails);
            Box::pin(async move {
                tokio::time::sleep(takes).await;
                match fails {
                    true => Err(Failure::Error(ErrorKind::Refused, "no".into())),
                    false => Ok(Reading::Metric(count as f64).into()),
                }
            })
        }

        fn pace(&self) -> Pace {
            self.pace
        }
    }

    fn slow(takes: &[u64], pace: Pace, fails: bool) -> Source {
        Source {
            place: "autoscaler.metrics.cpu".into(),
            name: "cpu".into(),
            role: Role::Metric,
            every: Duration::from_secs(1),
            timeout: Duration::from_secs(30),
            stale_after: None,
            secrets: Vec::new(),
            observer: Box::new(Slow { takes: takes.into(), count: 0, pace, fails }),
        }
    }

    /// Milliseconds since the start at which each of the first readings began, how late it was, and what was left out.
    async fn beginnings(source: Source, count: usize) -> Vec<(u128, u128, u64)> {
        let (sink, mut sightings) = channel(1);
        let start = Instant::now();
        let clock = move || UNIX_EPOCH + start.elapsed();
        let watching = tokio::spawn(watch(vec![source], clock, sink));
        let mut found = Vec::new();
        while found.len() < count {
            let seen = sightings.recv().await.unwrap();
            let began = seen.observation.observed_at.duration_since(UNIX_EPOCH).unwrap() - seen.observation.took;
            found.push((began.as_millis(), seen.late.as_millis(), seen.skipped));
        }
        drop(sightings);
        watching.await.unwrap();
        found
    }

    #[tokio::test(start_paused = true)]
    async fn readings_keep_their_schedule_and_say_when_they_could_not() {
        let found = beginnings(slow(&[0, 400, 3_500], Pace::Polled, false), 6).await;
        assert_eq!(found, [(0, 0, 0), (1_000, 0, 0), (2_000, 0, 0), (5_500, 500, 2), (6_000, 0, 0), (7_000, 0, 0)]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_blocking_source_is_read_again_at_once_but_not_stormed() {
        let pace = Pace::Blocking(Duration::from_secs(2));
        let found = beginnings(slow(&[2_000, 0, 0, 700], pace, false), 5).await;
        assert_eq!(found, [(0, 0, 0), (2_000, 0, 0), (2_100, 0, 0), (2_200, 0, 0), (2_900, 0, 0)]);
        let found = beginnings(slow(&[0, 1_500], pace, true), 3).await;
        assert_eq!(found, [(0, 0, 0), (1_000, 0, 0), (2_500, 0, 0)], "an error waits for the rate");
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_source_holds_up_no_other_and_nobody_outlives_the_receiver() {
        let (sink, mut sightings) = channel(64);
        let never = slow(&[u64::MAX], Pace::Polled, false);
        let quick = Source { name: "quick".into(), ..slow(&[], Pace::Polled, false) };
        let watching = tokio::spawn(watch(vec![never, quick], || UNIX_EPOCH, sink));
        for _ in 0..20 {
            assert_eq!(sightings.recv().await.unwrap().name, "quick");
        }
        drop(sightings);
        watching.await.unwrap();
    }
}
