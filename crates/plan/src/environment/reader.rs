//! Takes the keys that have a meaning out of the merged layers; what is left belongs to the script.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Map, Value};
use url::Url;

use super::demo::instances;
use super::ec2::ec2;
use super::layers::{Content, Node, Tree};
use super::service;
use super::{Agents, Environment, Http, Launch, Target};
use crate::duration;
use crate::problem::Problem;

/// More agents than a coordinator can take; a larger count is a slip of the finger.
pub(super) const MOST_AGENTS: u64 = 100_000;

const LAUNCHES: [(&str, Launch); 3] = [("local", Launch::Local), ("ec2", Launch::Ec2), ("join", Launch::Join)];

/// Reads a merged tree; a value that is wrong becomes a problem and leaves the default in its place.
pub fn environment(tree: Tree, problems: &mut Vec<Problem>) -> Environment {
    let mut top = Table { path: String::new(), tree, known: Vec::new(), problems };
    let mut target = top.take("target", target).unwrap_or_default();
    let admin = top.take("admin", url);
    let allow = top.take("allow", texts).unwrap_or_default();
    let http = top.table("http").map(http).unwrap_or_default();
    let agents = top.table("agents").map(agents).unwrap_or_default();
    let secrets = top.table("secrets").map(secrets).unwrap_or_default();
    let demo = top.table("demo").map(instances);
    if let Target::Consul(service) = &mut target {
        if let Some(table) = top.table("consul") {
            service::consul(table, service, &secrets);
        }
        top.problems.extend(service::settle_host(service).err());
    }
    let autoscaler = top.tree.remove("autoscaler").and_then(|node| top.json("autoscaler", node));
    let values = top.rest();
    Environment { target, admin, allow, http, agents, secrets, demo, autoscaler, values }
}

fn http(mut table: Table<'_>) -> Http {
    let default = Http::default();
    let http = Http {
        keep_alive: table.take("keep_alive", time).unwrap_or(default.keep_alive),
        user_header: table.take("user_header", text),
        agent_header: table.take("agent_header", text),
        timeout: table.take("timeout", time).unwrap_or(default.timeout),
        max_body: table.take("max_body", number(0, i64::MAX as u64)).unwrap_or(default.max_body),
    };
    table.refuse_the_rest();
    http
}

fn agents(mut table: Table<'_>) -> Agents {
    let launch = table.take("launch", choice(&LAUNCHES)).unwrap_or_default();
    let count = table.take("count", number(1, MOST_AGENTS)).map_or(Agents::default().count, |count| count as u32);
    let weights = table.take("weights", |value| {
        let weights: Vec<u32> = value.clone().try_into().map_err(|_| Problem::new("is not a list of whole numbers"))?;
        if weights.len() == count as usize {
            return Ok(weights);
        }
        let (given, plural) = (weights.len(), if weights.len() == 1 { "" } else { "s" });
        Err(Problem::new(format!("has {given} weight{plural} for {count} agents")))
    });
    let default = Agents::default();
    let lease = table.take("lease", within(1, 3_600)).unwrap_or(default.lease);
    let drain = table.take("drain", within(1, 3_600)).unwrap_or(default.drain);
    let ec2 = table.table("ec2").map(ec2).unwrap_or_default();
    table.refuse_the_rest();
    Agents { launch, count, weights, lease, drain, ec2 }
}

/// Reads `name = { env = "VARIABLE" }`. A secret that stands in the file itself would travel to run folders and logs.
fn secrets(table: Table<'_>) -> BTreeMap<String, String> {
    let mut secrets = BTreeMap::new();
    for (name, node) in table.tree {
        let variable = match &node.content {
            Content::Table(tree) if tree.len() == 1 => tree.get("env").and_then(|env| match &env.content {
                Content::Value(toml::Value::String(variable)) => Some(variable.clone()),
                _ => None,
            }),
            _ => None,
        };
        match variable {
            Some(variable) => {
                secrets.insert(name, variable);
            }
            None => {
                let example = format!("{name} = {{ env = \"{}\" }}", name.to_uppercase());
                let problem = Problem::new(format!("the secret `{name}` must not stand here"))
                    .hint(format!("name the process variable that holds it: {example}"));
                table.problems.push(problem.within(&node.origin));
            }
        }
    }
    secrets
}

/// Reads one kind of value; a problem begins where the name of the key ends: "is not a text".
pub(super) type Read<T> = Result<T, Problem>;

pub(super) fn text(value: &toml::Value) -> Read<String> {
    value.as_str().map(str::to_string).ok_or_else(|| Problem::new("is not a text"))
}

pub(super) fn texts(value: &toml::Value) -> Read<Vec<String>> {
    value.clone().try_into().map_err(|_| Problem::new("is not a list of texts"))
}

fn url(value: &toml::Value) -> Read<String> {
    let url = text(value)?;
    if Url::parse(&url).is_ok_and(|url| url.has_host()) {
        return Ok(url);
    }
    Err(Problem::new("is not a URL").hint("write it as in `https://stress.example.com`"))
}

fn target(value: &toml::Value) -> Read<Target> {
    if value.as_str() == Some("demo") {
        return Ok(Target::Demo);
    }
    if let Some(name) = value.as_str().and_then(|text| text.strip_prefix(service::PREFIX)) {
        return service::service(name).map(Target::Consul);
    }
    let or_others = |problem: Problem| match problem.hint.clone() {
        Some(hint) => problem.hint(hint + ", `demo` or `consul://web`"),
        None => problem,
    };
    url(value).map(Target::Url).map_err(or_others)
}

/// The URL of something that speaks HTTP.
pub(super) fn web_url(value: &toml::Value) -> Read<String> {
    let url = text(value)?;
    let is_web = |url: &Url| matches!(url.scheme(), "http" | "https") && url.has_host();
    match Url::parse(&url).is_ok_and(|url| is_web(&url)) {
        true => Ok(url),
        false => Err(Problem::new("is not a URL of http or https").hint("write it as in `http://127.0.0.1:8500`")),
    }
}

pub(super) fn time(value: &toml::Value) -> Read<Duration> {
    let read = match value {
        toml::Value::String(text) => duration::parse(text).ok(),
        toml::Value::Integer(seconds) => u64::try_from(*seconds).ok().map(Duration::from_secs),
        toml::Value::Float(seconds) => duration::from_seconds(*seconds).ok(),
        _ => None,
    };
    read.ok_or_else(|| Problem::new("is not a duration").hint("write it as in `500ms`, `2s` or `1m30s`"))
}

/// A duration between two bounds in seconds.
fn within(least: u64, most: u64) -> impl Fn(&toml::Value) -> Read<Duration> {
    move |value| {
        let found = time(value)?;
        let is_within = (Duration::from_secs(least)..=Duration::from_secs(most)).contains(&found);
        if is_within { Ok(found) } else { Err(Problem::new(format!("is not between {least} s and {most} s"))) }
    }
}

pub(super) fn number(least: u64, most: u64) -> impl Fn(&toml::Value) -> Read<u64> {
    move |value| {
        let number = value.as_integer().and_then(|number| u64::try_from(number).ok());
        let in_range = number.filter(|number| (least..=most).contains(number));
        in_range.ok_or_else(|| Problem::new(format!("is not a whole number from {least} to {most}")))
    }
}

/// One of several words.
pub(super) fn choice<T: Copy>(words: &[(&'static str, T)]) -> impl Fn(&toml::Value) -> Read<T> {
    move |value| {
        let word = text(value)?;
        let found = words.iter().find(|(name, _)| *name == word);
        found.map(|(_, meaning)| *meaning).ok_or_else(|| {
            let names: Vec<&str> = words.iter().map(|(name, _)| *name).collect();
            let (last, others) = names.split_last().unwrap_or((&"", &[]));
            let problem = Problem::new(format!("is not one of {} and {last}", others.join(", ")));
            problem.did_you_mean(&word, names.iter().copied())
        })
    }
}

/// A table of which the known keys are taken one after the other.
pub(super) struct Table<'a> {
    /// What stands before its keys in messages: `http.`, or nothing.
    path: String,
    tree: Tree,
    known: Vec<&'static str>,
    problems: &'a mut Vec<Problem>,
}

impl Table<'_> {
    pub(super) fn take<T>(&mut self, key: &'static str, read: impl Fn(&toml::Value) -> Read<T>) -> Option<T> {
        self.known.push(key);
        let node = self.tree.remove(key)?;
        let read = match &node.content {
            Content::Value(value) => read(value),
            // No key that is taken here has a table; an empty one is refused by every reader in its own words.
            Content::Table(_) => read(&toml::Value::Table(toml::Table::new())),
        };
        read.map_err(|problem| {
            let place = format!("{}: `{}{key}` ", node.origin, self.path);
            self.problems.push(Problem { message: place + &problem.message, hint: problem.hint });
        })
        .ok()
    }

    /// Takes a table within this one.
    pub(super) fn table(&mut self, key: &'static str) -> Option<Table<'_>> {
        let node = self.tree.remove(key)?;
        match node.content {
            Content::Table(tree) => {
                Some(Table { path: format!("{}{key}.", self.path), tree, known: Vec::new(), problems: self.problems })
            }
            Content::Value(_) => {
                self.problems.push(Problem::new(format!("`{key}` is not a table")).within(&node.origin));
                None
            }
        }
    }

    /// Takes every key there is, all of one kind.
    pub(super) fn each<T>(mut self, read: impl Fn(&toml::Value) -> Read<T>) -> BTreeMap<String, T> {
        let (path, tree) = (self.path.clone(), std::mem::take(&mut self.tree));
        let mut all = BTreeMap::new();
        for (key, node) in tree {
            let value = match &node.content {
                Content::Value(value) => read(value),
                Content::Table(_) => read(&toml::Value::Table(toml::Table::new())),
            };
            match value {
                Ok(value) => {
                    all.insert(key, value);
                }
                Err(problem) => {
                    let place = format!("{}: `{path}{key}` ", node.origin);
                    self.problems.push(Problem { message: place + &problem.message, hint: problem.hint });
                }
            }
        }
        all
    }

    /// Reports what is wrong with a key that is not there.
    pub(super) fn complain(&mut self, key: &str, what: &str, hint: &str) {
        self.problems.push(Problem::new(format!("`{}{key}` {what}", self.path)).hint(format!("write `{hint}`")));
    }

    /// Takes `{ secret = "name" }`, the name of one of the environment's secrets. The secret itself would travel to run
    /// folders and logs.
    pub(super) fn secret(&mut self, key: &'static str, secrets: &BTreeMap<String, String>) -> Option<String> {
        self.known.push(key);
        let node = self.tree.remove(key)?;
        let name = match &node.content {
            Content::Table(tree) if tree.len() == 1 => tree.get("secret").and_then(|name| match &name.content {
                Content::Value(toml::Value::String(name)) => Some(name.clone()),
                _ => None,
            }),
            _ => None,
        };
        let wrong = match &name {
            None => Problem::new("must not stand here")
                .hint(format!("name a secret of the environment: {key} = {{ secret = \"name\" }}")),
            Some(name) if !secrets.contains_key(name) => {
                Problem::new(format!("names the secret `{name}`, which the environment does not have"))
                    .did_you_mean(name, secrets.keys().map(String::as_str))
            }
            Some(_) => return name,
        };
        let place = format!("{}: `{}{key}` ", node.origin, self.path);
        self.problems.push(Problem { message: place + &wrong.message, hint: wrong.hint });
        None
    }

    /// Reports every key that nobody took.
    pub(super) fn refuse_the_rest(self) {
        for (key, node) in &self.tree {
            let problem = Problem::new(format!("unknown key `{}{key}`", self.path));
            let problem = problem.did_you_mean(key, self.known.iter().copied());
            self.problems.push(problem.within(&node.origin));
        }
    }

    /// Turns every key that nobody took into the script's values.
    fn rest(mut self) -> Map<String, Value> {
        let tree = std::mem::take(&mut self.tree);
        tree.into_iter().filter_map(|(key, node)| Some((key.clone(), self.json(&key, node)?))).collect()
    }

    fn json(&mut self, key: &str, node: Node) -> Option<Value> {
        match node.content {
            Content::Table(tree) => {
                let pairs = tree.into_iter().filter_map(|(key, node)| Some((key.clone(), self.json(&key, node)?)));
                Some(Value::Object(pairs.collect()))
            }
            Content::Value(value) => {
                let json = json(value);
                if json.is_none() {
                    let problem = Problem::new(format!("`{key}` is not a number that scripts know"));
                    self.problems.push(problem.within(&node.origin));
                }
                json
            }
        }
    }
}

/// Turns a TOML value into JSON, dates into their texts; `None` for what JSON cannot say, infinity and not-a-number.
fn json(value: toml::Value) -> Option<Value> {
    Some(match value {
        toml::Value::String(text) => text.into(),
        toml::Value::Integer(number) => number.into(),
        toml::Value::Float(number) => serde_json::Number::from_f64(number)?.into(),
        toml::Value::Boolean(truth) => truth.into(),
        toml::Value::Datetime(date) => date.to_string().into(),
        toml::Value::Array(items) => items.into_iter().map(json).collect::<Option<Vec<_>>>()?.into(),
        toml::Value::Table(table) => {
            let pairs = table.into_iter().map(|(key, value)| Some((key, json(value)?)));
            Value::Object(pairs.collect::<Option<_>>()?)
        }
    })
}
