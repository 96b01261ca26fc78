//! The dashboard in a real browser: what a person clicks, what the screen says, and what the demo receives.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use rehearsal_demo::{Demo, Options};
use rehearsal_tests::{Browser, Rehearsal, Running, Served, until, workspace};

const PATIENCE: Duration = Duration::from_secs(30);
/// From a click to its effect at the system under test (the issue's own bound).
const PROMPT: Duration = Duration::from_secs(1);

/// Viewers who come for a minute, fifty a second, and hear the host whenever he asks.
const SCENARIO: &str = r#"
fn plan() {
    #{
        load: arrive(3000).over("60s").stay("60s"),
        cues: [ cue("ask").hears("question", "/id") ],
        thresholds: [ "http.failed rate < 1%", "cue.reach{cue:ask} rate > 99%" ],
    }
}
fn user() {
    http::post("/auth/guest");
    let socket = websocket("/socket");
    socket.on("question", |socket, question| { count("heard", 1); });
    every("1s", || http::get("/api/heartbeat"));
}
fn ask() { http::post(env.admin + "/broadcast", #{ json: #{ event: "question", data: #{ id: cue.id } } }); }
"#;

fn environment(demo: &Demo) -> String {
    format!("target = \"http://{}\"\n[agents]\ncount = 2\n", demo.address())
}

fn guests(demo: &Demo) -> u64 {
    demo.counters().requests.get("POST /auth/guest").map_or(0, |by_status| by_status.values().sum())
}

fn requests(demo: &Demo) -> u64 {
    demo.counters().requests.values().flat_map(|by_status| by_status.values()).sum()
}

async fn address_of(running: &Running) -> String {
    let control = running.control().await;
    format!("http://{}/#token={}", control["address"].as_str().unwrap(), control["token"].as_str().unwrap())
}

/// What stands between thousands on the screen.
const THIN_SPACE: char = '\u{2009}';

/// The number at the beginning of a text such as `1 234 live`.
fn number(text: &str) -> u64 {
    let digits = text.chars().take_while(|c| c.is_ascii_digit() || *c == THIN_SPACE);
    digits.filter(char::is_ascii_digit).collect::<String>().parse().unwrap_or(0)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_whole_evening_is_steered_from_the_browser() {
    let Some(browser) = Browser::start().await else { return };
    let demo = Demo::start(Options::default()).unwrap();
    let running = Rehearsal::of(SCENARIO).environment(&environment(&demo)).bound(Duration::from_secs(150)).spawn();
    browser.open(&address_of(&running).await).await;
    browser.wait_for("live-users", PATIENCE, |text| number(text) >= 50).await;
    assert!(!browser.page.current_url().await.unwrap().as_str().contains("token"), "the token leaves the address bar");

    // Pause: a second after the click nobody comes any more, and the screen says who applied it.
    browser.click("pause").await;
    tokio::time::sleep(PROMPT).await;
    let paused = guests(&demo);
    browser.wait_for("answer", PATIENCE, |text| text.contains("2 of 2 agents")).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(guests(&demo), paused, "nobody comes during a pause");
    browser.wait_for("live-users", Duration::from_secs(4), |text| number(text) == paused).await;

    // The host's button: twice, so that a slip does not fire it.
    let there = demo.counters().sockets_opened.websocket;
    browser.click("cue-ask").await;
    tokio::time::sleep(Duration::from_millis(600)).await; // a double click is an accident and does not fire
    let pressed = Instant::now();
    browser.click("cue-ask").await;
    let heard = || demo.counters().delivered.get("question").copied().unwrap_or(0);
    until("everybody has heard the question", PATIENCE, || heard() >= there).await;
    assert!(pressed.elapsed() <= PROMPT, "the last heard it {:?} after the click", pressed.elapsed());
    browser.wait_for("reach-1", PATIENCE, |text| text.contains("100")).await;

    // Resume, then twice as many.
    browser.click("resume").await;
    tokio::time::sleep(PROMPT).await;
    assert!(guests(&demo) > paused, "people come again within a second");
    let field = browser.find("scale-factor").await;
    field.clear().await.unwrap();
    field.send_keys("2").await.unwrap();
    browser.click("scale-apply").await;
    tokio::time::sleep(PROMPT).await;
    let before = guests(&demo);
    tokio::time::sleep(Duration::from_secs(2)).await;
    let came = guests(&demo) - before;
    assert!((140..=260).contains(&came), "{came} came in 2 s, 200 were planned");

    // Stop: asked whether it is meant; a second later the demo hears nothing new.
    browser.click("stop").await;
    browser.click("stop-confirm").await;
    tokio::time::sleep(PROMPT).await;
    let (quiet, sockets) = (requests(&demo), demo.counters().sockets_opened);
    let outcome = running.end().await;
    assert_eq!((requests(&demo), demo.counters().sockets_opened), (quiet, sockets), "nothing comes after the stop");
    outcome.assert_exit(105, "stopped by the operator");
    outcome.assert_users_add_up();
    // What was last seen stays on the screen, with the verdict.
    browser.wait_for("state", PATIENCE, |text| text.to_lowercase().contains("judged")).await;
    let verdict = browser.find("verdict").await.text().await.unwrap().to_lowercase();
    assert!(verdict.contains(outcome.summary["verdict"].as_str().unwrap()), "{verdict}");
    browser.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_token_opens_nothing_and_says_where_the_right_one_is() {
    let Some(browser) = Browser::start().await else { return };
    let demo = Demo::start(Options::default()).unwrap();
    let running = Rehearsal::of(SCENARIO).environment(&environment(&demo)).spawn();
    let right = address_of(&running).await;
    let (base, _) = right.split_once("/#").unwrap();
    browser.open(&format!("{base}/#token=wrong")).await;
    browser.find("token-missing").await;
    assert!(browser.text().await.contains("control.json"), "{}", browser.text().await);
    assert!(!browser.has("stop").await);
    let token = right.split("token=").nth(1).unwrap();
    browser.find("token-input").await.send_keys(token).await.unwrap();
    browser.click("token-submit").await;
    browser.wait_for("live-users", PATIENCE, |text| number(text) > 0).await;
    browser.close().await;
    running.interrupt();
    running.end().await.assert_exit(105, "stopped by the operator");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn serve_starts_runs_and_its_page_comes_back_after_a_restart() {
    let Some(browser) = Browser::start().await else { return };
    let demo = Demo::start(Options::default()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("evening.rhai"), SCENARIO).unwrap();
    std::fs::create_dir(folder.path().join("environments")).unwrap();
    std::fs::write(folder.path().join("environments/dev.toml"), environment(&demo)).unwrap();
    let mut served = Served::start(folder.path(), "127.0.0.1:0").await;
    let listen = served.base().trim_start_matches("http://").to_owned();

    browser.open(&served.address).await;
    browser.wait_for("forecast-users", PATIENCE, |text| number(text) == 3000).await;
    browser.click("start").await;
    browser.wait_for("live-users", PATIENCE, |text| number(text) >= 20).await;

    served.kill().await;
    browser.wait_for("stale", PATIENCE, |text| !text.is_empty()).await;
    let frozen = number(&browser.wait_for("live-users", PATIENCE, |text| number(text) > 0).await);
    let served = Served::start(folder.path(), &listen).await;
    // The run goes on without its first coordinator, and the page has found its way back to it.
    browser.wait_for("live-users", PATIENCE, |text| number(text) >= frozen + 100).await;
    browser.close().await;
    assert_eq!(served.stop().await, Some(0));
}

/// Nothing serious for those who use a keyboard or a screen reader, in both themes; pictures for those who look.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dashboard_and_report_are_accessible_in_both_themes() {
    let Some(browser) = Browser::start().await else { return };
    let axe = std::fs::read_to_string(workspace().join("coordinator/web/node_modules/axe-core/axe.min.js"));
    let axe = axe.expect("reading axe-core, which `npm ci` installs");
    let demo = Demo::start(Options::default()).unwrap();
    let running = Rehearsal::of(SCENARIO).environment(&environment(&demo)).spawn();
    browser.open(&address_of(&running).await).await;
    browser.wait_for("live-users", PATIENCE, |text| number(text) >= 300).await;
    assert!(running.command(&["cue", "ask"]).await.code == Some(0));
    browser.find("reach-1").await;
    look_in_both_themes(&browser, &axe, "dashboard").await;
    running.interrupt();
    let outcome = running.end().await;
    let report = outcome.run_folder.clone().unwrap().join("report.html");
    browser.open(&format!("file://{}", report.display())).await;
    browser.find("verdict").await;
    look_in_both_themes(&browser, &axe, "report").await;
    browser.close().await;
}

pub async fn look_in_both_themes(browser: &Browser, axe: &str, name: &str) {
    let pictures = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("pictures");
    std::fs::create_dir_all(&pictures).unwrap();
    for theme in ["light", "dark"] {
        // Its button goes round: as the system has it, dark, light.
        while browser.run("return document.documentElement.dataset.theme").await != theme {
            browser.click("theme").await;
        }
        tokio::time::sleep(Duration::from_millis(300)).await; // the charts take the new colours
        let serious = browser.accessibility(axe).await;
        assert!(serious.is_empty(), "{name} in {theme}:\n{}", serious.join("\n"));
        let picture = browser.page.screenshot().await.unwrap();
        std::fs::write(pictures.join(format!("{name}-{theme}.png")), picture).unwrap();
    }
}
