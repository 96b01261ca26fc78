//! Security groups: whom instances may hear and speak to. The fake enforces none of it.

use std::collections::BTreeSet;

use rehearsal_fake_aws::Shape;
use serde_json::Value;

use crate::account::Account;
use crate::call::{Call, Fields, Tags};
use crate::geography;
use crate::holdings::{Rule, SecurityGroup};
use crate::instance::State;
use crate::listing::{PAGES, Seen, page, tag_set};
use crate::refusal::Refusal;
use crate::world::World;

/// All groups of a region, those that every VPC has included.
pub(super) fn all(account: &Account, region: &str) -> Vec<SecurityGroup> {
    let defaults = (0..).zip(geography::vpcs(&account.world, region)).map(|(number, vpc)| SecurityGroup {
        number,
        id: geography::default_group(&vpc),
        name: "default".into(),
        description: "default VPC security group".into(),
        vpc,
        lets_in: BTreeSet::new(),
        tags: Tags::new(),
    });
    let made = account.holdings.get(region).into_iter().flat_map(|holdings| holdings.groups.values().cloned());
    let mut all: Vec<SecurityGroup> = defaults.chain(made).collect();
    all.sort_by_key(|group| group.number);
    all
}

pub(super) fn describe(account: &Account, call: &Call) -> Result<Shape, Refusal> {
    let all = all(account, &call.region);
    let (ids, names) = (call.fields.texts("GroupId"), call.fields.texts("GroupName"));
    if let Some(unknown) = ids.iter().find(|id| !all.iter().any(|group| group.id == **id)) {
        return Err(not_found(unknown));
    }
    if let Some(unknown) = names.iter().find(|name| !all.iter().any(|group| group.name == **name)) {
        return Err(not_found(unknown));
    }
    let mut told = Vec::new();
    for group in all {
        let attributes = [
            ("description", group.description.clone()),
            ("group-id", group.id.clone()),
            ("group-name", group.name.clone()),
            ("owner-id", account.world.account.clone()),
            ("vpc-id", group.vpc.clone()),
        ];
        let is_asked = (ids.is_empty() || ids.contains(&group.id.as_str()))
            && (names.is_empty() || names.contains(&group.name.as_str()));
        if is_asked && Seen::new(Some(&group.tags), attributes).passes(call)? {
            told.push((group.number, shape(&account.world, &call.region, &group)));
        }
    }
    let (told, token) = page(told, call, PAGES, account.world.page_size)?;
    Ok(Shape::map([("securityGroupInfo", Shape::List(told)), ("nextToken", token)]))
}

fn shape(world: &World, region: &str, group: &SecurityGroup) -> Shape {
    let anywhere = Shape::map([("ipProtocol", "-1".into())]).and(ranges("0.0.0.0/0"));
    let lets_in = group.lets_in.iter().map(|rule| {
        let ports = [("fromPort", u64::from(rule.from).into()), ("toPort", u64::from(rule.to).into())];
        Shape::map([("ipProtocol", rule.protocol.as_str().into())]).and(ports).and(ranges(&rule.range))
    });
    Shape::map([
        ("ownerId", world.account.as_str().into()),
        ("groupId", group.id.as_str().into()),
        ("groupName", group.name.as_str().into()),
        ("groupDescription", group.description.as_str().into()),
        ("vpcId", group.vpc.as_str().into()),
        ("ipPermissions", Shape::List(lets_in.collect())),
        ("ipPermissionsEgress", Shape::List(vec![anywhere])),
        ("tagSet", tag_set(&group.tags)),
        ("securityGroupArn", arn(world, region, &group.id).into()),
    ])
}

/// Whom a rule is about: addresses, and neither groups nor lists.
fn ranges(addresses: &str) -> [(&'static str, Shape); 4] {
    [
        ("groups", Shape::List(Vec::new())),
        ("ipRanges", Shape::List(vec![Shape::map([("cidrIp", addresses.into())])])),
        ("ipv6Ranges", Shape::List(Vec::new())),
        ("prefixListIds", Shape::List(Vec::new())),
    ]
}

fn arn(world: &World, region: &str, id: &str) -> String {
    format!("arn:aws:ec2:{region}:{}:security-group/{id}", world.account)
}

pub(super) fn create(account: &mut Account, call: &Call) -> Result<Shape, Refusal> {
    let region = &call.region;
    let name = call.fields.text("GroupName").ok_or_else(|| Refusal::missing("GroupName"))?;
    let description = call.fields.text("GroupDescription").ok_or_else(|| Refusal::missing("GroupDescription"))?;
    let vpc = match call.fields.text("VpcId") {
        Some(vpc) if geography::vpcs(&account.world, region).iter().any(|known| known == vpc) => vpc.to_owned(),
        Some(vpc) => {
            return Err(Refusal::new("InvalidVpcID.NotFound", format!("The vpc ID '{vpc}' does not exist")));
        }
        None => geography::default_vpc(&account.world, region).ok_or_else(no_default_vpc)?,
    };
    if all(account, region).iter().any(|group| group.name == name && group.vpc == vpc) {
        let message = format!("The security group '{name}' already exists for VPC '{vpc}'");
        return Err(Refusal::new("InvalidGroup.Duplicate", message));
    }
    let tags = call.tags_for("security-group")?;
    let (id, number) = (account.id("sg"), account.number());
    let told = Shape::map([
        ("groupId", id.as_str().into()),
        ("tagSet", tag_set(&tags)),
        ("securityGroupArn", arn(&account.world, region, &id).into()),
    ]);
    let (name, description, lets_in) = (name.into(), description.into(), BTreeSet::new());
    let group = SecurityGroup { number, id: id.clone(), name, description, vpc, lets_in, tags };
    account.holdings.entry(region.clone()).or_default().groups.insert(id, group);
    Ok(told)
}

/// Lets more in: all that is asked for, or nothing.
pub(super) fn authorize(account: &mut Account, call: &Call) -> Result<Shape, Refusal> {
    let id = call.fields.text("GroupId").ok_or_else(|| Refusal::missing("GroupId"))?;
    let rules = call.fields.list("IpPermissions").iter().map(rules).collect::<Result<Vec<_>, _>>()?.concat();
    if rules.is_empty() {
        return Err(Refusal::missing("IpPermissions"));
    }
    let owner = account.world.account.clone();
    let numbered: Vec<(String, Rule)> = rules.into_iter().map(|rule| (account.id("sgr"), rule)).collect();
    let holdings = account.holdings.entry(call.region.clone()).or_default();
    let group = holdings.groups.get_mut(id).ok_or_else(|| not_found(id))?;
    if let Some((_, Rule { protocol, from, to, range })) =
        numbered.iter().find(|(_, rule)| group.lets_in.contains(rule))
    {
        let message = format!(
            "the specified rule \"peer: {range}, {protocol}, from port: {from}, to port: {to}, ALLOW\" already exists"
        );
        return Err(Refusal::new("InvalidPermission.Duplicate", message));
    }
    group.lets_in.extend(numbered.iter().map(|(_, rule)| rule.clone()));
    let told = numbered.into_iter().map(|(rule_id, rule)| {
        Shape::map([
            ("securityGroupRuleId", rule_id.into()),
            ("groupId", id.into()),
            ("groupOwnerId", owner.as_str().into()),
            ("isEgress", false.into()),
            ("ipProtocol", rule.protocol.into()),
            ("fromPort", u64::from(rule.from).into()),
            ("toPort", u64::from(rule.to).into()),
            ("cidrIpv4", rule.range.into()),
        ])
    });
    Ok(Shape::map([("return", true.into()), ("securityGroupRuleSet", Shape::List(told.collect()))]))
}

/// The rules of one permission: one for each range of addresses.
fn rules(permission: &Value) -> Result<Vec<Rule>, Refusal> {
    let others = ["Groups", "Ipv6Ranges", "PrefixListIds"];
    if let Some(other) = others.iter().find(|other| !permission.list(other).is_empty()) {
        return Err(Refusal::unknown(&format!("rules about {other}")));
    }
    let protocol = permission.text("IpProtocol").ok_or_else(|| Refusal::missing("IpProtocol"))?;
    if !["tcp", "udp"].contains(&protocol) {
        return Err(Refusal::unknown(&format!("rules about the protocol {protocol}")));
    }
    let port = |key: &str| {
        let port = permission.count(key)?.ok_or_else(|| Refusal::missing(key))?;
        u16::try_from(port).map_err(|_| Refusal::value(format!("Invalid value '{port}' for {key}. It must be a port")))
    };
    let (from, to) = (port("FromPort")?, port("ToPort")?);
    let ranges = permission.list("IpRanges").iter().map(|range| match range.text("CidrIp") {
        Some(range) if range.contains('/') => Ok(range.to_owned()),
        range => Err(Refusal::value(format!("CIDR block {} is malformed", range.unwrap_or_default()))),
    });
    let rule = |range| Rule { protocol: protocol.to_owned(), from, to, range };
    ranges.map(|range| range.map(rule)).collect()
}

pub(super) fn delete(account: &mut Account, call: &Call) -> Result<Shape, Refusal> {
    let wanted = match (call.fields.text("GroupId"), call.fields.text("GroupName")) {
        (Some(wanted), _) | (None, Some(wanted)) => wanted,
        (None, None) => return Err(Refusal::missing("GroupId")),
    };
    let group = all(account, &call.region).into_iter().find(|group| group.id == wanted || group.name == wanted);
    let group = group.ok_or_else(|| not_found(wanted))?;
    if group.name == "default" {
        let message = format!("the specified group: \"{}\" name: \"default\" cannot be deleted by a user", group.id);
        return Err(Refusal::new("CannotDelete", message));
    }
    let holdings = account.holdings.entry(call.region.clone()).or_default();
    // What shuts down still has its network interface.
    let uses = holdings.instances.values().filter(|instance| instance.state() != State::Terminated);
    if uses.into_iter().any(|instance| instance.groups.iter().any(|(id, _)| *id == group.id)) {
        let message = format!("resource {} has a dependent object", group.id);
        return Err(Refusal::new("DependencyViolation", message));
    }
    holdings.groups.remove(&group.id);
    Ok(Shape::map([("return", true.into()), ("groupId", group.id.into())]))
}

pub(super) fn not_found(group: &str) -> Refusal {
    Refusal::new("InvalidGroup.NotFound", format!("The security group '{group}' does not exist"))
}

pub(super) fn no_default_vpc() -> Refusal {
    Refusal::new("VPCIdNotSpecified", "No default VPC for this user")
}
