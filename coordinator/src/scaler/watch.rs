//! The reading of sources beside a run, and what the conductor knows of them.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rehearsal_observe::{Sighting, Source, watch};
use rehearsal_plan::Guard;
use rehearsal_verdict::elasticity::Assessment;
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::look::{Look, What};
use super::{Guards, Log};

/// Sightings that wait for the conductor.
const WAITING: usize = 256;
/// How often the scaler is judged while the run goes on.
const PACE: Duration = Duration::from_secs(1);
/// Of the conductor's time, judging may take one part in this many: a long run is judged less often.
const PARTS: u32 = 50;

/// The autoscaler under test, while a run goes on.
pub(crate) struct Watching {
    /// None when nothing is observed.
    sightings: Option<mpsc::Receiver<Sighting>>,
    pub(crate) seen: Seen,
    /// How often the scaler was judged so far.
    judged: u64,
    judged_again: Instant,
}

/// What was seen of the autoscaler.
#[derive(Clone, Debug, Default)]
pub(crate) struct Seen {
    pub(crate) log: Log,
    pub(crate) guards: Guards,
}

impl Watching {
    /// Begins to read all sources, until this is dropped.
    pub(crate) fn start(sources: Vec<Source>, guards: &[Guard]) -> Watching {
        let is_observed = !sources.is_empty();
        let seen = Seen { log: Log::new(&sources), guards: Guards::new(guards, is_observed) };
        let sightings = is_observed.then(|| {
            let (sink, sightings) = mpsc::channel(WAITING);
            tokio::spawn(watch(sources, SystemTime::now, sink));
            sightings
        });
        Watching { sightings, seen, judged: 0, judged_again: Instant::now() }
    }

    /// Waits for the next sighting; `None` if there will be none.
    pub(crate) async fn next(&mut self) -> Option<Sighting> {
        self.sightings.as_mut()?.recv().await
    }

    /// Judges the scaler anew if it is time to. Gives what is to be said of it, and the how manieth time that is.
    pub(crate) fn judge(&mut self, assess: impl FnOnce(&Log) -> Option<Assessment>) -> Option<(u64, Arc<Assessment>)> {
        let began = Instant::now();
        if self.sightings.is_none() || began < self.judged_again {
            return None;
        }
        let assessment = assess(&self.seen.log);
        self.judged_again = Instant::now() + PACE.max(began.elapsed() * PARTS);
        self.judged += 1;
        assessment.map(|assessment| (self.judged, Arc::new(assessment)))
    }
}

impl Seen {
    /// Takes a look in. Gives what of it is new, to be stored, and what people should know.
    pub(crate) fn add(&mut self, look: Look) -> (&Look, Vec<(String, String)>) {
        let mut told = match self.log.place_of(&look) {
            Some(place) => self.guards.see(&look, place),
            None => Vec::new(),
        };
        if let (true, What::Error(why)) = (self.log.is_false_start(&look), &look.what) {
            told.push((look.place.clone(), format!("cannot be read: {why}")));
        }
        (self.log.add(look), told)
    }
}
