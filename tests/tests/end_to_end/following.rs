//! A target whose instances are followed in Consul: load goes to those that are there, as they register and leave, and a
//! Consul that is lost or empty is told and stops nothing.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rehearsal_demo::{Demo, Options};
use rehearsal_fakes::FakeConsul;
use rehearsal_fakes::consul::{self, Status};
use rehearsal_tests::{Act, Rehearsal, Running, Server, answer, until};

/// Who tells of the instances in the run's log.
const WHO: &str = "consul://web";

/// How long something may take that takes no time, on a busy machine.
const SOON: Duration = Duration::from_secs(20);

/// Users that sign in twice; what one demo knows of them no other needs to.
const GUESTS: &str = r#"
fn plan() { #{ load: arrive(env.users).over(env.over), thresholds: ["http.failed rate < 0.1%"] } }
fn user() {
    check("users know one name", env.target == "http://web");
    http::post("/auth/guest");
    sleep("300ms");
    http::post("/auth/guest");
}
"#;

fn demo() -> Demo {
    Demo::start(Options { listen: ([127, 0, 0, 1], 0).into(), ..Options::default() }).unwrap()
}

fn guests(demo: &Demo) -> u64 {
    demo.counters().requests.get("POST /auth/guest").into_iter().flat_map(|by_status| by_status.values()).sum()
}

fn register(consul: &FakeConsul, id: &str, address: SocketAddr) {
    consul.register("web", id, &address.ip().to_string(), address.port());
}

/// An environment for a Consul, with users that come for so many seconds.
fn environment(consul: &str, users: u64, seconds: u64) -> String {
    format!("target = \"consul://web\"\nusers = {users}\nover = \"{seconds}s\"\n[consul]\nurl = \"{consul}\"\n")
}

async fn until_told(run: &Running, words: &str) {
    until(words, SOON, || run.records().is_some_and(|records| records.tells(WHO, words))).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn load_follows_instances_as_they_register_and_leave() {
    let consul = FakeConsul::start().unwrap();
    let (leaver, stayer, joiner) = (demo(), demo(), demo());
    register(&consul, "web-1", leaver.address());
    register(&consul, "web-2", stayer.address());
    let run = Rehearsal::of(GUESTS).environment(&environment(&consul.url(), 600, 12)).spawn();
    until("both instances are loaded", SOON, || guests(&leaver) >= 20 && guests(&stayer) >= 20).await;

    register(&consul, "web-3", joiner.address());
    until("the new instance is loaded", SOON, || guests(&joiner) >= 20).await;

    consul.deregister("web-1").unwrap();
    until_told(&run, &format!("{} is gone", leaver.address())).await;
    // The agents were told with the same turn of the loop; whoever connects to the others now came after that.
    let loaded = guests(&stayer);
    until("users come to the others", SOON, || guests(&stayer) >= loaded + 10).await;
    let final_guests = guests(&leaver);

    let outcome = run.end().await;
    outcome.assert_exit(0, "following costs no call");
    assert_eq!(guests(&leaver), final_guests, "nobody comes to an instance that has left, by whichever connection");
    let counted = [&leaver, &stayer, &joiner].map(guests);
    assert_eq!(counted.iter().sum::<u64>(), 1_200, "{counted:?}");
    assert_eq!(outcome.count("http.response", &[("name", "POST /auth/guest"), ("status", "200")]), 1_200);
    assert_eq!(outcome.list("errors"), [] as [serde_json::Value; 0]);
    assert_eq!(outcome.entry("checks", "name", "users know one name")["failed"], 0);
    // Two instances shared the load evenly when they were alone, and so did others later.
    let (more, less) = (counted[1].max(counted[2]), counted[1].min(counted[2]));
    assert!(less * 4 > more, "{counted:?}");
}

/// What a server was asked: by whom, under which name, with which cookie.
type Asked = Arc<Mutex<Vec<(String, String, bool)>>>;

async fn instance(asked: &Asked) -> Server {
    let asked = Arc::clone(asked);
    Server::start(move |request| {
        let header = |name: &str| request.header(name).unwrap_or_default().to_owned();
        let row = (header("x-user"), header("host"), header("cookie") == "seat=7");
        asked.lock().unwrap().push(row);
        Act::Answer(answer("200 OK", "set-cookie: seat=7; Path=/\r\n", "{}"))
    })
    .await
}

/// A user is one browser behind one name: its cookies go along to whichever instance a connection leads.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_user_is_one_browser_in_front_of_all_instances() {
    let consul = FakeConsul::start().unwrap();
    let (one, two): (Asked, Asked) = Default::default();
    let (first, second) = (instance(&one).await, instance(&two).await);
    register(&consul, "web-1", first.address);
    let scenario = r#"
fn plan() { #{ load: arrive(10).over("1s") } }
fn user() {
    http::get("/first");
    sleep(env.pause);
    http::parallel(["/a", "/b", "http://show.example.com/c"]);
}
"#;
    let environment = environment(&consul.url(), 10, 1).replace("users =", "pause = \"6s\"\nusers =")
        + "host = \"show.example.com\"\n[http]\nuser_header = \"x-user\"\n";
    let run = Rehearsal::of(scenario).environment(&environment).spawn();
    until("everybody has come", SOON, || one.lock().unwrap().len() == 10).await;
    register(&consul, "web-2", second.address);
    let outcome = run.end().await;
    outcome.assert_exit(0, "every call is answered");

    let (one, two) = (one.lock().unwrap().clone(), two.lock().unwrap().clone());
    assert!(!two.is_empty() && one.len() + two.len() == 40, "{} and {}", one.len(), two.len());
    assert!(one.iter().chain(&two).all(|(_, host, _)| host == "show.example.com"), "{one:?} {two:?}");
    let without: Vec<_> = one.iter().chain(&two).filter(|(.., has_cookie)| !has_cookie).collect();
    assert_eq!(without.len(), 10, "each user's first call alone has no cookie: {without:?}");
    assert!(first.seen().connections >= 10, "kept connections go on beside new ones");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_consul_stops_nothing_and_is_told() {
    let (consul, known, unknown) = (FakeConsul::start().unwrap(), demo(), demo());
    let (listen, url) = (consul.address(), consul.url());
    register(&consul, "web-1", known.address());
    let run = Rehearsal::of(GUESTS).environment(&environment(&url, 600, 15)).spawn();
    until("the instance is loaded", SOON, || guests(&known) >= 20).await;

    drop(consul);
    until_told(&run, "Consul does not answer").await;
    let loaded = guests(&known);
    until("load goes on", SOON, || guests(&known) >= loaded + 20).await;

    let consul = FakeConsul::start_with(consul::Options { listen, ..consul::Options::default() }).unwrap();
    register(&consul, "web-1", known.address());
    register(&consul, "web-2", unknown.address());
    until_told(&run, "Consul answers again").await;
    until("the instance that came meanwhile is loaded", SOON, || guests(&unknown) > 0).await;

    let outcome = run.end().await;
    outcome.assert_exit(0, "no call needed Consul");
    assert_eq!(guests(&known) + guests(&unknown), 1_200);
    for words in ["load stays on the instances that it listed at", "what became of the instances from"] {
        assert!(outcome.has_finding(WHO, words), "{words}: {}", outcome.context());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_without_any_instance_fail_by_name_and_recover() {
    let (consul, demo) = (FakeConsul::start().unwrap(), demo());
    register(&consul, "web-1", demo.address());
    let run = Rehearsal::of(GUESTS).environment(&environment(&consul.url(), 500, 10)).spawn();
    until("the instance is loaded", SOON, || guests(&demo) >= 20).await;
    consul.maintain("web-1", true).unwrap();
    until_told(&run, "no instance takes connections").await;
    consul.maintain("web-1", false).unwrap();
    until_told(&run, "instances take connections again").await;
    let loaded = guests(&demo);
    until("it is loaded again", SOON, || guests(&demo) >= loaded + 20).await;
    consul.deregister("web-1").unwrap();

    let outcome = run.end().await;
    outcome.assert_exit(99, "calls failed");
    let (failed, sample) = outcome.error("no_instance");
    assert_eq!(failed + guests(&demo), 1_000, "every call was answered or failed by name: {sample}");
    assert!(failed > 0 && outcome.count("http.failed", &[("kind", "no_instance")]) > 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_wrong_with_consul_is_told_before_the_start() {
    let (consul, demo, nobody) = (FakeConsul::start().unwrap(), demo(), Server::nobody().await);
    let locked = FakeConsul::start_with(consul::Options { token: Some("hush".into()), ..Default::default() }).unwrap();
    register(&consul, "wep-1", demo.address());
    consul.register("video", "video-1", "127.0.0.1", 81);
    consul.set_check("service:video-1", Status::Critical).unwrap();
    register(&locked, "web-1", demo.address());
    let wrong_token =
        environment(&locked.url(), 1, 1) + "token = { secret = \"key\" }\n[secrets]\nkey = { env = \"KEY\" }\n";
    let of = |service: &str| environment(&consul.url(), 1, 1).replace("//web", &format!("//{service}"));
    let cases: [(String, &[&str]); 6] = [
        (environment(&format!("http://{nobody}"), 1, 1), &["asking Consul", "CONSUL_HTTP_ADDR", "[consul]"]),
        (environment(&format!("http://{}", demo.address()), 1, 1), &["status 404", "HTTP API"]),
        (of("wbe"), &["knows no service `wbe`", "did you mean `web`"]),
        (of("video"), &["1 instance of `video`", "none that is passing"]),
        (environment(&locked.url(), 1, 1), &["knows no service `web`", "service:read"]),
        (wrong_token, &["denied", "ACL not found", "`token` in [consul]"]),
    ];
    for (environment, says) in cases {
        let rehearsal = || Rehearsal::of(GUESTS).environment(&environment).variable("KEY", "wrong");
        let started = rehearsal().run().await;
        let validated = rehearsal().validate().await;
        for outcome in [started, validated] {
            outcome.assert_exit(2, "nothing can be loaded");
            for words in says {
                assert!(outcome.stderr.contains(words), "{words}: {}", outcome.context());
            }
            assert!(!outcome.stderr.contains("panicked"), "{}", outcome.context());
        }
    }
    assert_eq!(guests(&demo), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cues_that_reach_one_instance_alone_are_warned_of() {
    let (consul, demo) = (FakeConsul::start().unwrap(), demo());
    register(&consul, "web-1", demo.address());
    let scenario = r#"
fn plan() { #{ load: arrive(1).over("1s"), cues: [cue("begin").at("1s")] } }
fn user() { http::get("/"); }
fn begin() { http::post(env.admin + "/broadcast"); }
"#;
    let open = environment(&consul.url(), 1, 1);
    let settled = format!("admin = \"http://{}/admin\"\n{open}", demo.address());
    for (environment, warns) in [(open, true), (settled, false)] {
        let outcome = Rehearsal::of(scenario).environment(&environment).validate().await;
        outcome.assert_exit(0, "a warning is no mistake");
        assert_eq!(outcome.stderr.contains("`admin` is not set"), warns, "{}", outcome.context());
    }
}
