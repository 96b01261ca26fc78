//! The picture of an autoscaler in a real browser: what the report's page draws of an assessment, and says in words.

use std::path::{Path, PathBuf};

use rehearsal_demo::{Demo, Options};
use rehearsal_tests::{Browser, Rehearsal, Show, quick_show, workspace};
use rehearsal_verdict::elasticity::assess;
use rehearsal_verdict::elasticity::imaginary::{Character, Setting, expected, observe};
use serde_json::{Value, json};

const BEGIN: &str = "<script type=\"application/json\" id=\"rehearsal-data\">";
/// As long as the imaginary run.
const SECONDS: i64 = 960;

/// The page of a real run, in whose data an imaginary scaler was judged, and which lasted as long as that.
fn page_with(page: &str, folder: &Path, character: Character) -> PathBuf {
    let (before, rest) = page.split_once(BEGIN).unwrap();
    let (data, after) = rest.split_once("</script>").unwrap();
    let mut data: Value = serde_json::from_str(data).unwrap();
    let seen = observe(Setting { character, at_most: 40.0, poll_s: 2, seed: 1 });
    data["report"]["autoscaler"] = serde_json::to_value(assess(&expected(40), &seen)).unwrap();
    let second = data["seconds"][0].clone();
    let seconds = (0..SECONDS).map(|s| {
        let mut second = second.clone();
        second["s"] = json!(s);
        second
    });
    data["seconds"] = seconds.collect();
    let path = folder.join(format!("{character:?}.html"));
    std::fs::write(&path, format!("{before}{BEGIN}{}</script>{after}", data.to_string().replace('<', "\\u003c")))
        .unwrap();
    path
}

/// How many pixels of the supply chart are painted.
const PAINTED: &str = "const canvas = document.querySelector('#chart-supply canvas'); \
    const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height); \
    let painted = 0; for (let i = 3; i < data.length; i += 4) if (data[i] > 0) painted += 1; return painted;";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_report_shows_how_the_autoscaler_followed() {
    let Some(browser) = Browser::start().await else { return };
    let axe = std::fs::read_to_string(workspace().join("coordinator/web/node_modules/axe-core/axe.min.js"));
    let axe = axe.expect("reading axe-core, which `npm ci` installs");
    let demo = Demo::start(Options::default()).unwrap();
    let outcome = Rehearsal::of(&quick_show()).environment(&Show::short(demo.address(), 20).toml()).run().await;
    let folder = outcome.run_folder.clone().unwrap();
    let page = std::fs::read_to_string(folder.join("report.html")).unwrap();

    browser.open(&format!("file://{}", page_with(&page, &folder, Character::Flapping).display())).await;
    let words = browser.find("scaler-words").await.text().await.unwrap();
    assert!(words.contains("flapping"), "{words}");
    let plot = browser.find_css("#chart-supply .plot").await.attr("aria-label").await.unwrap().unwrap();
    assert!(plot.contains("demand 10") && plot.contains("users"), "for those who see no canvas: {plot}");
    let painted = browser.run(PAINTED).await.as_u64().unwrap();
    assert!(painted > 10_000, "{painted} pixels are painted");
    browser.click("span-flapping").await;
    let told = browser.find("span-told").await.text().await.unwrap();
    assert!(told.starts_with("flapping, ") && told.contains("the scaler turned round"), "{told}");
    let cpu = browser.find("chart-metric-cpu").await.text().await.unwrap();
    assert!(cpu.contains("band 10–30, kept"), "{cpu}");
    let steps = browser.find("scaler-steps").await.text().await.unwrap();
    assert!(steps.contains("up at 1:00") && steps.contains("2 → 6"), "{steps}");
    crate::dashboard::look_in_both_themes(&browser, &axe, "autoscaler").await;
    browser.page.set_window_size(420, 900).await.unwrap();
    let widest = "return Math.max(...[...document.querySelectorAll('.scaler *')].map(e => e.getBoundingClientRect().right)) - innerWidth";
    let over = browser.run(widest).await.as_f64().unwrap();
    assert!(over <= 0.0, "it reaches {over} pixels beyond a phone's screen");

    browser.open(&format!("file://{}", page_with(&page, &folder, Character::Healthy).display())).await;
    let words = browser.find("scaler-words").await.text().await.unwrap();
    assert!(words.contains("nothing is held against it"), "{words}");
    assert!(!browser.has("span-flapping").await);
    browser.close().await;
    demo.stop().await;
}
