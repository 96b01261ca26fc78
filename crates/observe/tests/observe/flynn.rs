//! The `flynn` adapter against a fake of controller and discoverd: what counts as what, whom it trusts, and that each
//! decision is told once.

use axum::Router;
use axum::routing::get;
use rehearsal_fakes::FakeFlynn;
use rehearsal_fakes::flynn::{Options, State};

use crate::harness::{context, outcome, serve, sources_in};

/// A fake whose key is the secret that all tests have.
fn start(change: impl FnOnce(&mut Options)) -> FakeFlynn {
    let mut options = Options { key: "hush-hush".into(), token: Some("bearer-token".into()), ..Options::default() };
    change(&mut options);
    FakeFlynn::start_with(options).unwrap()
}

fn table(flynn: &FakeFlynn, role: &str, more: &str) -> String {
    let (url, pin) = (flynn.url(), flynn.pin());
    let known = format!("url = \"{url}\"\npin = \"{pin}\"\nkey = {{ secret = \"key\" }}\napp = \"shop\"");
    format!("[autoscaler.{role}]\nobserve = \"flynn\"\n{known}\n{more}")
}

async fn supply(flynn: &FakeFlynn, more: &str) -> String {
    outcome(&table(flynn, "supply", more)).await
}

/// The activities without their times and words.
async fn steps(flynn: &FakeFlynn, more: &str) -> Vec<String> {
    let told = outcome(&table(flynn, "activities", more)).await;
    let step = |told: &str| told.split(' ').skip(1).take(3).collect::<Vec<_>>().join(" ");
    told.split("; ").filter(|told| !told.is_empty()).map(step).collect()
}

/// Moves the jobs to states, from the oldest on.
fn move_jobs(flynn: &FakeFlynn, states: &[State]) {
    for (job, state) in flynn.jobs().iter().zip(states) {
        assert!(flynn.set_job(&job.uuid, *state));
    }
}

#[tokio::test]
async fn jobs_are_counted_by_their_states() {
    let flynn = start(|_| {});
    flynn.scale("web", 3);
    flynn.scale("worker", 9);
    assert_eq!(supply(&flynn, "").await, "desired 3 running 0 ready 0 draining 0", "pending is nowhere yet");
    move_jobs(&flynn, &[State::Up, State::Starting, State::Pending]);
    assert_eq!(supply(&flynn, "").await, "desired 3 running 2 ready 1 draining 0");
    flynn.scale("web", 1);
    assert_eq!(supply(&flynn, "").await, "desired 1 running 2 ready 1 draining 1");
    assert_eq!(supply(&flynn, "process = \"worker\"").await, "desired 9 running 0 ready 0 draining 0");
    move_jobs(&flynn, &[State::Up, State::Down]);
    assert_eq!(supply(&flynn, "").await, "desired 1 running 1 ready 1 draining 0");
    flynn.scale("web", 0);
    move_jobs(&flynn, &[State::Down]);
    assert_eq!(supply(&flynn, "").await, "desired 0 running 0 ready 0 draining 0");
}

/// While a release replaces another, both have a formation and jobs.
#[tokio::test]
async fn releases_are_added_up() {
    let flynn = start(|_| {});
    flynn.scale("web", 2);
    let next = flynn.add_release();
    flynn.scale_release(&next, "web", 3);
    flynn.scale_release(&next, "clock", 1);
    move_jobs(&flynn, &[State::Stopping, State::Up, State::Up, State::Starting, State::Up, State::Up]);
    assert_eq!(supply(&flynn, "").await, "desired 5 running 5 ready 3 draining 1");
    assert_eq!(steps(&flynn, "").await, ["+2 to ?", "+3 to ?"], "nobody says how many there are in all");
}

/// A cluster from before scale requests and the list of active jobs.
#[tokio::test]
async fn old_clusters_are_read_too() {
    let flynn = start(|options| options.is_old = true);
    flynn.scale("web", 1);
    flynn.scale("web", 3);
    move_jobs(&flynn, &[State::Up, State::Up, State::Up]);
    flynn.scale("web", 2);
    assert_eq!(supply(&flynn, "jobs = \"app\"").await, "desired 2 running 3 ready 2 draining 1");
    assert_eq!(supply(&flynn, "").await, "status: status 404: ``", "it has no list of active jobs");
    assert_eq!(steps(&flynn, "").await, ["? to 1", "+2 to 3", "-1 to 2"], "the first has nothing before it");
}

#[tokio::test]
async fn discoverd_says_who_takes_part() {
    let flynn = start(|_| {});
    let discoverd = format!("discoverd = \"{}\"", flynn.discoverd());
    let read = async |more: &str| supply(&flynn, &format!("{discoverd}\n{more}")).await;
    flynn.scale("web", 2);
    assert_eq!(read("").await, "desired 2 running 0 ready 0 draining 0", "nobody is up, so nobody is known");
    move_jobs(&flynn, &[State::Up, State::Up]);
    assert_eq!(read("").await, "desired 2 running 2 ready 2 draining 0");
    assert!(flynn.withdraw(&flynn.jobs()[0].uuid));
    assert_eq!(read("").await, "desired 2 running 2 ready 1 draining 0");
    assert_eq!(supply(&flynn, "").await, "desired 2 running 2 ready 2 draining 0", "the controller has not noticed");
    assert_eq!(read("service = \"sohp\"").await, "desired 2 running 2 draining 0", "unknown is not zero");
    flynn.discover(false);
    let down = "status: discoverd: status 503: `{\"code\":\"service_unavailable\",\
                \"message\":\"discoverd: shutting down\",\"retry\":true}`";
    assert_eq!(read("").await, down);
}

#[tokio::test]
async fn only_the_pinned_certificate_is_trusted() {
    let flynn = start(|_| {});
    flynn.scale("web", 1);
    let all = table(&flynn, "supply", "");
    let fine = "desired 1 running 0 ready 0 draining 0";
    assert_eq!(outcome(&all).await, fine);
    let other = start(|_| {});
    let wrong = outcome(&all.replace(flynn.pin(), other.pin())).await;
    assert!(wrong.starts_with("connection: "), "{wrong}");
    assert!(wrong.ends_with("the server's certificate is not the pinned one"), "{wrong}");
    let pin = format!("pin = \"{}\"\n", flynn.pin());
    let unknown = outcome(&all.replace(&pin, "")).await;
    assert!(unknown.starts_with("connection: ") && unknown.contains("certificate"), "{unknown}");
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("flynn.pem");
    std::fs::write(&path, flynn.certificate()).unwrap();
    assert_eq!(outcome(&all.replace(&pin, &format!("ca = \"{}\"\n", path.display()))).await, fine);
}

#[tokio::test]
async fn who_has_neither_key_nor_token_is_refused() {
    let flynn = start(|_| {});
    flynn.scale("web", 1);
    let with = |credentials: &str| table(&flynn, "supply", "").replace("key = { secret = \"key\" }", credentials);
    assert_eq!(outcome(&with("token = \"bearer-token\"")).await, "desired 1 running 0 ready 0 draining 0");
    for wrong in ["key = \"wrong\"", "token = \"wrong\"", "token = \"hush-hush\""] {
        assert_eq!(outcome(&with(wrong)).await, "denied: status 401: ``", "{wrong}");
    }
}

/// A decision is two events when it is made, and one more when it is carried out or another takes its place.
#[tokio::test]
async fn each_decision_is_told_once() {
    let flynn = start(|_| {});
    assert_eq!(steps(&flynn, "").await, [""; 0]);
    flynn.scale("web", 1);
    move_jobs(&flynn, &[State::Up]);
    flynn.scale("web", 3);
    flynn.scale("worker", 5);
    flynn.scale("web", 3);
    flynn.scale("web", 2);
    assert_eq!(steps(&flynn, "").await, ["+1 to 1", "+2 to 3", "-1 to 2"]);
    assert_eq!(steps(&flynn, "process = \"worker\"").await, ["+5 to 5"]);
    let told = outcome(&table(&flynn, "activities", "")).await;
    assert!(told.ends_with(&format!("release {}", flynn.release())), "{told}");
}

#[tokio::test]
async fn what_is_not_there_is_not_zero() {
    let flynn = start(|_| {});
    let unknown = "format: there is no app `sohp`";
    for role in ["supply", "activities"] {
        assert_eq!(outcome(&table(&flynn, role, "").replace("\"shop\"", "\"sohp\"")).await, unknown, "{role}");
    }
    assert_eq!(supply(&flynn, "").await, "missing: nobody has scaled `web`, and it has no jobs");
    flynn.scale("web", 1);
    assert_eq!(supply(&flynn, "process = \"wbe\"").await, "missing: nobody has scaled `wbe`, and it has no jobs");
}

#[tokio::test]
async fn answers_that_make_no_sense_are_errors() {
    let app = |jobs: &'static str, formations: &'static str, events: &'static str| {
        Router::new()
            .route("/apps/shop", get(async || r#"{"id": "1", "name": "shop"}"#))
            .route("/apps/shop/formations", get(move || async move { formations }))
            .route("/active-jobs", get(move || async move { jobs }))
            .route("/events", get(move || async move { events }))
    };
    let check = async |role: &str, routes: Router, expected: &str| {
        let url = serve(routes).await;
        let keys = format!("observe = \"flynn\"\nurl = \"{url}\"\nkey = \"k\"\napp = \"shop\"");
        assert_eq!(outcome(&format!("[autoscaler.{role}]\n{keys}")).await, expected);
    };
    let job = r#"[{"app": "1", "type": "web", "state": "asleep"}, {"app": "2", "type": "web", "state": "odd"}]"#;
    check("supply", app(job, "[]", ""), "format: no state of a job: `\"asleep\"`").await;
    check("supply", app("{}", "[]", ""), "format: the answer is not a list").await;
    let many = r#"[{"processes": {"web": "many"}}]"#;
    check("supply", app("null", many, ""), "format: not a number: `\"many\"`").await;
    check("supply", app("null", r#"[{"processes": {"web": 2}}, {}]"#, ""), "desired 2 running 0 ready 0 draining 0")
        .await;
    check("activities", app("", "", "data: {}"), "format: the answer is not JSON: expected value at line 1 column 1")
        .await;
    let event = r#"[{"object_type": "scale", "data": {"processes": {"web": 2}}}]"#;
    check("activities", app("", "", event), "format: not a time: `null`").await;
}

#[test]
fn mistakes_are_told_at_once() {
    let wrong = "pin = \"abc\"\nca = \"x.pem\"\nkey = \"k\"\ntoken = \"t\"\nservice = \"web\"\njobs = \"al\"";
    let told = sources_in(&context(), &format!("[autoscaler.supply]\nobserve = \"flynn\"\n{wrong}")).unwrap_err();
    let without_hints: Vec<&str> = told.iter().map(|text| text.split(" (hint").next().unwrap()).collect();
    assert_eq!(
        without_hints,
        [
            "`autoscaler.supply` lacks the key `url`",
            "`autoscaler.supply.pin` is not the digest of a certificate",
            "`autoscaler.supply` has both a `pin` and a `ca`",
            "`autoscaler.supply.ca` cannot be read: I/O error: No such file or directory (os error 2)",
            "`autoscaler.supply` has neither a `key` of the cluster nor a `token`, or has both",
            "`autoscaler.supply` lacks the key `app`",
            "`autoscaler.supply.jobs` is not one of active, app",
            "`autoscaler.supply` has a `service`, but no `discoverd` to ask for it",
        ]
    );
}
