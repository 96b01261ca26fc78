//! A headless Chromium that a test drives as a person would, by way of chromedriver.

use std::io::{BufRead as _, BufReader};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use fantoccini::elements::Element;
use fantoccini::{Client, ClientBuilder, Locator};
use rustix::process::{Pid, Signal, kill_process_group};
use serde_json::{Value, json};

/// Set by those who cannot have a browser; without it a missing one fails the test.
const SKIP: &str = "REHEARSAL_SKIP_BROWSER";
/// How long a page may take to show something on a busy machine.
const PATIENCE: Duration = Duration::from_secs(20);

/// A browser with one page. Call [`Browser::close`] at the end.
#[derive(Debug)]
pub struct Browser {
    pub page: Client,
    driver: Driver,
}

/// chromedriver, ended with the test.
#[derive(Debug)]
struct Driver {
    process: Child,
    port: u16,
}

impl Browser {
    /// Starts a browser, or gives none where there can be none, and says so.
    pub async fn start() -> Option<Self> {
        if std::env::var_os(SKIP).is_some() {
            eprintln!("SKIPPED: chromium with chromium-driver is not to be had here ({SKIP} is set)");
            return None;
        }
        let driver = Driver::start();
        let options = json!({
            "args": ["--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu", "--window-size=1600,1000"],
        });
        let capabilities = json!({ "goog:chromeOptions": options, "goog:loggingPrefs": { "browser": "ALL" } });
        let Value::Object(capabilities) = capabilities else { unreachable!("it was written as an object") };
        let address = format!("http://127.0.0.1:{}", driver.port);
        let page = ClientBuilder::new(hyper_util::client::legacy::connect::HttpConnector::new())
            .capabilities(capabilities)
            .connect(&address)
            .await
            .expect("opening a browser");
        Some(Self { page, driver })
    }

    /// Goes to an address.
    pub async fn open(&self, address: &str) {
        self.page.goto(address).await.expect("opening a page");
    }

    /// Waits for an element by its `data-testid`.
    pub async fn find(&self, id: &str) -> Element {
        self.find_css(&format!("[data-testid=\"{id}\"]")).await
    }

    /// Waits for an element by a CSS selector.
    pub async fn find_css(&self, css: &str) -> Element {
        let found = self.page.wait().at_most(PATIENCE).for_element(Locator::Css(css)).await;
        match found {
            Ok(element) => element,
            Err(error) => panic!("waiting for {css}: {error}\n{}", self.text().await),
        }
    }

    /// Clicks an element by its `data-testid`.
    pub async fn click(&self, id: &str) {
        self.find(id).await.click().await.unwrap_or_else(|error| panic!("clicking {id}: {error}"));
    }

    /// Waits until the text of an element says so.
    pub async fn wait_for(&self, id: &str, bound: Duration, holds: impl Fn(&str) -> bool) -> String {
        let mut last = String::new();
        let waiting = async {
            loop {
                last = self.find(id).await.text().await.unwrap_or_default();
                if holds(&last) {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        let waited = tokio::time::timeout(bound, waiting).await;
        assert!(waited.is_ok(), "waited {bound:?} for {id}, which says {last:?}");
        last
    }

    /// Whether an element is there now.
    pub async fn has(&self, id: &str) -> bool {
        self.page.find(Locator::Css(&format!("[data-testid=\"{id}\"]"))).await.is_ok()
    }

    /// Runs a script and gives its value.
    pub async fn run(&self, script: &str) -> Value {
        self.page.execute(script, Vec::new()).await.expect("running a script in the page")
    }

    /// What axe-core finds serious or critical on the page, one line each.
    pub async fn accessibility(&self, axe: &str) -> Vec<String> {
        self.run(axe).await;
        let script =
            "const done = arguments[arguments.length - 1]; axe.run(document).then(found => done(found.violations));";
        let found = self.page.execute_async(script, Vec::new()).await.expect("running axe");
        let found = found.as_array().cloned().unwrap_or_default();
        let serious =
            found.iter().filter(|one| ["serious", "critical"].contains(&one["impact"].as_str().unwrap_or("")));
        serious.map(|one| format!("{}: {} ({})", one["id"], one["help"], one["nodes"][0]["html"])).collect()
    }

    /// All text of the page.
    pub async fn text(&self) -> String {
        let body = self.page.find(Locator::Css("body")).await;
        match body {
            Ok(body) => body.text().await.unwrap_or_default(),
            Err(error) => error.to_string(),
        }
    }

    /// Ends the browser.
    pub async fn close(self) {
        let _ = self.page.close().await; // the driver ends it in any case
        drop(self.driver);
    }
}

impl Driver {
    fn start() -> Self {
        let mut process = Command::new("chromedriver")
            .arg("--port=0")
            // A group of their own: a test that fails leaves no browser behind.
            .process_group(0)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| panic!("starting chromedriver ({error}): `cargo xtask ci` installs it"));
        let stdout = process.stdout.take().expect("its output is a pipe");
        let port = BufReader::new(stdout).lines().map_while(Result::ok).find_map(|line| port_in(&line));
        Self { process, port: port.expect("chromedriver says its port") }
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        // They may have ended.
        if let Some(group) = i32::try_from(self.process.id()).ok().and_then(Pid::from_raw) {
            let _ = kill_process_group(group, Signal::KILL);
        }
        let _ = self.process.wait();
    }
}

/// `ChromeDriver was started successfully on port 41234.` An earlier line names the port that was asked for.
fn port_in(line: &str) -> Option<u16> {
    line.split("successfully on port ").nth(1)?.trim_end_matches('.').trim().parse().ok()
}
