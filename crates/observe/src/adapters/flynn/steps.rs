//! From the controller's events to decisions, each once.
//!
//! One decision is several events: a `scale_request` when it is made, another when it is carried out, and a `scale` for
//! clients of old. A cluster from before the spring of 2017 has the last alone. A request may end as cancelled, but
//! that only says that a newer one came, and even one that was carried out long ago is then marked so: its change of
//! what is wanted stood all the same.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, SystemTime};

use serde_json::Value;

use super::list;
use crate::json::{count, instant};
use crate::observation::{Activity, Failure};

/// The types of events that are asked for.
pub const TYPES: [&str; 2] = [REQUEST, SCALE];
const REQUEST: &str = "scale_request";
const SCALE: &str = "scale";
/// Both kinds of events of one decision are written in one transaction; this is far more than they can differ.
const SAME: Duration = Duration::from_secs(1);

/// One change of what is wanted in one release.
struct Step {
    at: SystemTime,
    release: String,
    /// None if the event does not say it.
    from: Option<u64>,
    to: u64,
}

/// Reads the decisions about a process type out of a list of events, in the order of time.
pub fn read(events: &Value, process: &str) -> Result<Vec<Activity>, Failure> {
    let mut requests: BTreeMap<&str, Step> = BTreeMap::new();
    let mut scales = Vec::new();
    for event in list(events)? {
        let data = &event["data"];
        let (time, old, new) = match event["object_type"].as_str() {
            Some(REQUEST) => (&data["created_at"], &data["old_processes"], &data["new_processes"]),
            Some(SCALE) => (&event["created_at"], &data["prev_processes"], &data["processes"]),
            _ => continue,
        };
        // A change of other processes says nothing of this one.
        let Some(to) = count(&new[process])? else { continue };
        let is_request = event["object_type"] == REQUEST;
        // An empty map is left out, and what is not in it is zero; but the oldest clusters never had it in `scale`.
        let from = count(&old[process])?.or((is_request || old.is_object()).then_some(0));
        if from == Some(to) {
            continue;
        }
        let release = data["release"].as_str().unwrap_or_default().to_owned();
        let step = Step { at: instant(time)?, release, from, to };
        match event["object_id"].as_str().filter(|_| is_request) {
            Some(id) => drop(requests.insert(id, step)),
            None => scales.push(step),
        }
    }
    scales.retain(|scale| !requests.values().any(|request| is_same(scale, request)));
    let steps: Vec<Step> = requests.into_values().chain(scales).collect();
    let releases: BTreeSet<&str> = steps.iter().map(|step| step.release.as_str()).collect();
    let is_total = releases.len() < 2;
    let activity = |step: &Step| Activity {
        at: step.at,
        change: step.from.map(|from| step.to as i64 - from as i64),
        // With several releases at once nobody says how many there are in all.
        to: is_total.then_some(step.to),
        why: format!("release {}", step.release),
    };
    let mut activities: Vec<Activity> = steps.iter().map(activity).collect();
    activities.sort();
    Ok(activities)
}

fn is_same(scale: &Step, request: &Step) -> bool {
    let apart = scale.at.max(request.at).duration_since(scale.at.min(request.at)).unwrap_or_default();
    scale.release == request.release && scale.to == request.to && apart <= SAME
}
