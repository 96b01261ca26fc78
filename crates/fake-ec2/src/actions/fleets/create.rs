//! Making a fleet of the type `instant`: one attempt, answered with what was started and what was tried in vain.

use std::collections::BTreeMap;
use std::time::SystemTime;

use rehearsal_fake_aws::Shape;
use serde_json::Value;

use crate::account::Account;
use crate::actions::allocation::{Choice, Order, Want, choose};
use crate::actions::fleets::ways::{self, Way};
use crate::actions::launch::{Start, start, want};
use crate::call::{Call, Fields, Tags};
use crate::geography::{zone, zone_id};
use crate::holdings::{Fleet, LaunchTemplate};
use crate::instance::Lifecycle;
use crate::refusal::Refusal;

/// What Amazon's clients send and this fake does not act upon: better refused than passed over.
const UNKNOWN: [(&str, &str); 6] = [
    ("SpotOptions", "MinTargetCapacity"),
    ("SpotOptions", "SingleInstanceType"),
    ("SpotOptions", "SingleAvailabilityZone"),
    ("OnDemandOptions", "MinTargetCapacity"),
    ("OnDemandOptions", "CapacityReservationOptions"),
    ("TargetCapacitySpecification", "TargetCapacityUnitType"),
];

/// The most that one fleet can be wanted to have.
const MOST_CAPACITY: f64 = 10_000.0;

/// Among how many pools `price-capacity-optimized` spreads here. Amazon does not say.
const SPREAD: usize = 3;

/// How much is wanted in which way.
struct Targets {
    total: f64,
    spot: f64,
    on_demand: f64,
    default: String,
}

/// Makes a fleet.
pub(in crate::actions) fn create(account: &mut Account, call: &Call, now: SystemTime) -> Result<Shape, Refusal> {
    let kind = call.fields.text("Type").unwrap_or("maintain");
    if kind != "instant" {
        return Err(Refusal::unknown(&format!("fleets of the type {kind}")));
    }
    let is_given = |(part, key): &&(&str, &str)| !call.fields[*part][*key].is_null();
    if let Some((part, key)) = UNKNOWN.iter().find(is_given) {
        return Err(Refusal::unknown(&format!("{part}.{key}")));
    }
    let targets = targets(&call.fields)?;
    let mut ways = ways::all(account, call)?;
    let instance_tags = call.tags_for("instance")?;
    ways.iter_mut().for_each(|way| way.blueprint.tags.extend(instance_tags.clone()));
    let (tags, id) = (call.tags_for("fleet")?, fleet_id(account));
    let mut made = Made::new(&ways, &id);
    for attempt in attempts(account, call, &targets)? {
        made.attempt(account, call, &attempt, now)?;
    }
    let sets = made.instances(account);
    let fleet = Fleet {
        number: account.number(),
        id: id.clone(),
        created: now,
        client_token: call.fields.text("ClientToken").unwrap_or_default().into(),
        strategy: call.fields["SpotOptions"].text("AllocationStrategy").unwrap_or("lowest-price").into(),
        target: targets.total as u64,
        spot_target: targets.spot as u64,
        default_target: targets.default,
        fulfilled: made.fulfilled,
        instances: Shape::List(sets.clone()),
        errors: made.errors(),
        tags,
        is_deleted: false,
    };
    let told = Shape::map([
        ("fleetId", id.as_str().into()),
        ("errorSet", fleet.errors.clone()),
        ("fleetInstanceSet", Shape::List(made.placed(sets, &call.region))),
    ]);
    account.holdings.entry(call.region.clone()).or_default().fleets.insert(id, fleet);
    Ok(told)
}

fn fleet_id(account: &mut Account) -> String {
    let (one, other) = (account.id("x"), account.id("x"));
    let digits: String = [one, other].iter().flat_map(|id| id.chars().skip(3)).collect();
    let parts = [0..8, 8..12, 12..16, 16..20, 20..32].map(|range| digits.get(range).unwrap_or_default());
    format!("fleet-{}", parts.join("-"))
}

fn targets(fields: &Value) -> Result<Targets, Refusal> {
    let given = &fields["TargetCapacitySpecification"];
    let number = |key| given.count(key).map(|number| number.map(|number| number as f64));
    let total = number("TotalTargetCapacity")?.ok_or_else(|| Refusal::missing("TotalTargetCapacity"))?;
    if total > MOST_CAPACITY {
        return Err(Refusal::value(format!("Invalid value '{total}' for TotalTargetCapacity")));
    }
    let default = given.text("DefaultTargetCapacityType").unwrap_or("on-demand").to_owned();
    let (spot, on_demand) = (number("SpotTargetCapacity")?, number("OnDemandTargetCapacity")?);
    let rest = total - spot.unwrap_or(0.0) - on_demand.unwrap_or(0.0);
    if rest < 0.0 {
        let message = "The total target capacity must be at least the sum of the Spot and On-Demand target capacities";
        return Err(Refusal::new("InvalidParameterCombination", message));
    }
    let (to_spot, to_on_demand) = if default == "spot" { (rest, 0.0) } else { (0.0, rest) };
    Ok(Targets {
        total,
        spot: spot.unwrap_or(0.0) + to_spot,
        on_demand: on_demand.unwrap_or(0.0) + to_on_demand,
        default,
    })
}

/// What a fleet has become so far.
struct Made<'a> {
    fleet: String,
    ways: &'a [Way],
    /// The instances that are named, by their way's place in `ways` and way to pay.
    started: BTreeMap<(usize, Lifecycle), Vec<String>>,
    failed: BTreeMap<(usize, Lifecycle), Refusal>,
    fulfilled: f64,
}

/// One way to pay, how much of the target it is for, and what goes wrong with its number.
struct Attempt {
    lifecycle: Lifecycle,
    target: f64,
    strategy: Strategy,
    /// Instances too many that are named.
    surplus: usize,
    /// Instances too many that are not named.
    hidden: usize,
}

/// How pools are chosen.
struct Strategy {
    order: Order,
    spread: usize,
    max_total_price: Option<f64>,
}

/// The attempts that targets need, all of which have to make sense before the first is made. Only the last has instances
/// too many.
fn attempts(account: &Account, call: &Call, targets: &Targets) -> Result<Vec<Attempt>, Refusal> {
    let mut attempts = Vec::new();
    for (lifecycle, target) in [(Lifecycle::OnDemand, targets.on_demand), (Lifecycle::Spot, targets.spot)] {
        if target > 0.0 {
            attempts.push(Attempt { lifecycle, target, strategy: strategy(call, lifecycle)?, surplus: 0, hidden: 0 });
        }
    }
    if let (Some(last), Some(place)) = (attempts.last_mut(), account.world.regions.get(&call.region)) {
        (last.surplus, last.hidden) = (place.surplus as usize, place.hidden as usize);
    }
    Ok(attempts)
}

impl Made<'_> {
    /// Starts what one way to pay can give.
    fn attempt(
        &mut self,
        account: &mut Account,
        call: &Call,
        attempt: &Attempt,
        now: SystemTime,
    ) -> Result<(), Refusal> {
        let Attempt { lifecycle, target, surplus, hidden, .. } = *attempt;
        let Strategy { order, spread, max_total_price } = attempt.strategy;
        let candidates = ways::candidates(account, &call.region, self.ways, lifecycle);
        let wanted = Want { order, spread, max_total_price, ..want(account, &call.region, lifecycle, target) };
        let Choice { mut chosen, failed, fulfilled } = choose(&candidates, &wanted);
        let named = chosen.len() + surplus;
        // More of what was chosen last: there is no better place for what nobody asked for.
        if let Some(last) = chosen.last().copied() {
            chosen.extend(std::iter::repeat_n(last, surplus + hidden));
        }
        let reservation = account.id("r");
        for (i, index) in chosen.into_iter().enumerate() {
            let Some(way) = self.ways.get(index) else { continue };
            let order = Start {
                blueprint: &way.blueprint,
                subnet: &way.subnet,
                lifecycle,
                reservation: &reservation,
                fleet: Some(&self.fleet),
                client_token: "",
                own_tags: own_tags(&self.fleet, &way.template),
            };
            let id = start(account, &call.region, order, now)?;
            if i < named {
                self.started.entry((index, lifecycle)).or_default().push(id);
            }
        }
        self.failed.extend(failed.into_iter().map(|(index, refusal)| ((index, lifecycle), refusal)));
        self.fulfilled += fulfilled;
        Ok(())
    }
}

/// What the caller says about how pools are chosen.
fn strategy(call: &Call, lifecycle: Lifecycle) -> Result<Strategy, Refusal> {
    let part = match lifecycle {
        Lifecycle::Spot => &call.fields["SpotOptions"],
        Lifecycle::OnDemand => &call.fields["OnDemandOptions"],
    };
    let pools = part.count("InstancePoolsToUseCount")?.unwrap_or(1);
    let (order, spread) = match (lifecycle, part.text("AllocationStrategy").unwrap_or("lowest-price")) {
        (Lifecycle::Spot, "lowest-price") => (Order::Price, pools),
        (Lifecycle::Spot, "diversified") => (Order::Price, usize::MAX),
        (Lifecycle::Spot, "price-capacity-optimized") => (Order::Price, SPREAD),
        (Lifecycle::Spot, "capacity-optimized") => (Order::Capacity, 1),
        (Lifecycle::Spot, "capacity-optimized-prioritized") | (Lifecycle::OnDemand, "prioritized") => {
            (Order::Priority, 1)
        }
        (Lifecycle::OnDemand, "lowest-price") => (Order::Price, 1),
        (_, other) => {
            let name = lifecycle.name();
            return Err(Refusal::value(format!("The allocation strategy '{other}' is not valid for {name} instances")));
        }
    };
    Ok(Strategy { order, spread, max_total_price: part.number("MaxTotalPrice")? })
}

fn own_tags(fleet: &str, template: &LaunchTemplate) -> Tags {
    let tags = [
        ("aws:ec2:fleet-id", fleet),
        ("aws:ec2launchtemplate:id", &template.id),
        ("aws:ec2launchtemplate:version", "1"),
    ];
    tags.map(|(key, value)| (key.to_owned(), value.to_owned())).into()
}

impl<'a> Made<'a> {
    fn new(ways: &'a [Way], fleet: &str) -> Made<'a> {
        Made { fleet: fleet.into(), ways, started: BTreeMap::new(), failed: BTreeMap::new(), fulfilled: 0.0 }
    }

    /// The instances that are named, as both `CreateFleet` and `DescribeFleets` have them.
    fn instances(&self, account: &Account) -> Vec<Shape> {
        let sets = self.started.iter().filter_map(|((index, lifecycle), ids)| {
            let kind = ids.first().and_then(|id| account.instance(id)).map(|instance| instance.kind.clone());
            Some(Shape::map([
                ("launchTemplateAndOverrides", self.ways.get(*index)?.shape()),
                ("lifecycle", lifecycle.name().into()),
                ("instanceIds", Shape::list(ids.iter().map(String::as_str))),
                ("instanceType", kind.into()),
            ]))
        });
        sets.collect()
    }

    /// The same with the places, which only `CreateFleet` tells.
    fn placed(&self, sets: Vec<Shape>, region: &str) -> Vec<Shape> {
        let subnets = self.started.keys().filter_map(|(index, _)| Some(&self.ways.get(*index)?.subnet));
        let placed = sets.into_iter().zip(subnets).map(|(set, subnet)| {
            set.and([
                ("availabilityZone", zone(region, &subnet.letter).into()),
                ("availabilityZoneId", zone_id(region, &subnet.letter).into()),
                ("subnetId", subnet.id.as_str().into()),
            ])
        });
        placed.collect()
    }

    fn errors(&self) -> Shape {
        let errors = self.failed.iter().filter_map(|((index, lifecycle), refusal)| {
            Some(Shape::map([
                ("launchTemplateAndOverrides", self.ways.get(*index)?.shape()),
                ("lifecycle", lifecycle.name().into()),
                ("errorCode", refusal.code.as_str().into()),
                ("errorMessage", refusal.message.as_str().into()),
            ]))
        });
        Shape::List(errors.collect())
    }
}
