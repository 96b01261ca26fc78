//! Shows whose sockets are cut or talk nonsense: who was there and heard nothing is in the reach.

use std::time::Duration;

use rehearsal_tests::{
    Act, Outcome, Rehearsal, Request, Server, Show, SocketFate, answer, assert_calls_add_up, quick_show,
};

const USERS: u64 = 60;

/// An empty frame whose reserved bits and operation mean nothing.
const NONSENSE: [u8; 2] = [0xFF, 0];

/// The head of a binary frame that claims to be 2⁶⁰ bytes long.
const GIANT: [u8; 10] = [0x82, 127, 0x10, 0, 0, 0, 0, 0, 0, 0];

/// Answers as the demo would, except that no socket stays open and no poll returns.
fn decide(request: &Request, fate: &SocketFate) -> Act {
    let path = request.path.as_str();
    if request.header("upgrade").is_some() {
        return Act::Socket(fate.clone());
    }
    match (request.method.as_str(), path) {
        ("GET", "/poll") => Act::Answer(answer("200 OK", "", r#"{"cursor": 0, "events": []}"#)),
        ("GET", _) if path.starts_with("/poll?") => Act::Hang,
        ("POST", "/admin/broadcast") => Act::Answer(answer("202 Accepted", "", "{}")),
        _ => Act::Answer(answer("200 OK", "", "{}")),
    }
}

/// Asserts that the question reached none of the users, all of whom had arrived and not left.
#[track_caller]
fn assert_reached_nobody(outcome: &Outcome) {
    let reach = outcome.series("cue.reach", &[("cue", "open_vote")]);
    let heard = reach.iter().any(|series| series["rate"].as_f64() > Some(0.0));
    assert!(!heard, "somebody heard: {reach:#?}");
    assert_eq!(outcome.count("cue.reach", &[("cue", "open_vote")]), USERS, "{reach:#?}");
    assert_eq!(outcome.threshold("cue.reach{cue:open_vote} rate > 99.9%"), "fail");
}

/// Plays a show and asserts that all sockets were closed by somebody other than the users, that
/// nobody voted, and that the reach counts everybody who had arrived.
async fn check(fate: SocketFate) {
    let server = Server::start(move |request| decide(request, &fate)).await;
    let show = Show::short(server.address, USERS);
    let outcome = Rehearsal::of(&quick_show()).environment(&show.toml()).run().await;
    outcome.assert_exit(99, "nobody heard the question");
    assert_eq!(outcome.assert_users_add_up(), USERS);
    assert_eq!(outcome.users("finished"), USERS, "a cut socket ends no user");
    assert_calls_add_up(&outcome);

    let websocket = [("transport", "websocket")];
    let opened = outcome.count("socket.connect", &websocket);
    assert!(opened > USERS / 2, "most users open a WebSocket: {opened}");
    let closed = |by| outcome.count("socket.closed", &[("transport", "websocket"), ("by", by)]);
    assert_eq!(closed("server") + closed("network"), opened, "{}", outcome.context());

    let cue = outcome.cue("open_vote");
    assert_eq!(cue["live"], USERS, "{cue:#}");
    assert_eq!(cue["heard"], 0, "{cue:#}");
    assert_eq!(cue["connected"], USERS - opened, "only polls still wait: {cue:#}");
    assert_reached_nobody(&outcome);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sockets_that_are_cut() {
    check(SocketFate::CutAfter(Duration::from_millis(300))).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn frames_that_mean_nothing() {
    check(SocketFate::Sends(NONSENSE.to_vec())).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn frames_that_claim_to_be_endless() {
    check(SocketFate::Sends(GIANT.to_vec())).await;
}

/// A show that goes down altogether: nobody can open anything, and the cue reaches nobody.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_show_that_is_down() {
    let show = Show::short(Server::nobody().await, USERS);
    let outcome = Rehearsal::of(&quick_show()).environment(&show.toml()).run().await;
    outcome.assert_exit(99, "nothing worked");
    assert_eq!(outcome.assert_users_add_up(), USERS);
    let failed = outcome.count("socket.failed", &[("kind", "refused")]);
    assert_eq!(failed, USERS, "{}", outcome.context());
    assert_eq!(outcome.error("socket refused").0, USERS);
    assert!(outcome.error("refused").0 > USERS, "{}", outcome.context());
    let cue = outcome.cue("open_vote");
    assert_eq!((&cue["live"], &cue["connected"]), (&USERS.into(), &0.into()), "{cue:#}");
    assert_reached_nobody(&outcome);
}
