//! Turns what happens to users into samples: the one place where metrics get their names and tags (contracts.md §2).
//!
//! One per thread. Series are looked up by small keys, so that a call on the hot path allocates nothing.

use std::collections::HashMap;
use std::time::Duration;

use rehearsal_metrics::{CallId, CallStep, Interval, Kind, Limits, Recorder, SeriesId, SeriesKey, Tags, UserState};
use rehearsal_plan::RunTime;

/// The tags that a user puts on everything; an index into the thread's list of tag sets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct TagsId(u32);

/// The name of a call on this thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct NameId(u32);

/// How one hop ended, ready to be recorded.
pub(crate) struct HopSample<'a> {
    pub(crate) tags: TagsId,
    pub(crate) name: NameId,
    pub(crate) method: &'static str,
    /// The status, or the kind of failure.
    pub(crate) outcome: Result<u16, &'static str>,
    /// Whether a status at or above 400 was expected.
    pub(crate) expected: bool,
    pub(crate) response: Duration,
    pub(crate) service: Duration,
    pub(crate) connect: Option<Duration>,
    pub(crate) tls: Option<Duration>,
    pub(crate) first_byte: Option<Duration>,
    /// Explains a failure.
    pub(crate) explain: &'a dyn Fn() -> String,
}

/// The series of answered calls with one name, method and status.
#[derive(Clone, Copy)]
struct CallSeries {
    response: SeriesId,
    service: SeriesId,
    first_byte: SeriesId,
    failed: SeriesId,
}

/// One thread's recorder with the look-ups before it.
pub(crate) struct Scribe {
    recorder: Recorder,
    tag_sets: Vec<Tags>,
    tag_ids: HashMap<Tags, TagsId>,
    names: Vec<(String, CallId)>,
    name_ids: HashMap<String, NameId>,
    answered: HashMap<(TagsId, NameId, &'static str, u16), CallSeries>,
    other: HashMap<(TagsId, &'static str, String), SeriesId>,
}

impl Scribe {
    pub(crate) fn new(limits: Limits) -> Self {
        Self {
            recorder: Recorder::new(limits),
            tag_sets: Vec::new(),
            tag_ids: HashMap::new(),
            names: Vec::new(),
            name_ids: HashMap::new(),
            answered: HashMap::new(),
            other: HashMap::new(),
        }
    }

    /// Says what time it is: samples belong to the second in which they end, which is now.
    pub(crate) fn roll(&mut self, now: RunTime) {
        self.recorder.roll(now.second());
    }

    pub(crate) fn take_closed(&mut self) -> Vec<Interval> {
        self.recorder.take_closed()
    }

    /// The intervals that are left when the thread ends; the scribe starts over.
    pub(crate) fn finish(&mut self, limits: Limits) -> Vec<Interval> {
        std::mem::replace(self, Self::new(limits)).recorder.finish()
    }

    pub(crate) fn tags(&mut self, tags: &Tags) -> TagsId {
        if let Some(id) = self.tag_ids.get(tags) {
            return *id;
        }
        let id = TagsId(self.tag_sets.len() as u32);
        self.tag_sets.push(tags.clone());
        self.tag_ids.insert(tags.clone(), id);
        id
    }

    /// These tags with one more.
    pub(crate) fn tagged(&mut self, id: TagsId, key: &str, value: &str) -> TagsId {
        let tags = self.tag_set(id).with(key, value);
        self.tags(&tags)
    }

    fn tag_set(&self, id: TagsId) -> Tags {
        self.tag_sets.get(id.0 as usize).cloned().unwrap_or_default()
    }

    pub(crate) fn name(&mut self, name: &str) -> NameId {
        if let Some(id) = self.name_ids.get(name) {
            return *id;
        }
        let id = NameId(self.names.len() as u32);
        let call = self.recorder.call_name(name);
        self.names.push((name.to_owned(), call));
        self.name_ids.insert(name.to_owned(), id);
        id
    }

    pub(crate) fn call(&mut self, name: NameId, step: CallStep) {
        let (_, call) = self.names[name.0 as usize];
        self.recorder.call(call, step);
    }

    /// Records one ended hop in the ledger of calls and in all `http.*` series.
    pub(crate) fn hop(&mut self, sample: &HopSample) {
        match sample.outcome {
            Ok(status) => self.answered(sample, status),
            Err(kind) => {
                self.call(sample.name, CallStep::Failed);
                self.failed(sample.tags, sample.name, kind, sample.explain);
            }
        }
    }

    fn answered(&mut self, sample: &HopSample, status: u16) {
        self.call(sample.name, CallStep::Answered);
        let key = (sample.tags, sample.name, sample.method, status);
        let series = match self.answered.get(&key) {
            Some(series) => *series,
            None => {
                let series = self.call_series(sample, status);
                *self.answered.entry(key).or_insert(series)
            }
        };
        self.recorder.duration(series.response, sample.response);
        self.recorder.duration(series.service, sample.service);
        if let Some(took) = sample.first_byte {
            self.recorder.duration(series.first_byte, took);
        }
        for (metric, took) in [("http.connect", sample.connect), ("http.tls", sample.tls)] {
            if let Some(took) = took {
                let id = self.recorder.series(Kind::Duration, &self.call_key(metric, sample, status));
                self.recorder.duration(id, took);
            }
        }
        match status {
            400.. if !sample.expected => {
                let kind = if status < 500 { "4xx" } else { "5xx" };
                self.failed(sample.tags, sample.name, kind, sample.explain);
            }
            // A redirect is no success yet: it may lead nowhere.
            300..400 => {}
            _ => self.recorder.ratio(series.failed, false),
        }
    }

    fn call_key(&self, metric: &str, sample: &HopSample, status: u16) -> SeriesKey {
        let tags = self.tag_set(sample.tags).with("name", self.names[sample.name.0 as usize].0.as_str());
        SeriesKey {
            metric: metric.to_owned(),
            tags: tags.with("method", sample.method).with("status", status.to_string()),
        }
    }

    fn call_series(&mut self, sample: &HopSample, status: u16) -> CallSeries {
        let mut duration = |metric| {
            let key = self.call_key(metric, sample, status);
            self.recorder.series(Kind::Duration, &key)
        };
        let (response, service, first_byte) =
            (duration("http.response"), duration("http.service"), duration("http.first_byte"));
        let tags = self.tag_set(sample.tags).with("name", self.names[sample.name.0 as usize].0.as_str());
        let failed = self.recorder.series(Kind::Ratio, &SeriesKey { metric: "http.failed".to_owned(), tags });
        CallSeries { response, service, first_byte, failed }
    }

    /// Counts a redirect that led somewhere.
    pub(crate) fn led_on(&mut self, tags: TagsId, name: NameId) {
        let tags = self.tag_set(tags).with("name", self.names[name.0 as usize].0.as_str());
        let id = self.recorder.series(Kind::Ratio, &SeriesKey { metric: "http.failed".to_owned(), tags });
        self.recorder.ratio(id, false);
    }

    /// Counts a call as failed, with a sample of why.
    pub(crate) fn failed(&mut self, tags: TagsId, name: NameId, kind: &'static str, explain: &dyn Fn() -> String) {
        let tags = self.tag_set(tags);
        let named = tags.with("name", self.names[name.0 as usize].0.as_str()).with("kind", kind);
        let id = self.recorder.series(Kind::Ratio, &SeriesKey { metric: "http.failed".to_owned(), tags: named });
        self.recorder.ratio(id, true);
        self.recorder.error(kind, &explain(), &tags);
    }

    /// The series of a metric with up to one more tag besides the user's; remembered by both.
    fn series(&mut self, kind: Kind, tags: TagsId, metric: &'static str, more: &[(&str, &str)]) -> SeriesId {
        let mut remembered = String::new();
        for (key, value) in more {
            remembered.extend([key, "\u{1}", value, "\u{2}"]);
        }
        let key = (tags, metric, remembered);
        if let Some(id) = self.other.get(&key) {
            return *id;
        }
        let all = more.iter().fold(self.tag_set(tags), |tags, (key, value)| tags.with(*key, *value));
        let id = self.recorder.series(kind, &SeriesKey { metric: metric.to_owned(), tags: all });
        self.other.insert(key, id);
        id
    }

    pub(crate) fn duration(&mut self, tags: TagsId, metric: &'static str, more: &[(&str, &str)], took: Duration) {
        let id = self.series(Kind::Duration, tags, metric, more);
        self.recorder.duration(id, took);
    }

    pub(crate) fn count(&mut self, tags: TagsId, metric: &'static str, more: &[(&str, &str)], by: u64) {
        let id = self.series(Kind::Count, tags, metric, more);
        self.recorder.count(id, by);
    }

    pub(crate) fn ratio(&mut self, tags: TagsId, metric: &'static str, more: &[(&str, &str)], yes: bool) {
        let id = self.series(Kind::Ratio, tags, metric, more);
        self.recorder.ratio(id, yes);
    }

    /// Metrics that the scenario names itself.
    pub(crate) fn custom(&mut self, tags: TagsId, name: &str, value: Custom) {
        let key = SeriesKey { metric: format!("custom.{name}"), tags: self.tag_set(tags) };
        match value {
            Custom::Count(by) => {
                let id = self.recorder.series(Kind::Count, &key);
                self.recorder.count(id, by);
            }
            Custom::Duration(took) => {
                let id = self.recorder.series(Kind::Duration, &key);
                self.recorder.duration(id, took);
            }
        }
    }

    pub(crate) fn error(&mut self, tags: TagsId, kind: &str, sample: &str) {
        let tags = self.tag_set(tags);
        self.recorder.error(kind, sample, &tags);
    }

    pub(crate) fn transition(&mut self, from: UserState, to: UserState) {
        self.recorder.transition(from, to);
    }

    /// Notes that nobody needs to bring a user back if this agent is lost.
    pub(crate) fn ended(&mut self, scenario: u32, index: u64) {
        self.recorder.ended(scenario, index);
    }

    /// The part of recording that knows cues.
    pub(crate) fn cues(&mut self) -> &mut Recorder {
        &mut self.recorder
    }
}

/// A value of a metric that the scenario names.
pub(crate) enum Custom {
    Count(u64),
    Duration(Duration),
}
