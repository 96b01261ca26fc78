//! Files that are not whole runs of this version are named as what they are.

use std::fs;
use std::path::Path;

use rehearsal_store::{Reader, SCHEMA, Store, StoreError};

use crate::example::{Folder, Run, sqlite};

/// Spoils a finished run and opens it both ways.
fn check(spoil: impl Fn(&Path), is_expected: impl Fn(&StoreError) -> bool, what: &str) {
    let folder = Folder::new();
    let (mut store, mut run) = (folder.create(), Run::new());
    for _ in 0..200 {
        run.play();
    }
    store.commit(&run.batch()).unwrap();
    store.finish(&serde_json::json!({})).unwrap();
    drop(store);
    spoil(&folder.path());
    let read = Reader::open(&folder.path()).and_then(|reader| reader.load()).unwrap_err();
    assert!(is_expected(&read), "{what}: {read:?}");
    let resumed = Store::resume(&folder.path()).and_then(|store| store.load()).unwrap_err();
    assert!(is_expected(&resumed), "{what}: {resumed:?}");
}

fn sql(text: &str) -> impl Fn(&Path) {
    move |path| sqlite(path).execute_batch(text).unwrap()
}

fn cut(to: impl Fn(usize) -> usize) -> impl Fn(&Path) {
    move |path| {
        let content = fs::read(path).unwrap();
        fs::write(path, &content[..to(content.len())]).unwrap();
    }
}

#[test]
fn files_that_are_no_run() {
    let is_foreign = |error: &StoreError| matches!(error, StoreError::Foreign(_));
    let is_empty = |error: &StoreError| matches!(error, StoreError::Empty(_));
    check(|path| fs::remove_file(path).unwrap(), |error| matches!(error, StoreError::Missing(_)), "no file");
    check(|path| fs::write(path, "a text of some length ".repeat(500)).unwrap(), is_foreign, "a text");
    check(sql("PRAGMA application_id = 7"), is_foreign, "another program's database");
    check(cut(|_| 0), is_empty, "the coordinator died while it began");
}

#[test]
fn a_file_of_a_newer_program() {
    let newer = format!("PRAGMA user_version = {}", SCHEMA + 1);
    let is_newer = |error: &StoreError| matches!(error, StoreError::Newer { found, .. } if *found == SCHEMA + 1);
    check(sql(&newer), is_newer, "newer");
}

#[test]
fn damaged_files() {
    let is_damaged = |error: &StoreError| matches!(error, StoreError::Damaged(..));
    check(cut(|length| length / 2), is_damaged, "half of it");
    check(cut(|_| 50), is_damaged, "less than a header");
    check(cut(|length| length - 100), is_damaged, "not all of the last page");
    let overwrite = |path: &Path| {
        let mut content = fs::read(path).unwrap();
        content[8192..].fill(0x5a);
        fs::write(path, content).unwrap();
    };
    check(overwrite, is_damaged, "overwritten");
}

#[test]
fn rows_that_mean_nothing_are_refused_with_their_table() {
    let rows = [
        ("UPDATE points SET bins = x'ff' WHERE bins IS NOT NULL", "points"),
        ("UPDATE points SET series = 99 WHERE second = 3 AND series = 0", "points"),
        ("UPDATE moved SET to_state = 'asleep'", "moved"),
        ("UPDATE moved SET to_state = 'waiting'", "moved"),
        ("UPDATE series SET kind = 'weight'", "series"),
        ("UPDATE agent SET reported = '{'", "agent"),
        ("UPDATE mark SET incarnation = 'xyz' WHERE agent = 1", "mark"),
        ("DELETE FROM fact WHERE key = 'seed'", "fact"),
        ("UPDATE fact SET value = '1' WHERE key = 'planned'", "fact"),
        ("DROP TABLE cue", "cue"),
    ];
    for (spoiled, expected) in rows {
        let is_expected = |error: &StoreError| matches!(error, StoreError::Read { table, .. } if *table == expected);
        check(sql(spoiled), is_expected, spoiled);
    }
}
