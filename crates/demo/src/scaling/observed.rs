//! What observers are told under `/admin/autoscaler/`: supply, metrics and activities. Percentages
//! are of an instance's capacity, times are RFC 3339 in UTC with milliseconds.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use time::OffsetDateTime;

use super::balancer::{Balancer, Scaled};
use super::pool;
use crate::Shared;
use crate::refusal::Refusal;

/// How many instances there are.
#[derive(Serialize)]
pub(crate) struct Supply {
    /// As many as the autoscaler wants.
    desired: u32,
    /// As many as exist, in whatever state.
    running: usize,
    ready: usize,
    draining: usize,
    instances: Vec<Instance>,
}

#[derive(Serialize)]
struct Instance {
    id: String,
    state: Phase,
    /// When that state began.
    since: String,
    connections: u32,
    /// In percent.
    cpu: f64,
}

#[derive(Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Phase {
    Booting,
    Ready,
    Draining,
}

impl Supply {
    pub(super) fn of(balancer: &Balancer, state: &Scaled) -> Self {
        let instances: Vec<Instance> = instances(balancer, state).collect();
        let count = |state| instances.iter().filter(|instance| instance.state == state).count();
        Self {
            desired: state.scaler.desired(),
            running: instances.len(),
            ready: count(Phase::Ready),
            draining: count(Phase::Draining),
            instances,
        }
    }

    /// Whether there are so many instances, all of them ready.
    pub(super) fn is_settled_at(&self, instances: u32) -> bool {
        self.ready == instances as usize && self.running == self.ready
    }
}

/// What the autoscaler looks at.
#[derive(Serialize)]
pub(crate) struct Metrics {
    /// Average of the ready instances in percent; null when the autoscaler gets none.
    cpu: Option<f64>,
    /// Users at instances.
    users: usize,
}

/// A decision of the autoscaler.
#[derive(Serialize)]
pub(crate) struct Activity {
    at: String,
    change: i64,
    to: u32,
    why: String,
}

/// Answers `GET /admin/autoscaler/supply`.
pub(crate) async fn supply(State(shared): State<Arc<Shared>>) -> Result<Json<Supply>, Refusal> {
    let balancer = balancer(&shared)?;
    Ok(Json(Supply::of(balancer, &balancer.lock())))
}

/// Answers `GET /admin/autoscaler/metrics`.
pub(crate) async fn metrics(State(shared): State<Arc<Shared>>) -> Result<Json<Metrics>, Refusal> {
    let state = balancer(&shared)?.lock();
    let cpu = state.pool.seen().cpu.filter(|_| state.scaler.has_metric());
    Ok(Json(Metrics { cpu, users: state.pool.users() }))
}

/// Answers `GET /admin/autoscaler/activities`, in the order in which they were decided.
pub(crate) async fn activities(State(shared): State<Arc<Shared>>) -> Result<Json<Vec<Activity>>, Refusal> {
    let balancer = balancer(&shared)?;
    let state = balancer.lock();
    let told = state.decisions.iter().map(|(at, decision)| Activity {
        at: balancer.rfc_3339(*at),
        change: decision.change,
        to: decision.to,
        why: decision.why.clone(),
    });
    Ok(Json(told.collect()))
}

pub(super) fn balancer(shared: &Shared) -> Result<&Balancer, Refusal> {
    shared.balancer.as_deref().ok_or(Refusal::NotFound)
}

fn instances(balancer: &Balancer, state: &Scaled) -> impl Iterator<Item = Instance> {
    state.pool.instances().map(|(id, instance)| Instance {
        id: format!("i-{id}"),
        state: match instance.state {
            pool::State::Booting { .. } => Phase::Booting,
            pool::State::Ready => Phase::Ready,
            pool::State::Draining { .. } => Phase::Draining,
        },
        since: balancer.rfc_3339(instance.since),
        connections: instance.load.connections(),
        cpu: state.pool.cpu(instance),
    })
}

impl Balancer {
    fn rfc_3339(&self, since_start: Duration) -> String {
        rfc_3339(self.began_at + since_start)
    }
}

fn rfc_3339(at: OffsetDateTime) -> String {
    let (year, month, day) = (at.year(), u8::from(at.month()), at.day());
    let (hour, minute, second, milli) = (at.hour(), at.minute(), at.second(), at.millisecond());
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{milli:03}Z")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_told_to_the_millisecond() {
        let at = OffsetDateTime::from_unix_timestamp_nanos(951_782_400_007_999_999).unwrap();
        assert_eq!(rfc_3339(at), "2000-02-29T00:00:00.007Z");
    }
}
