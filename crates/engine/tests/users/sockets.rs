//! Sockets as scripts see them: the same on both transports, in good times and bad.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use rehearsal_metrics::UserState;

use crate::scene::{Played, demo, play, scene};
use crate::server::{Act, Fate, Server};

const TRANSPORTS: [(&str, &str); 2] = [("websocket", "/socket"), ("polling", "/poll")];

/// Plays a body with `open()` and `broadcast(event, data)` on both transports; all its checks must pass.
async fn on_both(sentence: &str, body: &str) -> Vec<(&'static str, Played)> {
    let mut all = Vec::new();
    for (transport, path) in TRANSPORTS {
        let demo = demo();
        let text = format!(
            "fn open() {{ {transport}(\"{path}\") }}
             fn broadcast(event, data) {{ http::post(\"/admin/broadcast\", #{{ json: #{{ event: event, data: data }} }}); }}
             fn user() {{ http::post(\"/auth/guest\"); {body} }}"
        );
        let played = play(text, demo.address()).await;
        let sentence = format!("{sentence} ({transport})");
        played.must_pass(&sentence);
        assert!(played.told.count("checks", &[]) > 0, "{sentence}: nothing was checked: {:#?}", played.log);
        assert_eq!(played.told.ratio("socket.failed", &[("transport", transport)]).1, 1, "{sentence}: one opening");
        all.push((transport, played));
    }
    all
}

async fn fine_on_both(sentence: &str, body: &str) {
    for (transport, played) in on_both(sentence, body).await {
        played.must_be_fine(&format!("{sentence} ({transport})"));
        let status = if transport == "websocket" { "101" } else { "200" };
        let tags = [("transport", transport), ("status", status)];
        assert_eq!(played.told.count("socket.connect", &tags), 1, "{sentence} ({transport})");
        let closed = [("transport", transport), ("by", "user"), ("code", "1000")];
        assert_eq!(played.told.count("socket.closed", &closed), 1, "{sentence} ({transport})");
    }
}

#[tokio::test]
async fn messages_wait_until_somebody_wants_them() {
    fine_on_both(
        "messages that came before their handler are heard in their order",
        "let socket = open(); let heard = [];
         for n in 1..=3 { broadcast(\"e\", n); }
         broadcast(\"ready\", ()); socket.receive(\"ready\", \"10s\");
         socket.on(\"e\", |s, n| { heard.push(n); if heard.len() == 4 { check(\"order\", heard == [1, 2, 3, 4]); leave(); } });
         broadcast(\"e\", 4);",
    )
    .await;
    fine_on_both(
        "receive() takes its event and leaves the others",
        "let socket = open();
         broadcast(\"a\", 1); broadcast(\"b\", 2); broadcast(\"a\", 3);
         check(\"b\", socket.receive(\"b\", \"10s\") == 2);
         check(\"first a\", socket.receive(\"a\", \"10s\") == 1);
         check(\"second a\", socket.receive(\"a\", \"10s\") == 3);
         leave();",
    )
    .await;
    fine_on_both(
        "receive_any() takes what comes, and says what it is",
        "let socket = open();
         broadcast(\"a\", #{ x: [1, ()] }); broadcast(\"b\", 2);
         let first = socket.receive_any(\"10s\"); let second = socket.receive_any(\"10s\");
         check(\"first\", first.event == \"a\" && first.data.x[0] == 1 && first.data.x[1] == ());
         check(\"second\", second.event == \"b\" && second.data == 2);
         leave();",
    )
    .await;
    fine_on_both(
        "what nobody says in time is (), and a late message is still there",
        "let socket = open(); let begun = now();
         check(\"event\", socket.receive(\"e\", \"100ms\") == ());
         check(\"any\", socket.receive_any(0.1) == ());
         check(\"time\", now() - begun >= 0.2);
         broadcast(\"e\", 5);
         check(\"late\", socket.receive(\"e\", \"10s\") == 5);
         leave();",
    )
    .await;
}

#[tokio::test]
async fn handlers_hear_what_is_theirs() {
    fine_on_both(
        "an event's handler goes before that of all messages, and a later handler replaces it",
        "let socket = open(); let log = [];
         socket.on_message(|s, data| { log.push(\"any \" + data); if data == 3 {
             check(\"log\", log == [\"second 1\", \"any 2\", \"any 3\"]); leave(); } });
         socket.on(\"e\", |s, data| { log.push(\"first \" + data); });
         socket.on(\"e\", |s, data| { log.push(\"second \" + data); });
         broadcast(\"e\", 1); broadcast(\"f\", 2); broadcast(\"g\", 3);",
    )
    .await;
    fine_on_both(
        "handlers start in the order of messages and may overtake each other where they wait",
        "let socket = open(); let log = [];
         socket.on(\"e\", |s, n| { log.push(n); sleep(0.4 - n * 0.1); log.push(n * 10);
             if log.len() == 6 { check(\"log\", log == [1, 2, 3, 30, 20, 10]); leave(); } });
         for n in 1..=3 { broadcast(\"e\", n); }",
    )
    .await;
    fine_on_both(
        "a receive() that waits goes before the handler",
        "let socket = open();
         socket.on(\"e\", |s, n| { check(\"handler\", n == 2); leave(); });
         after(\"100ms\", || { broadcast(\"e\", 1); broadcast(\"e\", 2); });
         check(\"receive\", socket.receive(\"e\", \"10s\") == 1);",
    )
    .await;
}

#[tokio::test]
async fn closing_is_heard_and_ends_what_waits() {
    fine_on_both(
        "the user closes",
        "let socket = open(); check(\"open\", socket.is_open);
         socket.on_close(|s| { check(\"closed\", !s.is_open); });
         after(\"100ms\", || socket.close());
         check(\"nothing more\", socket.receive(\"e\", \"60s\") == ());
         check(\"not even later\", socket.receive_any(\"60s\") == ());",
    )
    .await;
}

/// A socket that nobody listens on must not eat the memory of an agent.
#[tokio::test]
async fn the_inbox_is_bounded_and_its_overflow_counted() {
    let body = "let socket = open();
        socket.on(\"end\", |s, d| { check(\"the oldest went\", s.receive_any(1).data == 7); check(\"one after the other\", s.receive(\"e\", 1) == 8); leave(); });
        for n in 1..=70 { broadcast(\"e\", n); sleep(\"2ms\"); }
        broadcast(\"end\", ());";
    for (transport, played) in on_both("seventy messages for nobody", body).await {
        assert_eq!(played.told.error("inbox").count, 6, "{transport}");
        assert_eq!(played.told.count("socket.received", &[("transport", transport), ("event", "e")]), 70);
    }
}

#[tokio::test]
async fn a_failed_opening_is_a_closed_socket() {
    for (transport, _) in TRANSPORTS {
        let server = Server::start(|_, _| Act::Reply(503, "")).await;
        let text = format!(
            "fn user() {{ let socket = {transport}(\"/nowhere\"); check(\"closed\", !socket.is_open);
             socket.on(\"e\", |s, d| ()); socket.on_close(|s| ()); socket.close();
             check(\"silent\", socket.receive(\"e\", \"60s\") == ()); }}"
        );
        let played = play(text, server.address).await;
        played.must_pass(transport);
        let tags = [("transport", transport), ("kind", "status")];
        assert_eq!(played.told.ratio("socket.failed", &tags), (1, 1), "{transport}");
        assert!(played.told.error("socket status").sample.contains("503"), "{:?}", played.told.whole().errors);
        assert_eq!(played.told.count("socket.connect", &[]), 0, "{transport}");
        assert_eq!(played.told.count("http.response", &[]), 0, "{transport}: an opening is no http call");
    }
}

fn event(name: &str, data: u32) -> String {
    format!("{{\"event\":\"{name}\",\"data\":{data}}}")
}

/// A socket that the server ends, in its several ways.
async fn ended_by(transport: &str, act: impl Fn(usize) -> Act + Send + Sync + 'static, by: &str, code: &str) {
    let server = Server::start(move |_, nth| act(nth)).await;
    let text = format!(
        "fn user() {{ let socket = {transport}(\"/s\"); socket.on_close(|s| count(\"told\"));
         check(\"nothing\", socket.receive(\"e\", \"60s\") == ()); check(\"closed\", !socket.is_open); }}"
    );
    let played = play(text, server.address).await;
    let sentence = format!("{transport} ended by {by} with {code}");
    played.must_pass(&sentence);
    let closed = [("transport", transport), ("by", by), ("code", code)];
    assert_eq!(played.told.count("socket.closed", &closed), 1, "{sentence}: {:#?}", played.log);
    assert_eq!(played.told.count("custom.told", &[]), 1, "{sentence}");
}

#[tokio::test]
async fn a_vanishing_server_ends_the_socket_and_not_the_user() {
    ended_by("websocket", |_| Act::Socket(vec![], Fate::Vanishes), "network", "1006").await;
    ended_by("websocket", |_| Act::Socket(vec![], Fate::Closes(1001)), "server", "1001").await;
    let gone = |nth| if nth == 0 { Act::Reply(200, "{\"cursor\":1,\"events\":[]}") } else { Act::Reply(410, "") };
    ended_by("polling", gone, "server", "410").await;
}

#[tokio::test]
async fn a_socket_that_was_lost_is_opened_again() {
    let websocket = |nth| match nth {
        0 => Act::Reply(503, ""),
        1 => Act::Socket(vec![event("hello", 1)], Fate::Vanishes),
        2 => Act::Socket(vec![event("hello", 2)], Fate::Closes(1012)),
        _ => Act::Socket(vec![event("hello", 3)], Fate::Stays),
    };
    let polling = |nth| match nth {
        0 | 3 => Act::Reply(503, ""),
        1 | 4 => Act::Reply(200, "{\"cursor\":1,\"events\":[]}"),
        2 => Act::Reply(404, ""),
        _ => Act::Reply(200, "{\"cursor\":2,\"events\":[{\"event\":\"hello\",\"data\":3}]}"),
    };
    let check = async |transport: &str, server: Server, opened: u64, failed: u64, heard: u64| {
        let text = format!(
            "fn user() {{ let socket = {transport}(\"/s\", #{{ reconnect: #{{ first: \"20ms\", max: \"50ms\", jitter: 0.5 }} }});
             check(\"not yet open\", !socket.is_open);
             socket.on_close(|s| count(\"lost\"));
             socket.on(\"hello\", |s, n| {{ count(\"heard\"); if n == 3 {{ check(\"open\", s.is_open); leave(); }} }}); }}"
        );
        let played = play(text, server.address).await;
        played.must_pass(transport);
        let told = &played.told;
        assert_eq!(told.count("socket.connect", &[("transport", transport)]), opened, "{transport}");
        assert_eq!(told.count("custom.heard", &[]), heard, "{transport}");
        assert_eq!(told.count("custom.lost", &[]), opened - 1, "{transport}");
        assert_eq!(
            told.ratio("socket.failed", &[("kind", "status")]).0,
            failed,
            "{transport}: {:?}",
            told.whole().errors
        );
    };
    check("websocket", Server::start(move |_, nth| websocket(nth)).await, 3, 1, 3).await;
    // Two openings and one poll are answered with an error.
    check("polling", Server::start(move |_, nth| polling(nth)).await, 2, 3, 1).await;
}

/// A server that has accepted a socket counts it; so do we, also when its user is about to leave.
#[tokio::test]
async fn a_socket_that_opens_while_its_user_leaves_is_counted_and_closed() {
    let openings = AtomicUsize::new(0);
    let slow = |act| Act::After(Duration::from_millis(300), Box::new(act));
    let server = Server::start(move |request, _| match request.path.as_str() {
        "/s" if openings.fetch_add(1, Relaxed) == 0 => Act::Socket(vec![event("hello", 1)], Fate::Vanishes),
        "/s" => slow(Act::Socket(vec![event("hello", 2)], Fate::Stays)),
        _ if openings.load(Relaxed) == 2 => Act::Reply(201, ""),
        _ => Act::Reply(200, ""),
    })
    .await;
    let text = "fn user() { websocket(\"/s\", #{ reconnect: #{ first: \"20ms\", max: \"50ms\" } });
         while http::get(\"/is-opening-again\").status != 201 { sleep(\"10ms\"); }
         leave(); }";
    let played = scene(text, server.address).play().await;
    played.must_be_fine("leaving while a socket opens");
    assert_eq!(server.seen().frames, ["close 1000"]);
    let told = &played.told;
    assert_eq!((told.count("socket.connect", &[]), told.count("socket.received", &[])), (2, 2));
    assert_eq!(told.count("socket.closed", &[("by", "user"), ("code", "1000")]), 1);
}

#[tokio::test]
async fn who_leaves_says_goodbye() {
    let server = Server::start(|_, _| Act::Socket(vec![event("e", 1)], Fate::Stays)).await;
    let text = "fn user() { let socket = websocket(\"/s\"); socket.receive(\"e\", \"10s\"); socket.emit(\"last\", [1]); socket.send(\"words\"); leave(); }";
    let played = scene(text, server.address).play().await;
    played.must_be_fine("leaving with words on the tongue");
    server.until("the connection is closed", |seen| seen.open == 0).await;
    assert_eq!(server.seen().frames, ["{\"event\":\"last\",\"data\":[1]}", "words", "close 1000"]);
    assert_eq!(played.told.count("socket.sent", &[("transport", "websocket")]), 2);
}

#[tokio::test]
async fn sending_where_nothing_can_be_sent_is_an_error() {
    let server = Server::start(|_, _| Act::Reply(200, "{\"cursor\":1,\"events\":[]}")).await;
    let played = play("fn user() { polling(\"/poll\").emit(\"vote\", 1); }", server.address).await;
    assert_eq!(played.end, UserState::Failed);
    assert!(
        played.told.error("script").sample.contains("polling socket cannot send"),
        "{:?}",
        played.told.whole().errors
    );
    let server = Server::start(|_, _| Act::Reply(404, "")).await;
    let played = play("fn user() { websocket(\"/s\").emit(\"vote\", 1); count(\"goes on\"); }", server.address).await;
    assert_eq!((played.end, played.told.error("send").count), (UserState::Finished, 1));
    assert_eq!(played.told.count("custom.goes on", &[]), 1);
}
