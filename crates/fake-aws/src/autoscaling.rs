//! EC2 Auto Scaling: groups with their instances, and what they did.

use crate::activities::begun;
use crate::call::Call;
use crate::replay::{ACCOUNT, Answer, Moment, REGION};
use crate::shape::{Shape, after};
use crate::timeline::Group;

pub(crate) fn answer(moment: Moment<'_>, call: &Call) -> Option<Answer> {
    match &*call.operation {
        "DescribeAutoScalingGroups" => Some(Answer::Told(groups(moment, call))),
        "DescribeScalingActivities" => Some(Answer::Told(activities(moment, call))),
        _ => None,
    }
}

/// Unknown names are not told of, as with Amazon.
fn groups(moment: Moment<'_>, call: &Call) -> Shape {
    let names = call.texts("AutoScalingGroupNames");
    let has_instances = call.flag("IncludeInstances") != Some(false);
    let asked = moment.timeline.groups.iter().filter(|(name, _)| names.is_empty() || names.contains(&name.as_str()));
    let told = asked.map(|(name, group)| self::group(moment, name, group, has_instances)).collect();
    let (told, token) = moment.page(told, call.whole("MaxRecords"), call.text("NextToken"));
    Shape::map([("AutoScalingGroups", Shape::List(told)), ("NextToken", token)])
}

fn group(moment: Moment<'_>, name: &str, group: &Group, has_instances: bool) -> Shape {
    let count = |steps: &crate::Steps<u64>| steps.at(moment.second).copied().unwrap_or(0).into();
    let instances = group.instances.iter().filter(|_| has_instances);
    let there = instances.filter_map(|(id, states)| instance(id, states.at(moment.second)?));
    Shape::map([
        ("AutoScalingGroupName", name.into()),
        (
            "AutoScalingGroupARN",
            format!("arn:aws:autoscaling:{REGION}:{ACCOUNT}:autoScalingGroup:0:autoScalingGroupName/{name}").into(),
        ),
        ("MinSize", count(&group.min)),
        ("MaxSize", count(&group.max)),
        ("DesiredCapacity", count(&group.desired)),
        ("DefaultCooldown", 300_u64.into()),
        ("AvailabilityZones", Shape::list([format!("{REGION}a")])),
        ("HealthCheckType", "EC2".into()),
        ("CreatedTime", Shape::Time(moment.epoch)),
        ("Instances", Shape::List(there.collect())),
    ])
}

fn instance(id: &str, state: &str) -> Option<Shape> {
    let (state, health) = match state.strip_suffix(" Unhealthy") {
        Some(state) => (state, "Unhealthy"),
        None => (state, "Healthy"),
    };
    let told = Shape::map([
        ("InstanceId", id.into()),
        ("AvailabilityZone", format!("{REGION}a").into()),
        ("LifecycleState", state.into()),
        ("HealthStatus", health.into()),
        ("ProtectedFromScaleIn", false.into()),
    ]);
    (state != "gone").then_some(told)
}

fn activities(moment: Moment<'_>, call: &Call) -> Shape {
    let name = call.text("AutoScalingGroupName");
    let from = call.list("Filters").iter().find(|filter| filter["Name"] == "StartTimeLowerBound");
    let from = from.and_then(|filter| crate::call::instant(&filter["Values"][0]));
    let mut told = Vec::new();
    for (group, it) in moment.timeline.groups.iter().filter(|(group, _)| name.is_none_or(|name| name == *group)) {
        for (i, activity) in begun(&it.activities, moment.second) {
            let started = after(moment.epoch, activity.at);
            if from.is_some_and(|from| started < from) {
                continue;
            }
            let status = activity.status_at(moment.second);
            let message = activity.message_at(moment.second);
            told.push(Shape::map([
                ("ActivityId", format!("{group}-{i}").into()),
                ("AutoScalingGroupName", group.as_str().into()),
                ("Description", activity.description.as_str().into()),
                ("Cause", activity.cause_from(moment.epoch).into()),
                ("StartTime", Shape::Time(started)),
                ("EndTime", activity.ended(moment.second, moment.epoch)),
                ("StatusCode", status.into()),
                ("StatusMessage", if message.is_empty() { Shape::Nothing } else { message.into() }),
                ("Progress", if status == "Successful" { 100_u64 } else { 50 }.into()),
            ]));
        }
    }
    let (told, token) = moment.page(told, call.whole("MaxRecords"), call.text("NextToken"));
    Shape::map([("Activities", Shape::List(told)), ("NextToken", token)])
}
