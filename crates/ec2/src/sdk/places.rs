//! Where there is what, at which price.

use std::collections::BTreeMap;
use std::time::SystemTime;

use aws_sdk_ec2::Client;
use aws_sdk_ec2::types::{InstanceType, LocationType, SpotPrice};
use aws_smithy_types::DateTime;

use super::account::Amazon;
use super::errors::{lacks, of_call};
use super::filter;
use crate::cloud::{Access, Offering, Price, Subnet};
use crate::failure::CloudError;
use crate::machines::Machine;
use crate::money::UsdPerHour;
use crate::names::{Region, SubnetId, VpcId, Zone};

/// What Linux is called in the list of prices: in accounts from before 2013, and in all others.
const LINUX: [&str; 2] = ["Linux/UNIX", "Linux/UNIX (Amazon VPC)"];

pub(super) async fn regions(amazon: &Amazon) -> Result<Vec<(Region, Access)>, CloudError> {
    let answer = amazon.home().describe_regions().all_regions(true).send().await.map_err(of_call)?;
    let read = |region: &aws_sdk_ec2::types::Region| {
        let access = match region.opt_in_status() {
            Some("not-opted-in") => Access::NotOptedIn,
            _ => Access::Enabled,
        };
        Some((Region::from(region.region_name()?), access))
    };
    Ok(answer.regions().iter().filter_map(read).collect())
}

pub(super) async fn subnets(client: &Client, given: &[SubnetId]) -> Result<Vec<Subnet>, CloudError> {
    let ask = client.describe_subnets();
    let ask = match given {
        [] => match default_network(client).await? {
            Some(network) => ask.filters(filter("vpc-id", [network.0])).filters(filter("default-for-az", ["true"])),
            None => return Ok(Vec::new()),
        },
        given => ask.set_subnet_ids(Some(given.iter().map(|subnet| subnet.0.clone()).collect())),
    };
    let found = ask.into_paginator().items().send().try_collect().await.map_err(of_call)?;
    let read = |subnet: &aws_sdk_ec2::types::Subnet| {
        let id = SubnetId::from(subnet.subnet_id()?);
        Some(Subnet { id, vpc: VpcId::from(subnet.vpc_id()?), zone: Zone::from(subnet.availability_zone()?) })
    };
    found.iter().map(|subnet| read(subnet).ok_or_else(|| lacks("id, network and zone of a subnet"))).collect()
}

async fn default_network(client: &Client) -> Result<Option<VpcId>, CloudError> {
    let ask = client.describe_vpcs().filters(filter("is-default", ["true"]));
    let found = ask.into_paginator().items().send().try_collect().await.map_err(of_call)?;
    Ok(found.iter().find_map(|network| network.vpc_id().map(VpcId::from)))
}

pub(super) async fn offerings(client: &Client, machines: &[Machine]) -> Result<Vec<Offering>, CloudError> {
    let names = machines.iter().map(|machine| machine.name.as_str());
    let ask = client.describe_instance_type_offerings().location_type(LocationType::AvailabilityZone);
    let ask = ask.filters(filter("instance-type", names)).into_paginator().items().send();
    let found = ask.try_collect().await.map_err(of_call)?;
    let read = |offering: &aws_sdk_ec2::types::InstanceTypeOffering| {
        let machine = offering.instance_type()?.as_str().to_owned();
        Some(Offering { zone: Zone::from(offering.location()?), machine })
    };
    Ok(found.iter().filter_map(read).collect())
}

pub(super) async fn prices(client: &Client, machines: &[Machine]) -> Result<Vec<Price>, CloudError> {
    let ask = client.describe_spot_price_history().start_time(DateTime::from(SystemTime::now()));
    let ask = ask.set_product_descriptions(Some(LINUX.map(str::to_owned).to_vec()));
    let types = machines.iter().map(|machine| InstanceType::from(machine.name.as_str()));
    let ask = ask.set_instance_types(Some(types.collect())).into_paginator().items().send();
    let found = ask.try_collect().await.map_err(of_call)?;
    Ok(newest(&found))
}

/// The newest price of each pool: the list goes back to the last change before now, and has both names of Linux.
fn newest(found: &[SpotPrice]) -> Vec<Price> {
    let mut newest: BTreeMap<Offering, (Option<DateTime>, UsdPerHour)> = BTreeMap::new();
    for price in found {
        let (Some(zone), Some(machine)) = (price.availability_zone(), price.instance_type()) else { continue };
        let Some(usd) = price.spot_price().and_then(|usd| usd.parse().ok()) else { continue };
        let of = Offering { zone: Zone::from(zone), machine: machine.as_str().to_owned() };
        let this = (price.timestamp().copied(), UsdPerHour(usd));
        let known = newest.entry(of).or_insert(this);
        if this.0 > known.0 {
            *known = this;
        }
    }
    newest.into_iter().map(|(of, (_, usd))| Price { of, usd }).collect()
}
