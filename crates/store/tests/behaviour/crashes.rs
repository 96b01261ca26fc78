//! Coordinators that die, go on, or are two.

use std::fs;

use rehearsal_metrics::{Limits, Timeline};
use rehearsal_store::{Reader, Store, StoreError};

use crate::example::{Folder, Run};

/// After each commit the files are copied as a crash would leave them, and the copy has all that was committed.
#[test]
fn a_crash_loses_nothing_that_was_committed() {
    let folder = Folder::new();
    let (mut store, mut run) = (folder.create(), Run::new());
    for _ in 0..4 {
        run.play();
        store.commit(&run.batch()).unwrap();
        let crashed = folder.copy();
        assert_eq!(Store::resume(&crashed.path()).unwrap().load().unwrap(), store.load().unwrap());
        assert_eq!(Reader::open(&folder.copy().path()).unwrap().load().unwrap(), store.load().unwrap());
    }
}

/// The agents defined their series before the crash and do not do it again.
#[test]
fn a_resumed_run_goes_on_where_it_was() {
    let folder = Folder::new();
    let (mut store, mut run) = (folder.create(), Run::new());
    run.play();
    store.commit(&run.batch()).unwrap();
    drop(store);
    let mut resumed = Store::resume(&folder.path()).unwrap();
    let mut run = run.with(Timeline::rebuild(Limits::default(), resumed.load().unwrap().changes).unwrap());
    run.play();
    resumed.commit(&run.batch()).unwrap();

    let mut undisturbed = Run::new();
    undisturbed.play();
    undisturbed.play();
    assert_eq!(resumed.load().unwrap().changes, undisturbed.timeline.take_changes());
}

#[test]
fn what_was_not_committed_is_not_there() {
    let folder = Folder::new();
    let (mut store, mut run) = (folder.create(), Run::new());
    run.play();
    store.commit(&run.batch()).unwrap();
    let before = store.load().unwrap();
    crate::example::sqlite(&folder.path()).execute_batch("ALTER TABLE mark RENAME TO away").unwrap();
    run.play();
    let batch = run.batch();
    assert!(matches!(store.commit(&batch), Err(StoreError::Commit(..))));
    crate::example::sqlite(&folder.path()).execute_batch("ALTER TABLE away RENAME TO mark").unwrap();
    assert_eq!(store.load().unwrap(), before, "numbers and marks go together");
    store.commit(&batch).unwrap();
    assert_eq!(store.load().unwrap().changes.points.len(), 2);
}

#[test]
fn a_run_has_one_writer() {
    let folder = Folder::new();
    let store = folder.create();
    for second in [Store::resume(&folder.path()), Store::create(&folder.path(), &crate::example::about())] {
        assert!(matches!(second, Err(StoreError::Locked(_))), "{second:?}");
    }
    drop(store);
    let exists = Store::create(&folder.path(), &crate::example::about());
    assert!(matches!(exists, Err(StoreError::Exists(_))), "{exists:?}");
    Store::resume(&folder.path()).unwrap();
}

#[test]
fn readers_see_each_commit_while_the_run_goes_on() {
    let folder = Folder::new();
    let (mut store, mut run) = (folder.create(), Run::new());
    let reader = Reader::open(&folder.path()).unwrap();
    for seconds in 1..4 {
        run.play();
        store.commit(&run.batch()).unwrap();
        assert_eq!(reader.load().unwrap().changes.points.len(), seconds);
    }
}

/// The log is written back as the run goes on; only what one tick and one writing back hold stays in it.
#[test]
fn the_log_does_not_grow_with_the_run() {
    let folder = Folder::new();
    let (mut store, mut run) = (folder.create(), Run::new());
    let reader = Reader::open(&folder.path()).unwrap();
    let mut longest = [0; 3];
    for longest in &mut longest {
        for _ in 0..300 {
            run.play();
            store.commit(&run.batch()).unwrap();
            *longest = folder.path().with_extension("db-wal").metadata().unwrap().len().max(*longest);
        }
        reader.load().unwrap();
    }
    assert!(longest.iter().all(|longest| *longest < 6 << 20), "{longest:?}");
    assert!(longest[2] < longest[0] * 3 / 2, "{longest:?}");
}

/// The disk would take what is written to a file that has lost its name, and forget it with the process.
#[test]
fn a_file_that_was_removed_or_replaced_is_not_written() {
    for is_replaced in [false, true] {
        let (folder, mut run) = (Folder::new(), Run::new());
        let mut store = folder.create();
        run.play();
        store.commit(&run.batch()).unwrap();
        fs::rename(folder.path(), folder.path().with_extension("elsewhere")).unwrap();
        if is_replaced {
            fs::write(folder.path(), "something else").unwrap();
        }
        run.play();
        assert!(matches!(store.commit(&run.batch()), Err(StoreError::Gone(_))), "replaced: {is_replaced}");
    }
}
