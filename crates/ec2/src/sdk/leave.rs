//! Dry runs: Amazon checks whether we may, and does nothing. Yes is an error with a code of its own.

use aws_sdk_ec2::Client;
use aws_sdk_ec2::types::{
    FleetLaunchTemplateConfigRequest, FleetLaunchTemplateSpecificationRequest, FleetType, InstanceType,
    RequestLaunchTemplateData, ResourceType, TargetCapacitySpecificationRequest,
};

use super::errors::of_call;
use super::fleets::{VERSION, image};
use super::skeletons::{GROUP, GROUP_IS_FOR};
use super::tagged;
use crate::cloud::Action;
use crate::failure::CloudError;
use crate::machines::Arch;
use crate::tags;

/// How Amazon says yes.
const YES: &str = "DryRunOperation";
/// What has the shape of an id and belongs to nobody.
const NO_TEMPLATE: &str = "lt-00000000000000000";
/// Any machine that every region has.
const USUAL: &str = "c5.large";

pub(super) async fn may(client: &Client, action: &Action) -> Result<(), CloudError> {
    let answer = match action {
        Action::CreateGroup => {
            let ask = client.create_security_group().dry_run(true).group_name(GROUP).description(GROUP_IS_FOR);
            let ask = ask.tag_specifications(tagged(ResourceType::SecurityGroup, &tags::of_anything()));
            ask.send().await.map(drop).map_err(of_call)
        }
        Action::CreateTemplate => {
            let data = RequestLaunchTemplateData::builder().instance_type(InstanceType::from(USUAL)).build();
            let ask = client.create_launch_template().dry_run(true).launch_template_name("rehearsal-dry-run");
            let ask = ask.tag_specifications(tagged(ResourceType::LaunchTemplate, &tags::of_anything()));
            ask.launch_template_data(data).send().await.map(drop).map_err(of_call)
        }
        Action::CreateFleet => create_fleet(client).await,
        Action::RunInstances => {
            let ask = client.run_instances().dry_run(true).min_count(1).max_count(1);
            let ask = ask.image_id(image(Arch::X86_64)).instance_type(InstanceType::from(USUAL));
            let ask = ask.tag_specifications(tagged(ResourceType::Instance, &tags::of_anything()));
            ask.send().await.map(drop).map_err(of_call)
        }
        Action::Terminate(id) => {
            let ask = client.terminate_instances().dry_run(true).instance_ids(&id.0);
            ask.send().await.map(drop).map_err(of_call)
        }
    };
    match answer {
        Err(error) if error.code == YES => Ok(()),
        answer => answer,
    }
}

async fn create_fleet(client: &Client) -> Result<(), CloudError> {
    let template =
        FleetLaunchTemplateSpecificationRequest::builder().launch_template_id(NO_TEMPLATE).version(VERSION).build();
    let config = FleetLaunchTemplateConfigRequest::builder().launch_template_specification(template).build();
    let wanted = TargetCapacitySpecificationRequest::builder().total_target_capacity(1).build();
    let ask = client.create_fleet().dry_run(true).r#type(FleetType::Instant).launch_template_configs(config);
    let ask = ask.tag_specifications(tagged(ResourceType::Fleet, &tags::of_anything()));
    ask.target_capacity_specification(wanted).send().await.map(drop).map_err(of_call)
}
