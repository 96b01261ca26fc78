//! What is ours, and how it ends.

use std::time::SystemTime;

use aws_sdk_ec2::Client;
use aws_sdk_ec2::types::{FleetData, FleetStateCode, InstanceLifecycleType, InstanceStateName};

use super::errors::{lacks, of_call};
use super::{filter, tags_of, with_tags};
use crate::cloud::{Instance, Leftover, Offering, Purchase, State, Thing};
use crate::failure::CloudError;
use crate::names::{GroupId, InstanceId, RequestId, TemplateId, Zone};
use crate::tags::{APP, Tags, of_anything};

pub(super) async fn instances(client: &Client, wanted: &Tags) -> Result<Vec<Instance>, CloudError> {
    let ask = client.describe_instances().set_filters(Some(with_tags(wanted)));
    let found = ask.into_paginator().items().send().try_collect().await.map_err(of_call)?;
    let listed = found.iter().flat_map(|reservation| reservation.instances());
    listed.map(|instance| read(instance).ok_or_else(|| lacks("id and state of an instance"))).collect()
}

fn read(listed: &aws_sdk_ec2::types::Instance) -> Option<Instance> {
    let zone = listed.placement().and_then(|placement| placement.availability_zone()).unwrap_or_default();
    let machine = listed.instance_type().map(|machine| machine.as_str().to_owned()).unwrap_or_default();
    let is_spot = listed.instance_lifecycle() == Some(&InstanceLifecycleType::Spot);
    let launched = listed.launch_time().and_then(|time| SystemTime::try_from(*time).ok());
    Some(Instance {
        id: InstanceId::from(listed.instance_id()?),
        of: Offering { zone: Zone::from(zone), machine },
        purchase: if is_spot { Purchase::Spot } else { Purchase::OnDemand },
        state: state(listed.state()?.name()?),
        since: launched.unwrap_or(SystemTime::UNIX_EPOCH),
        address: listed.public_ip_address().and_then(|address| address.parse().ok()),
        tags: tags_of(listed.tags()),
    })
}

fn state(name: &InstanceStateName) -> State {
    match name {
        InstanceStateName::Pending => State::Pending,
        InstanceStateName::ShuttingDown => State::ShuttingDown,
        InstanceStateName::Terminated => State::Terminated,
        InstanceStateName::Stopping => State::Stopping,
        InstanceStateName::Stopped => State::Stopped,
        // A state that is not known yet may cost money: it is better ended than forgotten.
        _ => State::Running,
    }
}

pub(super) async fn terminate(client: &Client, instances: &[InstanceId]) -> Result<(), CloudError> {
    let ids = instances.iter().map(|id| id.0.clone()).collect();
    client.terminate_instances().set_instance_ids(Some(ids)).send().await.map_err(of_call)?;
    Ok(())
}

pub(super) async fn leftovers(client: &Client) -> Result<Vec<Leftover>, CloudError> {
    let mut found = requests(client).await?;
    let ours = || Some(with_tags(&of_anything()));
    let templates = client.describe_launch_templates().set_filters(ours()).into_paginator().items().send();
    for template in templates.try_collect().await.map_err(of_call)? {
        let id = template.launch_template_id().ok_or_else(|| lacks("id of a launch template"))?;
        found.push(Leftover { what: Thing::Template(TemplateId::from(id)), tags: tags_of(template.tags()) });
    }
    let groups = client.describe_security_groups().set_filters(ours()).into_paginator().items().send();
    for group in groups.try_collect().await.map_err(of_call)? {
        let id = group.group_id().ok_or_else(|| lacks("id of a group"))?;
        found.push(Leftover { what: Thing::Group(GroupId::from(id)), tags: tags_of(group.tags()) });
    }
    Ok(found)
}

/// Instant fleets are listed only to those who know their ids, and these are found by their tag.
async fn requests(client: &Client) -> Result<Vec<Leftover>, CloudError> {
    let ask = client.describe_tags().filters(filter("resource-type", ["fleet"]));
    let ask = ask.filters(filter("key", [APP.0])).filters(filter("value", [APP.1]));
    let tagged = ask.into_paginator().items().send().try_collect().await.map_err(of_call)?;
    let ids: Vec<String> = tagged.iter().filter_map(|tag| tag.resource_id().map(str::to_owned)).collect();
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let ask = client.describe_fleets().set_fleet_ids(Some(ids));
    let fleets = ask.into_paginator().items().send().try_collect().await.map_err(of_call)?;
    let of_fleet = |fleet: &FleetData| {
        let what = Thing::Request(RequestId::from(fleet.fleet_id()?));
        Some(Leftover { what, tags: tags_of(fleet.tags()) })
    };
    Ok(fleets.iter().filter(|fleet| !is_deleted(fleet)).filter_map(of_fleet).collect())
}

/// Deleted fleets are listed for some time.
fn is_deleted(fleet: &FleetData) -> bool {
    let gone = [FleetStateCode::Deleted, FleetStateCode::DeletedTerminatingInstances];
    fleet.fleet_state().is_some_and(|state| gone.contains(state))
}

pub(super) async fn delete(client: &Client, what: &Thing) -> Result<(), CloudError> {
    match what {
        Thing::Request(id) => delete_request(client, id).await,
        Thing::Template(id) => {
            client.delete_launch_template().launch_template_id(&id.0).send().await.map_err(of_call)?;
            Ok(())
        }
        Thing::Group(id) => {
            client.delete_security_group().group_id(&id.0).send().await.map_err(of_call)?;
            Ok(())
        }
    }
}

/// An instant fleet cannot be deleted without its instances. The answer is a success that may hold a failure.
async fn delete_request(client: &Client, id: &RequestId) -> Result<(), CloudError> {
    let ask = client.delete_fleets().fleet_ids(&id.0).terminate_instances(true);
    let answer = ask.send().await.map_err(of_call)?;
    let Some(failed) = answer.unsuccessful_fleet_deletions().first() else { return Ok(()) };
    let error = failed.error().ok_or_else(|| lacks("error of a fleet that was not deleted"))?;
    let code = error.code().map_or("Unknown", |code| code.as_str());
    Err(CloudError::of_code(code, error.message().unwrap_or("without a word")))
}
