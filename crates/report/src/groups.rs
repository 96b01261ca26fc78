//! Samples of several series put together: a call answers with many statuses in many regions and is shown as one row.

use std::collections::BTreeMap;

use rehearsal_metrics::{Bins, OTHER, Points, SeriesKey};

/// Merges the series of a metric by the value of a tag. A series that has lost the tag to the bound on series is counted with
/// all others.
pub(crate) fn merged_by<'a>(
    series: impl Iterator<Item = (&'a SeriesKey, &'a Points)>,
    metric: &str,
    tag: &str,
) -> BTreeMap<&'a str, Points> {
    let mut groups: BTreeMap<&str, Points> = BTreeMap::new();
    for (key, points) in series.filter(|(key, _)| key.metric == metric) {
        let group = key.tags.get(tag).unwrap_or(OTHER);
        match groups.get_mut(group) {
            Some(known) => known.merge(points).expect("a metric has one kind"),
            None => {
                groups.insert(group, points.clone());
            }
        }
    }
    groups
}

/// Adds up how often something happened, by the value of a tag. Of a ratio: how often it came true.
pub(crate) fn happened_by<'a>(
    series: impl Iterator<Item = (&'a SeriesKey, &'a Points)>,
    metric: &str,
    tag: &str,
) -> BTreeMap<&'a str, u64> {
    let groups = merged_by(series, metric, tag);
    groups.into_iter().map(|(group, points)| (group, happened(&points))).collect()
}

/// How often something happened; of a ratio, how often it came true.
fn happened(points: &Points) -> u64 {
    match points {
        Points::Ratio { yes, .. } => *yes,
        Points::Duration(_) | Points::Count(_) => points.count(),
    }
}

/// The distribution in samples, if they are durations.
pub(crate) fn durations(points: Points) -> Option<Bins> {
    match points {
        Points::Duration(bins) => Some(bins),
        Points::Count(_) | Points::Ratio { .. } => None,
    }
}

/// Response times by the name of the call.
pub(crate) fn responses<'a>(series: impl Iterator<Item = (&'a SeriesKey, &'a Points)>) -> BTreeMap<&'a str, Bins> {
    let groups = merged_by(series, "http.response", "name");
    groups.into_iter().filter_map(|(name, points)| Some((name, durations(points)?))).collect()
}

/// A percentile in seconds.
pub(crate) fn percentile(bins: &Bins, percent: f64) -> Option<f64> {
    bins.percentile(percent).map(|duration| duration.as_secs_f64())
}
