//! Holding the number of instances still: what a calibration needs, which asks how much load a known number carries.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Deserialize;
use tokio::time::sleep_until;

use super::balancer::Balancer;
use super::observed::{Supply, balancer};
use crate::Shared;
use crate::refusal::{Refusal, read_json};

#[derive(Deserialize)]
struct Pin {
    instances: u32,
}

/// Answers `POST /admin/autoscaler/pin` with the supply, as soon as it is as it is to be: so many instances, all
/// ready. 400 for numbers that cannot be, 409 when somebody else has changed it meanwhile.
pub(crate) async fn pin(State(shared): State<Arc<Shared>>, body: Bytes) -> Result<Json<Supply>, Refusal> {
    let balancer = balancer(&shared)?;
    let Pin { instances } = read_json(&body)?;
    balancer.pin(instances)?;
    loop {
        let due = {
            let state = balancer.lock();
            if state.scaler.pinned() != Some(instances) {
                return Err(Refusal::NotPinned);
            }
            let supply = Supply::of(balancer, &state);
            if supply.is_settled_at(instances) {
                return Ok(Json(supply));
            }
            state.pool.next_due()
        };
        match due {
            Some(due) => sleep_until(balancer.instant(due)).await,
            None => return Err(Refusal::NotPinned), // nothing is on its way any more
        }
    }
}

/// Answers `DELETE /admin/autoscaler/pin`: the autoscaler decides by itself again.
pub(crate) async fn unpin(State(shared): State<Arc<Shared>>) -> Result<StatusCode, Refusal> {
    balancer(&shared)?.lock().scaler.let_go();
    Ok(StatusCode::NO_CONTENT)
}

impl Balancer {
    fn pin(&self, instances: u32) -> Result<(), Refusal> {
        if !(1..=self.max).contains(&instances) {
            return Err(Refusal::Instances { max: self.max });
        }
        let mut state = self.lock();
        if let Some(decision) = state.scaler.pin(instances) {
            state.decide(decision, self.now());
        }
        Ok(())
    }
}
