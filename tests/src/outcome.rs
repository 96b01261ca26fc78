//! What one call of the coordinator left behind, with the questions that tests ask of a summary.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

use crate::command::Said;
use crate::rehearsal::{STDERR, STDOUT, run_folder};

/// The states of users that add up to the planned ones (contracts: users).
const USER_STATES: [&str; 7] = ["waiting", "live", "finished", "failed", "dropped", "cancelled", "lost"];

/// The end of one call of the coordinator.
#[derive(Debug)]
pub struct Outcome {
    /// None when a signal ended it.
    pub exit_code: Option<i32>,
    /// `summary.json`; null when there is none.
    pub summary: Value,
    pub stdout: String,
    pub stderr: String,
    /// The run's folder, if the run got that far.
    pub run_folder: Option<PathBuf>,
    /// From the start of the process to its end.
    pub took: Duration,
    /// Kept until nobody looks at the run any more.
    folder: TempDir,
}

impl Outcome {
    /// Reads everything. Panics when a process of the run has panicked.
    pub(crate) fn read(folder: TempDir, exit_code: Option<i32>, took: Duration) -> Self {
        let text = |name| fs::read_to_string(folder.path().join(name)).unwrap_or_default();
        let run_folder = run_folder(folder.path());
        let summary = run_folder.as_ref().and_then(|run| read_summary(run));
        let outcome = Self {
            exit_code,
            summary: summary.unwrap_or_default(),
            stdout: text(STDOUT),
            stderr: text(STDERR),
            run_folder,
            took,
            folder,
        };
        outcome.assert_no_panic();
        outcome
    }

    /// Calls the coordinator once more in the same folder, now that the run is over.
    pub async fn command(&self, words: &[&str]) -> Said {
        Said::of(self.folder.path(), words).await
    }

    /// Asserts how the coordinator ended; `why` says what the code stands for here.
    #[track_caller]
    pub fn assert_exit(&self, code: i32, why: &str) {
        assert_eq!(self.exit_code, Some(code), "{why}\n{}", self.context());
    }

    /// Asserts that every planned user is in exactly one state and none is left over, and returns
    /// how many were planned.
    #[track_caller]
    pub fn assert_users_add_up(&self) -> u64 {
        let sum: u64 = USER_STATES.iter().map(|state| self.users(state)).sum();
        let users = &self.summary["users"];
        assert_eq!(sum, self.users("planned"), "{users}\n{}", self.context());
        let left = self.users("waiting") + self.users("live");
        assert_eq!(left, 0, "users are left: {users}\n{}", self.context());
        sum
    }

    /// Asserts that in every settled second each planned user was in exactly one state. Not for runs that were scaled.
    pub async fn assert_every_second_balances(&self) {
        let said = self.command(&["report", "last", "--format", "seconds"]).await;
        let mut table = csv::Reader::from_reader(said.assert_done().stdout.as_bytes());
        let columns = table.headers().expect("the table has a heading").clone();
        let column = |name: &str| columns.iter().position(|column| column == name).expect("the table has the column");
        let (settled, states) = (column("settled"), USER_STATES.map(|state| column(&format!("users.{state}"))));
        let mut balanced = 0;
        for row in table.records().map(|row| row.expect("the table has rows")) {
            if row[settled] == *"true" {
                let users = states.map(|state| row[state].parse::<u64>().expect("a settled second knows its users"));
                assert_eq!(users.iter().sum::<u64>(), self.users("planned"), "{row:?}\n{}", self.context());
                balanced += 1;
            }
        }
        assert!(balanced > 0, "no second is settled\n{}", said.stdout);
    }

    /// Returns the stretches of an agent of which nothing is known.
    #[track_caller]
    pub fn unobserved(&self, agent: &str) -> &[Value] {
        let spans = self.entry("agents", "id", agent)["unobserved"].as_array();
        spans.expect("agents have a list of unobserved spans")
    }

    /// Whether a finding about the subject has these words.
    pub fn has_finding(&self, subject: &str, words: &str) -> bool {
        let about = |finding: &&Value| finding["subject"] == subject;
        let text = |finding: &Value| finding["text"].as_str().unwrap_or_default().contains(words);
        self.list("findings").iter().filter(about).any(text)
    }

    /// Returns the number of users in a state.
    #[track_caller]
    pub fn users(&self, state: &str) -> u64 {
        self.number(&self.summary["users"][state], state)
    }

    /// Lists the series of a metric that have all of these tags.
    pub fn series(&self, metric: &str, tags: &[(&str, &str)]) -> Vec<&Value> {
        let has_tags = |series: &Value| tags.iter().all(|(key, value)| series["tags"][key] == *value);
        let all = self.list("metrics").iter();
        all.filter(|series| series["name"] == metric && has_tags(series)).collect()
    }

    /// Adds up the counts of the series of a metric that have all of these tags.
    #[track_caller]
    pub fn count(&self, metric: &str, tags: &[(&str, &str)]) -> u64 {
        let series = self.series(metric, tags).into_iter();
        series.map(|series| self.number(&series["count"], metric)).sum()
    }

    /// Returns how often a kind of error came and what one of them said.
    #[track_caller]
    pub fn error(&self, kind: &str) -> (u64, &str) {
        let error = self.entry("errors", "kind", kind);
        let sample = error["sample"].as_str().unwrap_or_default();
        assert!(!sample.is_empty(), "error {kind} has no sample");
        (self.number(&error["count"], kind), sample)
    }

    /// Returns the first firing of a cue.
    #[track_caller]
    pub fn cue(&self, name: &str) -> &Value {
        self.entry("cues", "name", name)
    }

    /// Returns the outcome of a threshold by its text.
    #[track_caller]
    pub fn threshold(&self, text: &str) -> &str {
        let threshold = self.entry("thresholds", "text", text);
        threshold["outcome"].as_str().unwrap_or_default()
    }

    /// Returns a list of the summary.
    #[track_caller]
    pub fn list(&self, key: &str) -> &[Value] {
        match self.summary[key].as_array() {
            Some(list) => list,
            None => panic!("the summary has no list of {key}\n{}", self.context()),
        }
    }

    /// Returns the entry of a list of the summary whose `key` has this value.
    #[track_caller]
    pub fn entry(&self, list: &str, key: &str, value: &str) -> &Value {
        let found = self.list(list).iter().find(|entry| entry[key] == value);
        match found {
            Some(entry) => entry,
            None => panic!("no {key} {value} in {list}: {:#}\n{}", self.summary[list], self.context()),
        }
    }

    /// Reads a number of the summary.
    #[track_caller]
    pub fn number(&self, value: &Value, what: &str) -> u64 {
        match value.as_u64() {
            Some(number) => number,
            None => panic!("{what} is {value}, not a number\n{}", self.context()),
        }
    }

    /// Leaves the folder where it is, for people to look at, and says where.
    pub fn keep(self) -> PathBuf {
        self.folder.keep()
    }

    /// Says what a failed assertion needs to be understood.
    pub fn context(&self) -> String {
        let part = |key: &str| format!("{key}: {:#}\n", self.summary[key]);
        let parts = ["users", "errors", "thresholds", "findings"].map(part);
        let mut logs = Vec::new();
        collect_logs(self.folder.path(), &mut logs);
        format!(
            "exit {:?} after {:?}\n{}--- stdout\n{}--- stderr\n{}--- agents\n{}",
            self.exit_code,
            self.took,
            parts.concat(),
            self.stdout,
            self.stderr,
            logs.join("--- and\n")
        )
    }

    /// A panic is a fault of ours in every test, whatever was done to the run.
    fn assert_no_panic(&self) {
        let mut logs = vec![self.stderr.clone()];
        collect_logs(self.folder.path(), &mut logs);
        for log in logs {
            assert!(!log.contains("panicked at"), "somebody panicked:\n{log}");
        }
    }
}

fn read_summary(run: &Path) -> Option<Value> {
    let text = fs::read(run.join("summary.json")).ok()?;
    Some(serde_json::from_slice(&text).expect("a summary is JSON"))
}

/// Reads every `*.log` below a folder: agents write one each.
fn collect_logs(folder: &Path, logs: &mut Vec<String>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            collect_logs(&path, logs);
        } else if path.extension().is_some_and(|extension| extension == "log") {
            logs.extend(fs::read_to_string(path));
        }
    }
}
