//! Tags of all things: those that come after the start, and what is found by them.

use std::time::SystemTime;

use rehearsal_fake_aws::Shape;

use crate::account::Account;
use crate::actions::instances::is_known;
use crate::call::{self, Call, Fields, Tags};
use crate::holdings::Holdings;
use crate::listing::{PAGES, Seen, numbered, page};
use crate::refusal::Refusal;

/// All or none: one id that is not known refuses the whole call.
pub(super) fn create(account: &mut Account, call: &Call, now: SystemTime) -> Result<Shape, Refusal> {
    let ids = call.fields.texts("ResourceId");
    let tags = call::tags(&call.fields)?;
    if ids.is_empty() || tags.is_empty() {
        return Err(Refusal::missing(if ids.is_empty() { "ResourceId" } else { "Tag" }));
    }
    for id in &ids {
        let is_here = match id.starts_with("i-") {
            true => is_known(account, &call.region, id, now),
            false => account.holdings.get_mut(&call.region).is_some_and(|holdings| of(holdings, id).is_some()),
        };
        if !is_here {
            return Err(not_found(id));
        }
    }
    let holdings = account.holdings.entry(call.region.clone()).or_default();
    for id in ids {
        if let Some(all) = of(holdings, id) {
            all.extend(tags.clone());
        }
    }
    Ok(Shape::map([("return", true.into())]))
}

/// All tags of all things. Of a fleet that was deleted nothing is told here any more; when Amazon forgets it is not
/// known.
pub(super) fn describe(account: &Account, call: &Call) -> Result<Shape, Refusal> {
    let none = Holdings::default();
    let holdings = account.holdings.get(&call.region).unwrap_or(&none);
    let fleets = holdings.fleets.values().filter(|fleet| !fleet.is_deleted);
    let things = (fleets.map(|it| ("fleet", &it.id, &it.tags)))
        .chain(holdings.instances.values().map(|it| ("instance", &it.id, &it.tags)))
        .chain(holdings.templates.values().map(|it| ("launch-template", &it.id, &it.tags)))
        .chain(holdings.groups.values().map(|it| ("security-group", &it.id, &it.tags)));
    let mut told = Vec::new();
    for (kind, id, tags) in things {
        for (key, value) in tags {
            let attributes = [
                ("key", key.clone()),
                ("resource-id", id.clone()),
                ("resource-type", kind.to_owned()),
                ("value", value.clone()),
            ];
            // `tag:KEY` means this tag here, not any of the thing.
            let own = Tags::from([(key.clone(), value.clone())]);
            if Seen::new(Some(&own), attributes).passes(call)? {
                told.push(Shape::map([
                    ("resourceId", id.as_str().into()),
                    ("resourceType", kind.into()),
                    ("key", key.as_str().into()),
                    ("value", value.as_str().into()),
                ]));
            }
        }
    }
    let (told, token) = page(numbered(told), call, PAGES, account.world.page_size)?;
    Ok(Shape::map([("tagSet", Shape::List(told)), ("nextToken", token)]))
}

/// The tags of a thing, by its id.
fn of<'a>(holdings: &'a mut Holdings, id: &str) -> Option<&'a mut Tags> {
    match id.split_once('-')?.0 {
        "i" => holdings.instances.get_mut(id).map(|it| &mut it.tags),
        "sg" => holdings.groups.get_mut(id).map(|it| &mut it.tags),
        "lt" => holdings.templates.get_mut(id).map(|it| &mut it.tags),
        "fleet" => holdings.fleets.get_mut(id).map(|it| &mut it.tags),
        _ => None,
    }
}

fn not_found(id: &str) -> Refusal {
    let (code, what) = match id.split_once('-').map(|(kind, _)| kind) {
        Some("i") => ("InvalidInstanceID.NotFound", "instance ID"),
        Some("sg") => ("InvalidGroup.NotFound", "security group"),
        Some("lt") => ("InvalidLaunchTemplateId.NotFound", "launch template ID"),
        Some("fleet") => ("InvalidFleetId.NotFound", "fleet ID"),
        _ => ("InvalidID", "ID"),
    };
    Refusal::new(code, format!("The {what} '{id}' does not exist"))
}
