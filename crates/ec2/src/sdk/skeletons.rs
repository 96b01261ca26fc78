//! The security group and the launch template that all instances of a region start from.

use std::collections::BTreeSet;

use aws_sdk_ec2::Client;
use aws_sdk_ec2::types::{
    IpPermission, IpRange, LaunchTemplateBlockDeviceMappingRequest, LaunchTemplateEbsBlockDeviceRequest,
    LaunchTemplateHttpTokensState, LaunchTemplateInstanceMetadataEndpointState,
    LaunchTemplateInstanceMetadataOptionsRequest, LaunchTemplateInstanceNetworkInterfaceSpecificationRequest,
    RequestLaunchTemplateData, ResourceType, SecurityGroup, ShutdownBehavior, VolumeType,
};

use super::errors::{lacks, of_call};
use super::{filter, tagged};
use crate::cloud::Skeleton;
use crate::failure::CloudError;
use crate::names::{GroupId, TemplateId, VpcId};
use crate::tags;

/// The name of the security group, one in each network.
pub(super) const GROUP: &str = "rehearsal-agents";
pub(super) const GROUP_IS_FOR: &str = "Agents of rehearsals: nothing comes in, everything may go out.";
const OPEN_GROUP_IS_FOR: &str = "Rehearsals: the TCP ports of its name come in, everything may go out.";
/// From everywhere.
const ANYWHERE: &str = "0.0.0.0/0";
/// The root volume of Amazon Linux.
pub(super) const ROOT: &str = "/dev/xvda";
/// What Amazon says when somebody else was faster.
const EXISTS: [&str; 2] = ["InvalidGroup.Duplicate", "InvalidLaunchTemplateName.AlreadyExistsException"];

/// What Amazon says to a rule that is there already.
const IS_OPEN: &str = "InvalidPermission.Duplicate";

pub(super) async fn ensure_group(client: &Client, network: &VpcId) -> Result<GroupId, CloudError> {
    // A new group lets nothing in and everything out.
    let group = group(client, network, GROUP, GROUP_IS_FOR).await?;
    id(&group)
}

pub(super) async fn ensure_open_group(
    client: &Client,
    network: &VpcId,
    ports: &BTreeSet<u16>,
) -> Result<GroupId, CloudError> {
    let names: String = ports.iter().map(|port| format!("-{port}")).collect();
    let name = format!("rehearsal-open{names}");
    let group = group(client, network, &name, OPEN_GROUP_IS_FOR).await?;
    let is_open = |port: &u16| group.ip_permissions().iter().any(|rule| lets_in(rule, *port));
    // Whoever made it may have been stopped before it opened it.
    let closed: Vec<IpPermission> = ports.iter().filter(|port| !is_open(port)).map(|port| rule(*port)).collect();
    let id = id(&group)?;
    if closed.is_empty() {
        return Ok(id);
    }
    let open = client.authorize_security_group_ingress().group_id(&id.0).set_ip_permissions(Some(closed));
    match open.send().await.map_err(of_call) {
        // Somebody else was faster, and opens the same ports.
        Err(error) if error.code != IS_OPEN => Err(error),
        _ => Ok(id),
    }
}

fn rule(port: u16) -> IpPermission {
    let anywhere = IpRange::builder().cidr_ip(ANYWHERE).build();
    let port = i32::from(port);
    IpPermission::builder().ip_protocol("tcp").from_port(port).to_port(port).ip_ranges(anywhere).build()
}

fn lets_in(rule: &IpPermission, port: u16) -> bool {
    let port = Some(i32::from(port));
    let is_its = rule.ip_protocol() == Some("tcp") && rule.from_port() <= port && port <= rule.to_port();
    is_its && rule.ip_ranges().iter().any(|range| range.cidr_ip() == Some(ANYWHERE))
}

/// Finds or makes the group of a name in a network.
async fn group(client: &Client, network: &VpcId, name: &str, is_for: &str) -> Result<SecurityGroup, CloudError> {
    if let Some(known) = known_group(client, network, name).await? {
        return Ok(known);
    }
    let make = client.create_security_group().group_name(name).description(is_for).vpc_id(&network.0);
    let make = make.tag_specifications(tagged(ResourceType::SecurityGroup, &tags::of_anything()));
    match make.send().await.map_err(of_call) {
        Ok(made) => Ok(SecurityGroup::builder().set_group_id(made.group_id().map(str::to_owned)).build()),
        Err(error) if EXISTS.contains(&&*error.code) => known_group(client, network, name).await?.ok_or(error),
        Err(error) => Err(error),
    }
}

async fn known_group(client: &Client, network: &VpcId, name: &str) -> Result<Option<SecurityGroup>, CloudError> {
    let ask = client.describe_security_groups().filters(filter("vpc-id", [&network.0]));
    let ask = ask.filters(filter("group-name", [name]));
    let found = ask.into_paginator().items().send().try_collect().await.map_err(of_call)?;
    Ok(found.into_iter().next())
}

fn id(group: &SecurityGroup) -> Result<GroupId, CloudError> {
    group.group_id().map(GroupId::from).ok_or_else(|| lacks("id of a group"))
}

pub(super) async fn ensure_template(client: &Client, skeleton: &Skeleton) -> Result<TemplateId, CloudError> {
    if let Some(known) = template(client, &skeleton.name).await? {
        return Ok(known);
    }
    let make =
        client.create_launch_template().launch_template_name(&skeleton.name).launch_template_data(data(skeleton));
    let make = make.tag_specifications(tagged(ResourceType::LaunchTemplate, &tags::of_anything()));
    match make.send().await.map_err(of_call) {
        Ok(made) => {
            let id = made.launch_template().and_then(|template| template.launch_template_id());
            id.map(TemplateId::from).ok_or_else(|| lacks("id of a launch template"))
        }
        Err(error) if EXISTS.contains(&&*error.code) => template(client, &skeleton.name).await?.ok_or(error),
        Err(error) => Err(error),
    }
}

async fn template(client: &Client, name: &str) -> Result<Option<TemplateId>, CloudError> {
    // By a filter: asked for by its name, a template that is not there is an error.
    let ask = client.describe_launch_templates().filters(filter("launch-template-name", [name]));
    let found = ask.into_paginator().items().send().try_collect().await.map_err(of_call)?;
    Ok(found.iter().find_map(|template| template.launch_template_id().map(TemplateId::from)))
}

/// What every instance has, whatever it is for.
fn data(skeleton: &Skeleton) -> RequestLaunchTemplateData {
    let volume = LaunchTemplateEbsBlockDeviceRequest::builder()
        .delete_on_termination(true)
        .volume_type(VolumeType::Gp3)
        .volume_size(i32::try_from(skeleton.volume_gb).unwrap_or(i32::MAX));
    let root = LaunchTemplateBlockDeviceMappingRequest::builder().device_name(ROOT).ebs(volume.build());
    let network = LaunchTemplateInstanceNetworkInterfaceSpecificationRequest::builder()
        .device_index(0)
        .associate_public_ip_address(true)
        .delete_on_termination(true)
        .groups(&skeleton.group.0);
    // Metadata only to whoever asks for a token first, and only on the instance itself.
    let metadata = LaunchTemplateInstanceMetadataOptionsRequest::builder()
        .http_endpoint(LaunchTemplateInstanceMetadataEndpointState::Enabled)
        .http_tokens(LaunchTemplateHttpTokensState::Required)
        .http_put_response_hop_limit(1);
    RequestLaunchTemplateData::builder()
        // On demand the default is to stop, and the volume of what is stopped costs on.
        .instance_initiated_shutdown_behavior(ShutdownBehavior::Terminate)
        .block_device_mappings(root.build())
        .network_interfaces(network.build())
        .metadata_options(metadata.build())
        .build()
}
