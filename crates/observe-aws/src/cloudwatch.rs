//! CloudWatch: data points as the scaler sees them, and the alarms that it acts on.
//!
//! A data point stands for a period, and comes some time after the period is over, or never. So the newest period
//! that is over may have no point *yet*: then the one before counts for as long as points may be late. After that
//! the metric is missing, and nothing older stands in for it.

mod alarms;

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_sdk_cloudwatch::Client;
use aws_sdk_cloudwatch::types::{Dimension, Metric, MetricDataQuery, MetricStat, StandardUnit, StatusCode};
use aws_smithy_types::DateTime;
use futures_util::future::BoxFuture;
use rehearsal_observe::{ErrorKind, Failure, Observer, Reading, Role, Sample, Settings, settings, tells};
use rehearsal_plan::Problem;
use serde_json::Value;

use crate::account::{Account, Lazy};
use crate::failure::{instant, of_call};

/// How many periods are read: those before the newest may have changed, or may stand in for one that is late.
const PERIODS: u32 = 3;
/// What CloudWatch keeps for all metrics.
const PERIOD: Duration = Duration::from_secs(60);
const LONGEST_PERIOD: Duration = Duration::from_secs(3_600);
const LONGEST_STATISTIC: usize = 40;

struct CloudWatch {
    client: Lazy<Client>,
    stat: MetricStat,
    period: Duration,
    late: Duration,
}

/// Takes the keys of [`Account`]; for a metric `alarm`, or `namespace`, `metric`, `dimensions`, `statistic`,
/// `period`, `late` and `unit`; for activities `alarms`.
pub fn make(settings: &mut Settings<'_>, role: Role) -> Option<Box<dyn Observer>> {
    if !tells(settings, role, &[Role::Metric, Role::Activities]) {
        return None;
    }
    let client = Lazy::new(Account::from_settings(settings), Client::new);
    if role == Role::Activities {
        let names = settings.require("alarms", settings::texts)?;
        return Some(Box::new(alarms::Transitions { client, names }));
    }
    if settings.has("alarm") {
        let name = settings.take("alarm", settings::text)?;
        return Some(Box::new(alarms::State { client, name }));
    }
    let namespace = settings.require("namespace", settings::text);
    let metric = settings.require("metric", settings::text);
    let dimensions = settings.take("dimensions", dimensions).unwrap_or_default();
    let statistic = settings.take("statistic", statistic).unwrap_or_else(|| "Average".into());
    let period = seconds(settings, "period", 1).unwrap_or(PERIOD);
    let late = seconds(settings, "late", 0).unwrap_or(period);
    let unit = settings.take("unit", unit);
    let metric = Metric::builder().namespace(namespace?).metric_name(metric?).set_dimensions(Some(dimensions)).build();
    let stat = MetricStat::builder().metric(metric).stat(statistic).set_unit(unit);
    let stat = stat.period(i32::try_from(period.as_secs()).unwrap_or(i32::MAX)).build();
    Some(Box::new(CloudWatch { client, stat, period, late }))
}

fn dimensions(value: &Value) -> Result<Vec<Dimension>, Problem> {
    let table = value.as_object().ok_or_else(|| Problem::new("is not a table"))?;
    let dimension = |(name, value): (&String, &Value)| {
        let value = settings::text(value)
            .map_err(|problem| Problem { message: format!("has `{name}`, which {}", problem.message), ..problem })?;
        Ok(Dimension::builder().name(name).value(value).build())
    };
    table.iter().map(dimension).collect()
}

/// Reads a statistic. Amazon knows more of them than one would list here; what it does not know it refuses.
fn statistic(value: &Value) -> Result<String, Problem> {
    const USUAL: [&str; 5] = ["Average", "Sum", "Minimum", "Maximum", "SampleCount"];
    let word = settings::text(value)?;
    let is_extended = word.len() <= LONGEST_STATISTIC && word.contains(|letter: char| letter.is_ascii_digit());
    match USUAL.contains(&&*word) || is_extended || word == "IQM" {
        true => Ok(word),
        false => {
            let text = format!("is not one of {}, nor like `p99`", USUAL.join(", "));
            Err(Problem::new(text).did_you_mean(&word, USUAL))
        }
    }
}

/// Takes a number of whole seconds, at least so many: CloudWatch knows no parts of one.
fn seconds(settings: &mut Settings<'_>, key: &str, least: u64) -> Option<Duration> {
    let read = settings.duration(key, Duration::from_secs(least)..=LONGEST_PERIOD)?;
    if read.subsec_nanos() != 0 {
        settings.complain_of(key, Problem::new("is not a number of whole seconds"));
        return None;
    }
    Some(read)
}

fn unit(value: &Value) -> Result<StandardUnit, Problem> {
    let word = settings::text(value)?;
    StandardUnit::try_parse(&word).map_err(|_| {
        Problem::new("is no unit of CloudWatch").did_you_mean(&word, StandardUnit::values().iter().copied())
    })
}

impl Observer for CloudWatch {
    fn read(&mut self, now: SystemTime) -> BoxFuture<'_, Result<Sample, Failure>> {
        Box::pin(async move {
            let end = last_end(now, self.period);
            let from = end - self.period * PERIODS;
            let points = self.points(from, end).await?;
            let age = now.duration_since(end).unwrap_or_default();
            let (source_time, value) = newest(&points, end, self.period, age <= self.late).ok_or_else(|| {
                let hint = if self.stat.unit().is_some() { ", or none in this unit" } else { "" };
                Failure::missing(format!("no data point for the period that ended {} s ago{hint}", age.as_secs()))
            })?;
            Ok(Sample { source_time: Some(source_time), reading: Reading::Metric(value) })
        })
    }

    fn is_dated(&self) -> bool {
        true
    }
}

impl CloudWatch {
    /// Asks for the data points of all periods between two instants, the end exclusive.
    async fn points(&mut self, from: SystemTime, to: SystemTime) -> Result<BTreeMap<SystemTime, f64>, Failure> {
        let client = self.client.get().await?;
        let query = MetricDataQuery::builder().id("m").metric_stat(self.stat.clone()).build();
        let call = client.get_metric_data().metric_data_queries(query);
        let call = call.start_time(DateTime::from(from)).end_time(DateTime::from(to));
        let mut points = BTreeMap::new();
        let mut pages = call.into_paginator().send();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|error| of_call("GetMetricData", error))?;
            for result in page.metric_data_results() {
                complete(result.status_code())?;
                for (at, value) in result.timestamps().iter().zip(result.values()) {
                    points.insert(instant(at)?, *value);
                }
            }
        }
        Ok(points)
    }
}

/// Refuses an answer of which Amazon says itself that it is not whole; more pages make a partial one whole.
fn complete(status: Option<&StatusCode>) -> Result<(), Failure> {
    match status {
        Some(StatusCode::InternalError) => {
            Err(Failure::Error(ErrorKind::Refused, "GetMetricData: InternalError".into()))
        }
        Some(StatusCode::Forbidden) => Err(Failure::Error(ErrorKind::Denied, "GetMetricData: Forbidden".into())),
        _ => Ok(()),
    }
}

/// Gives the end of the newest period that is over.
fn last_end(now: SystemTime, period: Duration) -> SystemTime {
    let since_1970 = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let periods = since_1970 / period.as_secs().max(1);
    UNIX_EPOCH + Duration::from_secs(periods * period.as_secs())
}

/// Gives the value of the newest period with its end; of the one before, if the newest may yet come.
fn newest(
    points: &BTreeMap<SystemTime, f64>,
    end: SystemTime,
    period: Duration,
    may_be_late: bool,
) -> Option<(SystemTime, f64)> {
    let of_period = |end: SystemTime| {
        // Points carry their period's beginning.
        let point = points.range(end - period..end).next_back();
        point.filter(|(_, value)| value.is_finite()).map(|(_, value)| (end, *value))
    };
    of_period(end).or_else(|| may_be_late.then(|| of_period(end - period)).flatten())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(second)
    }

    #[test]
    fn only_periods_that_are_over_count() {
        for (now, end) in [(600, 600), (659, 600), (660, 660)] {
            assert_eq!(last_end(at(now), PERIOD), at(end), "{now}");
        }
    }

    #[test]
    fn a_point_that_may_yet_come_is_waited_for_and_one_that_does_not_is_missing() {
        let points = |seconds: &[u64]| seconds.iter().map(|second| (at(*second), *second as f64)).collect();
        for (seconds, may_be_late, expected) in [
            (&[480_u64, 540][..], false, Some((at(600), 540.0))),
            (&[420, 480], true, Some((at(540), 480.0))),
            (&[420, 480], false, None),
            (&[420], true, None),
            (&[], true, None),
        ] {
            assert_eq!(newest(&points(seconds), at(600), PERIOD, may_be_late), expected, "{seconds:?} {may_be_late}");
        }
    }
}
