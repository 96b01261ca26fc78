//! Fleets of the type `instant`: making them, telling of them, and deleting them with their instances.

mod ways;
mod create;

use std::time::SystemTime;

use rehearsal_fake_aws::Shape;

use crate::account::Account;
use crate::call::{Call, Fields};
use crate::holdings::{Fleet, Holdings};
use crate::instance::{Reason, State};
use crate::listing::{PageBounds, Seen, page, tag_set};
use crate::refusal::Refusal;

pub(super) use create::create;

/// The most instant fleets that one call can delete.
const MOST_DELETED: usize = 25;

/// As with Amazon, instant fleets are only told of to who names them.
pub(super) fn describe(account: &Account, call: &Call) -> Result<Shape, Refusal> {
    let ids = call.fields.texts("FleetId");
    let none = Holdings::default();
    let holdings = account.holdings.get(&call.region).unwrap_or(&none);
    if let Some(unknown) = ids.iter().find(|id| !holdings.fleets.contains_key(**id)) {
        let message = format!("The fleet ID '{unknown}' does not exist");
        return Err(Refusal::new("InvalidFleetId.NotFound", message));
    }
    let mut told = Vec::new();
    for fleet in ids.iter().filter_map(|id| holdings.fleets.get(*id)) {
        let attributes = [("fleet-state", state(holdings, fleet).to_owned()), ("type", "instant".into())];
        if Seen::new(None, attributes).passes(call)? {
            told.push((fleet.number, shape(holdings, fleet)));
        }
    }
    told.sort_by_key(|(number, _)| *number);
    let bounds = PageBounds { fewest: 1, most: 1_000 };
    let (told, token) = page(told, call, bounds, account.world.page_size)?;
    Ok(Shape::map([("fleetSet", Shape::List(told)), ("nextToken", token)]))
}

fn state(holdings: &Holdings, fleet: &Fleet) -> &'static str {
    let members = holdings.instances.values().filter(|instance| instance.fleet.as_ref() == Some(&fleet.id));
    let all_ended = members.into_iter().all(|instance| instance.state() == State::Terminated);
    match (fleet.is_deleted, all_ended) {
        (false, _) => "active",
        (true, false) => "deleted_terminating",
        (true, true) => "deleted",
    }
}

fn shape(holdings: &Holdings, fleet: &Fleet) -> Shape {
    let target = Shape::map([
        ("totalTargetCapacity", fleet.target.into()),
        ("onDemandTargetCapacity", (fleet.target - fleet.spot_target).into()),
        ("spotTargetCapacity", fleet.spot_target.into()),
        ("defaultTargetCapacityType", fleet.default_target.as_str().into()),
    ]);
    Shape::map([
        ("activityStatus", "fulfilled".into()),
        ("createTime", Shape::Time(fleet.created)),
        ("fleetId", fleet.id.as_str().into()),
        ("fleetState", state(holdings, fleet).into()),
        ("clientToken", fleet.client_token.as_str().into()),
        ("fulfilledCapacity", fleet.fulfilled.into()),
        ("targetCapacitySpecification", target),
        ("terminateInstancesWithExpiration", false.into()),
        ("type", "instant".into()),
        ("replaceUnhealthyInstances", false.into()),
        ("spotOptions", Shape::map([("allocationStrategy", fleet.strategy.as_str().into())])),
        ("tagSet", tag_set(&fleet.tags)),
        ("errorSet", fleet.errors.clone()),
        ("fleetInstanceSet", fleet.instances.clone()),
    ])
}

pub(super) fn delete(account: &mut Account, call: &Call, now: SystemTime) -> Result<Shape, Refusal> {
    let ids: Vec<String> = call.fields.texts("FleetId").into_iter().map(str::to_owned).collect();
    if ids.is_empty() {
        return Err(Refusal::missing("FleetId"));
    }
    if ids.len() > MOST_DELETED {
        return Err(Refusal::value(format!("No more than {MOST_DELETED} instant fleets can be deleted at once")));
    }
    if call.fields.flag("TerminateInstances") != Some(true) {
        let message = "An instant fleet cannot be deleted without terminating its instances";
        return Err(Refusal::new("InvalidParameterCombination", message));
    }
    let (mut deleted, mut failed) = (Vec::new(), Vec::new());
    for id in ids {
        let holdings = account.holdings.entry(call.region.clone()).or_default();
        let Some(fleet) = holdings.fleets.get_mut(&id) else {
            let error = [("code", "fleetIdDoesNotExist".into()), ("message", format!("There is no fleet {id}").into())];
            failed.push(Shape::map([("error", Shape::map(error)), ("fleetId", id.into())]));
            continue;
        };
        let before = if fleet.is_deleted { "deleted_terminating" } else { "active" };
        fleet.is_deleted = true;
        for instance in holdings.of_fleet(&id) {
            account.end(&instance, Reason::User, now);
        }
        deleted.push(Shape::map([
            ("currentFleetState", "deleted_terminating".into()),
            ("previousFleetState", before.into()),
            ("fleetId", id.into()),
        ]));
    }
    Ok(Shape::map([
        ("successfulFleetDeletionSet", Shape::List(deleted)),
        ("unsuccessfulFleetDeletionSet", Shape::List(failed)),
    ]))
}
