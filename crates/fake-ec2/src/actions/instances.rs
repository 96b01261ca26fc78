//! Telling of instances, as late as the world says, and ending them.

use std::time::{Duration, SystemTime};

use rehearsal_fake_aws::Shape;

use crate::account::Account;
use crate::call::{Call, Fields};
use crate::instance::{Instance, Reason, State, reservations};
use crate::listing::{PAGES, page};
use crate::refusal::Refusal;

/// The most instances that one call may name.
const MOST_IDS: usize = 1_000;

pub(super) fn describe(account: &Account, call: &Call, now: SystemTime) -> Result<Shape, Refusal> {
    let ids = call.fields.texts("InstanceId");
    if !ids.is_empty() && call.fields.text("MaxResults").is_some() {
        let message = "The parameter instancesSet cannot be used with the parameter maxResults";
        return Err(Refusal::new("InvalidParameterCombination", message));
    }
    let then = before(now, account.world.lag.describe);
    let mut all: Vec<(&Instance, State)> = account
        .holdings
        .get(&call.region)
        .into_iter()
        .flat_map(|holdings| holdings.instances.values())
        .filter_map(|instance| Some((instance, instance.state_at(then)?)))
        .collect();
    all.sort_by_key(|(instance, _)| instance.number);
    check_ids(&ids, |id| all.iter().any(|(instance, _)| instance.id == id))?;
    let mut told = Vec::new();
    for (instance, state) in all {
        let is_asked = ids.is_empty() || ids.contains(&instance.id.as_str());
        if is_asked && instance.seen(state).passes(call)? {
            told.push((instance.number, (instance, state)));
        }
    }
    let (told, token) = page(told, call, PAGES, account.world.page_size)?;
    Ok(Shape::map([("reservationSet", reservations(&account.world.account, &told)), ("nextToken", token)]))
}

/// All or none: one id that is not known refuses the whole call.
pub(super) fn terminate(account: &mut Account, call: &Call, now: SystemTime) -> Result<Shape, Refusal> {
    let ids: Vec<String> = call.fields.texts("InstanceId").into_iter().map(str::to_owned).collect();
    if ids.is_empty() {
        return Err(Refusal::missing("InstanceId"));
    }
    if ids.len() > MOST_IDS {
        return Err(Refusal::value(format!("No more than {MOST_IDS} instances can be named at once")));
    }
    check_ids(&ids.iter().map(String::as_str).collect::<Vec<_>>(), |id| is_known(account, &call.region, id, now))?;
    let mut told = Vec::new();
    for id in &ids {
        let before = account.instance(id).map_or(State::Terminated, Instance::state);
        account.end(id, Reason::User, now);
        let after = account.instance(id).map_or(State::Terminated, Instance::state);
        told.push(Shape::map([
            ("instanceId", id.as_str().into()),
            ("currentState", after.shape()),
            ("previousState", before.shape()),
        ]));
    }
    Ok(Shape::map([("instancesSet", Shape::List(told))]))
}

/// Whether an id is known yet to all actions but `DescribeInstances`.
pub(super) fn is_known(account: &Account, region: &str, id: &str, now: SystemTime) -> bool {
    let then = before(now, account.world.lag.ids);
    let instance = account.holdings.get(region).and_then(|holdings| holdings.instances.get(id));
    instance.is_some_and(|instance| instance.state_at(then).is_some())
}

fn check_ids(ids: &[&str], is_known: impl Fn(&str) -> bool) -> Result<(), Refusal> {
    if let Some(malformed) = ids.iter().find(|id| !id.starts_with("i-")) {
        return Err(Refusal::new("InvalidInstanceID.Malformed", format!("Invalid id: \"{malformed}\"")));
    }
    let unknown: Vec<&str> = ids.iter().copied().filter(|id| !is_known(id)).collect();
    match unknown.as_slice() {
        [] => Ok(()),
        [id] => Err(Refusal::new("InvalidInstanceID.NotFound", format!("The instance ID '{id}' does not exist"))),
        ids => {
            let message = format!("The instance IDs '{}' do not exist", ids.join(", "));
            Err(Refusal::new("InvalidInstanceID.NotFound", message))
        }
    }
}

fn before(now: SystemTime, seconds: f64) -> SystemTime {
    now.checked_sub(Duration::from_secs_f64(seconds)).unwrap_or(SystemTime::UNIX_EPOCH)
}
