//! Names of what is measured: a metric with its tags, and the small numbers that stand for it.
//!
//! Tags travel with every sample of a user, so they are shared rather than copied; keys are ordered
//! so that reports and tests see the same order every time.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// Says what the samples of a series are, and so which statistics it has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// How long something took: a distribution.
    Duration,
    /// How many there were: a sum.
    Count,
    /// Which part of a whole said yes: two sums.
    Ratio,
}

impl fmt::Display for Kind {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Kind::Duration => "duration",
            Kind::Count => "count",
            Kind::Ratio => "ratio",
        })
    }
}

/// An ordered set of tags; a clone costs one reference count.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Tags(Arc<BTreeMap<String, String>>);

impl Tags {
    /// Returns these tags with `key` set to `value`, replacing what it was.
    #[must_use]
    pub fn with(&self, key: impl Into<String>, value: impl Into<String>) -> Tags {
        let mut tags = self.clone();
        Arc::make_mut(&mut tags.0).insert(key.into(), value.into());
        tags
    }

    /// Returns the tags whose key `keep` accepts.
    #[must_use]
    pub fn retaining(&self, keep: impl Fn(&str) -> bool) -> Tags {
        self.iter().filter(|(key, _)| keep(key)).collect()
    }

    /// Returns the value of a tag.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key).map(String::as_str)
    }

    /// Lists the tags in order of their keys.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(key, value)| (key.as_str(), value.as_str()))
    }

    /// Tells whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Tells whether every tag of `subset` is here with the same value.
    pub fn include(&self, subset: &Tags) -> bool {
        subset.iter().all(|(key, value)| self.get(key) == Some(value))
    }
}

impl<K: Into<String>, V: Into<String>> FromIterator<(K, V)> for Tags {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(pairs: I) -> Tags {
        let pairs = pairs.into_iter().map(|(key, value)| (key.into(), value.into()));
        Tags(Arc::new(pairs.collect()))
    }
}

/// A metric with its tags: what one series measures. A key with fewer tags also serves as a
/// selector.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SeriesKey {
    /// The name of the metric, such as `http.response`.
    pub metric: String,
    /// What tells this series from others of the metric.
    pub tags: Tags,
}

impl SeriesKey {
    /// Makes a key without tags.
    pub fn new(metric: impl Into<String>) -> SeriesKey {
        SeriesKey { metric: metric.into(), tags: Tags::default() }
    }

    /// Returns this key with one more tag.
    #[must_use]
    pub fn with(&self, key: impl Into<String>, value: impl Into<String>) -> SeriesKey {
        SeriesKey { metric: self.metric.clone(), tags: self.tags.with(key, value) }
    }

    /// Tells whether this series is of `metric` and has at least `tags`.
    pub fn matches(&self, metric: &str, tags: &Tags) -> bool {
        self.metric == metric && self.tags.include(tags)
    }
}

/// Writes `metric{a:b,c:"d e"}`; a series without tags is the metric alone.
impl fmt::Display for SeriesKey {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.metric)?;
        if self.tags.is_empty() {
            return Ok(());
        }
        for (position, (key, value)) in self.tags.iter().enumerate() {
            out.write_str(if position == 0 { "{" } else { "," })?;
            write!(out, "{key}:")?;
            write_value(out, value)?;
        }
        out.write_str("}")
    }
}

/// Writes a tag value, in quotes unless every character is plain.
fn write_value(out: &mut fmt::Formatter<'_>, value: &str) -> fmt::Result {
    let is_plain = |c: char| c.is_alphanumeric() || "_-./".contains(c);
    if !value.is_empty() && value.chars().all(is_plain) {
        return out.write_str(value);
    }
    let escaped = value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
    write!(out, "\"{escaped}\"")
}

/// A small number for a series, valid only together with who gave it: a thread, an agent or a
/// timeline.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SeriesId(pub u32);

/// Says once what a [`SeriesId`] stands for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Definition {
    /// The number that intervals use.
    pub id: SeriesId,
    /// What the samples are.
    pub kind: Kind,
    /// What is measured.
    pub key: SeriesKey,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_print_as_thresholds_write_them() {
        let rows = [
            (SeriesKey::new("http.failed"), "http.failed"),
            (SeriesKey::new("m").with("c", "d e").with("a", "b"), r#"m{a:b,c:"d e"}"#),
            (SeriesKey::new("m").with("a", ""), r#"m{a:""}"#),
            (SeriesKey::new("m").with("a", "say \"x\\y\""), r#"m{a:"say \"x\\y\""}"#),
            (SeriesKey::new("m").with("name", "/api/:id"), r#"m{name:"/api/:id"}"#),
        ];
        for (key, text) in rows {
            assert_eq!(key.to_string(), text);
        }
    }

    #[test]
    fn a_key_matches_any_subset_of_its_tags() {
        let key = SeriesKey::new("m").with("a", "1").with("b", "2");
        let tags = |pairs: &[(&str, &str)]| pairs.iter().copied().collect::<Tags>();
        assert!(key.matches("m", &Tags::default()));
        assert!(key.matches("m", &tags(&[("b", "2")])));
        assert!(!key.matches("m", &tags(&[("b", "1")])));
        assert!(!key.matches("m", &tags(&[("c", "1")])));
        assert!(!key.matches("n", &Tags::default()));
    }

    #[test]
    fn setting_a_tag_leaves_other_holders_alone() {
        let first: Tags = [("a", "1")].into_iter().collect();
        let second = first.with("a", "2");
        assert_eq!(first.get("a"), Some("1"));
        assert_eq!(second.get("a"), Some("2"));
        assert!(second.retaining(|key| key != "a").is_empty());
    }
}
