//! Application Auto Scaling: the bounds of services of ECS, and what was done with them.

use crate::activities::begun;
use crate::call::Call;
use crate::replay::{ACCOUNT, Answer, Moment, REGION};
use crate::shape::{Shape, after};
use crate::timeline::Service;

const DIMENSION: &str = "ecs:service:DesiredCount";

pub(crate) fn answer(moment: Moment<'_>, call: &Call) -> Option<Answer> {
    let told = match &*call.operation {
        "DescribeScalableTargets" => targets(moment, call),
        "DescribeScalingActivities" => activities(moment, call),
        _ => return None,
    };
    Some(Answer::Told(told))
}

/// All services of all clusters with the names that they have here.
fn services(moment: Moment<'_>) -> Vec<(String, &Service)> {
    let clusters = moment.timeline.clusters.iter();
    clusters
        .flat_map(|(cluster, it)| {
            it.services.iter().map(move |(name, service)| (format!("service/{cluster}/{name}"), service))
        })
        .collect()
}

fn targets(moment: Moment<'_>, call: &Call) -> Shape {
    let ids = call.texts("ResourceIds");
    let mut told = Vec::new();
    for (id, service) in services(moment) {
        let (Some(min), Some(max)) = (service.min.at(moment.second), service.max.at(moment.second)) else { continue };
        if ids.is_empty() || ids.contains(&id.as_str()) {
            told.push(Shape::map([
                ("ServiceNamespace", "ecs".into()),
                ("ResourceId", id.into()),
                ("ScalableDimension", DIMENSION.into()),
                ("MinCapacity", (*min).into()),
                ("MaxCapacity", (*max).into()),
                ("RoleARN", format!("arn:aws:iam::{ACCOUNT}:role/scaling").into()),
                ("CreationTime", Shape::Time(moment.epoch)),
            ]));
        }
    }
    let (told, token) = moment.page(told, call.whole("MaxResults"), call.text("NextToken"));
    Shape::map([("ScalableTargets", Shape::List(told)), ("NextToken", token)])
}

fn activities(moment: Moment<'_>, call: &Call) -> Shape {
    let id = call.text("ResourceId");
    let mut told = Vec::new();
    for (resource, service) in services(moment).into_iter().filter(|(it, _)| id.is_none_or(|id| id == it)) {
        for (i, activity) in begun(&service.activities, moment.second) {
            let message = activity.message_at(moment.second);
            told.push(Shape::map([
                ("ActivityId", format!("{REGION}-{i}").into()),
                ("ServiceNamespace", "ecs".into()),
                ("ResourceId", resource.as_str().into()),
                ("ScalableDimension", DIMENSION.into()),
                ("Description", activity.description.as_str().into()),
                ("Cause", activity.cause_from(moment.epoch).into()),
                ("StartTime", Shape::Time(after(moment.epoch, activity.at))),
                ("EndTime", activity.ended(moment.second, moment.epoch)),
                ("StatusCode", activity.status_at(moment.second).into()),
                ("StatusMessage", if message.is_empty() { Shape::Nothing } else { message.into() }),
            ]));
        }
    }
    let (told, token) = moment.page(told, call.whole("MaxResults"), call.text("NextToken"));
    Shape::map([("ScalingActivities", Shape::List(told)), ("NextToken", token)])
}
