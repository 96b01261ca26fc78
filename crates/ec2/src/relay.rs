//! One instance that others are reached through: people behind NAT have nothing that an agent in a region could call.
//!
//! It is on demand, because nobody may take it back, and open for the ports that it is asked for. It is tagged as a part of
//! its fleet, but no agent: it is paid and ended with the fleet. What it does is in its user data, which begins with its
//! end as that of agents does.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::time::{Instant, sleep};

use crate::cloud::{Cloud, CloudError, Instance, Offering, Subnet};
use crate::failure::Class;
use crate::launch::EXPIRES_AFTER;
use crate::machines::Machine;
use crate::names::{GroupId, InstanceId, Region, SubnetId};
use crate::patience::patiently;
use crate::request::RunOne;
use crate::tags::{self, Scope};
use crate::user_data::UserData;

/// The value of [`tags::PART`] that a relay has.
pub const RELAY: &str = "relay";
/// How long a launch may take. On demand there is nearly always something at the first try.
const LAUNCH_WITHIN: Duration = Duration::from_secs(120);
/// Between two looks for an address.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// What a relay is to be.
#[derive(Clone, Debug)]
pub struct Relay {
    /// The fleet that it is a part of.
    pub fleet: String,
    /// The run for which the fleet is launched, if it is for one.
    pub run: Option<String>,
    /// Who launches it.
    pub owner: String,
    /// The TCP ports that everybody reaches.
    pub ports: BTreeSet<u16>,
    /// On what it may run, the best first.
    pub machines: Vec<Machine>,
    /// Where in the network; empty means the default one.
    pub subnets: Vec<SubnetId>,
    /// What it does when it boots.
    pub user_data: UserData,
    /// After how long its user data has it power off.
    pub ttl: Duration,
}

/// Launches a relay in a region, unless its fleet has one there. `now` is the caller's clock.
///
/// The future may be dropped at any point: whatever was launched is tagged, and found by [`sweep`](crate::sweep).
///
/// # Errors
/// The last refusal, if no machine can be had in any zone.
pub async fn launch(cloud: &dyn Cloud, at: &Region, relay: &Relay, now: SystemTime) -> Result<InstanceId, CloudError> {
    let until = Instant::now() + LAUNCH_WITHIN;
    // A coordinator that was stopped and starts again finds the one that it launched.
    if let Some(known) = listed(cloud, at, &relay.fleet, until).await?.into_iter().find(|one| one.state.is_alive()) {
        return Ok(known.id);
    }
    let subnets = patiently(until, || cloud.subnets(at, &relay.subnets), |_, _| ()).await?;
    let no_network = || CloudError::of_code("VPCIdNotSpecified", "there is no default network");
    let network = &subnets.first().ok_or_else(no_network)?.vpc;
    let offerings = patiently(until, || cloud.offerings(at, &relay.machines), |_, _| ()).await?;
    let group = patiently(until, || cloud.ensure_open_group(at, network, &relay.ports), |_, _| ()).await?;
    let mut last =
        CloudError::of_code("NotOffered", "no machine that the relay may have is offered here; take another region");
    for request in requests(relay, &subnets, &offerings, &group, now) {
        match patiently(until, || cloud.run_one(at, &request), |_, _| ()).await {
            // Another pool may have what this one lacks.
            Err(error) if error.class() == Class::TryElsewhere => last = error,
            answer => return answer,
        }
    }
    Err(last)
}

/// The relays of a fleet in a region, those that ended lately too.
async fn listed(cloud: &dyn Cloud, at: &Region, fleet: &str, until: Instant) -> Result<Vec<Instance>, CloudError> {
    let mut filter = Scope::Fleet(fleet.to_owned()).filter();
    filter.insert(tags::PART.to_owned(), RELAY.to_owned());
    patiently(until, || cloud.instances(at, &filter), |_, _| ()).await
}

/// All ways to launch it, the best machine first, each in every zone that has it.
fn requests(
    relay: &Relay,
    subnets: &[Subnet],
    offerings: &[Offering],
    group: &GroupId,
    now: SystemTime,
) -> Vec<RunOne> {
    let expires = now + relay.ttl + EXPIRES_AFTER;
    let expires = expires.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let mut tags = tags::of_fleet(&relay.fleet, relay.run.as_deref(), &relay.owner, expires);
    tags.insert(tags::PART.to_owned(), RELAY.to_owned());
    let places: BTreeMap<_, _> = subnets.iter().map(|subnet| (&subnet.zone, &subnet.id)).collect();
    let offerings: BTreeSet<&Offering> = offerings.iter().collect();
    let of = |machine: &Machine| -> Vec<RunOne> {
        let offered = offerings.iter().filter(|of| of.machine == machine.name);
        let subnets = offered.filter_map(|of| places.get(&of.zone));
        let request = |subnet: &&SubnetId| {
            RunOne::new(group.clone(), machine.clone(), (*subnet).clone(), relay.user_data.clone(), tags.clone())
        };
        subnets.map(request).collect()
    };
    relay.machines.iter().flat_map(of).collect()
}

/// Waits until a relay can be called, and gives its address.
///
/// # Errors
/// If it ends before, or has no address by then.
pub async fn address(
    cloud: &dyn Cloud,
    at: &Region,
    fleet: &str,
    relay: &InstanceId,
    until: Instant,
) -> Result<std::net::IpAddr, CloudError> {
    loop {
        let listed = listed(cloud, at, fleet, until).await?;
        // It may be in no list yet.
        if let Some(it) = listed.into_iter().find(|instance| instance.id == *relay) {
            match it.address {
                _ if !it.state.is_alive() => {
                    return Err(CloudError::of_code("Ended", "the relay ended before it had an address"));
                }
                Some(address) => return Ok(address),
                None => {}
            }
        }
        if Instant::now() + LOOK_EVERY >= until {
            return Err(CloudError::unanswered());
        }
        sleep(LOOK_EVERY).await;
    }
}
