//! A fake cloud, a scenario, and the coordinator's program before them.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus};
use std::sync::OnceLock;
use std::thread::sleep;
use std::time::{Duration, Instant};

use rehearsal_fake_ec2::{FakeEc2, World};
use serde_json::Value;
use tempfile::TempDir;

/// Five regions, each with a trouble of its own.
pub const TROUBLES: &str = include_str!("../../../crates/fake-ec2/worlds/five-regions.toml");

/// Two regions without any.
pub const CALM: &str = "[machines]\nboot = 0.2\n[regions.eu-west-1]\n[regions.us-east-1]\n";

/// Guests that come, beat and leave. `user.restored` of those that were lost with an agent.
const SCENARIO: &str = r#"
fn plan() {
    #{
        load: arrive(env.users).over(env.over).stay(env.stay),
        restore: "2s",
        thresholds: ["http.failed rate < 1%"],
    }
}

fn user() {
    http::post("/auth/guest");
    every("1s", || http::get("/api/heartbeat"));
}
"#;

/// How often a condition is looked at.
const LOOK: Duration = Duration::from_millis(50);

/// Everything that a fleet needs.
pub struct Stage {
    pub fake: FakeEc2,
    folder: TempDir,
}

/// One call of the coordinator that has been made.
pub struct Called {
    child: Child,
    stderr: PathBuf,
    stdout: PathBuf,
}

impl Stage {
    /// A cloud as a world describes it, and a scenario of some seconds.
    pub fn of(world: &str, over: &str, stay: &str) -> Stage {
        let fake = FakeEc2::start(World::parse(world).unwrap()).unwrap();
        let folder = TempDir::new().unwrap();
        fs::create_dir(folder.path().join("environments")).unwrap();
        fs::write(folder.path().join("show.rhai"), SCENARIO).unwrap();
        let environment = format!("target = \"demo\"\nusers = 120\nover = \"{over}\"\nstay = \"{stay}\"\n");
        fs::write(folder.path().join("environments/dev.toml"), environment).unwrap();
        Stage { fake, folder }
    }

    /// Calls the coordinator in the scenario's folder, with an account at the fake.
    pub fn call(&self, name: &str, words: &[&str]) -> Called {
        let [stdout, stderr] = ["stdout", "stderr"].map(|kind| self.folder.path().join(format!("{name}.{kind}")));
        let child = Command::new(env!("CARGO_BIN_EXE_coordinator"))
            .args(words)
            .current_dir(self.folder.path())
            .env("AWS_ENDPOINT_URL_EC2", self.fake.url())
            .env("AWS_ACCESS_KEY_ID", "AKIAFAKE")
            .env("AWS_SECRET_ACCESS_KEY", "fake")
            .env("AWS_REGION", "us-east-1")
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .env("AWS_SHARED_CREDENTIALS_FILE", self.folder.path().join("credentials"))
            .env("AWS_CONFIG_FILE", self.folder.path().join("config"))
            .stdout(File::create(&stdout).unwrap())
            .stderr(File::create(&stderr).unwrap())
            .spawn()
            .unwrap();
        Called { child, stderr, stdout }
    }

    /// `coordinator start` with instances that reach it on this machine.
    pub fn start(&self, name: &str, more: &[&str]) -> Called {
        let words =
            ["start", "show.rhai", "--dashboard", "off", "--yes", "--advertise", "127.0.0.1", "--agent", agent()];
        self.call(name, &[&words[..], more].concat())
    }

    /// The summary of the newest run.
    pub fn summary(&self) -> Value {
        let runs = fs::read_dir(self.folder.path().join("runs")).unwrap().map(|run| run.unwrap().path());
        let newest = runs.max().unwrap();
        serde_json::from_str(&fs::read_to_string(newest.join("summary.json")).unwrap()).unwrap()
    }

    /// Where it all is.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Waits for something of the cloud.
    pub fn until(&self, what: &str, within: u64, mut is_so: impl FnMut(&FakeEc2) -> bool) {
        until(what, within, || is_so(&self.fake));
    }
}

impl Called {
    /// Waits for the end.
    pub fn ended(mut self, within: u64) -> (ExitStatus, String) {
        let mut status = None;
        let stderr = self.stderr.clone();
        until(&format!("the end of a call, which says {:?}", stderr), within, || {
            status = self.child.try_wait().unwrap();
            status.is_some()
        });
        (status.unwrap(), self.said())
    }

    /// Kills it with SIGKILL.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Its process.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Whether it has ended by itself.
    pub fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    /// What it has said so far.
    pub fn said(&self) -> String {
        fs::read_to_string(&self.stderr).unwrap() + &fs::read_to_string(&self.stdout).unwrap()
    }
}

impl Drop for Called {
    fn drop(&mut self) {
        let _ = self.child.kill(); // it has ended, unless the test failed
        let _ = self.child.wait();
    }
}

/// Waits for a condition.
pub fn until(what: &str, within: u64, mut is_so: impl FnMut() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < Duration::from_secs(within), "waited {within} s for {what}");
        sleep(LOOK);
    }
}

/// The agent's program: that of the variable, which whoever runs these tests has built for instances, or the one beside the
/// coordinator's, without what only a debugger needs.
pub fn agent() -> &'static str {
    static AGENT: OnceLock<(Option<TempDir>, String)> = OnceLock::new();
    let (_, path) = AGENT.get_or_init(|| {
        if let Ok(built) = std::env::var("REHEARSAL_TEST_AGENT") {
            return (None, built);
        }
        let built = Path::new(env!("CARGO_BIN_EXE_coordinator")).with_file_name("agent");
        assert!(built.is_file(), "build {} first: cargo build -p rehearsal-agent", built.display());
        let folder = TempDir::new().unwrap();
        let stripped = folder.path().join("agent");
        let status = Command::new("strip").arg("-o").arg(&stripped).arg(&built).status();
        if !status.is_ok_and(|status| status.success()) {
            fs::copy(&built, &stripped).unwrap();
        }
        let path = stripped.to_str().unwrap().to_owned();
        (Some(folder), path)
    });
    path
}
