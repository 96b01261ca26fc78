//! Starting instances: what a pool refuses, and what becomes an instance. `RunInstances` is here, too.

use std::time::SystemTime;

use rehearsal_fake_aws::Shape;
use serde_json::Value;

use crate::account::{Account, Effect};
use crate::actions::allocation::{Candidate, Order, Want, choose};
use crate::actions::blueprint::Blueprint;
use crate::actions::templates;
use crate::call::{Call, Fields, Tags};
use crate::geography::{SubnetPlace, zone, zone_id};
use crate::holdings::Holdings;
use crate::instance::{Instance, Lifecycle, State, reservation};
use crate::refusal::Refusal;

/// One instance to be started, somewhere that is settled.
pub(super) struct Start<'a> {
    pub blueprint: &'a Blueprint,
    pub subnet: &'a SubnetPlace,
    pub lifecycle: Lifecycle,
    pub reservation: &'a str,
    pub fleet: Option<&'a str>,
    pub client_token: &'a str,
    /// Tags that Amazon itself sets.
    pub own_tags: Tags,
}

/// Looks at one pool: why nothing can be had there, or how many, and at what price.
pub(super) fn candidate(
    account: &Account,
    region: &str,
    blueprint: &Blueprint,
    subnet: &SubnetPlace,
    lifecycle: Lifecycle,
) -> Candidate {
    let (world, kind) = (&account.world, blueprint.kind.as_deref().unwrap_or_default());
    let (pool, price) = (world.pool(region, kind, &subnet.letter), world.spot_price(region, kind, &subnet.letter));
    let zone = zone(region, &subnet.letter);
    let refusal = match (blueprint.parts(account, region, &subnet.vpc), price, &pool.error) {
        (_, None, _) => {
            let message = format!(
                "Your requested instance type ({kind}) is not supported in your requested Availability Zone ({zone})."
            );
            Some(Refusal::new("Unsupported", message))
        }
        (Err(refusal), _, _) => Some(refusal),
        (_, _, Some(code)) => Some(Refusal::new(code, "the fake EC2 was told to answer so for this pool")),
        _ if lifecycle == Lifecycle::Spot && !world.service_linked_role => Some(no_role()),
        _ => None,
    };
    let used = account.holdings.get(region).map_or(0, |holdings| holdings.in_pool(kind, &zone));
    Candidate {
        pool: 0,
        free: pool.capacity.map(|capacity| capacity.saturating_sub(used)),
        price: price.unwrap_or(f64::MAX),
        weight: 1.0,
        priority: f64::MAX,
        vcpus: world.types.get(kind).map_or(0, |kind| kind.vcpus),
        refusal,
    }
}

fn no_role() -> Refusal {
    let message =
        "The provided credentials do not have permission to create the service-linked role for EC2 Spot Instances.";
    Refusal::new("AuthFailure.ServiceLinkedRoleCreationNotPermitted", message)
}

/// What is wanted of one way to pay, within the account's quota.
pub(super) fn want(account: &Account, region: &str, lifecycle: Lifecycle, target: f64) -> Want {
    let place = account.world.regions.get(region);
    let limit = place.and_then(|region| match lifecycle {
        Lifecycle::Spot => region.spot_vcpus,
        Lifecycle::OnDemand => region.on_demand_vcpus,
    });
    let used = account.holdings.get(region).map_or(0, |holdings| holdings.vcpus(lifecycle));
    let (beyond_quota, beyond_capacity) = match lifecycle {
        Lifecycle::Spot => (
            Refusal::new("MaxSpotInstanceCountExceeded", "Max spot instance count exceeded"),
            Refusal::new(
                "InsufficientInstanceCapacity",
                "There is no Spot capacity available that matches your request.",
            ),
        ),
        Lifecycle::OnDemand => (
            Refusal::new(
                "VcpuLimitExceeded",
                format!(
                    "You have requested more vCPU capacity than your current vCPU limit of {} allows for the instance \
                     bucket that the specified instance type belongs to.",
                    limit.unwrap_or_default()
                ),
            ),
            Refusal::new(
                "InsufficientInstanceCapacity",
                "We currently do not have sufficient capacity in the Availability Zone you requested.",
            ),
        ),
    };
    Want {
        target,
        order: Order::Price,
        spread: 1,
        max_total_price: None,
        quota: limit.map(|limit| limit.saturating_sub(used)),
        beyond_quota,
        beyond_capacity,
    }
}

/// Starts one instance.
pub(super) fn start(account: &mut Account, region: &str, order: Start<'_>, now: SystemTime) -> Result<String, Refusal> {
    let Start { blueprint, subnet, lifecycle, reservation, fleet, client_token, own_tags } = order;
    let (image, groups) = blueprint.parts(account, region, &subnet.vpc)?;
    let kind = blueprint.kind.clone().unwrap_or_default();
    let told = account.world.types.get(&kind).cloned();
    let mut tags = blueprint.tags.clone();
    tags.extend(own_tags);
    let (id, number) = (account.id("i"), account.number());
    let instance = Instance {
        number,
        id: id.clone(),
        reservation: reservation.to_owned(),
        region: region.to_owned(),
        zone: zone(region, &subnet.letter),
        zone_id: zone_id(region, &subnet.letter),
        subnet: subnet.id.clone(),
        vpc: subnet.vpc.clone(),
        vcpus: told.as_ref().map_or(0, |kind| kind.vcpus),
        architecture: told.map_or_else(String::new, |kind| kind.architecture),
        kind,
        image,
        lifecycle,
        fleet: fleet.map(str::to_owned),
        groups,
        tags,
        client_token: client_token.to_owned(),
        user_data: blueprint.user_data.clone().unwrap_or_default(),
        on_shutdown: blueprint.on_shutdown.unwrap_or_default(),
        private_address: format!("172.31.{}.{}", number / 250 % 250, number % 250 + 4),
        public_address: account.world.machines.public_address.clone(),
        history: vec![(now, State::Pending)],
        reason: None,
        recommended: None,
        deadline: None,
    };
    account.holdings.entry(region.to_owned()).or_default().instances.insert(id.clone(), instance);
    account.effects.push(Effect::Start(id.clone()));
    Ok(id)
}

/// `RunInstances`: one type, one pool, all that are wanted or an error.
pub(super) fn run(account: &mut Account, call: &Call, now: SystemTime) -> Result<Shape, Refusal> {
    let region = call.region.as_str();
    let least = call.fields.count("MinCount")?.ok_or_else(|| Refusal::missing("MinCount"))?;
    let most = call.fields.count("MaxCount")?.ok_or_else(|| Refusal::missing("MaxCount"))?;
    if least < 1 || most < least {
        return Err(Refusal::value(format!("Invalid value '{most}' for max count")));
    }
    let blueprint = blueprint(account, call)?;
    let lifecycle = if blueprint.is_spot { Lifecycle::Spot } else { Lifecycle::OnDemand };
    let wanted = want(account, region, lifecycle, most as f64);
    let subnets = blueprint.subnets(&account.world, region)?;
    let mut refusal = None;
    for subnet in &subnets {
        let choice = choose(&[candidate(account, region, &blueprint, subnet, lifecycle)], &wanted);
        if choice.chosen.len() < least {
            refusal = choice.failed.into_values().next();
            continue;
        }
        let (id, token) = (account.id("r"), call.fields.text("ClientToken").unwrap_or_default());
        let mut started = Vec::new();
        for _ in choice.chosen {
            let order = Start {
                blueprint: &blueprint,
                subnet,
                lifecycle,
                reservation: &id,
                fleet: None,
                client_token: token,
                own_tags: Tags::new(),
            };
            started.push(start(account, region, order, now)?);
        }
        let shapes = started.iter().filter_map(|id| account.instance(id)).map(|it| it.shape(it.state())).collect();
        return Ok(reservation(&account.world.account, &id, shapes));
    }
    Err(refusal.unwrap_or(wanted.beyond_capacity))
}

/// What a call says, over what the template says that it names.
fn blueprint(account: &Account, call: &Call) -> Result<Blueprint, Refusal> {
    let said = Blueprint::read(&call.fields)?;
    let specification = &call.fields["LaunchTemplate"];
    if *specification == Value::Null {
        return Ok(said);
    }
    let none = Holdings::default();
    let template = templates::specified(account.holdings.get(&call.region).unwrap_or(&none), specification)?;
    Ok(said.over(Blueprint::read(&template.data)?))
}
