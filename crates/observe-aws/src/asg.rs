//! EC2 Auto Scaling: the instances of a group by their lifecycle, its bounds, and what it did.

mod log;

use std::time::{Duration, SystemTime};

use aws_sdk_autoscaling::Client;
use aws_sdk_autoscaling::types::{AutoScalingGroup, Filter, Instance};
use aws_smithy_types::DateTime;
use aws_smithy_types::date_time::Format;
use futures_util::future::BoxFuture;
use rehearsal_observe::{Failure, Observer, Reading, Role, Sample, Settings, Supply, settings, tells};
use rehearsal_plan::Problem;

use crate::account::{Account, Lazy};
use crate::failure::{count, of_call};

/// From how long before the first reading on activities are told, unless the environment says otherwise: what the
/// group did shortly before may explain its size.
const LOOK_BACK: Duration = Duration::from_secs(600);
/// The log goes back six weeks.
const LONGEST_LOOK_BACK: Duration = Duration::from_secs(6 * 7 * 86_400);

struct Asg {
    client: Lazy<Client>,
    group: String,
    asks: Asks,
}

enum Asks {
    /// Groups of hundreds of instances are throttled sooner when they are asked for all of them.
    Supply {
        has_instances: bool,
    },
    Activities {
        look_back: Duration,
        since: Option<SystemTime>,
    },
}

/// Takes the keys of [`Account`] and `group`; for a supply `instances`, for activities `look_back`.
pub fn make(settings: &mut Settings<'_>, role: Role) -> Option<Box<dyn Observer>> {
    if !tells(settings, role, &[Role::Supply, Role::Activities]) {
        return None;
    }
    let account = Account::from_settings(settings);
    let group = settings.require("group", settings::text);
    let asks = match role {
        Role::Supply => {
            let has_instances = settings
                .take("instances", |value| value.as_bool().ok_or_else(|| Problem::new("is neither true nor false")));
            Asks::Supply { has_instances: has_instances.unwrap_or(true) }
        }
        _ => Asks::Activities { look_back: look_back(settings), since: None },
    };
    Some(Box::new(Asg { client: Lazy::new(account, Client::new), group: group?, asks }))
}

/// Takes from how long before the first reading on activities are told.
pub fn look_back(settings: &mut Settings<'_>) -> Duration {
    settings.duration("look_back", Duration::ZERO..=LONGEST_LOOK_BACK).unwrap_or(LOOK_BACK)
}

impl Observer for Asg {
    fn read(&mut self, now: SystemTime) -> BoxFuture<'_, Result<Sample, Failure>> {
        Box::pin(async move {
            let client = self.client.get().await?;
            let reading = match &mut self.asks {
                Asks::Supply { has_instances } => supply(&client, &self.group, *has_instances).await?,
                Asks::Activities { look_back, since } => {
                    // Fixed with the first reading, so that nothing that was told is ever left out later.
                    let since = *since.get_or_insert_with(|| now.checked_sub(*look_back).unwrap_or(now));
                    activities(&client, &self.group, since).await?
                }
            };
            Ok(reading.into())
        })
    }
}

async fn supply(client: &Client, name: &str, has_instances: bool) -> Result<Reading, Failure> {
    let call = client.describe_auto_scaling_groups().auto_scaling_group_names(name);
    // Said only when it is no: those who speak the interface of some years ago do not know the parameter.
    let call = call.set_include_instances((!has_instances).then_some(false));
    // A page may be short, or empty, and have another after it.
    let groups = call.into_paginator().items().send().collect::<Result<Vec<_>, _>>().await;
    let groups = groups.map_err(|error| of_call("DescribeAutoScalingGroups", error))?;
    let group = groups.iter().find(|group| group.auto_scaling_group_name() == Some(name));
    let group = group.ok_or_else(|| Failure::missing(format!("there is no group `{name}`")))?;
    Ok(Reading::Supply(counts(group, has_instances)?))
}

fn counts(group: &AutoScalingGroup, has_instances: bool) -> Result<Supply, Failure> {
    let given = |number: Option<i32>| number.map(count).transpose();
    let number = |is_meant: fn(&Instance) -> bool| {
        has_instances.then(|| group.instances().iter().filter(|instance| is_meant(instance)).count() as u64)
    };
    Ok(Supply {
        desired: given(group.desired_capacity())?,
        running: number(exists),
        ready: number(is_ready),
        draining: number(|instance| state(instance).starts_with("Terminating")),
        min: given(group.min_size())?,
        max: given(group.max_size())?,
    })
}

fn state(instance: &Instance) -> &str {
    instance.lifecycle_state().map(|state| state.as_str()).unwrap_or_default()
}

/// What is terminated or has left is there no more, and what a warm pool keeps is not there yet.
fn exists(instance: &Instance) -> bool {
    let state = state(instance);
    !matches!(state, "Terminated" | "Detached") && !state.starts_with("Warmed:")
}

fn is_ready(instance: &Instance) -> bool {
    state(instance) == "InService" && instance.health_status() == Some("Healthy")
}

async fn activities(client: &Client, group: &str, since: SystemTime) -> Result<Reading, Failure> {
    let since = DateTime::from(since).fmt(Format::DateTime);
    let since = since.map_err(|_| Failure::format("the clock is outside of all calendars"))?;
    let filter = Filter::builder().name("StartTimeLowerBound").values(since).build();
    let call = client.describe_scaling_activities().auto_scaling_group_name(group).filters(filter);
    let entries = call.into_paginator().items().send().collect::<Result<Vec<_>, _>>().await;
    let entries = entries.map_err(|error| of_call("DescribeScalingActivities", error))?;
    log::read(&entries).map(Reading::Activities)
}
