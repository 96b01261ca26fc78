//! Gives series their small numbers and bounds how many there are.
//!
//! A scenario that tags with a random value, or names calls after ids, would make a series of every
//! sample. Past a bound such series are counted together instead: names blur, counts never vanish.

use std::collections::{HashMap, HashSet};

use rehearsal_plan::catalogue;

use crate::series::{Definition, Kind, SeriesId, SeriesKey, Tags};

/// Stands for every name, kind or metric past a bound.
pub const OTHER: &str = "(other)";

/// How many different things of each sort are kept apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Series with all their tags; as many again are reserved for blurred ones.
    pub series: usize,
    /// Different values of the tag `name`.
    pub names: usize,
    /// Names of calls in the ledger.
    pub calls: usize,
    /// Kinds of errors.
    pub errors: usize,
}

impl Default for Limits {
    /// Ten times what a large scenario uses.
    fn default() -> Limits {
        Limits { series: 2_000, names: 500, calls: 500, errors: 100 }
    }
}

/// All series that one thread, agent or timeline knows.
#[derive(Debug)]
pub(crate) struct Interner {
    limits: Limits,
    ids: HashMap<SeriesKey, SeriesId>,
    definitions: Vec<Definition>,
    /// Whether the receiver of intervals has been told, by id.
    announced: Vec<bool>,
    kinds: HashMap<String, Kind>,
    names: HashSet<String>,
}

impl Interner {
    pub(crate) fn new(limits: Limits) -> Interner {
        Interner {
            limits,
            ids: HashMap::new(),
            definitions: Vec::new(),
            announced: Vec::new(),
            kinds: settled_kinds(),
            names: HashSet::new(),
        }
    }

    /// Returns the id of a series, or of the one that it is counted with. Its kind is always
    /// `kind`.
    pub(crate) fn intern(&mut self, kind: Kind, key: &SeriesKey) -> SeriesId {
        let known = self.ids.get(key).copied();
        known.filter(|id| self.definitions[id.0 as usize].kind == kind).unwrap_or_else(|| self.intern_new(kind, key))
    }

    /// Takes definitions back that [`Interner::definitions`] gave; `false` if it cannot have given them.
    pub(crate) fn restore(&mut self, definitions: Vec<Definition>) -> bool {
        definitions.into_iter().all(|Definition { id, kind, key }| {
            let is_next = self.definitions.len() == id.0 as usize && !self.ids.contains_key(&key);
            let has_one_kind = self.kinds.get(&key.metric).is_none_or(|known| *known == kind);
            is_next && has_one_kind && self.define(kind, key) == id
        })
    }

    /// What an id stands for.
    pub(crate) fn definition(&self, id: SeriesId) -> &Definition {
        &self.definitions[id.0 as usize]
    }

    /// All series, in order of their ids.
    pub(crate) fn definitions(&self) -> &[Definition] {
        &self.definitions
    }

    /// Returns those definitions that have not been returned before, for ascending ids.
    pub(crate) fn announce<'a>(&mut self, ids: impl Iterator<Item = &'a SeriesId>) -> Vec<Definition> {
        let first_use = |id: &&SeriesId| !std::mem::replace(&mut self.announced[id.0 as usize], true);
        let fresh = ids.filter(first_use);
        fresh.map(|id| self.definitions[id.0 as usize].clone()).collect()
    }

    fn intern_new(&mut self, kind: Kind, key: &SeriesKey) -> SeriesId {
        let mut candidates = self.candidates(kind, key).into_iter().peekable();
        let reserve = self.limits.series / 4 + 1;
        let mut bound = self.limits.series;
        loop {
            let candidate = candidates.next().expect("the last candidate is always taken");
            if let Some(id) = self.ids.get(&candidate) {
                return *id;
            }
            if self.definitions.len() < bound || candidates.peek().is_none() {
                return self.define(kind, candidate);
            }
            bound += reserve;
        }
    }

    /// Lists keys to count a series under, from the exact one to one that holds everything of its
    /// kind.
    fn candidates(&self, kind: Kind, key: &SeriesKey) -> [SeriesKey; 5] {
        let metric = self.metric_of_kind(kind, &key.metric);
        let with_tags = |tags: Tags| SeriesKey { metric: metric.clone(), tags };
        let nameless = if key.tags.get("name").is_some() { key.tags.with("name", OTHER) } else { key.tags.clone() };
        let name_is_kept =
            key.tags.get("name").is_none_or(|name| self.names.contains(name) || self.names.len() < self.limits.names);
        [
            with_tags(if name_is_kept { key.tags.clone() } else { nameless.clone() }),
            with_tags(nameless.clone()),
            with_tags(nameless.retaining(is_built_in)),
            with_tags(Tags::default()),
            SeriesKey::new(self.metric_of_kind(kind, OTHER)),
        ]
    }

    /// A metric has one kind: what a scenario counts and also times is told apart by a suffix.
    fn metric_of_kind(&self, kind: Kind, metric: &str) -> String {
        let mut metric = metric.to_owned();
        while self.kinds.get(&metric).is_some_and(|known| *known != kind) {
            metric = format!("{metric}.{kind}");
        }
        metric
    }

    fn define(&mut self, kind: Kind, key: SeriesKey) -> SeriesId {
        let id = SeriesId(u32::try_from(self.definitions.len()).expect("the bound on series is far below 2^32"));
        if let Some(name) = key.tags.get("name").filter(|name| *name != OTHER) {
            self.names.insert(name.to_owned());
        }
        self.kinds.insert(key.metric.clone(), kind);
        self.ids.insert(key.clone(), id);
        self.definitions.push(Definition { id, kind, key });
        self.announced.push(false);
        id
    }
}

/// Kinds of metrics that a run measures by itself: no script can take their name for something else.
fn settled_kinds() -> HashMap<String, Kind> {
    let settled = catalogue::METRICS.iter().filter_map(|metric| {
        let kind = match metric.kind {
            catalogue::Kind::Duration => Kind::Duration,
            catalogue::Kind::Ratio => Kind::Ratio,
            catalogue::Kind::Count => Kind::Count,
            catalogue::Kind::Any => return None,
        };
        Some((metric.name.to_owned(), kind))
    });
    settled.chain([(OTHER.to_owned(), Kind::Count)]).collect()
}

/// Tells whether calls and sockets set a tag themselves, in contrast to those of the scenario's author.
fn is_built_in(tag: &str) -> bool {
    let metrics = &mut catalogue::METRICS.iter();
    ["scenario", "region"].contains(&tag) || metrics.any(|metric| metric.tags.contains(&tag))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn interner(series: usize, names: usize) -> Interner {
        Interner::new(Limits { series, names, ..Limits::default() })
    }

    fn key_of(interner: &mut Interner, key: &SeriesKey) -> String {
        let id = interner.intern(Kind::Count, key);
        interner.definition(id).key.to_string()
    }

    #[test]
    fn past_the_bound_names_blur_then_tags_then_metrics() {
        let mut interner = interner(2, 100);
        let named = |name: &str, user: &str| SeriesKey::new("m").with("name", name).with("user", user);
        assert_eq!(key_of(&mut interner, &named("a", "1")), "m{name:a,user:1}");
        assert_eq!(key_of(&mut interner, &named("b", "1")), "m{name:b,user:1}");
        assert_eq!(key_of(&mut interner, &named("c", "1")), r#"m{name:"(other)",user:1}"#);
        assert_eq!(key_of(&mut interner, &named("d", "2")), r#"m{name:"(other)"}"#);
        assert_eq!(key_of(&mut interner, &named("a", "1")), "m{name:a,user:1}");
        for metric in 0..100 {
            key_of(&mut interner, &SeriesKey::new(format!("custom.{metric}")));
        }
        assert!(interner.definitions().len() <= 8, "{:?}", interner.definitions());
        assert_eq!(key_of(&mut interner, &SeriesKey::new("custom.100")), OTHER);
        let timed = interner.intern(Kind::Duration, &SeriesKey::new("custom.101"));
        assert_eq!(interner.definition(timed).key.metric, "(other).duration");
    }

    #[test]
    fn names_have_a_bound_of_their_own() {
        let mut interner = interner(100, 1);
        let named = |name: &str| SeriesKey::new("m").with("name", name);
        assert_eq!(key_of(&mut interner, &named("a")), "m{name:a}");
        assert_eq!(key_of(&mut interner, &named("b")), r#"m{name:"(other)"}"#);
        assert_eq!(key_of(&mut interner, &named("a").with("status", "200")), "m{name:a,status:200}");
    }

    #[test]
    fn a_metric_of_two_kinds_becomes_two_metrics() {
        let mut interner = interner(100, 100);
        let key = SeriesKey::new("custom.votes");
        let count = interner.intern(Kind::Count, &key);
        let duration = interner.intern(Kind::Duration, &key);
        assert_eq!(interner.definition(duration).key.metric, "custom.votes.duration");
        assert_eq!(interner.intern(Kind::Count, &key), count);
        assert_eq!(interner.intern(Kind::Duration, &key), duration);
    }
}
