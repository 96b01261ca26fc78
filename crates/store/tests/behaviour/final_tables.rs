//! The end of a run: one file, with tables that hold the numbers of `summary.json`.

use rehearsal_store::{Reader, StoreError};
use rusqlite::types::Value as Cell;
use serde_json::json;

use crate::example::{Folder, Run, sqlite};

fn summary() -> serde_json::Value {
    json!({
        "schema": 1,
        "verdict": "fail",
        "duration_s": 4.0,
        "users": {"planned": 6, "live": 0},
        "findings": [{"severity": "error", "subject": "threshold", "text": "it was 9 %", "from_s": 0.0, "to_s": 4}],
        "calls": [{"name": "vote", "begun": 6, "answered": 4, "failed": 1, "cut": 0}],
        "metrics": [
            {"name": "checks", "kind": "ratio", "tags": {"name": "vote counted"}, "count": 5, "rate": 0.8, "p50": null},
            {"name": "http.response", "kind": "duration", "tags": {}, "count": 6, "rate": 1.5, "p999": 0.450047},
        ],
        "checks": [{"name": "vote counted", "passed": 4, "failed": 1}],
        "thresholds": [{"text": "http.failed rate < 0.1%", "value": null, "outcome": "no_data"}],
        "cues": [{"name": "open_vote", "number": 1, "id": "b1", "fired_at_s": 2.0, "live": null, "heard": 5}],
    })
}

#[test]
fn the_tables_hold_the_summary() {
    let folder = Folder::new();
    let mut store = folder.create();
    store.finish(&json!({"checks": [{"name": "of a first attempt"}]})).unwrap();
    store.finish(&summary()).unwrap();
    let sqlite = sqlite(&folder.path());
    let check = |sql: &str, expected: &[Cell]| {
        let mut statement = sqlite.prepare(sql).unwrap();
        let columns = statement.column_count();
        let row = statement.query_row([], |row| (0..columns).map(|column| row.get(column)).collect());
        assert_eq!(row.map(|row: Vec<Cell>| row).unwrap(), expected, "{sql}");
    };
    let text = |text: &str| Cell::Text(text.to_owned());
    check(
        "SELECT kind, tags, count, rate, p50, p999 FROM summary_metric WHERE name = 'checks'",
        &[text("ratio"), text(r#"{"name":"vote counted"}"#), Cell::Integer(5), Cell::Real(0.8), Cell::Null, Cell::Null],
    );
    check("SELECT p999 FROM summary_metric WHERE name = 'http.response'", &[Cell::Real(0.450047)]);
    check("SELECT outcome, value FROM summary_threshold", &[text("no_data"), Cell::Null]);
    check("SELECT severity, to_s FROM summary_finding", &[text("error"), Cell::Real(4.0)]);
    check("SELECT begun, cut FROM summary_call", &[Cell::Integer(6), Cell::Integer(0)]);
    check("SELECT count(*), sum(passed) FROM summary_check", &[Cell::Integer(1), Cell::Integer(4)]);
    check("SELECT live, heard, fired_at_s FROM summary_cue", &[Cell::Null, Cell::Integer(5), Cell::Real(2.0)]);
    check("SELECT value ->> '$' FROM fact WHERE key = 'verdict'", &[text("fail")]);
    check("SELECT value ->> '$.planned' FROM fact WHERE key = 'users'", &[Cell::Integer(6)]);
}

#[test]
fn a_finished_run_is_one_file() {
    let folder = Folder::new();
    let (mut store, mut run) = (folder.create(), Run::new());
    run.play();
    store.commit(&run.batch()).unwrap();
    assert_eq!(folder.files(), ["run.db", "run.db-shm", "run.db-wal"]);
    store.finish(&summary()).unwrap();
    assert_eq!(folder.files(), ["run.db"]);
    assert_eq!(Reader::open(&folder.path()).unwrap().load().unwrap(), store.load().unwrap());
}

#[test]
fn a_reader_delays_the_one_file_and_loses_nothing() {
    let folder = Folder::new();
    let (mut store, mut run) = (folder.create(), Run::new());
    run.play();
    store.commit(&run.batch()).unwrap();
    let reader = Reader::open(&folder.path()).unwrap();
    reader.load().unwrap();
    assert!(matches!(store.finish(&summary()), Err(StoreError::StillRead(..))));
    assert_eq!(reader.load().unwrap().facts["verdict"], json!("fail"));
    drop(reader);
    store.finish(&summary()).unwrap();
    assert_eq!(folder.files(), ["run.db"]);
}
