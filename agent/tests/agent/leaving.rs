//! How agents go: asked to, abandoned, orphaned.

use std::time::Duration;

use rehearsal_link::LeaseTerms;
use rehearsal_metrics::UserState as State;
use tokio::net::TcpListener;
use tokio::time::{Instant, timeout};

use crate::coordinator::{BOUND, Coordinator, Part};
use crate::process::{agent, end, part, playing, terminate};

#[tokio::test]
async fn asked_to_go_it_goes_in_order_and_owes_nothing() {
    let coordinator = Coordinator::start(part(LeaseTerms::default()));
    let agent = playing(&coordinator, &["--drain-within", "9s"]).await;
    let asked = Instant::now();
    terminate(&agent);
    coordinator.until("it has said so", |heard| !heard.leaving.is_empty()).await;
    terminate(&agent);
    assert_eq!(end(agent).await, (Some(0), String::new()));
    let took = asked.elapsed().as_secs_f64();
    assert!((2.5..6.0).contains(&took), "users leave over a third of nine seconds: {took}");
    let heard = coordinator.heard();
    assert_eq!((heard.leaving.len(), heard.drained), (1, 1), "a second signal changes nothing");
    assert_eq!(heard.farewells, 1, "the coordinator knows that it has heard the goodbye");
    assert_eq!(heard.leaving[0].reason, "SIGTERM");
    let started = heard.moved(State::Waiting, State::Live);
    assert_eq!(heard.moved(State::Live, State::Lost), started);
    assert_eq!((heard.moved(State::Waiting, State::Cancelled), heard.moved(State::Waiting, State::Dropped)), (0, 0));
    let due = heard.intervals.iter().map(|interval| interval.from).min();
    assert!(due.is_some() && started < 400, "{started} of 400");
}

#[tokio::test]
async fn when_time_is_up_it_says_what_is_lost() {
    let coordinator = Coordinator::start(part(LeaseTerms::default()));
    let agent = playing(&coordinator, &["--drain-within", "2s"]).await;
    drop(coordinator);
    terminate(&agent);
    let (code, words) = end(agent).await;
    assert_eq!(code, Some(1), "{words}");
    assert!(words.contains("leaving because of SIGTERM: time is up, and seconds "), "{words}");
    assert!(words.contains("of the run are lost"), "{words}");
}

#[tokio::test]
async fn before_the_start_it_just_goes() {
    let unanswered = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let coordinator = Coordinator::start(Part { agents: 2, ..part(LeaseTerms::default()) });
    let waiting = agent(&coordinator.blob, &[]);
    coordinator.until("it is armed", |heard| heard.count_armed() == 1).await;
    terminate(&waiting);
    assert_eq!(end(waiting).await, (Some(0), String::new()), "armed, and the run has not begun");

    let mut blob: rehearsal_proto::join::JoinBlob = coordinator.blob.parse().unwrap();
    blob.coordinators = vec![unanswered.local_addr().unwrap().to_string()];
    for (arguments, code) in [(&[][..], 0), (&["--tied-to-stdin"], 1)] {
        let mut joining = agent(&blob.to_string(), arguments);
        let dialled = timeout(BOUND, unanswered.accept()).await.unwrap();
        match code {
            0 => terminate(&joining),
            _ => drop(joining.stdin.take()),
        }
        let (ended, words) = end(joining).await;
        assert_eq!(ended, Some(code), "{words}");
        assert_eq!(words.contains("the launcher is gone"), code == 1, "{words}");
        drop(dialled);
    }
}

/// Its coordinator may come back with another process's help: an orphan waits for that as long as its lease and drain last.
#[tokio::test]
async fn an_orphan_goes_on_as_long_as_its_lease_allows() {
    let lease = LeaseTerms { lease: Duration::from_secs(2), drain: Duration::from_secs(1) };
    let coordinator = Coordinator::start(part(lease));
    let mut orphan = playing(&coordinator, &["--tied-to-stdin"]).await;
    drop(orphan.stdin.take());
    let seconds = coordinator.heard().intervals.len();
    coordinator.until("it goes on", |heard| heard.intervals.len() >= seconds + 4).await;
    assert!(coordinator.heard().leaving.is_empty(), "with its coordinator there it goes on longer than the lease");
    let gone = Instant::now();
    drop(coordinator);
    let (code, words) = end(orphan).await;
    let took = gone.elapsed().as_secs_f64();
    assert_eq!(code, Some(1), "{words}");
    assert!(words.contains("the coordinator did not come back"), "{words}");
    assert!((1.5..5.0).contains(&took), "lease and drain are 3 s: {took}");
}
