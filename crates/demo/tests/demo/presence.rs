//! Who was there when: what agents got is attributed to them and to its second, and the demo sees
//! when two agents play the same user.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rehearsal_demo::{Demo, Options, Stay, Users};
use serde_json::json;

use crate::viewer::{Viewer, hear, start, until};

fn unix_us() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_micros() as i64
}

fn agents_of(stays: &[Stay]) -> Vec<&str> {
    stays.iter().map(|stay| stay.agent.as_str()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everything_is_attributed_to_the_agent_and_the_second() {
    let demo = start();
    let guest = Viewer::guest(&demo).await;
    let (first, second) = (guest.played_by("agent-1", 1), guest.played_by("agent-2", 2));
    let began = unix_us() / 1_000_000;
    let mut socket = first.socket().await.unwrap();
    first.get("/api/heartbeat").await;
    second.poll(None).await;
    guest.broadcast(&json!({ "event": "tick" })).await;
    hear(&mut socket).await;
    second.poll(Some(0)).await;
    until("the socket's message is counted", || demo.counters().delivered.get("tick") == Some(&2)).await;
    let ended = unix_us() / 1_000_000;

    let counters = demo.counters();
    for (agent, expected) in [("agent-1", [1, 0, 1, 0, 1]), ("agent-2", [0, 1, 0, 1, 1])] {
        let of = &counters.by_agent[agent].seconds;
        let kinds = [&of.calls, &of.polls, &of.websocket_opened, &of.polling_opened, &of.delivered];
        assert_eq!(kinds.map(|counts| counts.total(|second| (began..=ended).contains(&second))), expected, "{agent}");
        assert_eq!(kinds.map(|counts| counts.total(|_| true)), expected, "{agent}");
    }
    demo.stop().await;
}

#[tokio::test]
async fn a_user_that_moves_has_stays_that_do_not_overlap() {
    let demo = start();
    let guest = Viewer::guest(&demo).await;
    let began = unix_us();
    for agent in ["agent-1", "agent-1", "agent-2", "agent-1"] {
        guest.played_by(agent, 17).get("/api/heartbeat").await;
    }
    guest.played_by("agent-1", 18).get("/api/heartbeat").await;
    // Nobody knows whose these are.
    guest.get("/api/heartbeat").await;

    let users = demo.users();
    assert_eq!((users.followed, users.not_followed, users.users.len()), (2, 0, 1));
    assert_eq!(users.live_twice, []);
    let stays = &users.users[0].stays;
    assert_eq!((users.users[0].user, agents_of(stays)), (17, vec!["agent-1", "agent-2", "agent-1"]));
    let instants: Vec<i64> = stays.iter().flat_map(|stay| [stay.from_us, stay.to_us.unwrap()]).collect();
    assert!(instants.is_sorted() && began <= instants[0] && instants[5] <= unix_us(), "{instants:?}");
    demo.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_agents_with_the_same_user_are_seen_by_their_socket_poll_and_request() {
    let demo = start();
    let guest = Viewer::guest(&demo).await;
    let admin = Viewer::stranger(&demo);
    let socket = guest.played_by("agent-1", 17).socket().await.unwrap();
    let poller = guest.played_by("agent-2", 17);
    let poll = tokio::spawn(async move { poller.poll(Some(0)).await });
    until("the poll hangs", || demo.users().live_twice.len() == 1).await;
    guest.played_by("agent-3", 17).get("/api/heartbeat").await;

    let both = demo.users().live_twice;
    let agents: Vec<&[String; 2]> = both.iter().map(|both| &both.agents).collect();
    assert_eq!(agents, [&["agent-1", "agent-2"], &["agent-1", "agent-3"], &["agent-2", "agent-3"]]);
    // Two are still there, the third has gone.
    assert_eq!(both.iter().map(|both| both.to_us.is_none()).collect::<Vec<_>>(), [true, false, false]);

    // The same by HTTP.
    let served: Users = admin.get("/admin/users").await.json().await.unwrap();
    assert_eq!(served, demo.users());

    // A client that vanishes has left.
    poll.abort();
    drop(socket);
    let ended = || demo.users().users[0].stays.iter().all(|stay| stay.to_us.is_some());
    until("the socket and the poll have ended", ended).await;
    assert!(demo.users().live_twice.iter().all(|both| both.to_us.is_some_and(|to_us| both.from_us < to_us)));

    assert_eq!(admin.post("/admin/reset", "").await.status(), 204);
    assert_eq!(demo.users(), Users::default());
    demo.stop().await;
}

#[tokio::test]
async fn the_opening_of_a_poll_is_a_visit_but_a_refused_socket_is_none() {
    let poll_wait = Duration::from_millis(20);
    let demo = Demo::start(Options { poll_wait, ..Options::default() }).unwrap();
    let stranger = Viewer::stranger(&demo);
    assert!(stranger.played_by("agent-1", 17).socket().await.is_err());
    assert_eq!(demo.users(), Users::default());
    stranger.played_by("agent-1", 17).poll(None).await;
    stranger.played_by("agent-1", 17).poll(Some(0)).await;
    stranger.played_by("agent-2", 17).poll(None).await;
    let users = demo.users();
    assert_eq!(agents_of(&users.users[0].stays), ["agent-1", "agent-2"]);
    assert_eq!(users.live_twice, []);
    demo.stop().await;
}
