//! The request for instances, and what comes of it.

use aws_sdk_ec2::Client;
use aws_sdk_ec2::operation::create_fleet::CreateFleetOutput;
use aws_sdk_ec2::types::{
    CreateFleetError, CreateFleetInstance, DefaultTargetCapacityType, FleetLaunchTemplateConfigRequest,
    FleetLaunchTemplateOverridesRequest, FleetLaunchTemplateSpecificationRequest, FleetOnDemandAllocationStrategy,
    FleetType, InstanceLifecycle, InstanceType, LaunchTemplateAndOverridesResponse, OnDemandOptionsRequest,
    ResourceType, SpotAllocationStrategy, SpotInstanceInterruptionBehavior, SpotOptionsRequest,
    TargetCapacitySpecificationRequest,
};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

use super::errors::of_call;
use super::tagged;
use crate::cloud::{FleetAnswer, Launched, Offering, Purchase, Refusal};
use crate::failure::CloudError;
use crate::machines::Arch;
use crate::names::{InstanceId, RequestId, Zone};
use crate::request::{FleetRequest, Override};

/// The only version of our templates: another content has another name.
pub(super) const VERSION: &str = "1";
/// What has the tags of a fleet from the instant in which it is made.
const TAGGED: [ResourceType; 4] =
    [ResourceType::Fleet, ResourceType::Instance, ResourceType::Volume, ResourceType::NetworkInterface];

pub(super) async fn create(client: &Client, request: &FleetRequest) -> Result<FleetAnswer, CloudError> {
    let template = FleetLaunchTemplateSpecificationRequest::builder()
        .launch_template_id(&request.template.0)
        .version(VERSION)
        .launch_template_specification_user_data(BASE64_STANDARD.encode(&request.user_data.0));
    let config = FleetLaunchTemplateConfigRequest::builder()
        .launch_template_specification(template.build())
        .set_overrides(Some(request.overrides.iter().map(of_override).collect()));
    let spot = SpotOptionsRequest::builder()
        .allocation_strategy(SpotAllocationStrategy::PriceCapacityOptimized)
        .instance_interruption_behavior(SpotInstanceInterruptionBehavior::Terminate);
    // The strategies of spot instances are refused here.
    let on_demand = OnDemandOptionsRequest::builder().allocation_strategy(FleetOnDemandAllocationStrategy::LowestPrice);
    let wanted = TargetCapacitySpecificationRequest::builder()
        .total_target_capacity(whole(request.spot_vcpus.saturating_add(request.on_demand_vcpus)))
        .spot_target_capacity(whole(request.spot_vcpus))
        .on_demand_target_capacity(whole(request.on_demand_vcpus))
        .default_target_capacity_type(DefaultTargetCapacityType::Spot);
    let asked = client
        .create_fleet()
        .client_token(&request.token)
        .r#type(FleetType::Instant)
        .spot_options(spot.build())
        .on_demand_options(on_demand.build())
        .target_capacity_specification(wanted.build())
        .launch_template_configs(config.build())
        .set_tag_specifications(Some(TAGGED.map(|kind| tagged(kind, &request.tags)).to_vec()));
    Ok(read(&asked.send().await.map_err(of_call)?, request))
}

fn whole(number: u32) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}

fn of_override(pool: &Override) -> FleetLaunchTemplateOverridesRequest {
    FleetLaunchTemplateOverridesRequest::builder()
        .instance_type(InstanceType::from(pool.machine.name.as_str()))
        .subnet_id(&pool.subnet.0)
        .image_id(image(pool.machine.arch))
        .weighted_capacity(f64::from(pool.machine.vcpus))
        .max_price(pool.max_price.0.to_string())
        .build()
}

/// The newest Amazon Linux for a kind of processor, by the name under which Amazon keeps it.
pub(super) fn image(arch: Arch) -> String {
    let arch = match arch {
        Arch::X86_64 => "x86_64",
        Arch::Aarch64 => "arm64",
    };
    format!("resolve:ssm:/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-{arch}")
}

/// An answer may have both instances and errors.
fn read(answer: &CreateFleetOutput, request: &FleetRequest) -> FleetAnswer {
    FleetAnswer {
        request: answer.fleet_id().map(RequestId::from),
        launched: answer.instances().iter().flat_map(|of_pool| launched(of_pool, request)).collect(),
        refusals: answer.errors().iter().map(|error| refusal(error, request)).collect(),
    }
}

fn launched(of_pool: &CreateFleetInstance, request: &FleetRequest) -> Vec<Launched> {
    let chosen = pool(of_pool.launch_template_and_overrides(), request);
    let machine = of_pool.instance_type().map(|machine| machine.as_str().to_owned());
    let (zone, named) = chosen.map_or((None, None), |of| (Some(of.zone), Some(of.machine)));
    let zone = of_pool.availability_zone().map(Zone::from).or(zone);
    let of = Offering { zone: zone.unwrap_or_else(|| Zone::from("")), machine: machine.or(named).unwrap_or_default() };
    let purchase = purchase(of_pool.lifecycle());
    let ids = of_pool.instance_ids().iter();
    ids.map(|id| Launched { id: InstanceId(id.clone()), of: of.clone(), purchase }).collect()
}

fn purchase(lifecycle: Option<&InstanceLifecycle>) -> Purchase {
    match lifecycle {
        Some(InstanceLifecycle::OnDemand) => Purchase::OnDemand,
        _ => Purchase::Spot,
    }
}

fn refusal(error: &CreateFleetError, request: &FleetRequest) -> Refusal {
    let code = error.error_code().unwrap_or("Unknown");
    let error_text = error.error_message().unwrap_or("without a word");
    Refusal { of: pool(error.launch_template_and_overrides(), request), error: CloudError::of_code(code, error_text) }
}

/// The pool that part of an answer is about. Answers repeat what was asked, and need not name the subnet's zone.
fn pool(of: Option<&LaunchTemplateAndOverridesResponse>, request: &FleetRequest) -> Option<Offering> {
    let overrides = of?.overrides()?;
    let machine = overrides.instance_type()?.as_str().to_owned();
    let is_its = |asked: &&Override| Some(asked.subnet.0.as_str()) == overrides.subnet_id();
    let of_subnet = || request.overrides.iter().find(is_its).map(|asked| asked.of.zone.clone());
    let zone = overrides.availability_zone().map(Zone::from).or_else(of_subnet);
    Some(Offering { zone: zone.unwrap_or_else(|| Zone::from("")), machine })
}
