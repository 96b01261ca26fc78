//! The run as a screen sees it.

use std::time::{Duration, Instant};

use rehearsal_tests::Revivable;
use serde_json::Value;

/// How often a screen looks.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// How long the coordinator may take to answer before it counts as away.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);

/// Asks a coordinator how its run stands.
pub struct Screen {
    client: reqwest::Client,
}

impl Screen {
    pub fn new() -> Self {
        let client = reqwest::Client::builder().timeout(ANSWER_WITHIN).build();
        Self { client: client.expect("making a client") }
    }

    /// The run; none while nobody answers.
    pub async fn look(&self, coordinator: &Revivable) -> Option<Value> {
        let control = coordinator.control()?;
        let (address, token) = (control["address"].as_str()?, control["token"].as_str()?);
        let request = self.client.get(format!("http://{address}/api/runs/last")).bearer_auth(token);
        request.send().await.ok()?.error_for_status().ok()?.json().await.ok()
    }

    /// Looks until something holds, and gives what was seen then.
    ///
    /// # Errors
    /// What was awaited in vain.
    pub async fn until(
        &self,
        coordinator: &mut Revivable,
        what: &str,
        within: Duration,
        holds: impl Fn(&Value) -> bool,
    ) -> Result<Value, String> {
        let begun = Instant::now();
        loop {
            let run = self.look(coordinator).await;
            if let Some(run) = run.filter(|run| holds(run)) {
                return Ok(run);
            }
            if begun.elapsed() > within || coordinator.ended().is_some() {
                return Err(format!("waited {:?} in vain until {what}", begun.elapsed()));
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }
}

/// How old the newest second is that is complete, in seconds: what a screen shows ends with it.
pub fn age_s(run: &Value) -> Option<f64> {
    Some(run["now_s"].as_f64()? - (run["settled_s"].as_f64()? + 1.0))
}

/// How many agents are connected.
pub fn connected(run: &Value) -> usize {
    let agents = run["agents"].as_array().map_or(&[][..], Vec::as_slice);
    agents.iter().filter(|agent| agent["state"] == "connected").count()
}
