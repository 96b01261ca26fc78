//! The model as a [`Cloud`]: what each call sees and does.

use std::collections::BTreeSet;
use std::time::{Duration, UNIX_EPOCH};

use rehearsal_ec2::cloud::{
    Access, Action, Answer, Cloud, CloudError, FleetAnswer, Instance, Launched, Leftover, Offering, Price, Purchase,
    Refusal, Skeleton, State, Subnet, Thing,
};
use rehearsal_ec2::machines::Machine as Kind;
use rehearsal_ec2::money::UsdPerHour;
use rehearsal_ec2::names::{GroupId, InstanceId, Region, RequestId, SubnetId, TemplateId, VpcId};
use rehearsal_ec2::request::{FleetRequest, Override, RunOne};
use rehearsal_ec2::tags::Tags;

use super::world::{Machine, Place, World};
use super::{EPOCH, Model};

fn refused(code: &str) -> CloudError {
    CloudError::of_code(code, "said the model")
}

impl Cloud for Model {
    fn regions(&self) -> Answer<'_, Vec<(Region, Access)>> {
        self.call(|world| Ok(world.places.iter().map(|(region, place)| (region.clone(), place.access)).collect()))
    }

    fn subnets<'a>(&'a self, at: &'a Region, given: &'a [SubnetId]) -> Answer<'a, Vec<Subnet>> {
        let (at, given) = (at.clone(), given.to_vec());
        self.call(move |world| {
            // One that is named `subnet-a` is in zone `a`, whatever the default network has.
            let named = given.iter().filter_map(|id| id.0.strip_prefix("subnet-")).map(str::to_owned);
            let zones: Vec<String> = match given.is_empty() {
                true => world.place(&at)?.zones.iter().map(ToString::to_string).collect(),
                false => named.collect(),
            };
            let subnet = |zone: &String| Subnet {
                id: SubnetId(format!("subnet-{zone}")),
                vpc: "vpc-1".into(),
                zone: zone.as_str().into(),
            };
            Ok(zones.iter().map(subnet).collect())
        })
    }

    fn offerings<'a>(&'a self, at: &'a Region, machines: &'a [Kind]) -> Answer<'a, Vec<Offering>> {
        let (at, machines) = (at.clone(), machines.to_vec());
        self.call(move |world| {
            let is_asked = |of: &&Offering| machines.iter().any(|machine| machine.name == of.machine);
            Ok(world.place(&at)?.prices.keys().filter(is_asked).cloned().collect())
        })
    }

    fn prices<'a>(&'a self, at: &'a Region, _machines: &'a [Kind]) -> Answer<'a, Vec<Price>> {
        let at = at.clone();
        self.call(move |world| {
            let price = |(of, usd): (&Offering, &f64)| Price { of: of.clone(), usd: UsdPerHour(*usd) };
            Ok(world.place(&at)?.prices.iter().map(price).collect())
        })
    }

    fn quota<'a>(&'a self, at: &'a Region, _of: Purchase) -> Answer<'a, Option<u32>> {
        let at = at.clone();
        self.call(move |world| {
            let place = world.place(&at)?;
            match place.throttles_quota {
                true => Err(refused("TooManyRequestsException")),
                false => Ok(place.tells_quota.then_some(place.quota)),
            }
        })
    }

    fn has_spot_role(&self) -> Answer<'_, Option<bool>> {
        self.call(|_| Ok(Some(true)))
    }

    fn ensure_group<'a>(&'a self, at: &'a Region, _network: &'a VpcId) -> Answer<'a, GroupId> {
        let at = at.clone();
        self.call(move |world| {
            let id = GroupId(world.next_id("sg"));
            Ok(world.place(&at)?.group.get_or_insert(id).clone())
        })
    }

    fn ensure_open_group<'a>(
        &'a self,
        at: &'a Region,
        _network: &'a VpcId,
        ports: &'a BTreeSet<u16>,
    ) -> Answer<'a, GroupId> {
        let (at, ports) = (at.clone(), ports.clone());
        self.call(move |world| {
            let id = GroupId(world.next_id("sg"));
            Ok(world.place(&at)?.open_groups.entry(ports).or_insert(id).clone())
        })
    }

    fn ensure_template<'a>(&'a self, at: &'a Region, skeleton: &'a Skeleton) -> Answer<'a, TemplateId> {
        let (at, skeleton) = (at.clone(), skeleton.clone());
        self.call(move |world| {
            let id = TemplateId(world.next_id("lt"));
            let place = world.place(&at)?;
            if place.group != Some(skeleton.group) {
                return Err(refused("InvalidGroup.NotFound"));
            }
            Ok(place.template.get_or_insert(id).clone())
        })
    }

    fn create_fleet<'a>(&'a self, at: &'a Region, request: &'a FleetRequest) -> Answer<'a, FleetAnswer> {
        let (at, request) = (at.clone(), request.clone());
        self.call(move |world| create(world, &at, &request))
    }

    fn run_one<'a>(&'a self, at: &'a Region, request: &'a RunOne) -> Answer<'a, InstanceId> {
        let (at, request) = (at.clone(), request.clone());
        self.call(move |world| run(world, &at, &request))
    }

    fn instances<'a>(&'a self, at: &'a Region, filter: &'a Tags) -> Answer<'a, Vec<Instance>> {
        let (at, filter) = (at.clone(), filter.clone());
        self.call(move |world| {
            let now = world.now();
            let has_tags = |machine: &&Machine| filter.iter().all(|(key, value)| machine.tags.get(key) == Some(value));
            let machines = world.place(&at)?.instances.iter().filter(has_tags);
            Ok(machines
                .filter(|machine| now >= machine.since + machine.lag)
                .map(|machine| listed(machine, now))
                .collect())
        })
    }

    fn terminate<'a>(&'a self, at: &'a Region, instances: &'a [InstanceId]) -> Answer<'a, ()> {
        assert!(instances.len() <= rehearsal_ec2::cloud::MOST_ENDED_AT_ONCE, "{} at once", instances.len());
        let (at, ids) = (at.clone(), instances.to_vec());
        self.call(move |world| {
            let now = world.now();
            let place = world.place(&at)?;
            let is_known = |id: &InstanceId| {
                place.instances.iter().any(|machine| machine.id == *id && now >= machine.since + machine.lag)
            };
            if !ids.iter().all(is_known) {
                return Err(refused("InvalidInstanceID.NotFound"));
            }
            end(place, now, |machine| ids.contains(&machine.id));
            Ok(())
        })
    }

    fn leftovers<'a>(&'a self, at: &'a Region) -> Answer<'a, Vec<Leftover>> {
        let at = at.clone();
        self.call(move |world| {
            let (now, ours) = (world.now(), rehearsal_ec2::tags::of_anything);
            let place = world.place(&at)?;
            let requests = place.requests.iter().filter(|(_, (_, shown))| now >= *shown);
            let requests =
                requests.map(|(id, (tags, _))| Leftover { what: Thing::Request(id.clone()), tags: tags.clone() });
            let template = place.template.clone().map(|id| Leftover { what: Thing::Template(id), tags: ours() });
            let groups = place.group.iter().chain(place.open_groups.values());
            let groups = groups.map(|id| Leftover { what: Thing::Group(id.clone()), tags: ours() });
            Ok(requests.chain(template).chain(groups).collect())
        })
    }

    fn delete<'a>(&'a self, at: &'a Region, leftover: &'a Leftover) -> Answer<'a, ()> {
        let (at, what) = (at.clone(), leftover.what.clone());
        self.call(move |world| {
            let now = world.now();
            let place = world.place(&at)?;
            match what {
                Thing::Request(id) => {
                    // Its tags are listed for an hour, like those of an instance that ended.
                    end(place, now, |machine| machine.request.as_ref() == Some(&id));
                }
                Thing::Template(_) => place.template = None,
                Thing::Group(id) => {
                    // An instance that ended keeps its network interface for a while.
                    let uses =
                        |machine: &Machine| machine.until.is_none_or(|until| now < until + Duration::from_secs(20));
                    if place.instances.iter().any(uses) {
                        return Err(refused("DependencyViolation"));
                    }
                    place.group.take_if(|group| *group == id);
                    place.open_groups.retain(|_, group| *group != id);
                }
            }
            Ok(())
        })
    }

    fn may<'a>(&'a self, at: &'a Region, action: &'a Action) -> Answer<'a, ()> {
        let (at, action) = (at.clone(), action.clone());
        self.call(move |world| {
            let place = world.place(&at)?;
            match place.denied.contains(action.name()) {
                true => Err(refused("UnauthorizedOperation")),
                false => Ok(()),
            }
        })
    }
}

fn listed(machine: &Machine, now: Duration) -> Instance {
    let state = match machine.until {
        Some(until) if now >= until + machine.lag => State::ShuttingDown,
        _ => State::Running,
    };
    Instance {
        id: machine.id.clone(),
        of: machine.of.clone(),
        purchase: machine.purchase,
        state,
        since: UNIX_EPOCH + EPOCH + machine.since,
        address: None,
        tags: machine.tags.clone(),
    }
}

fn end(place: &mut Place, now: Duration, is_meant: impl Fn(&Machine) -> bool) {
    for machine in place.instances.iter_mut().filter(|machine| is_meant(machine)) {
        machine.end(now, machine.price(&place.prices));
    }
}

fn run(world: &mut World, at: &Region, request: &RunOne) -> Result<InstanceId, CloudError> {
    let place = world.place(at)?;
    if let Some(known) = place.tokens.get(&request.token).and_then(|answer| answer.launched.first()) {
        return Ok(known.id.clone());
    }
    // A sweep may have been faster.
    if !place.open_groups.values().any(|group| *group == request.group) {
        return Err(refused("InvalidGroup.NotFound"));
    }
    let zone = request.subnet.0.trim_start_matches("subnet-").into();
    let RunOne { token, machine, subnet, user_data, tags, .. } = request.clone();
    let of = Offering { zone, machine: machine.name.clone() };
    let pool = Override { of, machine, subnet, max_price: UsdPerHour(0.0) };
    // As a request of one pool.
    let like = FleetRequest {
        token: token.clone(),
        template: "".into(),
        overrides: vec![pool],
        spot_vcpus: 0,
        on_demand_vcpus: 2,
        user_data,
        tags,
    };
    let mut answer = FleetAnswer::default();
    fill(world, at, &like, Purchase::OnDemand, 1, &mut answer)?;
    let refusal = answer.refusals.first().map(|refusal| refusal.error.clone());
    let id = answer.launched.first().map(|one| one.id.clone());
    let id = id.ok_or_else(|| refusal.unwrap_or_else(|| refused("Unsupported")))?;
    world.place(at)?.tokens.insert(token, answer);
    Ok(id)
}

fn create(world: &mut World, at: &Region, request: &FleetRequest) -> Result<FleetAnswer, CloudError> {
    if let Some(answer) = world.place(at)?.tokens.get(&request.token) {
        return Ok(answer.clone());
    }
    if let Some(code) = world.place(at)?.refuses {
        return Err(refused(code));
    }
    // A sweep may have been faster.
    if world.place(at)?.template.as_ref() != Some(&request.template) {
        return Err(refused("InvalidLaunchTemplateId.NotFound"));
    }
    let id = RequestId(world.next_id("fleet"));
    let generous = u32::from(world.happens(world.habits.generous));
    let mut answer = FleetAnswer { request: Some(id), ..FleetAnswer::default() };
    fill(world, at, request, Purchase::Spot, request.spot_vcpus / 2 + generous, &mut answer)?;
    fill(world, at, request, Purchase::OnDemand, request.on_demand_vcpus / 2, &mut answer)?;
    let shown = world.now() + Duration::from_secs(world.below(world.habits.lag + 1));
    let place = world.place(at)?;
    place.requests.extend(answer.request.clone().map(|id| (id, (request.tags.clone(), shown))));
    place.tokens.insert(request.token.clone(), answer.clone());
    Ok(answer)
}

/// Launches from the cheapest pools first, as far as quota, capacity and prices allow. All machines have two vCPUs.
fn fill(
    world: &mut World,
    at: &Region,
    request: &FleetRequest,
    purchase: Purchase,
    wanted: u32,
    answer: &mut FleetAnswer,
) -> Result<(), CloudError> {
    let mut wanted = wanted;
    for one in &request.overrides {
        let refuse = |code: &str| Refusal { of: Some(one.of.clone()), error: refused(code) };
        while wanted > 0 {
            let lag = Duration::from_secs(world.below(world.habits.lag + 1));
            let (id, now) = (InstanceId(world.next_id("i")), world.now());
            let place = world.place(at)?;
            let used = place.alive().filter(|machine| machine.purchase == purchase).count();
            if 2 * (used + 1) > place.quota as usize {
                answer.refusals.push(refuse(match purchase {
                    Purchase::Spot => "MaxSpotInstanceCountExceeded",
                    Purchase::OnDemand => "VcpuLimitExceeded",
                }));
                return Ok(());
            }
            let left = place.capacity.get_mut(&one.of).filter(|left| **left > 0);
            let price = place.prices.get(&one.of).copied().unwrap_or(f64::INFINITY);
            let Some(left) = left else {
                answer.refusals.push(refuse("InsufficientInstanceCapacity"));
                break;
            };
            if purchase == Purchase::Spot && price > one.max_price.0 {
                answer.refusals.push(refuse("SpotMaxPriceTooLow"));
                break;
            }
            *left -= 1;
            wanted -= 1;
            place.instances.push(Machine {
                id: id.clone(),
                of: one.of.clone(),
                purchase,
                request: answer.request.clone(),
                tags: request.tags.clone(),
                since: now,
                until: place.takes_back.then_some(now),
                lag,
                ttl: ttl(&request.user_data.0),
                max_price: one.max_price.0,
                cost: 0.0,
            });
            answer.launched.push(Launched { id, of: one.of.clone(), purchase });
        }
    }
    Ok(())
}

/// How long the first command lets an instance live.
fn ttl(user_data: &str) -> Duration {
    let command = user_data.lines().nth(1).and_then(|line| line.strip_prefix("shutdown -P +")).unwrap();
    let minutes = command.split(' ').next().unwrap();
    Duration::from_secs(60 * minutes.parse::<u64>().unwrap())
}
