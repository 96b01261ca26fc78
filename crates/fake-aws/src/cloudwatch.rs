//! CloudWatch: data points by period, and the states of alarms.

use std::collections::BTreeMap;
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::Value;

use crate::call::{Call, number};
use crate::replay::{ACCOUNT, Answer, Moment, REGION, failed};
use crate::shape::{Shape, after};
use crate::timeline::{Alarm, MetricSeries};

pub(crate) fn answer(moment: Moment<'_>, call: &Call) -> Option<Answer> {
    match &*call.operation {
        "GetMetricData" => Some(data(moment, call)),
        "DescribeAlarms" => Some(Answer::Told(alarms(moment, call))),
        _ => None,
    }
}

/// One query as it was asked.
struct Query<'a> {
    id: &'a str,
    metric: &'a Value,
    period: f64,
    statistic: &'a str,
    unit: Option<&'a str>,
}

fn data(moment: Moment<'_>, call: &Call) -> Answer {
    let invalid = |message: &str| failed(400, "ValidationError", message);
    let (Some(from), Some(to)) = (call.instant("StartTime"), call.instant("EndTime")) else {
        return invalid("StartTime and EndTime are required");
    };
    let is_ascending = call.text("ScanBy") == Some("TimestampAscending");
    let mut results = Vec::new();
    for asked in call.list("MetricDataQueries") {
        let Some(query) = query(asked) else { return invalid("a query has to have Id and MetricStat") };
        let Some(mut points) = points(moment, &query, from, to) else {
            return invalid(&format!("the statistic {} is not replayed", query.statistic));
        };
        if !is_ascending {
            points.reverse();
        }
        let (instants, values): (Vec<Shape>, Vec<Shape>) =
            points.into_iter().map(|(at, value)| (Shape::Time(at), Shape::Number(value))).unzip();
        results.push(Shape::map([
            ("Id", query.id.into()),
            ("Label", query.metric["MetricName"].as_str().unwrap_or_default().into()),
            ("Timestamps", Shape::List(instants)),
            ("Values", Shape::List(values)),
            ("StatusCode", "Complete".into()),
        ]));
    }
    Answer::Told(Shape::map([("MetricDataResults", Shape::List(results)), ("Messages", Shape::List(Vec::new()))]))
}

fn query(asked: &Value) -> Option<Query<'_>> {
    let stat = &asked["MetricStat"];
    Some(Query {
        id: asked["Id"].as_str()?,
        metric: &stat["Metric"],
        period: number(&stat["Period"]).filter(|period| *period >= 1.0)?,
        statistic: stat["Stat"].as_str()?,
        unit: stat["Unit"].as_str(),
    })
}

/// The values of all periods in which something was published, oldest first; the end is exclusive. `None` for a
/// statistic that is unknown.
fn points(moment: Moment<'_>, query: &Query<'_>, from: SystemTime, to: SystemTime) -> Option<Vec<(SystemTime, f64)>> {
    let series = moment.timeline.metrics.iter().find(|series| is_asked(series, query));
    let seen = series
        .into_iter()
        .flat_map(|series| series.points.iter().filter(|(second, _)| second + series.delay <= moment.second).copied());
    let since_1970 = |instant: SystemTime| instant.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
    let mut periods: BTreeMap<u64, Vec<f64>> = BTreeMap::new();
    for (second, value) in seen {
        let at = since_1970(after(moment.epoch, second));
        let period = (at / query.period).floor() * query.period;
        if (since_1970(from)..since_1970(to)).contains(&period) {
            periods.entry(period as u64).or_default().push(value);
        }
    }
    let told = periods.into_iter();
    told.map(|(period, values)| Some((after(UNIX_EPOCH, period as f64), statistic(query.statistic, values)?))).collect()
}

/// A metric is only found by all of its dimensions, and with another unit has no points.
fn is_asked(series: &MetricSeries, query: &Query<'_>) -> bool {
    let dimensions = query.metric["Dimensions"].as_array().map(Vec::as_slice).unwrap_or_default();
    let dimensions: BTreeMap<&str, &str> =
        dimensions.iter().filter_map(|one| Some((one["Name"].as_str()?, one["Value"].as_str()?))).collect();
    let is_same = |key: &str, name: &str| query.metric[key] == *name;
    is_same("Namespace", &series.namespace)
        && is_same("MetricName", &series.name)
        && query.unit.is_none_or(|unit| unit == series.unit)
        && dimensions.into_iter().eq(series.dimensions.iter().map(|(name, value)| (&**name, &**value)))
}

/// Never asked for no values at all.
fn statistic(name: &str, mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let sum: f64 = values.iter().sum();
    match name {
        "Average" => Some(sum / values.len() as f64),
        "Sum" => Some(sum),
        "Minimum" => values.first().copied(),
        "Maximum" => values.last().copied(),
        "SampleCount" => Some(values.len() as f64),
        _ => {
            let share = name.strip_prefix('p')?.parse::<f64>().ok().filter(|share| (0.0..=100.0).contains(share))?;
            let rank = (share / 100.0 * values.len() as f64).ceil().max(1.0);
            values.get(rank as usize - 1).copied()
        }
    }
}

fn alarms(moment: Moment<'_>, call: &Call) -> Shape {
    let names = call.texts("AlarmNames");
    let asked = moment.timeline.alarms.iter().filter(|(name, _)| names.is_empty() || names.contains(&name.as_str()));
    let told = asked.filter_map(|(name, alarm)| self::alarm(moment, name, alarm)).collect();
    let (told, token) = moment.page(told, call.whole("MaxRecords"), call.text("NextToken"));
    Shape::map([
        ("MetricAlarms", Shape::List(told)),
        ("CompositeAlarms", Shape::List(Vec::new())),
        ("NextToken", token),
    ])
}

fn alarm(moment: Moment<'_>, name: &str, alarm: &Alarm) -> Option<Shape> {
    let state = alarm.state.at(moment.second)?;
    let since = Shape::Time(after(moment.epoch, alarm.state.since(moment.second)?));
    Some(Shape::map([
        ("AlarmName", name.into()),
        ("AlarmArn", format!("arn:aws:cloudwatch:{REGION}:{ACCOUNT}:alarm:{name}").into()),
        ("StateValue", state.as_str().into()),
        ("StateReason", format!("replayed: {state}").into()),
        ("StateUpdatedTimestamp", since.clone()),
        ("StateTransitionedTimestamp", since),
        ("MetricName", alarm.metric.as_str().into()),
        ("Namespace", alarm.namespace.as_str().into()),
        ("Statistic", "Average".into()),
        ("Period", 60_u64.into()),
        ("EvaluationPeriods", 1_u64.into()),
        ("Threshold", alarm.threshold.into()),
        ("ComparisonOperator", alarm.comparison.as_str().into()),
        ("TreatMissingData", alarm.treat_missing_data.as_deref().into()),
        ("ActionsEnabled", true.into()),
    ]))
}
