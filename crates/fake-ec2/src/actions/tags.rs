//! Tags that come after the start.

use std::time::SystemTime;

use rehearsal_fake_aws::Shape;

use crate::account::Account;
use crate::actions::instances::is_known;
use crate::call::{self, Call, Fields, Tags};
use crate::holdings::Holdings;
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
