//! Reads all rows of a run's file.

use std::collections::BTreeMap;
use std::error::Error;
use std::path::Path;

use rehearsal_metrics::{
    AgentRecord, Arrivals, Bins, CallCounts, Changes, CueRecord, Definition, ErrorCount, Errors, Health, Kind, Points,
    SeriesId, SeriesKey, Span, Transitions, UserState,
};
use rusqlite::types::Type;
use rusqlite::{Connection, Result, Row};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::error::StoreError;
use crate::rows::{About, CueIntent, CueOutcome, Event, Life, Look, Mark, Member, Recorded};

/// A run's file that is open.
pub(crate) struct Source<'a> {
    pub(crate) connection: &'a Connection,
    pub(crate) path: &'a Path,
}

type Loaded<T> = std::result::Result<T, StoreError>;

impl Source<'_> {
    /// Reads everything as it stood after one commit.
    pub(crate) fn load(&self) -> Loaded<Recorded> {
        // One transaction, so that a writer at work does not show half of its next commit.
        let transaction = self.connection.unchecked_transaction();
        let _transaction = transaction.map_err(|error| StoreError::opening(self.path, error))?;
        let facts = self.facts()?;
        Ok(Recorded {
            about: self.about(&facts)?,
            changes: self.changes(&facts)?,
            marks: self.rows("mark", "SELECT * FROM mark ORDER BY incarnation", mark)?,
            versions: self.rows("version", "SELECT content FROM version ORDER BY number", |row| json(row, 0))?,
            cues: self.rows("cue", "SELECT * FROM cue ORDER BY firing", cue)?,
            events: self.rows("event", "SELECT at_s, kind, who, text, detail FROM event ORDER BY id", event)?,
            looks: self.rows("look", "SELECT at_us, place, content FROM look ORDER BY id", |row| {
                Ok(Look { at_us: row.get(0)?, place: row.get(1)?, content: json(row, 2)? })
            })?,
            members: self.rows("member", "SELECT * FROM member ORDER BY agent", member)?,
            facts,
        })
    }

    /// Reads what there is once in a run.
    pub(crate) fn facts(&self) -> Loaded<BTreeMap<String, Value>> {
        self.rows("fact", "SELECT key, value FROM fact", |row| Ok((row.get(0)?, json(row, 1)?)))
    }

    pub(crate) fn about(&self, facts: &BTreeMap<String, Value>) -> Loaded<About> {
        let fields = facts.iter().map(|(key, value)| (key.clone(), value.clone())).collect();
        let about = serde_json::from_value(Value::Object(fields));
        about.map_err(|error| StoreError::reading(self.path, "fact", refused(1, Type::Text, error)))
    }

    fn changes(&self, facts: &BTreeMap<String, Value>) -> Loaded<Changes> {
        let planned = facts.get("planned").map(|planned| serde_json::from_value(planned.clone())).transpose();
        let series: Vec<Definition> =
            self.rows("series", "SELECT id, metric, kind, tags FROM series ORDER BY id", series)?;
        let errors: Vec<(String, ErrorCount)> = self.rows("error", "SELECT kind, count, sample FROM error", |row| {
            Ok((row.get(0)?, ErrorCount { count: count(row, 1)?, sample: row.get(2)? }))
        })?;
        Ok(Changes {
            planned: planned.map_err(|error| StoreError::reading(self.path, "fact", refused(1, Type::Text, error)))?,
            sources: self.sources()?,
            points: self.points(&series)?,
            users: self.users()?,
            health: self.rows(
                "second",
                "SELECT second, lag_max_us, cpu_milli, steal_milli, open_files, dropped_starts, clock_bound_us
                 FROM second WHERE lag_max_us IS NOT NULL",
                |row| Ok((row.get(0)?, health(row)?)),
            )?,
            calls: self.rows("call", "SELECT name, begun, answered, failed, cut FROM call", call)?,
            errors: (!errors.is_empty()).then(|| Errors::from_rows(errors)),
            cues: self.rows("cue_heard", "SELECT firing, looked, points FROM cue_heard", |row| {
                Ok((row.get(0)?, CueRecord { looked: json(row, 1)?, points: json(row, 2)? }))
            })?,
            agents: self.rows("agent", "SELECT * FROM agent", agent)?,
            coarse: self.rows("coarse", "SELECT from_s, to_s FROM coarse", |row| {
                Ok(Span { from_s: row.get(0)?, to_s: row.get(1)? })
            })?,
            ended: self.ended()?,
            series,
        })
    }

    fn ended(&self) -> Loaded<Arrivals> {
        let rows: Vec<(u32, u64)> =
            self.rows("ended", "SELECT scenario, arrival FROM ended", |row| Ok((row.get(0)?, count(row, 1)?)))?;
        let mut ended = Arrivals::new();
        for (scenario, index) in rows {
            ended.entry(scenario).or_default().insert(index);
        }
        Ok(ended)
    }

    fn sources(&self) -> Loaded<BTreeMap<u32, BTreeMap<SeriesId, SeriesId>>> {
        let rows: Vec<(u32, u32, u32)> = self.rows("source", "SELECT agent, theirs, series FROM source", |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?))
        })?;
        let mut sources: BTreeMap<u32, BTreeMap<SeriesId, SeriesId>> = BTreeMap::new();
        for (agent, theirs, ours) in rows {
            sources.entry(agent).or_default().insert(SeriesId(theirs), SeriesId(ours));
        }
        Ok(sources)
    }

    fn points(&self, series: &[Definition]) -> Loaded<BTreeMap<i64, BTreeMap<SeriesId, Points>>> {
        let kinds: BTreeMap<SeriesId, Kind> = series.iter().map(|series| (series.id, series.kind)).collect();
        let mut seconds: BTreeMap<i64, BTreeMap<SeriesId, Points>> =
            self.rows("second", "SELECT second FROM second", |row| Ok((row.get(0)?, BTreeMap::new())))?;
        let sql = "SELECT series, count, yes, bins, second FROM points ORDER BY second, series";
        let rows: Vec<(i64, SeriesId, Points)> = self.rows("points", sql, |row| {
            let id = SeriesId(row.get(0)?);
            let kind = kinds.get(&id).ok_or_else(|| refused(0, Type::Integer, "a series that is not listed"))?;
            Ok((row.get(4)?, id, points(row, *kind)?))
        })?;
        for (second, id, points) in rows {
            seconds.entry(second).or_default().insert(id, points);
        }
        Ok(seconds)
    }

    fn users(&self) -> Loaded<BTreeMap<i64, Transitions>> {
        let mut users: BTreeMap<i64, Transitions> = BTreeMap::new();
        let sql = "SELECT from_state, to_state, users, second FROM moved";
        let _: Vec<()> = self.rows("moved", sql, |row| {
            let moved = users.entry(row.get(3)?).or_default();
            moved.record(state(row, 0)?, state(row, 1)?, count(row, 2)?).map_err(|error| refused(0, Type::Text, error))
        })?;
        Ok(users)
    }

    fn rows<T, C: FromIterator<T>>(
        &self,
        table: &'static str,
        sql: &str,
        read: impl FnMut(&Row) -> Result<T>,
    ) -> Loaded<C> {
        let mut statement = self.connection.prepare(sql);
        let rows = match &mut statement {
            Ok(statement) => statement.query_map([], read).and_then(Iterator::collect),
            Err(_) => statement.map(|_| C::from_iter([])),
        };
        rows.map_err(|error| StoreError::reading(self.path, table, error))
    }
}

fn series(row: &Row) -> Result<Definition> {
    let kind: String = row.get(2)?;
    let kind = serde_json::from_value(Value::String(kind)).map_err(|error| refused(2, Type::Text, error))?;
    Ok(Definition { id: SeriesId(row.get(0)?), kind, key: SeriesKey { metric: row.get(1)?, tags: json(row, 3)? } })
}

fn points(row: &Row, kind: Kind) -> Result<Points> {
    Ok(match kind {
        Kind::Count => Points::Count(count(row, 1)?),
        Kind::Ratio => Points::Ratio { yes: count(row, 2)?, total: count(row, 1)? },
        Kind::Duration => {
            let bytes = row.get_ref(3)?.as_blob().map_err(|error| refused(3, Type::Blob, error))?;
            Points::Duration(Bins::from_bytes(bytes).map_err(|error| refused(3, Type::Blob, error))?)
        }
    })
}

fn health(row: &Row) -> Result<Health> {
    Ok(Health {
        lag_max_micros: count(row, 1)?,
        cpu_milli: row.get(2)?,
        steal_milli: row.get(3)?,
        open_files: count(row, 4)?,
        dropped_starts: count(row, 5)?,
        clock_bound_micros: count(row, 6)?,
    })
}

fn call(row: &Row) -> Result<(String, CallCounts)> {
    let counts =
        CallCounts { begun: count(row, 1)?, answered: count(row, 2)?, failed: count(row, 3)?, cut: count(row, 4)? };
    Ok((row.get(0)?, counts))
}

fn agent(row: &Row) -> Result<(u32, AgentRecord)> {
    let latest_s: Option<i64> = row.get(8)?;
    let latest = latest_s.map(|second| Ok::<_, rusqlite::Error>((second, json(row, 9)?))).transpose()?;
    let record = AgentRecord {
        from_s: row.get(1)?,
        left_at: row.get(2)?,
        lost_at: row.get(3)?,
        restored: row.get(4)?,
        reported: json(row, 5)?,
        users: json(row, 6)?,
        worst: json(row, 7)?,
        latest,
    };
    Ok((row.get(0)?, record))
}

fn mark(row: &Row) -> Result<Mark> {
    Ok(Mark {
        incarnation: incarnation(&row.get::<_, String>(0)?, 0)?,
        agent: row.get(1)?,
        mark: count(row, 2)?,
        stored_until: row.get(3)?,
    })
}

fn cue(row: &Row) -> Result<CueIntent> {
    let outcome: Option<String> = row.get(8)?;
    let outcome = match outcome.as_deref() {
        None => None,
        Some("sent") => Some(CueOutcome::Sent(row.get(9)?)),
        Some("nothing") => Some(CueOutcome::Nothing),
        Some("failed") => Some(CueOutcome::Failed(row.get(10)?)),
        Some("unknown") => Some(CueOutcome::Unknown),
        Some(other) => return Err(refused(8, Type::Text, format!("no outcome is named {other:?}"))),
    };
    Ok(CueIntent {
        firing: row.get(0)?,
        name: row.get(1)?,
        number: count(row, 2)?,
        id: row.get(3)?,
        at_us: row.get(4)?,
        by: row.get(5)?,
        event: row.get(6)?,
        pointer: row.get(7)?,
        outcome,
    })
}

fn event(row: &Row) -> Result<Event> {
    Ok(Event { at_s: row.get(0)?, kind: row.get(1)?, who: row.get(2)?, text: row.get(3)?, detail: json(row, 4)? })
}

fn member(row: &Row) -> Result<Member> {
    Ok(Member {
        agent: row.get(0)?,
        id: row.get(1)?,
        region: row.get(2)?,
        instance: row.get(3)?,
        weight: row.get(4)?,
        ended: row.get(5)?,
        lost: row.get(6)?,
        life: match row.get::<_, Option<String>>(7)? {
            None => None,
            Some(hex) => Some(Life { incarnation: incarnation(&hex, 7)?, owns_from: count(row, 8)? }),
        },
    })
}

fn incarnation(hex: &str, column: usize) -> Result<[u8; 16]> {
    let bits = u128::from_str_radix(hex, 16).map_err(|error| refused(column, Type::Text, error))?;
    Ok(bits.to_be_bytes())
}

fn state(row: &Row, column: usize) -> Result<UserState> {
    let name: String = row.get(column)?;
    let state = UserState::ALL.into_iter().find(|state| state.name() == name);
    state.ok_or_else(|| refused(column, Type::Text, format!("no state of users is named {name:?}")))
}

fn count(row: &Row, column: usize) -> Result<u64> {
    row.get(column).map(i64::cast_unsigned)
}

fn json<T: DeserializeOwned>(row: &Row, column: usize) -> Result<T> {
    let text = row.get_ref(column)?.as_str().map_err(|error| refused(column, Type::Text, error))?;
    serde_json::from_str(text).map_err(|error| refused(column, Type::Text, error))
}

/// A value is of the right type and still means nothing.
fn refused(column: usize, found: Type, why: impl Into<Box<dyn Error + Send + Sync>>) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(column, found, why.into())
}
