//! Regions, zones, networks and images.

use rehearsal_fake_aws::Shape;

use crate::account::Account;
use crate::call::{Call, Fields, Tags};
use crate::geography::{self, zone, zone_id};
use crate::listing::{PAGES, Seen, numbered, page};
use crate::refusal::Refusal;

/// The tags of what has none and can have some.
static NO_TAGS: Tags = Tags::new();

pub(super) fn regions(account: &Account, call: &Call) -> Result<Shape, Refusal> {
    let names = call.fields.texts("RegionName");
    if let Some(unknown) = names.iter().find(|name| !account.world.regions.contains_key(**name)) {
        return Err(Refusal::value(format!("Invalid region names: [{unknown}]")));
    }
    let has_all = call.fields.flag("AllRegions") == Some(true);
    let mut told = Vec::new();
    for (name, region) in &account.world.regions {
        let is_asked = if names.is_empty() { has_all || region.is_enabled() } else { names.contains(&name.as_str()) };
        let endpoint = format!("ec2.{name}.amazonaws.com");
        let attributes =
            [("region-name", name.clone()), ("opt-in-status", region.opt_in.clone()), ("endpoint", endpoint.clone())];
        if is_asked && Seen::new(None, attributes).passes(call)? {
            told.push(Shape::map([
                ("regionName", name.as_str().into()),
                ("regionEndpoint", endpoint.into()),
                ("optInStatus", region.opt_in.as_str().into()),
            ]));
        }
    }
    Ok(Shape::map([("regionInfo", Shape::List(told))]))
}

pub(super) fn zones(account: &Account, call: &Call) -> Result<Shape, Refusal> {
    let region = call.region.as_str();
    let (names, ids) = (call.fields.texts("ZoneName"), call.fields.texts("ZoneId"));
    let mut told = Vec::new();
    for letter in account.world.regions.get(region).into_iter().flat_map(|region| &region.zones) {
        let (name, id) = (zone(region, letter), zone_id(region, letter));
        let is_asked =
            (names.is_empty() || names.contains(&name.as_str())) && (ids.is_empty() || ids.contains(&id.as_str()));
        let attributes = [
            ("group-name", format!("{region}-zg-1")),
            ("opt-in-status", "opt-in-not-required".into()),
            ("region-name", region.to_owned()),
            ("state", "available".into()),
            ("zone-id", id.clone()),
            ("zone-name", name.clone()),
            ("zone-type", "availability-zone".into()),
        ];
        if is_asked && Seen::new(None, attributes).passes(call)? {
            told.push(Shape::map([
                ("zoneName", name.into()),
                ("zoneState", "available".into()),
                ("regionName", region.into()),
                ("messageSet", Shape::List(Vec::new())),
                ("zoneId", id.into()),
                ("groupName", format!("{region}-zg-1").into()),
                ("networkBorderGroup", region.into()),
                ("optInStatus", "opt-in-not-required".into()),
                ("zoneType", "availability-zone".into()),
            ]));
        }
    }
    Ok(Shape::map([("availabilityZoneInfo", Shape::List(told))]))
}

pub(super) fn vpcs(account: &Account, call: &Call) -> Result<Shape, Refusal> {
    let (world, region) = (&account.world, call.region.as_str());
    let (all, default) = (geography::vpcs(world, region), geography::default_vpc(world, region));
    let asked = call.fields.texts("VpcId");
    if let Some(unknown) = asked.iter().find(|id| !all.iter().any(|vpc| vpc == *id)) {
        return Err(Refusal::new("InvalidVpcID.NotFound", format!("The vpc ID '{unknown}' does not exist")));
    }
    let mut told = Vec::new();
    for id in all.iter().filter(|id| asked.is_empty() || asked.contains(&id.as_str())) {
        let is_default = default.as_ref() == Some(id);
        let attributes = [
            ("is-default", is_default.to_string()),
            ("isDefault", is_default.to_string()),
            ("owner-id", world.account.clone()),
            ("state", "available".into()),
            ("vpc-id", id.clone()),
        ];
        if Seen::new(Some(&NO_TAGS), attributes).passes(call)? {
            told.push(Shape::map([
                ("vpcId", id.as_str().into()),
                ("ownerId", world.account.as_str().into()),
                ("state", "available".into()),
                ("cidrBlock", if is_default { "172.31.0.0/16" } else { "10.0.0.0/16" }.into()),
                ("dhcpOptionsId", "default".into()),
                ("instanceTenancy", "default".into()),
                ("isDefault", is_default.into()),
                ("tagSet", Shape::List(Vec::new())),
            ]));
        }
    }
    let (told, token) = page(numbered(told), call, PAGES, world.page_size)?;
    Ok(Shape::map([("vpcSet", Shape::List(told)), ("nextToken", token)]))
}

pub(super) fn subnets(account: &Account, call: &Call) -> Result<Shape, Refusal> {
    let (world, region) = (&account.world, call.region.as_str());
    let all = geography::subnets(world, region);
    let asked = call.fields.texts("SubnetId");
    if let Some(unknown) = asked.iter().find(|id| !all.iter().any(|subnet| subnet.id == **id)) {
        return Err(Refusal::new("InvalidSubnetID.NotFound", format!("The subnet ID '{unknown}' does not exist")));
    }
    let mut told = Vec::new();
    for (number, subnet) in (0_u64..).zip(&all) {
        let (name, id) = (zone(region, &subnet.letter), zone_id(region, &subnet.letter));
        let attributes = [
            ("availability-zone", name.clone()),
            ("availability-zone-id", id.clone()),
            ("default-for-az", subnet.is_default.to_string()),
            ("defaultForAz", subnet.is_default.to_string()),
            ("map-public-ip-on-launch", subnet.is_default.to_string()),
            ("state", "available".into()),
            ("subnet-id", subnet.id.clone()),
            ("vpc-id", subnet.vpc.clone()),
        ];
        let is_asked = asked.is_empty() || asked.contains(&subnet.id.as_str());
        if is_asked && Seen::new(Some(&NO_TAGS), attributes).passes(call)? {
            told.push(Shape::map([
                ("subnetId", subnet.id.as_str().into()),
                ("subnetArn", format!("arn:aws:ec2:{region}:{}:subnet/{}", world.account, subnet.id).into()),
                ("state", "available".into()),
                ("ownerId", world.account.as_str().into()),
                ("vpcId", subnet.vpc.as_str().into()),
                ("cidrBlock", format!("172.31.{}.0/20", number * 16).into()),
                ("availableIpAddressCount", 4_091_u64.into()),
                ("availabilityZone", name.into()),
                ("availabilityZoneId", id.into()),
                ("defaultForAz", subnet.is_default.into()),
                ("mapPublicIpOnLaunch", subnet.is_default.into()),
                ("assignIpv6AddressOnCreation", false.into()),
                ("tagSet", Shape::List(Vec::new())),
            ]));
        }
    }
    let (told, token) = page(numbered(told), call, PAGES, world.page_size)?;
    Ok(Shape::map([("subnetSet", Shape::List(told)), ("nextToken", token)]))
}

pub(super) fn images(account: &Account, call: &Call) -> Result<Shape, Refusal> {
    let asked = call.fields.texts("ImageId");
    for id in &asked {
        geography::image(&call.region, id)?;
    }
    let owners = call.fields.texts("Owner");
    let is_amazon = owners.is_empty() || owners.contains(&"amazon") || owners.contains(&"137112412989");
    let mut told = Vec::new();
    for image in geography::images(&call.region) {
        let attributes = [
            ("architecture", image.architecture.to_owned()),
            ("image-id", image.id.clone()),
            ("name", image.name.clone()),
            ("owner-alias", "amazon".into()),
            ("state", "available".into()),
        ];
        let is_asked = is_amazon && (asked.is_empty() || asked.contains(&image.id.as_str()));
        if is_asked && Seen::new(Some(&NO_TAGS), attributes).passes(call)? {
            told.push(image.shape());
        }
    }
    let (told, token) = page(numbered(told), call, PAGES, account.world.page_size)?;
    Ok(Shape::map([("imagesSet", Shape::List(told)), ("nextToken", token)]))
}
