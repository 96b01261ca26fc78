//! Agents of a fleet that serves several runs.

use std::time::Duration;

use rehearsal_link::LeaseTerms;
use tokio::process::Child;
use tokio::time::{Instant, sleep};

use crate::coordinator::{BOUND, Coordinator};
use crate::fleet::Fleet;
use crate::process::{end, part, playing, terminate};

/// Waits until something of the agent's process is as it should be.
async fn until(what: &str, condition: impl Fn() -> bool) {
    let began = Instant::now();
    while !condition() {
        assert!(began.elapsed() < BOUND, "waited in vain until {what}");
        sleep(Duration::from_millis(10)).await;
    }
}

fn user_threads(agent: &Child) -> usize {
    let tasks = std::fs::read_dir(format!("/proc/{}/task", agent.id().unwrap())).unwrap().flatten();
    let names = tasks.filter_map(|task| std::fs::read_to_string(task.path().join("comm")).ok());
    names.filter(|name| name.starts_with("users-")).count()
}

fn open_files(agent: &Child) -> usize {
    std::fs::read_dir(format!("/proc/{}/fd", agent.id().unwrap())).unwrap().count()
}

#[tokio::test]
async fn an_agent_that_stays_plays_run_after_run_and_nothing_of_them_is_left() {
    let fleet = Fleet::new(1, true);
    let first = Coordinator::of(&fleet, part(LeaseTerms::default()));
    let agent = playing(&first, &[]).await;
    assert_eq!(user_threads(&agent), 2);
    first.stop();
    first.until("it has left the first run", |heard| heard.drained == 1).await;
    until("the users' threads are gone", || user_threads(&agent) == 0).await;
    let files = open_files(&agent);
    let former = first.heard().lives.clone();
    drop(first);

    let second = Coordinator::of(&fleet, part(LeaseTerms::default()));
    second.until("it is armed once more", |heard| heard.count_armed() == 1).await;
    assert!(second.heard().lives.is_disjoint(&former), "another life");
    assert_eq!(second.heard().joined.len(), 0, "of the same agent");
    second.until("it plays", |heard| !heard.intervals.is_empty()).await;
    second.stop();
    second.until("it has left the second run", |heard| heard.drained == 1).await;
    until("everything is gone again", || user_threads(&agent) == 0 && open_files(&agent) <= files).await;

    terminate(&agent);
    let (code, words) = end(agent).await;
    assert_eq!(code, Some(0), "{words}");
    assert!(words.contains("waiting for the next run of the fleet test: the former one is over"), "{words}");
}

#[tokio::test]
async fn an_agent_that_stays_goes_when_it_is_told_to() {
    let fleet = Fleet::new(1, true);
    let coordinator = Coordinator::of(&fleet, part(LeaseTerms::default()));
    let agent = playing(&coordinator, &["--drain-within", "6s"]).await;
    terminate(&agent);
    assert_eq!(end(agent).await, (Some(0), String::new()));
    let heard = coordinator.heard();
    assert_eq!((heard.drained, heard.lives.len()), (1, 1));
}
