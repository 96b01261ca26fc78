//! Gives a run its folder, its database and its place among the live ones: a new run, or one whose coordinator died.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use anyhow::{Context as _, bail, ensure};
use rand::RngExt as _;
use rehearsal_plan::Environment;
use rehearsal_report::view::{RunNow, RunState};
use rehearsal_store::{About, Batch, Store};
use serde_json::Value;
use tokio::sync::mpsc;

use crate::cli::Place;
use crate::fleet::{Wish, cores_of_an_agent};
use crate::play::Run;
use crate::prepare::Prepared;
use crate::run::board::Board;
use crate::run::folder::{Folder, new_id};
use crate::run::past::Past;
use crate::studio::{Live, ORDERS, Studio};

/// The name of the fact: where scenario and environment were read.
const PLACE: &str = "place";
/// The name of the fact: `serve` plays the run, and takes it up again by itself.
const SERVED: &str = "served";
/// The name of the fact: digests of the data files.
const DATA: &str = "data";
/// The scenario as run.
const SCENARIO: &str = "scenario.rhai";

/// How a run is to be played.
#[derive(Clone, Debug, Default)]
pub struct Wishes {
    /// The seed of all random numbers; none for a new one.
    pub seed: Option<u64>,
    /// Somebody sits at the terminal: show the run there, print its summary, let Ctrl-C end it.
    pub at_terminal: bool,
    /// `serve` plays it.
    pub is_served: bool,
    /// Where its dashboard is.
    pub dashboard: Option<String>,
    /// What was said of who plays, beside the environment.
    pub(crate) agents: Wish,
    /// How long each write is delayed, for tests.
    pub slow_disk: Option<Duration>,
}

impl Run {
    /// Gives a run its id, its folder and its place among the studio's live runs.
    pub fn open(prepared: Prepared, wishes: Wishes, studio: &Studio) -> anyhow::Result<Self> {
        let id = new_id(SystemTime::now().into(), rand::rng().random());
        let seed = wishes.seed.unwrap_or_else(|| rand::rng().random());
        let folder = Folder::create(studio.out(), &id)?;
        write_sources(&folder, &prepared)?;
        let mut store = Store::create(&folder.database(), &about(&prepared, &id, seed)?)?;
        let place = serde_json::to_value(&prepared.place).context("writing the place as JSON")?;
        let data = serde_json::json!(digests(&prepared.data_files));
        let served = wishes.is_served.into();
        let facts =
            [(PLACE, place), (DATA, data), (SERVED, served)].map(|(name, value)| (name.to_owned(), value)).to_vec();
        store.commit(&Batch { facts, ..Batch::default() })?;
        Self::enter(prepared, wishes, studio, Opened { id, seed, folder, store, past: None })
    }

    /// Takes up a run whose coordinator died. Scenario and environment must be those that it was started with.
    pub fn resume(prepared: Prepared, wishes: Wishes, studio: &Studio, folder: Folder) -> anyhow::Result<Self> {
        let mut store = Store::resume(&folder.database())?;
        let about = store.about()?;
        let prepared = as_started(prepared, &about, &folder)?;
        let data = rehearsal_store::Reader::open(&folder.database())?.facts()?.get(DATA).cloned();
        let same = data == Some(serde_json::json!(digests(&prepared.data_files)));
        ensure!(same, "its data files have changed since: run {} cannot go on; start a new one", folder.id());
        let past = Past::take_over(&mut store).with_context(|| format!("taking up run {}", folder.id()))?;
        let opened = Opened { id: folder.id(), seed: about.seed, folder, store, past: Some(past) };
        Self::enter(prepared, wishes, studio, opened)
    }

    fn enter(prepared: Prepared, wishes: Wishes, studio: &Studio, opened: Opened) -> anyhow::Result<Self> {
        let (sender, orders) = mpsc::channel(ORDERS);
        let run = RunNow {
            id: opened.id.clone(),
            scenario: prepared.name.clone(),
            environment: prepared.environment_name.clone(),
            state: RunState::Launching,
            ..RunNow::default()
        };
        let board = Arc::new(Board::new(run, cores_of_an_agent(&prepared.environment.agents)));
        studio.enter(Live { folder: opened.folder.clone(), board: Arc::clone(&board), orders: sender })?;
        let Opened { id, seed, folder, store, past } = opened;
        Ok(Self { prepared, wishes, id, seed, folder, store, past, board, orders })
    }
}

struct Opened {
    id: String,
    seed: u64,
    folder: Folder,
    store: Store,
    past: Option<Past>,
}

/// Where scenario and environment of a run were read.
pub(crate) fn place_of(folder: &Folder) -> anyhow::Result<Place> {
    let facts = rehearsal_store::Reader::open(&folder.database())?.facts()?;
    let place = facts.get(PLACE).cloned().context("the run does not say where its scenario is")?;
    serde_json::from_value(place).context("reading where the run's scenario is")
}

/// Whether a run was played by `serve` and has not been judged.
pub(crate) fn is_to_be_taken_up(folder: &Folder) -> bool {
    let facts = rehearsal_store::Reader::open(&folder.database()).and_then(|reader| reader.facts());
    facts.is_ok_and(|facts| facts.get(SERVED) == Some(&Value::Bool(true)) && !facts.contains_key(crate::archive::STATE))
}

/// Tells files apart that were changed by mistake; nobody is to be kept from changing them on purpose.
fn digests(files: &BTreeMap<String, String>) -> BTreeMap<&str, String> {
    let digest = |text: &String| {
        let mut hasher = DefaultHasher::new();
        text.hash(&mut hasher);
        format!("{:016x}", hasher.finish())
    };
    files.iter().map(|(name, text)| (name.as_str(), digest(text))).collect()
}

/// Checks that a scenario is still what a run was started with; how many agents play it, the run knows better.
fn as_started(mut prepared: Prepared, about: &About, folder: &Folder) -> anyhow::Result<Prepared> {
    let started = folder.path().join(SCENARIO);
    let text = std::fs::read_to_string(&started).with_context(|| format!("reading {}", started.display()))?;
    let why = format!("run {} cannot go on with it; start a new one", folder.id());
    ensure!(text == prepared.source.text, "the scenario has changed since: {why}");
    let settings: Environment =
        serde_json::from_value(about.settings.clone()).context("reading the environment of the run")?;
    prepared.environment.agents = settings.agents.clone();
    if serde_json::to_value(prepared.environment.masked()).ok().as_ref() != Some(&about.settings) {
        bail!("the environment {} has changed since: {why}", prepared.environment_name);
    }
    let plan = serde_json::to_value(&prepared.plan).context("writing the plan as JSON")?;
    ensure!(plan == about.plan, "plan() gives another plan now: {why}");
    Ok(prepared)
}

/// The scenario and the environment as run; secrets stay out.
fn write_sources(folder: &Folder, prepared: &Prepared) -> anyhow::Result<()> {
    folder.write(SCENARIO, prepared.source.text.as_bytes())?;
    let environment =
        serde_json::to_string_pretty(&prepared.environment.masked()).context("writing the environment as JSON")?;
    folder.write("environment.json", environment.as_bytes())
}

fn about(prepared: &Prepared, run_id: &str, seed: u64) -> anyhow::Result<About> {
    Ok(About {
        run_id: run_id.to_owned(),
        scenario: prepared.name.clone(),
        environment: prepared.environment_name.clone(),
        seed,
        started_at_us: None,
        plan: serde_json::to_value(&prepared.plan).context("writing the plan as JSON")?,
        settings: serde_json::to_value(prepared.environment.masked()).context("writing the environment as JSON")?,
        program: env!("CARGO_PKG_VERSION").to_owned(),
    })
}
