//! How agents come to a fleet, and stay known to it.

use std::time::Duration;

use rehearsal_link::LeaseTerms;

use crate::coordinator::Coordinator;
use crate::fleet::{Fleet, Rules};
use crate::process::{agent, end, part, playing};

#[tokio::test]
async fn an_agent_that_is_not_admitted_yet_says_so_once_and_asks_again() {
    let fleet = Fleet::new(1, false);
    fleet.rules.lock().unwrap().busy = 4;
    let coordinator = Coordinator::of(&fleet, part(LeaseTerms::default()));
    let mut agent = agent(&coordinator.blob, &["--region", "eu-north-1"]);
    coordinator.until("it is armed", |heard| heard.count_armed() == 1).await;
    assert_eq!(coordinator.heard().joined[0].region, "eu-north-1");
    agent.kill().await.unwrap();
    let (_, words) = end(agent).await;
    let expected = "too many at once; it is tried again until the token of the join blob ends, for ";
    assert_eq!((words.lines().count(), words.matches(expected).count()), (1, 1), "{words}");
}

/// The static agent brings its own resolver: whoever changes how it is linked should see this with it, too.
#[tokio::test]
async fn an_agent_finds_its_coordinator_by_name() {
    let coordinator = Coordinator::start(part(LeaseTerms::default()));
    let mut blob: rehearsal_proto::join::JoinBlob = coordinator.blob.parse().unwrap();
    for address in blob.coordinators.iter_mut().chain(&mut blob.link) {
        *address = address.replace("127.0.0.1", "localhost");
    }
    let _agent = agent(&blob.to_string(), &[]);
    coordinator.until("it is armed", |heard| heard.count_armed() == 1).await;
}

#[tokio::test]
async fn an_agent_that_is_refused_ends() {
    let coordinator = Coordinator::start(part(LeaseTerms::default()));
    let mut blob: rehearsal_proto::join::JoinBlob = coordinator.blob.parse().unwrap();
    blob.token = "guessed".to_owned();
    let (code, words) = end(agent(&blob.to_string(), &[])).await;
    assert_eq!(code, Some(1));
    assert!(
        words.contains("joining the fleet test: admitting an agent: its token is unknown to this fleet"),
        "{words}"
    );
}

#[tokio::test]
async fn a_certificate_is_renewed_in_time_and_the_newest_is_shown() {
    let fleet = Fleet::new(1, false);
    fleet.rules.lock().unwrap().holds = Duration::from_secs(4);
    let coordinator = Coordinator::of(&fleet, part(LeaseTerms::default()));
    let _agent = playing(&coordinator, &[]).await;
    coordinator.until("it is renewed twice", |heard| heard.renewed >= 2).await;
    coordinator.cut();
    coordinator.until("it is back", |heard| heard.shown.len() == 2).await;
    let heard = coordinator.heard();
    assert_ne!(heard.shown[0], heard.shown[1]);
    assert_eq!((heard.joined.len(), heard.lives.len()), (1, 1), "all that time it is one life of one agent");
}

#[tokio::test]
async fn an_agent_whose_certificate_is_worth_nothing_joins_again_as_the_one_it_was() {
    let fleet = Fleet::new(1, false);
    *fleet.rules.lock().unwrap() = Rules { busy: 0, holds: Duration::from_secs(2), disowns: true };
    let coordinator = Coordinator::of(&fleet, part(LeaseTerms::default()));
    let _agent = playing(&coordinator, &[]).await;
    coordinator.until("it has joined again", |heard| heard.joined.len() >= 3).await;
    let heard = coordinator.heard();
    assert!(heard.joined.iter().all(|request| request.public_key == heard.joined[0].public_key));
    assert_eq!((heard.shown.len(), heard.renewed), (1, 0), "its session goes on");
}
