//! Launch templates: what instances have in common. Each has one version only.

use std::time::SystemTime;

use rehearsal_fake_aws::Shape;
use serde_json::Value;

use crate::account::Account;
use crate::actions::blueprint::Blueprint;
use crate::call::{Call, Fields};
use crate::holdings::{Holdings, LaunchTemplate};
use crate::listing::{PageBounds, Seen, page, tag_set};
use crate::refusal::Refusal;
use crate::world::World;

pub(super) fn create(account: &mut Account, call: &Call, now: SystemTime) -> Result<Shape, Refusal> {
    let name = call.fields.text("LaunchTemplateName").ok_or_else(|| Refusal::missing("LaunchTemplateName"))?;
    let data = &call.fields["LaunchTemplateData"];
    if !data.is_object() {
        return Err(Refusal::missing("LaunchTemplateData"));
    }
    // What nothing could be started from is refused here already, as Amazon does with what it can see.
    Blueprint::read(data)?;
    let tags = call.tags_for("launch-template")?;
    let is_known = |holdings: &Holdings| holdings.templates.values().any(|template| template.name == name);
    if account.holdings.get(&call.region).is_some_and(is_known) {
        let message = "Launch template name already in use.";
        return Err(Refusal::new("InvalidLaunchTemplateName.AlreadyExistsException", message));
    }
    let (id, number) = (account.id("lt"), account.number());
    let template = LaunchTemplate { number, id: id.clone(), name: name.into(), created: now, data: data.clone(), tags };
    let told = shape(&account.world, &template);
    account.holdings.entry(call.region.clone()).or_default().templates.insert(id, template);
    Ok(Shape::map([("launchTemplate", told)]))
}

pub(super) fn describe(account: &Account, call: &Call) -> Result<Shape, Refusal> {
    let (ids, names) = (call.fields.texts("LaunchTemplateId"), call.fields.texts("LaunchTemplateName"));
    let none = Holdings::default();
    let holdings = account.holdings.get(&call.region).unwrap_or(&none);
    for id in &ids {
        find(holdings, Some(id), None)?;
    }
    for name in &names {
        find(holdings, None, Some(name))?;
    }
    let mut all: Vec<&LaunchTemplate> = holdings.templates.values().collect();
    all.sort_by_key(|template| template.number);
    let mut told = Vec::new();
    for template in all {
        let attributes = [("launch-template-name", template.name.clone())];
        let is_asked = (ids.is_empty() || ids.contains(&template.id.as_str()))
            && (names.is_empty() || names.contains(&template.name.as_str()));
        if is_asked && Seen::new(Some(&template.tags), attributes).passes(call)? {
            told.push((template.number, shape(&account.world, template)));
        }
    }
    let bounds = PageBounds { fewest: 1, most: 200 };
    let (told, token) = page(told, call, bounds, account.world.page_size)?;
    Ok(Shape::map([("launchTemplates", Shape::List(told)), ("nextToken", token)]))
}

pub(super) fn delete(account: &mut Account, call: &Call) -> Result<Shape, Refusal> {
    let (id, name) = (call.fields.text("LaunchTemplateId"), call.fields.text("LaunchTemplateName"));
    let holdings = account.holdings.entry(call.region.clone()).or_default();
    let template = find(holdings, id, name)?.clone();
    holdings.templates.remove(&template.id);
    Ok(Shape::map([("launchTemplate", shape(&account.world, &template))]))
}

/// Finds a template by its id or its name.
fn find<'a>(holdings: &'a Holdings, id: Option<&str>, name: Option<&str>) -> Result<&'a LaunchTemplate, Refusal> {
    match (id, name) {
        (Some(id), None) => holdings.templates.get(id).ok_or_else(|| {
            let message = format!("The specified launch template, with template ID {id}, does not exist.");
            Refusal::new("InvalidLaunchTemplateId.NotFound", message)
        }),
        (None, Some(name)) => holdings.templates.values().find(|template| template.name == name).ok_or_else(|| {
            let message =
                format!("At least one of the launch templates specified in the request does not exist: {name}");
            Refusal::new("InvalidLaunchTemplateName.NotFoundException", message)
        }),
        (None, None) => Err(Refusal::missing("LaunchTemplateId")),
        (Some(_), Some(_)) => {
            let message = "Only one of the launch template ID and name may be given";
            Err(Refusal::new("InvalidParameterCombination", message))
        }
    }
}

/// Finds the template that a specification names, in a version that there is.
pub(super) fn specified(holdings: &Holdings, specification: &Value) -> Result<LaunchTemplate, Refusal> {
    let (id, name) = (specification.text("LaunchTemplateId"), specification.text("LaunchTemplateName"));
    let template = find(holdings, id, name)?;
    match specification.text("Version").unwrap_or("$Default") {
        "$Default" | "$Latest" | "1" => Ok(template.clone()),
        other => {
            let message = format!("Could not find launch template version {other} of {}", template.id);
            Err(Refusal::new("InvalidLaunchTemplateId.VersionNotFound", message))
        }
    }
}

fn shape(world: &World, template: &LaunchTemplate) -> Shape {
    Shape::map([
        ("launchTemplateId", template.id.as_str().into()),
        ("launchTemplateName", template.name.as_str().into()),
        ("createTime", Shape::Time(template.created)),
        ("createdBy", format!("arn:aws:iam::{}:user/rehearsal", world.account).into()),
        ("defaultVersionNumber", 1_u64.into()),
        ("latestVersionNumber", 1_u64.into()),
        ("tagSet", tag_set(&template.tags)),
    ])
}
