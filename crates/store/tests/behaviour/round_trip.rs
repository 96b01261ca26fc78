//! What was written comes back.

use proptest::prelude::*;
use rehearsal_metrics::{Changes, Limits, Points, SeriesId, Timeline, Transitions, UserState};
use rehearsal_store::{Batch, CueOutcome, Reader};
use serde_json::json;

use crate::example::{Folder, Run, about, cue, sqlite, surroundings};

#[test]
fn everything_comes_back() {
    let folder = Folder::new();
    let (mut store, mut run) = (folder.create(), Run::new());
    let mut changes = Changes::default();
    let before = Reader::open(&folder.path()).unwrap().load().unwrap();
    assert_eq!((before.about, before.changes), (about(), Changes::default()));

    store.commit(&surroundings()).unwrap();
    for _ in 0..3 {
        run.play();
        let batch = run.batch();
        changes.absorb(batch.changes.clone());
        store.commit(&batch).unwrap();
    }
    let recorded = Reader::open(&folder.path()).unwrap().load().unwrap();
    let written = surroundings();
    assert_eq!(recorded.about.started_at_us, Some(1_795_000_000_000_000), "a fact sets what the run is");
    assert_eq!(recorded.facts["state"], json!("running"));
    assert_eq!(recorded.changes, changes);
    assert_eq!((recorded.versions, recorded.cues), (written.versions, written.cues));
    assert_eq!(recorded.events, written.events);
    assert_eq!(recorded.members.iter().map(|member| member.agent).collect::<Vec<_>>(), [1, 2]);
    let marks: Vec<_> = recorded.marks.iter().map(|mark| (mark.incarnation[0], mark.agent, mark.mark)).collect();
    assert_eq!(marks, [(0, 1, 3), (255, 2, 3)], "the latest of each incarnation");
    let rebuilt = Timeline::rebuild(Limits::default(), recorded.changes).unwrap();
    assert_eq!(rebuilt.settled(), Some(2));
    assert_eq!(rebuilt.ledger_now().unwrap(), run.timeline.ledger_now().unwrap());
}

#[test]
fn a_later_row_replaces_an_earlier_one() {
    let folder = Folder::new();
    let mut store = folder.create();
    store.commit(&surroundings()).unwrap();
    let mut later = surroundings();
    later.cues = vec![cue(1, Some(CueOutcome::Sent(-40)))];
    later.members[0].ended = true;
    later.facts = vec![("state".to_owned(), json!("judged"))];
    store.commit(&later).unwrap();
    let recorded = store.load().unwrap();
    assert_eq!(recorded.cues[0].outcome, Some(CueOutcome::Sent(-40)));
    assert_eq!((recorded.cues.len(), recorded.versions.len(), recorded.members.len()), (3, 1, 2));
    assert!(recorded.members[1].ended);
    assert_eq!(recorded.facts["state"], json!("judged"));
    assert_eq!(recorded.events.len(), 4, "events are appended");
}

#[test]
fn what_was_taken_back_is_gone() {
    let folder = Folder::new();
    let mut store = folder.create();
    let mut write = |moves: &[(UserState, UserState, u64)]| {
        let mut moved = Transitions::default();
        moves.iter().for_each(|(from, to, users)| moved.record(*from, *to, *users).unwrap());
        let changes = Changes { users: [(3, moved)].into(), ..Changes::default() };
        store.commit(&Batch { changes: changes.clone(), ..Batch::default() }).unwrap();
        assert_eq!(store.load().unwrap().changes.users, changes.users);
    };
    // Late intervals tell that nobody was lost after all.
    write(&[(UserState::Waiting, UserState::Live, 4), (UserState::Live, UserState::Lost, 4)]);
    write(&[(UserState::Waiting, UserState::Live, 4)]);
}

#[test]
fn one_batch_of_two_writes_what_two_write() {
    let (one, two) = (Folder::new(), Folder::new());
    let (mut once, mut twice, mut run) = (one.create(), two.create(), Run::new());
    let (mut first, mut second) = (surroundings(), surroundings());
    run.play();
    (first.changes, first.marks) = (run.timeline.take_changes(), run.batch().marks);
    run.play();
    (second.changes, second.marks) = (run.timeline.take_changes(), run.batch().marks);
    second.cues[0].outcome = Some(CueOutcome::Sent(9));
    twice.commit(&first).unwrap();
    twice.commit(&second).unwrap();
    first.absorb(second);
    once.commit(&first).unwrap();
    assert_eq!(once.load().unwrap(), twice.load().unwrap());
}

#[test]
fn plain_sql_reads_the_figures() {
    let folder = Folder::new();
    let (mut store, mut run) = (folder.create(), Run::new());
    run.play();
    run.play();
    store.commit(&run.batch()).unwrap();
    let sqlite = sqlite(&folder.path());
    let number = |sql: &str| sqlite.query_row(sql, [], |row| row.get::<_, f64>(0)).unwrap();
    assert_eq!(number("SELECT requests FROM requests_per_second WHERE second = 1"), 2.0);
    assert_eq!(number("SELECT p99_ms FROM durations_per_second WHERE second = 1"), 1.002);
    assert_eq!(number("SELECT live FROM live_users WHERE second = 1"), 4.0);
    let votes = "FROM points JOIN series ON series.id = series WHERE metric = 'custom.votes'";
    assert_eq!(number(&format!("SELECT sum(count) {votes}")), 1.0 + 2.0 + 1_001.0 + 1_002.0);
    assert_eq!(number("SELECT max(lag_max_us) FROM second"), 1_002.0);
    assert_eq!(number("SELECT answered FROM call WHERE name = 'vote'"), 4.0);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    /// Counts of any size go through numbers that have a sign.
    #[test]
    fn counts_of_any_size_come_back(yes: u64, more in 0..=u64::MAX, second: i32) {
        let folder = Folder::new();
        let (mut store, mut run) = (folder.create(), Run::new());
        run.play();
        let mut batch = run.batch();
        let row = batch.changes.points.entry(i64::from(second)).or_default();
        row.insert(SeriesId(1), Points::Ratio { yes, total: yes.max(more) });
        row.insert(SeriesId(2), Points::Count(more));
        batch.marks[0].mark = more;
        store.commit(&batch).unwrap();
        let recorded = store.load().unwrap();
        prop_assert_eq!(recorded.changes, batch.changes);
        prop_assert_eq!(recorded.marks[0].mark, more);
    }
}
