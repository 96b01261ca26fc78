//! A rehearsal of the rehearsal: what the demo counted itself, beside what the agents report.
//!
//! Only for the demo, which is there to be checked against; a real system has its own counters and its own doors to them.

use std::collections::BTreeMap;

use anyhow::Context as _;
use rehearsal_demo::Counters;
use rehearsal_metrics::{Points, SeriesKey, Span, Timeline};

use crate::run::target::Target;

/// What both sides counted, in pairs: ours, the demo's.
pub struct Comparison(BTreeMap<String, (u64, u64)>);

impl Comparison {
    /// What differs, one line each.
    pub fn differences(&self) -> Vec<String> {
        let differ = self.0.iter().filter(|(_, (ours, demos))| ours != demos);
        differ.map(|(what, (ours, demos))| format!("{what}: {ours} here, {demos} at the demo")).collect()
    }

    /// What is the same, in one line.
    pub fn agreement(&self) -> String {
        let same = self.0.iter().filter(|(_, (ours, demos))| ours == demos);
        same.map(|(what, (ours, _))| format!("{ours} {what}")).collect::<Vec<_>>().join(", ")
    }
}

/// Asks the demo what it counted; none if the system under test is another.
pub async fn compare(target: &Target, timeline: &Timeline) -> anyhow::Result<Option<Comparison>> {
    if !target.is_demo() {
        return Ok(None);
    }
    let url = target.url().join("/admin/counters").context("reading the demo's address")?;
    let counters: Counters =
        reqwest::get(url).await?.error_for_status()?.json().await.context("reading the demo's counters")?;
    let mut pairs = BTreeMap::new();
    let polls = |name: &str| name == "GET /poll";
    let answered =
        counters.requests.iter().filter(|(name, _)| !polls(name)).flat_map(|(_, by_status)| by_status.values());
    pairs.insert("answered calls".to_owned(), (total(timeline, &SeriesKey::new("http.response")), answered.sum()));
    for (transport, opened) in
        [("websocket", counters.sockets_opened.websocket), ("polling", counters.sockets_opened.polling)]
    {
        let key = SeriesKey::new("socket.connect").with("transport", transport);
        pairs.insert(format!("{transport} sockets"), (total(timeline, &key), opened));
    }
    for (event, delivered) in &counters.delivered {
        let key = SeriesKey::new("socket.received").with("event", event.as_str());
        pairs.insert(format!("messages {event}"), (total(timeline, &key), *delivered));
    }
    Ok(Some(Comparison(pairs)))
}

/// Samples of all series that match, over the whole run.
fn total(timeline: &Timeline, selector: &SeriesKey) -> u64 {
    let Some(span) = timeline.span() else { return 0 };
    match timeline.window(selector, Span { from_s: span.from_s, to_s: span.to_s }) {
        Some(Points::Duration(bins)) => bins.count(),
        Some(Points::Count(count)) => count,
        Some(Points::Ratio { total, .. }) => total,
        None => 0,
    }
}
