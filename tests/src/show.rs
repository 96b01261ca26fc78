//! The show that comes with the project, as scenario and as environment.

use std::fmt::Write;
use std::fs;
use std::net::SocketAddr;

use crate::program::workspace;

/// How long viewers think before they vote, as the scenario has it, and as a quick test has it.
const THINKING: (&str, &str) = (r#"between("5s", "15s")"#, r#"between("100ms", "500ms")"#);

/// Returns the text of the scenario that people run.
pub fn shipped_show() -> String {
    let path = workspace().join("scenarios/broadcast_vote.rhai");
    match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) => panic!("reading {}: {error}", path.display()),
    }
}

/// Returns the same with viewers who vote within half a second.
pub fn quick_show() -> String {
    let text = shipped_show();
    assert!(text.contains(THINKING.0), "the show has another pause now");
    text.replace(THINKING.0, THINKING.1)
}

/// The environment of a show. Times are in seconds.
#[derive(Clone, Debug)]
pub struct Show {
    pub target: SocketAddr,
    pub users: u64,
    pub arrive_over: u64,
    /// From the last arrival to the host's question.
    pub vote_after: u64,
    /// From the last arrival to the end.
    pub stay: u64,
    pub heartbeat: u64,
    /// One number for each agent.
    pub weights: Vec<u32>,
    /// Keys of `[http]`, one a line.
    pub http: &'static str,
}

impl Show {
    /// Returns a show of a few seconds with two equal agents.
    pub fn short(target: SocketAddr, users: u64) -> Self {
        Self { target, users, arrive_over: 3, vote_after: 1, stay: 4, heartbeat: 1, weights: vec![1, 1], http: "" }
    }

    /// Writes it as an environment file.
    pub fn toml(&self) -> String {
        let mut toml = format!("target = \"http://{}\"\nusers = {}\n", self.target, self.users);
        let times = [
            ("arrive_over", self.arrive_over),
            ("vote_after", self.vote_after),
            ("stay", self.stay),
            ("heartbeat", self.heartbeat),
        ];
        for (key, seconds) in times {
            writeln!(toml, "{key} = \"{seconds}s\"").expect("writing to a text cannot fail");
        }
        let (count, weights) = (self.weights.len(), &self.weights);
        toml + &format!("[agents]\nlaunch = \"local\"\ncount = {count}\nweights = {weights:?}\n[http]\n{}\n", self.http)
    }
}
