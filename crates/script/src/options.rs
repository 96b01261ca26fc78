//! Reading the option maps of calls: every key is known, every value has its type, and a typo gets a hint.

use std::time::Duration;

use rehearsal_plan::nearest;
use rhai::{Array, Dynamic, Map};

use crate::value::{duration_of, number_of, plain_text_of, share_of, text_of};

/// The options of the http functions.
pub const HTTP: &[&str] =
    &["auth", "body", "expect", "follow", "form", "headers", "json", "multipart", "name", "query", "tags", "timeout"];
/// The options of the functions that open sockets.
pub const SOCKET: &[&str] = &["headers", "reconnect", "timeout"];
/// The keys of the option `reconnect`.
pub const RECONNECT: &[&str] = &["first", "jitter", "max"];
/// The keys of the map that `plan()` returns.
pub const PLAN: &[&str] =
    &["autoscaler", "cues", "data", "ends_after", "guards", "load", "restore", "scenarios", "takeover", "thresholds"];
/// The keys of one entry of `scenarios`.
pub const SCENARIO: &[&str] = &["load", "name", "run"];

/// One option map being read.
pub(crate) struct Options {
    of: &'static str,
    map: Map,
}

impl Options {
    /// Takes a map whose keys must all be in `known`.
    pub(crate) fn new(of: &'static str, map: Map, known: &[&str]) -> Result<Self, String> {
        match map.keys().find(|key| !known.contains(&key.as_str())) {
            Some(key) => Err(unknown(of, key, known)),
            None => Ok(Self { of, map }),
        }
    }

    /// The raw value, if the key is there and not `()`.
    pub(crate) fn take(&mut self, key: &str) -> Option<Dynamic> {
        self.map.remove(key).map(Dynamic::flatten).filter(|value| !value.is_unit())
    }

    fn read<T>(&mut self, key: &str, wanted: &str, read: impl Fn(&Dynamic) -> Option<T>) -> Result<Option<T>, String> {
        let Some(value) = self.take(key) else { return Ok(None) };
        let refused =
            || format!("option `{key}` of {} must be {wanted}, not a value of type {}", self.of, value.type_name());
        read(&value).map(Some).ok_or_else(refused)
    }

    pub(crate) fn text(&mut self, key: &str) -> Result<Option<String>, String> {
        self.read(key, "a text", text_of)
    }

    pub(crate) fn share(&mut self, key: &str) -> Result<Option<f64>, String> {
        self.read(key, "a share from 0 to 1", share_of)
    }

    pub(crate) fn duration(&mut self, key: &str) -> Result<Option<Duration>, String> {
        let Some(value) = self.take(key) else { return Ok(None) };
        duration_of(&value).map(Some).map_err(|error| format!("option `{key}` of {}: {error}", self.of))
    }

    pub(crate) fn map(&mut self, key: &str) -> Result<Option<Map>, String> {
        self.read(key, "a map", |value| value.read_lock::<Map>().map(|map| map.clone()))
    }

    /// A map of plain values (texts, numbers, booleans) as pairs of texts, in the order of the keys.
    pub(crate) fn pairs(&mut self, key: &str) -> Result<Vec<(String, String)>, String> {
        let Some(map) = self.map(key)? else { return Ok(Vec::new()) };
        let pairs = map.into_iter().map(|(name, value)| match plain_text_of(&value) {
            Some(text) => Ok((name.to_string(), text)),
            None => Err(format!("`{name}` in option `{key}` of {} must be a text, a number or a boolean", self.of)),
        });
        pairs.collect()
    }
}

/// Takes the keys that nobody knows out of a map, so that all of them can be told and the others read.
pub(crate) fn take_unknown(map: &mut Map, known: &[&str]) -> Vec<String> {
    let unknown: Vec<String> =
        map.keys().filter(|key| !known.contains(&key.as_str())).map(ToString::to_string).collect();
    unknown.iter().for_each(|key| drop(map.remove(key.as_str())));
    unknown
}

/// The message for a key that nobody knows.
pub(crate) fn unknown(of: &str, key: &str, known: &[&str]) -> String {
    match nearest(key, known.iter().copied()) {
        Some(near) => format!("{of} has no option `{key}`; did you mean `{near}`?"),
        None => format!("{of} has no option `{key}`; it knows {}", known.join(", ")),
    }
}

/// Statuses that a call's `expect` allows: one, several, or classes like `"4xx"`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Expect(Vec<(u16, u16)>);

impl Expect {
    /// Whether a status at or above 400 counts as a success all the same.
    #[must_use]
    pub fn allows(&self, status: u16) -> bool {
        self.0.iter().any(|(low, high)| (*low..=*high).contains(&status))
    }

    pub(crate) fn read(value: &Dynamic) -> Result<Self, String> {
        if let Some(items) = value.read_lock::<Array>() {
            return items.iter().map(Self::range).collect::<Result<_, _>>().map(Self);
        }
        Ok(Self(vec![Self::range(value)?]))
    }

    fn range(value: &Dynamic) -> Result<(u16, u16), String> {
        let wrong = || format!("option `expect` takes statuses like 404, [404, 409] or \"4xx\", not {value}");
        let class = text_of(value).and_then(|text| text.strip_suffix("xx")?.parse::<u16>().ok());
        match class {
            Some(class @ 1..=5) => Ok((class * 100, class * 100 + 99)),
            _ => number_of(value)
                .filter(|n| n.fract() == 0.0 && (100.0..=599.0).contains(n))
                .map(|n| (n as u16, n as u16))
                .ok_or_else(wrong),
        }
    }
}
