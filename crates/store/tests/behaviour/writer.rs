//! The thread that commits.

use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use rehearsal_store::{Batch, Options, Store, Writer};

use crate::example::{Folder, Run, sqlite};

const BOUND: Duration = Duration::from_secs(20);

/// Starts a writer whose commits can be waited for.
fn start(store: Store, options: Options) -> (Writer, Receiver<(u64, bool)>) {
    let (done, tickets) = channel();
    let writer = Writer::start(store, options, move |ticket, written| {
        // Nobody listens any more when a test ends early.
        let _ = done.send((ticket, written.is_ok()));
    });
    (writer, tickets)
}

#[test]
fn every_batch_is_written_and_answered_in_order() {
    let folder = Folder::new();
    let (writer, tickets) = start(folder.create(), Options::default());
    let mut run = Run::new();
    for ticket in 0..5 {
        run.play();
        writer.send(Box::new(run.batch()), ticket).unwrap();
        assert_eq!(tickets.recv_timeout(BOUND), Ok((ticket, true)));
    }
    run.play();
    writer.send(Box::new(run.batch()), 5).unwrap();
    let store = writer.close();
    assert_eq!(tickets.recv_timeout(BOUND), Ok((5, true)), "closing waits for the last commit");
    assert_eq!(store.load().unwrap().changes.points.len(), 6);
}

/// The first batch is held until the test lets it go, so what comes after it has to wait.
#[test]
fn one_batch_waits_and_the_next_is_given_back() {
    let folder = Folder::new();
    let (go, gate) = channel();
    let writer = Writer::start(folder.create(), Options::default(), move |_, _| gate.recv_timeout(BOUND).unwrap());
    let mut run = Run::new();
    let mut batch = || {
        run.play();
        Box::new(run.batch())
    };
    writer.send(batch(), 0).unwrap();
    let bound = Instant::now() + BOUND;
    while !writer.has_room() {
        assert!(Instant::now() < bound, "the thread takes the first batch");
        std::thread::yield_now();
    }
    writer.send(batch(), 1).unwrap();
    assert!(!writer.has_room());
    let third = batch();
    assert_eq!(writer.send(third.clone(), 2), Err(third));
    go.send(()).unwrap();
    go.send(()).unwrap();
    assert_eq!(writer.close().load().unwrap().changes.points.len(), 2);
}

#[test]
fn a_slow_disk_is_slow() {
    let folder = Folder::new();
    let slow = Duration::from_millis(50);
    let (writer, tickets) = start(folder.create(), Options { slow: Some(slow) });
    let sent = Instant::now();
    writer.send(Box::default(), 1).unwrap();
    assert_eq!(tickets.recv_timeout(BOUND), Ok((1, true)));
    assert!(sent.elapsed() >= slow);
}

/// A mark that is acknowledged while the numbers of an earlier batch are missing would lose them for good.
#[test]
fn what_could_not_be_written_is_written_with_the_next() {
    let folder = Folder::new();
    let (writer, tickets) = start(folder.create(), Options::default());
    let mut run = Run::new();
    run.play();
    sqlite(&folder.path()).execute_batch("ALTER TABLE mark RENAME TO away").unwrap();
    writer.send(Box::new(run.batch()), 1).unwrap();
    assert_eq!(tickets.recv_timeout(BOUND), Ok((1, false)));
    sqlite(&folder.path()).execute_batch("ALTER TABLE away RENAME TO mark").unwrap();
    run.play();
    writer.send(Box::new(run.batch()), 2).unwrap();
    assert_eq!(tickets.recv_timeout(BOUND), Ok((2, true)));
    let recorded = writer.close().load().unwrap();
    assert_eq!((recorded.changes.points.len(), recorded.marks[0].mark), (2, 2));
}

#[test]
fn the_last_failure_is_tried_once_more_at_the_end() {
    let folder = Folder::new();
    let (writer, tickets) = start(folder.create(), Options::default());
    sqlite(&folder.path()).execute_batch("ALTER TABLE fact RENAME TO away").unwrap();
    let batch = Batch { facts: vec![("state".to_owned(), "over".into())], ..Batch::default() };
    writer.send(Box::new(batch), 1).unwrap();
    assert_eq!(tickets.recv_timeout(BOUND), Ok((1, false)));
    sqlite(&folder.path()).execute_batch("ALTER TABLE away RENAME TO fact").unwrap();
    let store = writer.close();
    assert_eq!(tickets.recv_timeout(BOUND), Ok((1, true)));
    assert_eq!(store.load().unwrap().facts["state"], "over");
}
