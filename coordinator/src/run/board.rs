//! Where a run is shown while it goes on: the conductor writes, the API's streams read.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use rehearsal_api::Frame;
use rehearsal_report::view::{RunNow, ScalerNow, Screen, Snapshot};
use rehearsal_verdict::elasticity::Assessment;
use tokio::sync::watch;

/// What all screens of a run show.
pub(crate) struct Board {
    shown: Mutex<Shown>,
    newest: watch::Sender<Arc<Frame>>,
}

struct Shown {
    screen: Screen,
    run: RunNow,
    /// The revision of the newest frame.
    framed: u64,
    /// What is to be said of the autoscaler so far.
    scaler: Option<Arc<Assessment>>,
}

impl Board {
    /// A board that shows a run of which nothing has been measured. Its agents have `cores` cores each.
    pub(crate) fn new(run: RunNow, cores: u32) -> Self {
        let first = Snapshot { run: run.clone(), made_at: now_unix(), ..Snapshot::default() };
        let shown = Shown { screen: Screen::new(cores), run, framed: 0, scaler: None };
        Self { shown: Mutex::new(shown), newest: watch::Sender::new(Arc::new(Frame::new(&first))) }
    }

    /// Draws the seconds that changed. Much of the work is here and not in [`Board::publish`], because it is done once for
    /// a change and not for every look.
    pub(crate) fn draw(&self, draw: impl FnOnce(&mut Screen)) {
        draw(&mut self.shown().screen);
    }

    /// Keeps what is to be said of the autoscaler by now, the `revision`th time, for those who ask for its picture.
    pub(crate) fn assess(&self, revision: u64, assessment: &Arc<Assessment>) {
        let mut shown = self.shown();
        shown.run.autoscaler = Some(ScalerNow::of(assessment, revision));
        shown.scaler = Some(Arc::clone(assessment));
    }

    /// What is to be said of the autoscaler so far, if it is observed.
    pub(crate) fn assessment(&self) -> Option<Arc<Assessment>> {
        self.shown().scaler.clone()
    }

    /// Lets everybody see the run as it now stands.
    pub(crate) fn publish(&self, run: impl FnOnce(&mut Screen) -> RunNow) {
        let mut shown = self.shown();
        shown.run = run(&mut shown.screen);
        // Who holds a revision has seen everything of it: a frame that tells more needs another.
        shown.screen.touch();
        if self.newest.receiver_count() > 0 {
            let since = shown.framed;
            self.frame(&mut shown, since);
        }
    }

    /// Encodes the run as it stands for all that watch.
    fn frame(&self, shown: &mut Shown, since: u64) {
        let snapshot = shown.snapshot(since);
        shown.framed = snapshot.revision;
        self.newest.send_replace(Arc::new(Frame::new(&snapshot)));
    }

    /// The run as it stands, with the seconds that changed after a revision.
    pub(crate) fn snapshot(&self, since: u64) -> Snapshot {
        self.shown().snapshot(since)
    }

    /// The run as it stands.
    pub(crate) fn run(&self) -> RunNow {
        self.shown().run.clone()
    }

    /// The run's figures for Prometheus.
    pub(crate) fn prometheus(&self) -> String {
        let shown = self.shown();
        rehearsal_report::prometheus(Some(&shown.run), &shown.screen.responses())
    }

    /// A stream of frames; the newest replaces whatever was not looked at.
    /// Whoever begins to watch asks for the seconds that there are already by itself.
    pub(crate) fn watch(&self) -> watch::Receiver<Arc<Frame>> {
        let mut shown = self.shown();
        if self.newest.receiver_count() == 0 {
            let revision = shown.screen.revision();
            self.frame(&mut shown, revision);
        }
        self.newest.subscribe()
    }

    fn shown(&self) -> MutexGuard<'_, Shown> {
        // What a panicking writer left is still the newest that there is.
        self.shown.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shown {
    fn snapshot(&self, since: u64) -> Snapshot {
        let revision = self.screen.revision();
        let seconds = self.screen.since(since);
        Snapshot { revision, since, made_at: now_unix(), run: self.run.clone(), seconds }
    }
}

fn now_unix() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64())
}
