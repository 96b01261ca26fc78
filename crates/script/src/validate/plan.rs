//! What `plan()` returns, read into a [`Plan`]: every key known, every part checked, every problem with its place.

use std::collections::BTreeMap;

use rehearsal_plan::{
    AutoscalerPlan, Cue, Environment, Guard, LARGEST_DATA, Load, Plan, Scenario, Takeover, Threshold, ThresholdError,
};
use rhai::{Array, Dynamic, Map, Position};

use super::Findings;
use crate::api::data::Csv;
use crate::api::plan::take_noted;
use crate::diagnostic::{Severity, find_literal};
use crate::options::{Options, PLAN, SCENARIO, take_unknown};
use crate::program::Program;
use crate::value::text_of;

/// What `plan()` returned.
pub(super) struct Evaluated {
    pub(super) plan: Plan,
    /// The files of its data, by name.
    pub(super) data: BTreeMap<String, Csv>,
}

/// Calls `plan()` and reads what it returns; none when there is nothing to read.
pub(super) fn evaluate(program: &Program, environment: &Environment, findings: &mut Findings) -> Option<Evaluated> {
    if !program.has_function("plan") {
        let hint = "add `fn plan() { #{ load: arrive(100).over(\"10s\") } }`";
        findings.error(
            Position::NONE,
            "the scenario has no function plan() without parameters".into(),
            Some(hint.into()),
        );
        return None;
    }
    take_noted();
    let returned = program.run("plan");
    for noted in take_noted() {
        findings.error(noted.at, noted.message, noted.hint);
    }
    let map = match returned.map(|value| (value.type_name(), value.try_cast::<Map>())) {
        Ok((_, Some(map))) => map,
        Ok((kind, None)) => {
            let hint = "end it with #{ load: …, thresholds: […] } and no semicolon";
            findings.error(Position::NONE, format!("plan() must return a map, not {kind}"), Some(hint.into()));
            return None;
        }
        Err(failure) => {
            findings.failure(failure);
            return None;
        }
    };
    let evaluated = Reader { findings }.plan(map)?;
    let observed = evaluated.plan.check_observed(environment.autoscaler.as_ref());
    for problem in observed.doubts {
        let at = place_of_named(&findings.source.text, &problem.message);
        findings.add(at, Severity::Warning, problem.message, problem.hint);
    }
    for problem in evaluated.plan.check().into_iter().chain(observed.mistakes) {
        let at = place_of_named(&findings.source.text, &problem.message);
        findings.error(at, problem.message, problem.hint);
    }
    Some(evaluated)
}

/// The functions that make loads.
const LOADS: &str = "arrive(…), curve(…), users([…]) or rate([…])";

/// Reads the parts of the map; what is wrong is noted and left out.
struct Reader<'f, 'a> {
    findings: &'f mut Findings<'a>,
}

impl Reader<'_, '_> {
    fn plan(&mut self, map: Map) -> Option<Evaluated> {
        let mut map = self.options("plan()", map, PLAN)?;
        let data = self.data(&mut map);
        let plan = Plan {
            scenarios: self.scenarios(&mut map),
            cues: self.list::<Cue>(&mut map, "cues", "cue(…)"),
            thresholds: self.thresholds(&mut map),
            ends_after: self.noted(map.duration("ends_after")).flatten(),
            autoscaler: self.autoscaler(&mut map),
            guards: self.list::<Guard>(&mut map, "guards", "guard(…)"),
            takeover: self.takeover(&mut map),
            data: data.iter().map(|(name, csv)| (name.clone(), csv.source.clone())).collect(),
            restore: self.noted(map.duration("restore")).flatten(),
        };
        Some(Evaluated { plan, data })
    }

    /// The options of a map; keys that nobody knows are told and left out.
    fn options(&mut self, of: &'static str, mut map: Map, known: &[&str]) -> Option<Options> {
        for key in take_unknown(&mut map, known) {
            self.error_at(&key, crate::options::unknown(of, &key, known));
        }
        self.noted(Options::new(of, map, known))
    }

    fn noted<T>(&mut self, read: Result<T, String>) -> Option<T> {
        read.map_err(|message| {
            let at = place_of_named(&self.findings.source.text, &message);
            self.findings.error(at, message, None);
        })
        .ok()
    }

    /// An error at the place of a word, found by its text.
    fn error_at(&mut self, literal: &str, message: String) {
        let at = place_of(&self.findings.source.text, literal);
        self.findings.error(at, message, None);
    }

    /// Either one `load` for `user()`, or `scenarios` that name their functions.
    fn scenarios(&mut self, map: &mut Options) -> Vec<Scenario> {
        let mut scenarios = Vec::new();
        if let Some(load) = map.take("load") {
            let load = load.try_cast::<Load>().ok_or(format!("`load` takes {LOADS}"));
            scenarios.extend(self.noted(load).map(|load| Scenario { name: "user".into(), run: "user".into(), load }));
        }
        let listed = self.list::<Map>(map, "scenarios", "#{ name, run, load }");
        if !scenarios.is_empty() && !listed.is_empty() {
            self.error_at("scenarios", "give either `load` or `scenarios`, not both".into());
        }
        for entry in listed {
            scenarios.extend(self.scenario(entry));
        }
        scenarios
    }

    fn scenario(&mut self, entry: Map) -> Option<Scenario> {
        let mut entry = self.options("a scenario", entry, SCENARIO)?;
        let name = entry.text("name").and_then(|name| name.ok_or("a scenario needs a `name`".to_owned()));
        let name = self.noted(name);
        let place = name.as_ref().map_or("a scenario".to_owned(), |name| format!("scenario `{name}`"));
        let run = match entry.take("run") {
            None => name.clone(),
            Some(value) => self.noted(function_name(&value).ok_or(format!("{place}: `run` is the name of a function"))),
        };
        let load = entry.take("load").and_then(Dynamic::try_cast::<Load>);
        let load = self.noted(load.ok_or(format!("{place} needs a `load`: {LOADS}")));
        Some(Scenario { name: name?, run: run?, load: load? })
    }

    fn list<T: Clone + 'static>(&mut self, map: &mut Options, key: &str, of: &str) -> Vec<T> {
        let Some(value) = map.take(key) else { return Vec::new() };
        let Some(items) = value.try_cast::<Array>() else {
            self.error_at(key, format!("`{key}` takes an array of {of}"));
            return Vec::new();
        };
        let mut read = Vec::new();
        for (number, item) in (1..).zip(items) {
            let kind = item.type_name().rsplit("::").next().unwrap_or_default();
            match item.try_cast::<T>() {
                Some(item) => read.push(item),
                None => self.error_at(key, format!("entry {number} of `{key}` is no {of} but of type {kind}")),
            }
        }
        read
    }

    fn thresholds(&mut self, map: &mut Options) -> Vec<Threshold> {
        let texts = self.list::<Dynamic>(map, "thresholds", "texts");
        let mut thresholds = Vec::new();
        for text in texts {
            let Some(text) = text_of(&text) else {
                self.error_at("thresholds", format!("a threshold is a text, not {text}"));
                continue;
            };
            match text.parse::<Threshold>() {
                Ok(threshold) => thresholds.push(threshold),
                Err(error) => self.threshold_error(&text, error),
            }
        }
        thresholds
    }

    fn threshold_error(&mut self, text: &str, error: ThresholdError) {
        let place = find_literal(&self.findings.source.text, text);
        let at = place.map_or(Position::NONE, |(line, column)| Position::new(line as u16, column as u16));
        self.findings.error(at, format!("threshold \"{text}\": {}", error.reason), error.hint);
    }

    fn data(&mut self, map: &mut Options) -> BTreeMap<String, Csv> {
        let declared = self.noted(map.map("data")).flatten().unwrap_or_default();
        let mut data = BTreeMap::new();
        for (name, value) in declared {
            match value.try_cast_result::<Csv>() {
                Ok(csv) => drop(data.insert(name.to_string(), csv)),
                Err(value) => {
                    let kind = value.type_name();
                    self.error_at(&name, format!("entry `{name}` of `data` is no csv(\"…\") but of type {kind}"));
                }
            }
        }
        let bytes: usize = data.values().map(|csv| csv.text.len()).sum();
        if bytes > LARGEST_DATA {
            let (all, most) = (bytes >> 20, LARGEST_DATA >> 20);
            self.error_at(
                "data",
                format!("the files of `data` have {all} MiB together, {most} MiB at most are sent to agents"),
            );
        }
        data
    }

    fn autoscaler(&mut self, map: &mut Options) -> Option<AutoscalerPlan> {
        let value = map.take("autoscaler")?;
        let read = value.try_cast::<AutoscalerPlan>().ok_or("`autoscaler` takes autoscaler()…".to_owned());
        self.noted(read)
    }

    fn takeover(&mut self, map: &mut Options) -> Takeover {
        let read = match self.noted(map.text("takeover")).flatten().as_deref() {
            None | Some("lease") => Ok(Takeover::Lease),
            Some("eager") => Ok(Takeover::Eager),
            Some(other) => Err(format!("`takeover` is \"lease\" or \"eager\", not \"{other}\"")),
        };
        self.noted(read).unwrap_or_default()
    }
}

/// A function as a pointer or by name.
fn function_name(value: &Dynamic) -> Option<String> {
    let pointer = value.read_lock::<rhai::FnPtr>().map(|pointer| pointer.fn_name().to_owned());
    pointer.or_else(|| text_of(value))
}

/// Where a word of the plan stands: as a text, or else as a bare word.
fn place_of(text: &str, word: &str) -> Position {
    let bare = |line: &str| line.find(word).map(|at| line[..at].chars().count() + 1);
    let place = find_literal(text, word)
        .or_else(|| text.lines().enumerate().find_map(|(index, line)| Some((index + 1, bare(line)?))));
    place.map_or(Position::NONE, |(line, column)| Position::new(line as u16, column as u16))
}

/// The values of a plan have lost their places; what a message names in backticks can be found again.
fn place_of_named(text: &str, message: &str) -> Position {
    match message.split('`').nth(1) {
        Some(word) if !word.is_empty() => place_of(text, word),
        _ => Position::NONE,
    }
}
