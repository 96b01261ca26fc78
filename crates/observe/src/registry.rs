//! From the `autoscaler` table of an environment to sources, by the names of the adapters.

use std::collections::BTreeMap;
use std::time::Duration;

use rehearsal_plan::Problem;
use serde_json::{Map, Value};

use crate::adapters;
use crate::observation::Role;
use crate::observer::{Observer, Source};
use crate::secret::Secret;
use crate::settings::{self, METRICS, Settings};

/// How often a source is read unless its environment says otherwise.
const EVERY: Duration = Duration::from_secs(2);
/// How long an answer may take unless its environment says otherwise.
const TIMEOUT: Duration = Duration::from_secs(5);
/// Rates, time limits and ages beyond these are slips of the pen.
const SHORTEST: Duration = Duration::from_millis(100);
const LONGEST: Duration = Duration::from_secs(3_600);

/// Names that numbers of instances have wherever metrics are shown beside them.
const TAKEN: [&str; 5] = ["demand", "desired", "running", "ready", "draining"];
/// Who says how old a value is.
const DATED: &str =
    "http and command say it with `time`, prometheus with `freshness`, zabbix and cloudwatch of items and metrics";

/// What all sources of an environment are told.
#[derive(Clone, Debug, Default)]
pub struct Context {
    /// The environment's secrets by name, resolved.
    pub secrets: BTreeMap<String, Secret>,
    /// Where the system under test is administered; the `demo` adapter reads there.
    pub admin: Option<String>,
}

/// Makes an adapter of the keys of its table. Whoever gives `None` has complained about something.
pub type Make = fn(&mut Settings<'_>, Role) -> Option<Box<dyn Observer>>;

/// The adapters by name.
#[derive(Clone, Debug)]
pub struct Registry {
    adapters: BTreeMap<String, Make>,
}

impl Default for Registry {
    /// The adapters of this crate.
    fn default() -> Registry {
        let mut registry = Registry { adapters: BTreeMap::new() };
        for (name, make) in adapters::ALL {
            registry.register(name, make);
        }
        registry
    }
}

impl Registry {
    /// Adds an adapter, or replaces the one of that name.
    pub fn register(&mut self, name: &str, make: Make) {
        self.adapters.insert(name.into(), make);
    }

    /// Gives the names of all adapters.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.adapters.keys().map(String::as_str)
    }

    /// Makes the sources of an environment's `autoscaler`: the table `supply` or a list of such tables, the tables of
    /// `metrics` by name, the table `activities` or a list of such tables. Nothing is connected to yet.
    ///
    /// # Errors
    /// All mistakes of all tables, each with the name of table and key.
    pub fn sources(&self, autoscaler: &Value, context: &Context) -> Result<Vec<Source>, Vec<Problem>> {
        let empty = Map::new();
        let mut problems = Vec::new();
        let table = autoscaler.as_object().unwrap_or_else(|| {
            problems.push(Problem::new("`autoscaler` is not a table"));
            &empty
        });
        let mut top = Settings::new("autoscaler".into(), table, context, EVERY);
        let every = top.duration("every", SHORTEST..=LONGEST).unwrap_or(EVERY);
        let mut places = Vec::new();
        for (key, role) in [("supply", Role::Supply), ("activities", Role::Activities)] {
            places.extend(
                top.take(key, one_or_more)
                    .unwrap_or_default()
                    .into_iter()
                    .map(|(part, table)| (format!("autoscaler.{key}{part}"), role, table)),
            );
        }
        places.extend(
            top.take("metrics", by_name)
                .unwrap_or_default()
                .into_iter()
                .map(|(name, table)| (format!("{METRICS}{name}"), Role::Metric, table)),
        );
        problems.extend(top.finish().0);
        let taken = places.iter().filter_map(|(place, ..)| {
            let name = place.strip_prefix(METRICS).filter(|name| TAKEN.contains(name))?;
            let problem = Problem::new(format!("`{place}` has the name of a number of instances"));
            Some(problem.hint(format!("call it something else than `{name}`")))
        });
        problems.extend(taken);
        let mut sources = Vec::new();
        for (place, role, table) in places {
            match self.source(Settings::new(place, &table, context, every), role) {
                Ok(source) => sources.push(source),
                Err(found) => problems.extend(found),
            }
        }
        if problems.is_empty() { Ok(sources) } else { Err(problems) }
    }

    fn source(&self, mut settings: Settings<'_>, role: Role) -> Result<Source, Vec<Problem>> {
        let make = settings.require("observe", |value| {
            let name = settings::text(value)?;
            let unknown = || Problem::new(format!("names no observer: `{name}`")).did_you_mean(&name, self.names());
            self.adapters.get(&name).ok_or_else(unknown)
        });
        // Which keys there may be is known only with the adapter.
        let Some(make) = make else { return Err(settings.complaints()) };
        if let Some(every) = settings.duration("every", SHORTEST..=LONGEST) {
            settings.set_every(every);
        }
        let every = settings.every();
        let timeout = settings.duration("timeout", SHORTEST..=LONGEST).unwrap_or(TIMEOUT);
        let stale_after = settings.duration("stale_after", SHORTEST..=LONGEST);
        let (place, name) = (settings.place().to_string(), settings.name().to_string());
        let observer = make(&mut settings, role);
        if stale_after.is_some() && observer.as_ref().is_some_and(|observer| !observer.is_dated()) {
            let problem = Problem::new("makes every value missing: nothing here says how old a value is");
            settings.complain_of("stale_after", problem.hint(DATED));
        }
        let (mut problems, secrets) = settings.finish();
        match observer {
            Some(observer) if problems.is_empty() => {
                Ok(Source { place, name, role, every, timeout, stale_after, secrets, observer })
            }
            None if problems.is_empty() => {
                problems.push(Problem::new(format!("`{place}` cannot be observed")));
                Err(problems)
            }
            _ => Err(problems),
        }
    }
}

/// One of several tables, with the end of its name.
type Part = (String, Map<String, Value>);

/// Reads one table, or a list of them with their numbers as names.
fn one_or_more(value: &Value) -> Result<Vec<Part>, Problem> {
    let not_tables = || Problem::new("is not a table, nor a list of tables");
    match value {
        Value::Object(table) => Ok(vec![(String::new(), table.clone())]),
        Value::Array(items) => items
            .iter()
            .enumerate()
            .map(|(i, item)| Ok((format!(".{}", i + 1), item.as_object().ok_or_else(not_tables)?.clone())))
            .collect(),
        _ => Err(not_tables()),
    }
}

/// Reads a table of tables.
fn by_name(value: &Value) -> Result<Vec<Part>, Problem> {
    let tables = value.as_object().ok_or_else(|| Problem::new("is not a table"))?;
    let named = tables.iter().map(|(name, table)| match table.as_object() {
        Some(table) => Ok((name.clone(), table.clone())),
        None => Err(Problem::new(format!("has `{name}`, which is not a table"))),
    });
    named.collect()
}
