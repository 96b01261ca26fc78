//! All runs of this coordinator, live and finished: the one desk at which the API, `start` and `serve` stand.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rehearsal_api::Refusal;
use rehearsal_report::view::{RunNow, RunState};
use rehearsal_store::is_being_written;
use tokio::sync::mpsc;

use crate::archive::Archive;
use crate::run::board::Board;
use crate::run::control::Order;
use crate::run::folder::{Control, Folder};

/// Commands that wait for a conductor; operators do not press faster.
pub(crate) const ORDERS: usize = 64;

/// A run that goes on.
#[derive(Clone)]
pub(crate) struct Live {
    pub(crate) folder: Folder,
    pub(crate) board: Arc<Board>,
    pub(crate) orders: mpsc::Sender<Order>,
}

/// The runs.
pub struct Studio {
    out: PathBuf,
    /// The folder of scenarios; none when only one run is played.
    scenarios: Option<PathBuf>,
    live: Mutex<BTreeMap<String, Live>>,
    control: Mutex<Option<Control>>,
    pub(crate) archive: Archive,
}

impl Studio {
    /// A studio that keeps its runs in `out`.
    pub fn new(out: &Path, scenarios: Option<&Path>) -> Self {
        Self {
            out: out.to_owned(),
            scenarios: scenarios.map(Path::to_owned),
            live: Mutex::default(),
            control: Mutex::default(),
            archive: Archive::default(),
        }
    }

    /// Where runs are kept.
    pub(crate) fn out(&self) -> &Path {
        &self.out
    }

    /// Where scenarios are, if runs may be started from here.
    pub(crate) fn scenarios_folder(&self) -> Option<&Path> {
        self.scenarios.as_deref()
    }

    /// Says how runs of this studio are reached.
    pub(crate) fn reached_by(&self, control: Control) {
        *self.control.lock().unwrap_or_else(PoisonError::into_inner) = Some(control);
    }

    /// Enters a run that begins, and leaves word in its folder how it is reached.
    pub(crate) fn enter(&self, live: Live) -> anyhow::Result<()> {
        let control = self.control.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(control) = control {
            live.folder.open_control(&control)?;
        }
        self.lives().insert(live.folder.id(), live);
        Ok(())
    }

    /// Takes out a run that is over.
    pub(crate) fn leave(&self, id: &str) {
        // Whoever looked at it before it was taken up saw it broken off.
        self.archive.forget(id);
        if let Some(live) = self.lives().remove(id) {
            live.folder.close_control();
        }
    }

    /// The live run of this id; `last` is the newest.
    pub(crate) fn live(&self, run: &str) -> Option<Live> {
        let lives = self.lives();
        match run {
            "last" => lives.values().next_back().cloned(),
            id => lives.get(id).cloned(),
        }
    }

    /// All live runs, newest first.
    pub(crate) fn live_runs(&self) -> Vec<RunNow> {
        self.lives().values().rev().map(|live| live.board.run()).collect()
    }

    /// Orders every live run to stop, as a coordinator does that is to end itself.
    pub(crate) fn all_orders(&self) -> Vec<mpsc::Sender<Order>> {
        self.lives().values().map(|live| live.orders.clone()).collect()
    }

    /// The folder of a run that has its verdict, though its last agents may still be ending.
    pub(crate) fn judged(&self, run: &str) -> Result<Folder, Refusal> {
        match self.live(run) {
            Some(live) if live.board.run().state == RunState::Judged => Ok(live.folder),
            _ => self.finished(run),
        }
    }

    /// The folder of a run that is over.
    pub(crate) fn finished(&self, run: &str) -> Result<Folder, Refusal> {
        if let Some(live) = self.live(run) {
            return Err(Refusal::Conflict(format!("run {} still goes on: stop it first", live.folder.id())));
        }
        let folder = Folder::find(&self.out, run).map_err(|error| Refusal::NotFound(format!("{error:#}")))?;
        if is_being_written(&folder.database()) {
            let told = format!("run {} is performed by another coordinator: use that one's dashboard", folder.id());
            return Err(Refusal::Conflict(told));
        }
        Ok(folder)
    }

    fn lives(&self) -> MutexGuard<'_, BTreeMap<String, Live>> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
