//! What Application Auto Scaling did with a service: its log, newest first, until the first reading's look back.

use std::time::SystemTime;

use aws_sdk_applicationautoscaling::Client;
use aws_sdk_applicationautoscaling::types::{ScalingActivity, ServiceNamespace};
use rehearsal_observe::{Activity, Failure};

use crate::failure::{instant, of_call};

/// Reads what began since an instant. The interface knows no such filter, and tells of six weeks.
pub async fn read(client: &Client, resource: &str, since: SystemTime) -> Result<Vec<Activity>, Failure> {
    let call = client.describe_scaling_activities().service_namespace(ServiceNamespace::Ecs).resource_id(resource);
    let mut entries = call.into_paginator().items().send();
    let mut found = Vec::new();
    while let Some(entry) = entries.next().await {
        let entry = entry.map_err(|error| of_call("DescribeScalingActivities", error))?;
        let at = instant(entry.start_time())?;
        if at < since {
            break;
        }
        found.push(activity(&entry, at));
    }
    found.sort();
    Ok(found)
}

fn activity(entry: &ScalingActivity, at: SystemTime) -> Activity {
    let (status, cause) = (entry.status_code().as_str(), entry.cause());
    match status {
        // What failed set nothing, whatever it meant to set; what was overridden somebody else decided.
        "Failed" | "Unfulfilled" | "Overridden" => {
            let message = entry.status_message().unwrap_or_default();
            let why = format!("{status}: {}: {message}", entry.description().trim_end_matches('.'));
            Activity { at, change: None, to: None, why: why.trim_end_matches([':', ' ']).into() }
        }
        _ => Activity { at, change: None, to: wanted(entry.description()), why: cause.into() },
    }
}

/// Reads the new number out of "Setting desired count to 4."
fn wanted(description: &str) -> Option<u64> {
    description.strip_prefix("Setting desired count to ")?.trim_end_matches('.').parse().ok()
}

#[cfg(test)]
mod tests {
    use aws_sdk_applicationautoscaling::types::{ScalableDimension, ScalingActivityStatusCode as Status};
    use aws_smithy_types::DateTime;

    use super::*;

    fn told(description: &str, status: Status) -> (Option<u64>, String) {
        let entry = ScalingActivity::builder()
            .activity_id("1")
            .service_namespace(ServiceNamespace::Ecs)
            .resource_id("service/shop/web")
            .scalable_dimension(ScalableDimension::EcsServiceDesiredCount)
            .description(description)
            .cause("monitor alarm busy in state ALARM triggered policy out")
            .start_time(DateTime::from_secs(1))
            .status_code(status)
            .status_message("no room");
        let activity = activity(&entry.build().unwrap(), SystemTime::UNIX_EPOCH);
        assert_eq!(activity.change, None, "by how many is never said");
        (activity.to, activity.why)
    }

    #[test]
    fn what_was_set_is_told_and_what_failed_too() {
        let cause = "monitor alarm busy in state ALARM triggered policy out".to_owned();
        assert_eq!(told("Setting desired count to 4.", Status::Successful), (Some(4), cause.clone()));
        assert_eq!(told("Setting desired count to 4.", Status::InProgress), (Some(4), cause.clone()));
        assert_eq!(told("Doing something else.", Status::Pending), (None, cause));
        let failed = "Failed: Setting desired count to 4: no room".to_owned();
        assert_eq!(told("Setting desired count to 4.", Status::Failed), (None, failed));
    }
}
