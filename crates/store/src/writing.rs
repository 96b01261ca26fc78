//! Writes rows, within the caller's transaction. Each replaces the row of the same key.

use rehearsal_metrics::{AgentRecord, Changes, Errors, Health, Points, Transitions};
use rusqlite::{Connection, Result, params};
use serde::Serialize;
use serde_json::Value;

use crate::rows::{About, Batch, CueIntent, CueOutcome, Event, Mark, Member};

/// Each field of `about` becomes a fact.
pub(crate) fn write_about(to: &Connection, about: &About) -> Result<()> {
    match serde_json::to_value(about) {
        Ok(Value::Object(fields)) => fields.iter().try_for_each(|(key, value)| write_fact(to, key, value)),
        _ => unreachable!("a struct of strings, numbers and values serializes to an object"),
    }
}

pub(crate) fn write_fact(to: &Connection, key: &str, value: &Value) -> Result<()> {
    run(to, "INSERT OR REPLACE INTO fact VALUES (?1, ?2)", params![key, value.to_string()])
}

/// Writes everything of a batch.
pub(crate) fn write(to: &Connection, batch: &Batch) -> Result<()> {
    write_changes(to, &batch.changes)?;
    batch.marks.iter().try_for_each(|mark| write_mark(to, mark))?;
    for version in &batch.versions {
        let row = params![signed(version.number), version.at.0, json(version)];
        run(to, "INSERT OR REPLACE INTO version VALUES (?1, ?2, ?3)", row)?;
    }
    batch.cues.iter().try_for_each(|cue| write_cue(to, cue))?;
    batch.events.iter().try_for_each(|event| write_event(to, event))?;
    for look in &batch.looks {
        let row = params![look.at_us, look.place, look.content.to_string()];
        run(to, "INSERT INTO look (at_us, place, content) VALUES (?1, ?2, ?3)", row)?;
    }
    batch.members.iter().try_for_each(|member| write_member(to, member))?;
    batch.facts.iter().try_for_each(|(key, value)| write_fact(to, key, value))
}

fn write_changes(to: &Connection, changes: &Changes) -> Result<()> {
    if let Some(planned) = &changes.planned {
        run(to, "INSERT OR REPLACE INTO fact VALUES ('planned', ?1)", [json(planned)])?;
    }
    for series in &changes.series {
        let row = params![series.id.0, series.key.metric, series.kind.to_string(), json(&series.key.tags)];
        run(to, "INSERT OR REPLACE INTO series VALUES (?1, ?2, ?3, ?4)", row)?;
    }
    for (agent, ids) in &changes.sources {
        for (theirs, ours) in ids {
            run(to, "INSERT OR REPLACE INTO source VALUES (?1, ?2, ?3)", [agent, &theirs.0, &ours.0])?;
        }
    }
    for (second, series) in &changes.points {
        run(to, "INSERT OR IGNORE INTO second (second) VALUES (?1)", [second])?;
        series.iter().try_for_each(|(id, points)| write_points(to, *second, id.0, points))?;
    }
    changes.users.iter().try_for_each(|(second, moved)| write_moved(to, *second, moved))?;
    changes.health.iter().try_for_each(|(second, health)| write_health(to, *second, health))?;
    changes.agents.iter().try_for_each(|(agent, record)| write_agent(to, *agent, record))?;
    changes.errors.iter().try_for_each(|errors| write_errors(to, errors))?;
    for (name, counts) in &changes.calls {
        let [begun, answered, failed, cut] = [counts.begun, counts.answered, counts.failed, counts.cut].map(signed);
        run(
            to,
            "INSERT OR REPLACE INTO call VALUES (?1, ?2, ?3, ?4, ?5)",
            params![name, begun, answered, failed, cut],
        )?;
    }
    for (firing, record) in &changes.cues {
        let row = params![firing, json(&record.looked), json(&record.points)];
        run(to, "INSERT OR REPLACE INTO cue_heard VALUES (?1, ?2, ?3)", row)?;
    }
    for (scenario, indices) in &changes.ended {
        for index in indices {
            run(to, "INSERT OR IGNORE INTO ended VALUES (?1, ?2)", params![scenario, signed(*index)])?;
        }
    }
    for span in &changes.coarse {
        run(to, "INSERT OR REPLACE INTO coarse VALUES (?1, ?2)", [span.from_s, span.to_s])?;
    }
    Ok(())
}

/// An update keeps the row where it is; replacing would move it to the end of the table.
const UPSERT_POINTS: &str = "INSERT INTO points VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)
    ON CONFLICT DO UPDATE SET count = ?3, yes = ?4, min_us = ?5, max_us = ?6, p50_us = ?7, p90_us = ?8, p99_us = ?9, bins = ?10";

fn write_points(to: &Connection, second: i64, series: u32, points: &Points) -> Result<()> {
    let yes = if let Points::Ratio { yes, .. } = points { Some(signed(*yes)) } else { None };
    let bins = if let Points::Duration(bins) = points { Some(bins) } else { None };
    // For charts; the bytes of the bins hold the exact extremes.
    let micros = |of: Option<std::time::Duration>| of.map(|of| i64::try_from(of.as_micros()).unwrap_or(i64::MAX));
    let percentile = |percent| micros(bins.and_then(|bins| bins.percentile(percent)));
    let row = params![
        second,
        series,
        signed(points.count()),
        yes,
        micros(bins.and_then(|bins| bins.min())),
        micros(bins.and_then(|bins| bins.max())),
        percentile(50.0),
        percentile(90.0),
        percentile(99.0),
        bins.map(|bins| bins.to_bytes()),
    ];
    run(to, UPSERT_POINTS, row)
}

/// Writes a second's moves anew, for one of them may have been taken back.
fn write_moved(to: &Connection, second: i64, moved: &Transitions) -> Result<()> {
    run(to, "DELETE FROM moved WHERE second = ?1", [second])?;
    moved.iter().try_for_each(|(from, into, users)| {
        let row = params![second, from.name(), into.name(), signed(users)];
        run(to, "INSERT OR REPLACE INTO moved VALUES (?1, ?2, ?3, ?4)", row)
    })
}

fn write_health(to: &Connection, second: i64, health: &Health) -> Result<()> {
    let row = params![
        second,
        signed(health.lag_max_micros),
        health.cpu_milli,
        health.steal_milli,
        signed(health.open_files),
        signed(health.dropped_starts),
        signed(health.clock_bound_micros),
    ];
    run(to, "INSERT OR REPLACE INTO second VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)", row)
}

fn write_agent(to: &Connection, agent: u32, record: &AgentRecord) -> Result<()> {
    let row = params![
        agent,
        record.from_s,
        record.left_at,
        record.lost_at,
        record.restored,
        json(&record.reported),
        json(&record.users),
        json(&record.worst),
        record.latest.map(|(second, _)| second),
        record.latest.map(|(_, health)| json(&health)),
    ];
    run(to, "INSERT OR REPLACE INTO agent VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)", row)
}

/// Writes all kinds anew, for a new one may have pushed an old one out.
fn write_errors(to: &Connection, errors: &Errors) -> Result<()> {
    run(to, "DELETE FROM error", [])?;
    errors.iter().try_for_each(|(kind, error)| {
        run(to, "INSERT INTO error VALUES (?1, ?2, ?3)", params![kind, signed(error.count), error.sample])
    })
}

fn write_mark(to: &Connection, mark: &Mark) -> Result<()> {
    let row = params![hex(&mark.incarnation), mark.agent, signed(mark.mark), mark.stored_until];
    run(to, "INSERT OR REPLACE INTO mark VALUES (?1, ?2, ?3, ?4)", row)
}

fn write_cue(to: &Connection, cue: &CueIntent) -> Result<()> {
    let (outcome, sent_after_us, failure) = match &cue.outcome {
        None => (None, None, None),
        Some(CueOutcome::Sent(after)) => (Some("sent"), Some(*after), None),
        Some(CueOutcome::Nothing) => (Some("nothing"), None, None),
        Some(CueOutcome::Failed(why)) => (Some("failed"), None, Some(why)),
        Some(CueOutcome::Unknown) => (Some("unknown"), None, None),
    };
    let CueIntent { firing, name, number, id, at_us, by, event, pointer, .. } = cue;
    let row = params![firing, name, signed(*number), id, at_us, by, event, pointer, outcome, sent_after_us, failure];
    run(to, "INSERT OR REPLACE INTO cue VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)", row)
}

fn write_event(to: &Connection, event: &Event) -> Result<()> {
    let Event { at_s, kind, who, text, detail } = event;
    let row = params![at_s, kind, who, text, detail.to_string()];
    run(to, "INSERT INTO event (at_s, kind, who, text, detail) VALUES (?1, ?2, ?3, ?4, ?5)", row)
}

fn write_member(to: &Connection, member: &Member) -> Result<()> {
    let Member { agent, id, region, instance, weight, ended, lost, life } = member;
    let incarnation = life.map(|life| hex(&life.incarnation));
    let owns_from = life.map(|life| signed(life.owns_from));
    let row = params![agent, id, region, instance, weight, ended, lost, incarnation, owns_from];
    run(to, "INSERT OR REPLACE INTO member VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)", row)
}

fn hex(incarnation: &[u8; 16]) -> String {
    incarnation.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn run(to: &Connection, sql: &str, row: impl rusqlite::Params) -> Result<()> {
    to.prepare_cached(sql)?.execute(row).map(|_| ())
}

/// SQLite has signed numbers only; the same bits come back.
fn signed(count: u64) -> i64 {
    count.cast_signed()
}

fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("rows have keys that JSON can have, and writing to a string does not fail")
}
