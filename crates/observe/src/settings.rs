//! The keys of one source's table, taken one after the other, with every mistake kept to be told at once.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::ops::RangeInclusive;
use std::time::Duration;

use rehearsal_plan::{Problem, duration};
use serde_json::{Map, Value};
use url::Url;

use crate::registry::Context;
use crate::secret::Secret;

/// What the tables of metrics have before their names.
pub(crate) const METRICS: &str = "autoscaler.metrics.";

/// The table of one source. Each key is asked for once; what nobody asked for is a mistake.
///
/// A value that is wrong becomes a problem and counts as not given, so that reading goes on to the next mistake.
// No `Debug`: the table may have secrets in it.
pub struct Settings<'a> {
    place: String,
    table: &'a Map<String, Value>,
    context: &'a Context,
    known: Vec<String>,
    problems: Vec<Problem>,
    secrets: Vec<Secret>,
    /// How often the source is polled.
    every: Duration,
}

impl<'a> Settings<'a> {
    pub(crate) fn new(place: String, table: &'a Map<String, Value>, context: &'a Context, every: Duration) -> Self {
        Settings { place, table, context, known: Vec::new(), problems: Vec::new(), secrets: Vec::new(), every }
    }

    /// Names the table, as in `autoscaler.metrics.cpu`.
    #[must_use]
    pub fn place(&self) -> &str {
        &self.place
    }

    /// Names the source within its role: `cpu` of `autoscaler.metrics.cpu`.
    #[must_use]
    pub fn name(&self) -> &str {
        let metric = self.place.strip_prefix(METRICS); // whose name may have dots itself
        metric.unwrap_or_else(|| self.place.rsplit('.').next().unwrap_or_default())
    }

    /// How often the source is polled.
    #[must_use]
    pub fn every(&self) -> Duration {
        self.every
    }

    pub(crate) fn set_every(&mut self, every: Duration) {
        self.every = every;
    }

    /// What was told to all sources.
    #[must_use]
    pub fn context(&self) -> &'a Context {
        self.context
    }

    /// Reports a mistake that concerns the whole table.
    pub fn complain(&mut self, problem: Problem) {
        let place = format!("`{}`", self.place);
        self.problems.push(Problem { message: format!("{place} {}", problem.message), hint: problem.hint });
    }

    /// Reports a mistake in the value of a key; the message goes on where the name of the key ends.
    pub fn complain_of(&mut self, key: &str, problem: Problem) {
        let place = format!("`{}.{key}`", self.place);
        self.problems.push(Problem { message: format!("{place} {}", problem.message), hint: problem.hint });
    }

    /// Keeps a text out of every message that is made of this source.
    pub fn hide(&mut self, secret: Secret) {
        self.secrets.push(secret);
    }

    /// Whether the table has the key, right or wrong.
    #[must_use]
    pub fn has(&self, key: &str) -> bool {
        self.table.contains_key(key)
    }

    /// Takes a value through `read`, whose problem goes on where the name of the key ends: "is not a text".
    pub fn take<T>(&mut self, key: &str, read: impl FnOnce(&Value) -> Result<T, Problem>) -> Option<T> {
        self.known.push(key.into());
        let value = self.table.get(key)?;
        read(value).map_err(|problem| self.complain_of(key, problem)).ok()
    }

    /// Takes a value that must be there.
    pub fn require<T>(&mut self, key: &str, read: impl FnOnce(&Value) -> Result<T, Problem>) -> Option<T> {
        if !self.has(key) {
            self.complain(Problem::new(format!("lacks the key `{key}`")));
        }
        self.take(key, read)
    }

    /// Takes a duration within bounds.
    pub fn duration(&mut self, key: &str, bounds: RangeInclusive<Duration>) -> Option<Duration> {
        self.take(key, |value| time(value, &bounds))
    }

    /// Takes one of several words; without the key, the first of them.
    pub fn choice<T: Copy + Debug>(&mut self, key: &str, words: &[(&str, T)]) -> Option<T> {
        let first = words.first().map(|(_, meaning)| *meaning);
        if !self.has(key) {
            self.known.push(key.into());
            return first;
        }
        self.take(key, |value| {
            let word = text(value)?;
            let names: Vec<&str> = words.iter().map(|(name, _)| *name).collect();
            let found = words.iter().find(|(name, _)| *name == word).map(|(_, meaning)| *meaning);
            found.ok_or_else(|| {
                Problem::new(format!("is not one of {}", names.join(", "))).did_you_mean(&word, names.iter().copied())
            })
        })
    }

    /// Takes a secret: its text, or `{ secret = "name" }` for one of the environment's `secrets`.
    pub fn secret(&mut self, key: &str) -> Option<Secret> {
        let secrets = &self.context.secrets;
        let secret = self.take(key, |value| secret(value, secrets))?;
        self.hide(secret.clone());
        Some(secret)
    }

    /// Takes a table of texts, each of which may be a secret, such as HTTP headers.
    pub fn secrets_by_name(&mut self, key: &str) -> BTreeMap<String, Secret> {
        let known = &self.context.secrets;
        let found = self.take(key, |value| {
            let table = value.as_object().ok_or_else(|| Problem::new("is not a table"))?;
            let pairs = table.iter().map(|(name, value)| match secret(value, known) {
                Ok(secret) => Ok((name.clone(), (secret, value.is_object()))),
                Err(problem) => Err(Problem { message: format!("has `{name}`, which {}", problem.message), ..problem }),
            });
            pairs.collect::<Result<BTreeMap<_, _>, _>>()
        });
        let found = found.unwrap_or_default();
        // What is written out in a header is mostly no secret, but a token there is, and nobody can tell them apart.
        let hidden = |(secret, is_named): &&(Secret, bool)| *is_named || secret.reveal().len() >= LEAST_HIDDEN;
        self.secrets.extend(found.values().filter(hidden).map(|(secret, _)| secret.clone()));
        found.into_iter().map(|(name, (secret, _))| (name, secret)).collect()
    }

    /// Takes no offence at whatever else the table has, for an adapter that cannot be made at all.
    pub fn pass_over_the_rest(&mut self) {
        self.known.extend(self.table.keys().cloned());
    }

    /// Gives the mistakes found so far, for a table whose other keys cannot be known.
    pub(crate) fn complaints(self) -> Vec<Problem> {
        self.problems
    }

    /// Ends the reading: every key that nobody asked for is a mistake.
    pub(crate) fn finish(mut self) -> (Vec<Problem>, Vec<Secret>) {
        for key in self.table.keys().filter(|key| !self.known.contains(key)) {
            let problem = Problem::new(format!("unknown key `{}.{key}`", self.place));
            self.problems.push(problem.did_you_mean(key, self.known.iter().map(String::as_str)));
        }
        (self.problems, self.secrets)
    }
}

/// Values of headers as short as this are words such as `json`; masking them would garble messages.
const LEAST_HIDDEN: usize = 6;

/// Reads a text that is not empty.
///
/// # Errors
/// When it is something else.
pub fn text(value: &Value) -> Result<String, Problem> {
    match value.as_str() {
        Some("") => Err(Problem::new("is empty")),
        Some(text) => Ok(text.into()),
        None => Err(Problem::new("is not a text")),
    }
}

/// Reads a list of texts with at least one.
///
/// # Errors
/// When it is something else.
pub fn texts(value: &Value) -> Result<Vec<String>, Problem> {
    let items = value.as_array().filter(|items| !items.is_empty());
    let items = items.ok_or_else(|| Problem::new("is not a list of texts"))?;
    items.iter().map(|item| text(item).map_err(|_| Problem::new("is not a list of texts"))).collect()
}

/// Reads a JSON pointer: nothing for the whole document, or names after slashes.
///
/// # Errors
/// When it is something else.
pub fn pointer(value: &Value) -> Result<String, Problem> {
    match value.as_str() {
        Some(text) if text.is_empty() || text.starts_with('/') => Ok(text.into()),
        Some(text) => Err(Problem::new("is not a JSON pointer").hint(format!("write it as in `/{text}`"))),
        None => Err(Problem::new("is not a text")),
    }
}

/// Reads the URL of an HTTP server.
///
/// # Errors
/// When it is something else.
pub fn url(value: &Value) -> Result<Url, Problem> {
    let url = Url::parse(&text(value)?).ok();
    let is_web = |url: &Url| matches!(url.scheme(), "http" | "https") && url.has_host();
    url.filter(is_web)
        .ok_or_else(|| Problem::new("is not a URL").hint("write it as in `http://scaler.example.com:9000`"))
}

fn time(value: &Value, bounds: &RangeInclusive<Duration>) -> Result<Duration, Problem> {
    let read = match value {
        Value::String(text) => duration::parse(text).ok(),
        Value::Number(seconds) => seconds.as_f64().and_then(|seconds| duration::from_seconds(seconds).ok()),
        _ => None,
    };
    let read = read.ok_or_else(|| Problem::new("is not a duration").hint("write it as in `500ms`, `2s` or `1m30s`"))?;
    let (least, most) = (duration::print(*bounds.start()), duration::print(*bounds.end()));
    if bounds.contains(&read) { Ok(read) } else { Err(Problem::new(format!("is not between {least} and {most}"))) }
}

fn secret(value: &Value, secrets: &BTreeMap<String, Secret>) -> Result<Secret, Problem> {
    let reference = value.as_object().filter(|table| table.len() == 1).and_then(|table| table.get("secret"));
    match (value, reference) {
        (Value::String(text), _) => Ok(Secret::new(text)),
        (_, Some(Value::String(name))) => secrets.get(name).cloned().ok_or_else(|| {
            Problem::new(format!("names the secret `{name}`, which the environment does not have"))
                .did_you_mean(name, secrets.keys().map(String::as_str))
        }),
        _ => Err(Problem::new("is not a text").hint("name a secret of the environment: { secret = \"name\" }")),
    }
}
