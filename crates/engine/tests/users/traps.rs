//! The traps of a scripting language on fibers: what once ended a process, or locked two handlers out of each other.

use rehearsal_engine::Stop;
use rehearsal_metrics::UserState;

use crate::crew::arrive;
use crate::scene::{FILE, demo, play, scene};
use crate::server::{Act, Fate, Server};

/// A user that must fail with one of these kinds, on a worker's thread that lives on for the next user.
async fn ends_with(kinds: &[&str], line: Option<usize>, sentence: &str, text: &str) {
    let server = Server::start(|_, _| Act::Reply(200, "{}")).await;
    let mut scene = scene(format!("{text}\nfn good() {{ http::get(\"/after\"); }}"), server.address);
    scene.runs.push("good");
    let told = scene.crew(&[arrive(1, 0), arrive(1, 0)], 1).play().await;
    assert_eq!(told.moved(UserState::Live, UserState::Failed), 1, "{sentence}: {:?}", told.whole().errors);
    assert_eq!(told.moved(UserState::Live, UserState::Finished), 1, "{sentence}");
    let errors: Vec<_> = told.whole().errors.iter().collect();
    let [(kind, error)] = errors.as_slice() else { panic!("{sentence}: {errors:?}") };
    assert!(kinds.contains(kind), "{sentence}: {errors:?}");
    let place = line.map_or(FILE.to_owned(), |line| format!("{FILE}:{line}:"));
    assert!(error.sample.contains(&place), "{sentence}: {}", error.sample);
}

/// One call level with nested `for`, `if` and `switch` takes 15 KiB of stack in release builds and several times that here: 31
/// levels overflowed a stack of 256 KiB, which killed the process and not the user.
#[tokio::test]
async fn recursion_ends_its_user_alone() {
    let nested = |deeper: &str| {
        let level = "for i in 0..1 { if n >= 0 { switch n { -1 => (), _ => { for j in 0..1 { if true {";
        format!("fn user() {{ dig(0); }}\nfn dig(n) {{\n{level} {deeper} }} }} }} }} }} }}\n}}")
    };
    ends_with(&["recursion"], Some(3), "plain", &nested("dig(n + 1);")).await;
    ends_with(&["recursion"], Some(3), "parked at every level", &nested("sleep(0); dig(n + 1);")).await;
    ends_with(&["recursion"], Some(3), "in the middle of a value", &nested("let x = [#{ a: [dig(n + 1)] }];")).await;
    let handler = format!("{}\nfn begin() {{}}", nested("dig(n + 1);")).replace("dig(0)", "after(0, || dig(0))");
    ends_with(&["recursion"], Some(3), "in a timer", &handler).await;
    let closure = "fn user() { let f = || 1; f = |g| { g.call(g) };\nf.call(f); }";
    ends_with(&["recursion"], None, "through a closure", closure).await;
}

/// `a = [a]`, 9,000 deep, overflowed a stack of 1 MiB when it was dropped, where nothing looks at the stack that is left.
#[tokio::test]
async fn values_nested_without_end_end_their_user_alone() {
    let bounded = &["size", "recursion", "endless"];
    ends_with(bounded, Some(1), "arrays", "fn user() { let a = []; loop { a = [a]; } }").await;
    ends_with(bounded, Some(1), "maps", "fn user() { let m = #{}; loop { m = #{ x: m }; } }").await;
    ends_with(bounded, Some(1), "both", "fn user() { let m = #{}; loop { m = #{ x: [m] }; } }").await;
    let kept = "fn user() { user.a = []; loop { user.a = [user.a]; } }";
    ends_with(bounded, Some(1), "kept by the user, dropped when it has left", kept).await;
    let captured = "fn user() { let a = []; after(3600, || a); loop { a = [a]; } }";
    ends_with(bounded, Some(1), "shared with a timer", captured).await;
    ends_with(bounded, None, "texts", "fn user() { let t = \"x\"; loop { t += t; } }").await;
    ends_with(bounded, Some(1), "wide", "fn user() { let a = []; loop { a.push(#{ x: 1 }); } }").await;
}

/// Each closure holds the one before it: a chain that no limit on values sees, dropped by as many nested calls.
#[tokio::test]
async fn closures_nested_without_end_end_their_user_alone() {
    let chain = "fn user() { let f = || 1; loop { let g = f; f = || g.call();\nafter(3600, f); } }";
    ends_with(&["size"], Some(1), "a chain of closures that timers keep", chain).await;
    let chain = "fn user() { let f = || 1; for n in 0..5000 { let g = f; f = || g.call(); }\nafter(3600, f); }";
    ends_with(&["size"], Some(1), "a chain that was long before", chain).await;
    let chain = "fn user() { let f = || 1;\nloop { let g = f; f = || g.call(); } }";
    ends_with(&["size"], Some(2), "a chain that nobody keeps", chain).await;
}

/// What is just within the limits is dropped when the user has left, on the thread's own stack.
#[tokio::test]
async fn deep_values_may_outlive_their_fiber() {
    let server = Server::start(|_, _| Act::Reply(200, "{}")).await;
    let text =
        "fn user() { let a = []; for i in 0..1000 { a = [a]; } user.kept = a; after(\"50ms\", || user.kept.len()); }";
    let told = scene(text, server.address).crew(&[arrive(20, 100)], 1).play().await;
    assert_eq!(told.moved(UserState::Live, UserState::Finished), 20, "{:?}", told.whole().errors);
}

/// A body of sockets and closures that must end by itself and count what it counts.
async fn handlers(sentence: &str, body: &str, counts: &[(&str, u64)]) {
    let demo = demo();
    let text = format!("fn user() {{ http::post(\"/auth/guest\");\nlet socket = websocket(\"/socket\");\n{body} }}");
    let played = play(text, demo.address()).await;
    played.must_be_fine(sentence);
    for (name, expected) in counts {
        let counted = played.told.count(&format!("custom.{name}"), &[]);
        assert_eq!(counted, *expected, "{sentence}: {name}: {:#?}", played.log);
    }
}

/// A closure shares what it captures, and a method call locks it: a captured socket made the second handler a data race.
#[tokio::test]
async fn handlers_do_not_lock_each_other_out() {
    handlers(
        "two handlers of one socket are parked at once, and share their counters",
        "let inside = 0; let most = 0;
         socket.on(\"echo\", |socket, n| {
             inside += 1; if inside > most { most = inside; }
             sleep(\"200ms\");
             inside -= 1; if inside == 0 { count(\"most\", most); leave(); }
         });
         socket.emit(\"echo\", 1); socket.emit(\"echo\", 2);",
        &[("most", 2)],
    )
    .await;
    handlers(
        "a timer sends on the socket that the main flow waits on",
        "every(\"50ms\", || socket.emit(\"echo\", 7));
         count(\"heard\", socket.receive(\"echo\", \"10s\")); leave();",
        &[("heard", 7)],
    )
    .await;
    handlers(
        "a handler sends on another socket, whose handlers do the same",
        "let other = websocket(\"/socket\");
         socket.on(\"echo\", |s, n| { if n < 5 { other.emit(\"echo\", n + 1); } else { count(\"hops\", n); leave(); } });
         other.on(\"echo\", |s, n| { socket.emit(\"echo\", n + 1); });
         socket.emit(\"echo\", 1);",
        &[("hops", 5)],
    )
    .await;
    handlers(
        "a handler waits on a socket that it captured, and another sends on it",
        "let other = websocket(\"/socket\");
         socket.on(\"echo\", |s, n| { count(\"got\", other.receive(\"echo\", \"10s\")); leave(); });
         after(\"100ms\", || other.emit(\"echo\", 3));
         socket.emit(\"echo\", 1);",
        &[("got", 3)],
    )
    .await;
    handlers(
        "a handler's own parameter hides the socket outside",
        "socket.on(\"echo\", |socket, n| { if n < 3 { socket.emit(\"echo\", n + 1); } else { count(\"last\", n); leave(); } });
         socket.emit(\"echo\", 1);",
        &[("last", 3)],
    )
    .await;
    handlers(
        "a handler of one parameter gets the data",
        "socket.on(\"echo\", |n| { count(\"data\", n); leave(); }); socket.emit(\"echo\", 9);",
        &[("data", 9)],
    )
    .await;
    handlers(
        "timers are captured by timers",
        "socket.close();
         let n = 0; let timer = every(\"20ms\", || { n += 1; if n == 3 { count(\"ticks\", n); } });
         let guard = every(\"10ms\", || { if n >= 3 { timer.cancel(); count(\"cancelled\"); leave(); } });",
        &[("ticks", 3), ("cancelled", 1)],
    )
    .await;
}

/// A user's closures hold its sockets and its sockets hold the closures; whoever leaves must let go of all of it.
#[tokio::test]
async fn a_stopped_user_closes_what_its_closures_hold() {
    let says = "{\"event\":\"e\",\"data\":1}";
    let server = Server::start(move |_, _| Act::Socket(vec![says.into()], Fate::Stays)).await;
    let text = "fn user() {
        let socket = websocket(\"/socket\"); let all = [socket, || socket.is_open];
        socket.on(\"e\", |s, n| { count(\"parked\"); s.receive(\"never\", 3600); all.len(); });
        every(\"100ms\", || { all.len(); sleep(3600); });
        user.keep = || all; socket.receive(\"nor this\", 3600);
    }";
    let mut crew = scene(text, server.address).crew(&[arrive(20, 0)], 1);
    crew.until("all are parked", |told| told.count("custom.parked", &[]) == 20).await;
    crew.stop(Stop::Graceful).await;
    server.until("all connections are closed", |seen| seen.open == 0).await;
    let told = crew.end().await;
    assert_eq!(told.count("socket.closed", &[("by", "user"), ("code", "1000")]), 20);
    assert_eq!(told.moved(UserState::Live, UserState::Cancelled), 20);
}
