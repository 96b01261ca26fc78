//! Intervals on the wire: their seconds, their series and what these recorded.

use std::ops::Range;

use rehearsal_metrics::{Bins, Definition, Interval, Kind, Points, SeriesId, SeriesKey, Tags};

use super::{
    WireError,
    cue::{cue_row, read_cue},
    indices::{read_arrivals, write_arrivals},
    rows::{call_row, error_row, health_row, read_call, read_errors, read_health, read_transitions, user_row},
    unique,
};
use crate::v1::{self, point::Value};

/// No run is further than 30 years from its start: sums of seconds stay far from overflow.
const FURTHEST_S: i64 = 1_000_000_000;
/// An outbox merges neighbours over an outage, which is over in a day or not worth waiting for.
const LONGEST_S: i64 = 24 * 3600;

impl From<Interval> for v1::Interval {
    fn from(interval: Interval) -> v1::Interval {
        let Interval { from, to, defines, points, users, calls, errors, cues, health, ended } = interval;
        v1::Interval {
            from_s: from,
            to_s: to,
            definitions: defines.into_iter().map(v1::Definition::from).collect(),
            points: points.iter().map(point).collect(),
            users: users.iter().map(|(second, moved)| user_row(*second, moved)).collect(),
            calls: calls.into_iter().map(call_row).collect(),
            errors: errors.iter().map(error_row).collect(),
            cues: cues.into_iter().map(cue_row).collect(),
            health: health.iter().map(|(second, health)| health_row(*second, health)).collect(),
            ended: write_arrivals(&ended),
        }
    }
}

impl TryFrom<v1::Interval> for Interval {
    type Error = WireError;

    fn try_from(wire: v1::Interval) -> Result<Interval, WireError> {
        let seconds = seconds(wire.from_s, wire.to_s)?;
        Ok(Interval {
            from: seconds.start,
            to: seconds.end,
            defines: read_definitions(wire.definitions)?,
            points: unique("a series", wire.points.into_iter().map(read_point))?,
            users: unique(
                "a second of users",
                wire.users.into_iter().map(|row| Ok((within(&seconds, row.second)?, read_transitions(&row)?))),
            )?,
            calls: unique("a call", wire.calls.into_iter().map(|row| Ok(read_call(row))))?,
            errors: read_errors(wire.errors),
            cues: unique("a cue", wire.cues.into_iter().map(read_cue))?,
            health: unique(
                "a second of health",
                wire.health.into_iter().map(|row| Ok((within(&seconds, row.second)?, read_health(&row)))),
            )?,
            ended: read_arrivals(&wire.ended)?,
        })
    }
}

fn seconds(from: i64, to: i64) -> Result<Range<i64>, WireError> {
    let near = -FURTHEST_S..=FURTHEST_S;
    let sound = near.contains(&from) && near.contains(&to) && from < to && to - from <= LONGEST_S;
    if sound { Ok(from..to) } else { Err(WireError::Range("the seconds of an interval")) }
}

fn within(seconds: &Range<i64>, second: i64) -> Result<i64, WireError> {
    if seconds.contains(&second) { Ok(second) } else { Err(WireError::Range("a row's second")) }
}

impl From<Definition> for v1::Definition {
    fn from(definition: Definition) -> v1::Definition {
        let kind = match definition.kind {
            Kind::Duration => v1::definition::Kind::Duration,
            Kind::Count => v1::definition::Kind::Count,
            Kind::Ratio => v1::definition::Kind::Ratio,
        };
        let tags = definition.key.tags.iter();
        v1::Definition {
            id: definition.id.0,
            kind: kind.into(),
            tags: tags.map(|(key, value)| v1::Tag { key: key.to_owned(), value: value.to_owned() }).collect(),
            metric: definition.key.metric,
        }
    }
}

impl TryFrom<v1::Definition> for Definition {
    type Error = WireError;

    fn try_from(wire: v1::Definition) -> Result<Definition, WireError> {
        let kind = match wire.kind() {
            v1::definition::Kind::Duration => Kind::Duration,
            v1::definition::Kind::Count => Kind::Count,
            v1::definition::Kind::Ratio => Kind::Ratio,
            v1::definition::Kind::Unspecified => {
                return Err(WireError::Unknown { what: "kind of series", value: wire.kind });
            }
        };
        if !wire.tags.is_sorted_by(|a, b| a.key < b.key) {
            return Err(WireError::Twice("a tag"));
        }
        let tags: Tags = wire.tags.into_iter().map(|tag| (tag.key, tag.value)).collect();
        Ok(Definition { id: SeriesId(wire.id), kind, key: SeriesKey { metric: wire.metric, tags } })
    }
}

fn read_definitions(wire: Vec<v1::Definition>) -> Result<Vec<Definition>, WireError> {
    if !wire.is_sorted_by(|a, b| a.id < b.id) {
        return Err(WireError::Twice("a definition"));
    }
    wire.into_iter().map(Definition::try_from).collect()
}

fn point((series, points): (&SeriesId, &Points)) -> v1::Point {
    let value = match points {
        Points::Duration(bins) => Value::Duration(bins.into()),
        Points::Count(count) => Value::Count(*count),
        Points::Ratio { yes, total } => Value::Ratio(v1::Ratio { yes: *yes, total: *total }),
    };
    v1::Point { series: series.0, value: Some(value) }
}

fn read_point(wire: v1::Point) -> Result<(SeriesId, Points), WireError> {
    let series = wire.series;
    let points = match wire.value.ok_or(WireError::Lacks("points of a series"))? {
        Value::Duration(distribution) => {
            let bins = Bins::try_from(&distribution);
            Points::Duration(bins.map_err(|source| WireError::Bins { series, source })?)
        }
        Value::Count(count) => Points::Count(count),
        Value::Ratio(v1::Ratio { yes, total }) if yes <= total => Points::Ratio { yes, total },
        Value::Ratio(_) => return Err(WireError::Range("a ratio")),
    };
    Ok((SeriesId(series), points))
}
