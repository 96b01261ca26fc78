//! The tables of the end: the lists of `summary.json`, row by row, for people and tools who read with `sqlite3`.

use rusqlite::types::Value as Cell;
use rusqlite::{Connection, Result, params_from_iter};
use serde_json::Value;

use crate::writing::write_fact;

/// A list of the summary, the table that it goes to, and the fields that are its columns, in the schema's order.
struct Spread {
    list: &'static str,
    table: &'static str,
    fields: &'static [&'static str],
}

const SPREADS: [Spread; 6] = [
    Spread {
        list: "metrics",
        table: "summary_metric",
        fields: &["name", "kind", "tags", "count", "rate", "mean", "min", "max", "p50", "p90", "p95", "p99", "p999"],
    },
    Spread { list: "thresholds", table: "summary_threshold", fields: &["text", "value", "outcome"] },
    Spread { list: "findings", table: "summary_finding", fields: &["severity", "subject", "text", "from_s", "to_s"] },
    Spread { list: "calls", table: "summary_call", fields: &["name", "begun", "answered", "failed", "cut"] },
    Spread { list: "checks", table: "summary_check", fields: &["name", "passed", "failed"] },
    Spread {
        list: "cues",
        table: "summary_cue",
        fields: &[
            "name",
            "number",
            "id",
            "fired_at_s",
            "live",
            "connected",
            "heard",
            "duplicates",
            "first",
            "p50",
            "p99",
            "last",
            "clock_bound_s",
        ],
    },
];

/// Fields of the summary that become facts.
const FACTS: [&str; 3] = ["verdict", "users", "duration_s"];

/// Writes a summary, within the caller's transaction; what an earlier one wrote goes.
pub(crate) fn write(to: &Connection, summary: &Value) -> Result<()> {
    for Spread { list, table, fields } in &SPREADS {
        to.execute(&format!("DELETE FROM {table}"), [])?;
        let places = vec!["?"; fields.len()].join(", ");
        let mut insert = to.prepare(&format!("INSERT INTO {table} VALUES ({places})"))?;
        for row in summary[list].as_array().into_iter().flatten() {
            insert.execute(params_from_iter(fields.iter().map(|field| cell(&row[field]))))?;
        }
    }
    FACTS.iter().filter(|fact| !summary[**fact].is_null()).try_for_each(|fact| write_fact(to, fact, &summary[*fact]))
}

fn cell(value: &Value) -> Cell {
    match value {
        Value::Null => Cell::Null,
        Value::Bool(is) => Cell::Integer(i64::from(*is)),
        Value::Number(number) => {
            let whole = number.as_i64().or(number.as_u64().map(|_| i64::MAX));
            whole.map(Cell::Integer).or(number.as_f64().map(Cell::Real)).unwrap_or(Cell::Null)
        }
        Value::String(text) => Cell::Text(text.clone()),
        Value::Array(_) | Value::Object(_) => Cell::Text(value.to_string()),
    }
}
