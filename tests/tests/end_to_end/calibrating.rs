//! `coordinator calibrate`: it finds what the demo's instances are known to carry, and a limit that they share, and
//! lets the system go however it ends.

use std::convert::Infallible;
use std::future::pending;
use std::path::Path;
use std::time::Duration;

use rehearsal_demo::{Behaviour, Demo, Options, Scaling};
use rehearsal_tests::{Said, Saying, until};
use reqwest::Client;
use serde_json::{Value, json};
use tempfile::TempDir;

/// Users whom an instance of the demo serves at full speed.
const CAPACITY: u32 = 20;
/// Many times what a calibration here needs, on a machine that is busy with others.
const BOUND: Duration = Duration::from_secs(300);

/// Users who ask four times a second. With a tenth more than an instance carries a request waits 400 ms, with a quarter
/// more a second.
const SCENARIO: &str = r#"
fn plan() {
    #{
        load: arrive(160).over("10s").stay("1m"),
        thresholds: [ "http.response{name:heartbeat} p(90) < 400ms", "http.failed rate < 1%", "autoscaler.jitter < 1" ],
        autoscaler: autoscaler().capacity(1),
    }
}
fn user() {
    http::post("/auth/guest");
    every("250ms", || http::get("/api/heartbeat", #{ name: "heartbeat" }));
}
"#;

/// Asks for instances, and waits until they are there; the other end is [`System::obey`].
const PIN: &str =
    r#"echo {instances} >> pins; until [ "$(cat pinned 2>/dev/null)" = {instances} ]; do sleep 0.05; done"#;
const UNPIN: &str = "echo free >> pins";

/// The demo, which somebody else scales, and the folder from which it is calibrated.
struct System {
    demo: Demo,
    folder: TempDir,
}

impl System {
    fn start(scaling: Scaling) -> Self {
        let quick = Duration::from_millis(50);
        let scaling = Scaling { capacity_per_instance: CAPACITY, boot: quick, drain: quick, ..scaling };
        let demo = Demo::start(Options { autoscaler: Some(scaling), ..Options::default() }).unwrap();
        let target = format!("http://{}", demo.address());
        Self { demo, folder: folder(SCENARIO, &target) }
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    /// What the hooks were asked for.
    fn pins(&self) -> Vec<String> {
        lines(&self.path().join("pins"))
    }

    /// Pins the demo as the hook asks for it, for ever.
    async fn obey(&self) -> Infallible {
        let (client, url) = (Client::new(), format!("http://{}/admin/autoscaler/pin", self.demo.address()));
        let mut done = 0;
        loop {
            until("a hook is called", BOUND, || self.pins().len() > done).await;
            let Ok(wanted) = self.pins()[done].parse::<u32>() else { return pending().await }; // it was let go
            let pinned = client.post(&url).body(json!({ "instances": wanted }).to_string()).send().await.unwrap();
            assert_eq!(pinned.status(), 200);
            std::fs::write(self.path().join("pinned"), wanted.to_string()).unwrap();
            done += 1;
        }
    }

    /// Calibrates while hooks are obeyed.
    async fn calibrate(&self, more: &[&str]) -> Said {
        let usual =
            ["--hold", "2s", "--ramp", "500ms", "--from", "20", "--precision", "25%", "--unpin", UNPIN, "--json"];
        let calling = begin(self.path(), &[&["--pin", PIN], &usual[..], more].concat());
        tokio::select! {
            said = calling.end_within(BOUND) => said,
            never = self.obey() => match never {},
        }
    }
}

/// A folder with a scenario and its environment.
fn folder(scenario: &str, target: &str) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("evening.rhai"), scenario).unwrap();
    std::fs::create_dir(folder.path().join("environments")).unwrap();
    let environment = format!("target = \"{target}\"\n[agents]\ncount = 1\n");
    std::fs::write(folder.path().join("environments/dev.toml"), environment).unwrap();
    folder
}

fn lines(file: &Path) -> Vec<String> {
    std::fs::read_to_string(file).unwrap_or_default().lines().map(str::to_owned).collect()
}

fn begin(folder: &Path, options: &[&str]) -> Saying {
    Said::begin(folder, &[&["calibrate", "evening.rhai", "--dashboard", "off"], options].concat())
}

#[track_caller]
fn found(said: &Said) -> Value {
    said.assert_done();
    serde_json::from_str(&said.stdout).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_an_instance_carries_is_found() {
    let system = System::start(Scaling { behaviour: Behaviour::Frozen, ..Scaling::default() });
    let said = system.calibrate(&["--up-to", "2"]).await;
    let found = found(&said);
    let context = || format!("{found:#}\n{}", said.stderr);
    for (level, instances) in found["levels"].as_array().unwrap().iter().zip(1..) {
        let truth = f64::from(CAPACITY * instances);
        let (held, failed) = (level["held"].as_f64().unwrap(), level["failed"].as_f64().unwrap());
        assert!(held <= truth && truth < failed, "{truth}: {}", context());
        assert!(failed - held <= 0.25 * failed, "{}", context());
    }
    assert_eq!(found["levels"].as_array().unwrap().len(), 2);
    assert_eq!(found["end"]["reason"], "up_to", "{}", context());
    assert_eq!(found["plan"], "autoscaler().capacity(20)", "{}", context());
    let runs = found["runs"].as_array().unwrap();
    assert_eq!(found["trials"], runs.len());
    for run in runs {
        let summary = system.path().join("runs").join(run["run"].as_str().unwrap()).join("summary.json");
        let summary: Value = serde_json::from_str(&std::fs::read_to_string(summary).unwrap()).unwrap();
        let verdict = if run["outcome"] == "held" { "pass" } else { "fail" };
        assert_eq!(
            (&summary["verdict"], &summary["users"]["planned"]),
            (&json!(verdict), &json!(run["load"].as_f64().unwrap() as u64)),
            "a trial is a run like others"
        );
    }
    assert_eq!(system.pins(), ["1", "2", "free"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_limit_that_instances_share_is_a_ceiling() {
    let scaling = Scaling { behaviour: Behaviour::Frozen, shared_capacity: Some(CAPACITY), ..Scaling::default() };
    let system = System::start(scaling);
    let said = system.calibrate(&["--up-to", "3", "--gain", "25%"]).await;
    let found = found(&said);
    let context = || format!("{found:#}\n{}", said.stderr);
    assert_eq!(found["end"]["reason"], "ceiling", "{}", context());
    let ceiling = &found["ceiling"];
    let (held, failed) = (ceiling["held"].as_f64().unwrap(), ceiling["failed"].as_f64().unwrap());
    assert!(held <= f64::from(CAPACITY) && f64::from(CAPACITY) < failed, "{}", context());
    assert_eq!(
        (&ceiling["instances"], &found["plan"]),
        (&json!(1), &json!("autoscaler().capacity(20).at_most(1)")),
        "{}",
        context()
    );
    assert_eq!(system.pins(), ["1", "2", "free"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_system_that_carries_nothing_is_99() {
    let system = System::start(Scaling::default());
    let impossible = SCENARIO.replace("< 400ms", "< 1us");
    std::fs::write(system.path().join("evening.rhai"), impossible).unwrap();
    let calling =
        begin(system.path(), &["--pin", "true {instances}", "--hold", "2s", "--ramp", "500ms", "--from", "1"]);
    let said = calling.end_within(BOUND).await;
    assert_eq!(said.code, Some(99), "{}\n{}", said.stdout, said.stderr);
    assert!(said.stdout.contains("one instance fails even with the smallest load: `http.response"), "{}", said.stdout);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_system_is_let_go_when_a_hook_fails() {
    let folder = folder(SCENARIO, "http://127.0.0.1:1");
    let calling = begin(folder.path(), &["--pin", "echo no quota for {instances}; exit 7", "--unpin", UNPIN]);
    let said = calling.end_within(BOUND).await;
    assert_eq!(said.code, Some(1), "{}\n{}", said.stdout, said.stderr);
    assert!(
        said.stderr
            .contains("pinning 1 instance: `echo no quota for 1; exit 7` failed with exit status: 7: no quota for 1"),
        "{}",
        said.stderr
    );
    assert_eq!(lines(&folder.path().join("pins")), ["free"]);
    assert!(!folder.path().join("runs").exists(), "no trial was made");
}

/// The first Ctrl-C falls into the hook, the second into a trial.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_system_is_let_go_when_the_operator_has_had_enough() {
    let system = System::start(Scaling::default());
    let pins = system.path().join("pins");
    for (pin, asked) in [("echo {instances} >> pins; sleep 600", "1"), ("echo {instances} >> pins", "1")] {
        let _ = std::fs::remove_file(&pins);
        let calling = begin(system.path(), &["--pin", pin, "--unpin", UNPIN, "--hold", "10m"]);
        let is_there =
            || lines(&pins) == [asked] && (pin.contains("sleep") || system.demo.counters().requests.len() > 1);
        until("the hook is called, and users come", BOUND, is_there).await;
        calling.interrupt();
        let said = calling.end_within(BOUND).await;
        assert_eq!(said.code, Some(105), "{}\n{}", said.stdout, said.stderr);
        assert!(said.stdout.contains("stopped by the operator"), "{}", said.stdout);
        assert_eq!(lines(&pins), ["1", "free"]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everything_that_stands_in_the_way_is_told_at_once() {
    let folder =
        folder(r#"fn plan() { #{ load: users([ramp_to(5, "1s"), hold("1m")]) } } fn user() { sleep(1); }"#, "demo");
    let said = begin(folder.path(), &["--pin", "true {instances}"]).end_within(BOUND).await;
    assert_eq!(said.code, Some(2), "{}", said.stderr);
    for told in ["error: the target is the demo in this process", "error: the plan has no threshold that says"] {
        assert!(said.stderr.contains(told), "{}", said.stderr);
    }
    let said = begin(folder.path(), &["--pin", "true"]).end_within(BOUND).await;
    assert_eq!(said.code, Some(2));
    assert!(said.stderr.contains("it does not say {instances}"), "{}", said.stderr);
    assert!(!folder.path().join("runs").exists());
}
