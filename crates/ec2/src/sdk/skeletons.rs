//! The security group and the launch template that all instances of a region start from.

use aws_sdk_ec2::Client;
use aws_sdk_ec2::types::{
    LaunchTemplateBlockDeviceMappingRequest, LaunchTemplateEbsBlockDeviceRequest, LaunchTemplateHttpTokensState,
    LaunchTemplateInstanceMetadataEndpointState, LaunchTemplateInstanceMetadataOptionsRequest,
    LaunchTemplateInstanceNetworkInterfaceSpecificationRequest, RequestLaunchTemplateData, ResourceType,
    ShutdownBehavior, VolumeType,
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
/// The root volume of Amazon Linux.
const ROOT: &str = "/dev/xvda";
/// What Amazon says when somebody else was faster.
const EXISTS: [&str; 2] = ["InvalidGroup.Duplicate", "InvalidLaunchTemplateName.AlreadyExistsException"];

pub(super) async fn ensure_group(client: &Client, network: &VpcId) -> Result<GroupId, CloudError> {
    if let Some(known) = group(client, network).await? {
        return Ok(known);
    }
    // A new group lets nothing in and everything out.
    let make = client.create_security_group().group_name(GROUP).description(GROUP_IS_FOR).vpc_id(&network.0);
    let make = make.tag_specifications(tagged(ResourceType::SecurityGroup, &tags::of_anything()));
    match make.send().await.map_err(of_call) {
        Ok(made) => made.group_id().map(GroupId::from).ok_or_else(|| lacks("id of a group")),
        Err(error) if EXISTS.contains(&&*error.code) => group(client, network).await?.ok_or(error),
        Err(error) => Err(error),
    }
}

async fn group(client: &Client, network: &VpcId) -> Result<Option<GroupId>, CloudError> {
    let ask = client.describe_security_groups().filters(filter("vpc-id", [&network.0]));
    let ask = ask.filters(filter("group-name", [GROUP]));
    let found = ask.into_paginator().items().send().try_collect().await.map_err(of_call)?;
    Ok(found.iter().find_map(|group| group.group_id().map(GroupId::from)))
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
