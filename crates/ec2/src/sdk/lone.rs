//! The request for one instance that must stay.
//!
//! It starts from no template: one with a network interface and a request with a subnet contradict each other, and a
//! request whose interface replaces the template's says all of it again.

use aws_sdk_ec2::Client;
use aws_sdk_ec2::types::{
    BlockDeviceMapping, EbsBlockDevice, HttpTokensState, InstanceMetadataEndpointState, InstanceMetadataOptionsRequest,
    InstanceNetworkInterfaceSpecification, InstanceType, ResourceType, ShutdownBehavior, VolumeType,
};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

use super::errors::{lacks, of_call};
use super::fleets::image;
use super::skeletons::ROOT;
use super::tagged;
use crate::failure::CloudError;
use crate::names::InstanceId;
use crate::request::RunOne;

/// What has its tags from the instant in which it is made.
const TAGGED: [ResourceType; 3] = [ResourceType::Instance, ResourceType::Volume, ResourceType::NetworkInterface];

pub(super) async fn run(client: &Client, request: &RunOne) -> Result<InstanceId, CloudError> {
    let volume = EbsBlockDevice::builder()
        .delete_on_termination(true)
        .volume_type(VolumeType::Gp3)
        .volume_size(i32::try_from(request.volume_gb).unwrap_or(i32::MAX));
    let network = InstanceNetworkInterfaceSpecification::builder()
        .device_index(0)
        .associate_public_ip_address(true)
        .delete_on_termination(true)
        .subnet_id(&request.subnet.0)
        .groups(&request.group.0);
    let metadata = InstanceMetadataOptionsRequest::builder()
        .http_endpoint(InstanceMetadataEndpointState::Enabled)
        .http_tokens(HttpTokensState::Required)
        .http_put_response_hop_limit(1);
    let asked = client
        .run_instances()
        .client_token(&request.token)
        .min_count(1)
        .max_count(1)
        .image_id(image(request.machine.arch))
        .instance_type(InstanceType::from(request.machine.name.as_str()))
        .instance_initiated_shutdown_behavior(ShutdownBehavior::Terminate)
        .block_device_mappings(BlockDeviceMapping::builder().device_name(ROOT).ebs(volume.build()).build())
        .network_interfaces(network.build())
        .metadata_options(metadata.build())
        .user_data(BASE64_STANDARD.encode(&request.user_data.0))
        .set_tag_specifications(Some(TAGGED.map(|kind| tagged(kind, &request.tags)).to_vec()));
    let answer = asked.send().await.map_err(of_call)?;
    let id = answer.instances().first().and_then(|instance| instance.instance_id());
    id.map(InstanceId::from).ok_or_else(|| lacks("id of the instance"))
}
