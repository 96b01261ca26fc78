//! The file that is replayed: what was true from which second on, in TOML.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::activities::ScalingActivity;
use crate::steps::Steps;

/// What was seen of a system, by seconds from its start. Everything may be left out.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Timeline {
    /// What it shows, for those who choose one.
    pub title: String,
    /// The second at which it ends; after it, its last state stands.
    pub ends: f64,
    /// The most that one page of a list has; without it, as many as the caller asks for.
    pub page_size: Option<usize>,
    /// Auto Scaling groups by name.
    pub groups: BTreeMap<String, Group>,
    /// ECS clusters by name.
    pub clusters: BTreeMap<String, Cluster>,
    /// Metrics of CloudWatch.
    pub metrics: Vec<MetricSeries>,
    /// Alarms of CloudWatch by name.
    pub alarms: BTreeMap<String, Alarm>,
    /// Queues of SQS by name.
    pub queues: BTreeMap<String, Queue>,
    /// When calls fail.
    pub faults: Vec<Fault>,
}

/// An Auto Scaling group.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Group {
    /// The fewest instances allowed.
    pub min: Steps<u64>,
    /// The most instances allowed.
    pub max: Steps<u64>,
    /// How many are wanted.
    pub desired: Steps<u64>,
    /// The lifecycle state of each instance, such as `InService` or `Terminating:Wait`; with ` Unhealthy` behind it
    /// if it is; `gone` from when on it is listed no more.
    pub instances: BTreeMap<String, Steps<String>>,
    /// The group's own log.
    pub activities: Vec<ScalingActivity>,
}

/// An ECS cluster.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Cluster {
    /// Its services by name.
    pub services: BTreeMap<String, Service>,
    /// Its container instances by id.
    pub instances: BTreeMap<String, ContainerInstance>,
    /// Its tasks by id. A service's counts do not come from here: not every record has them.
    pub tasks: BTreeMap<String, Task>,
}

/// A service of ECS.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Service {
    /// The fewest tasks that Application Auto Scaling may want; without it the service is not registered there.
    pub min: Steps<u64>,
    /// The most tasks that it may want.
    pub max: Steps<u64>,
    /// How many tasks are wanted.
    pub desired: Steps<u64>,
    /// How many tasks run.
    pub running: Steps<u64>,
    /// How many tasks are about to run.
    pub pending: Steps<u64>,
    /// The log of Application Auto Scaling.
    pub activities: Vec<ScalingActivity>,
}

/// A machine in an ECS cluster. How many tasks it has comes from the tasks.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ContainerInstance {
    /// `REGISTERING`, `ACTIVE`, `DRAINING`, …; `gone` from when on it is listed no more.
    pub status: Steps<String>,
    /// The EC2 instance that it is.
    pub ec2: String,
    /// Whether its agent is connected; without it, always.
    pub connected: Steps<bool>,
}

/// A task of ECS.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Task {
    /// Its last status: `PENDING`, `RUNNING`, `DEACTIVATING`, `STOPPING`, `STOPPED`, …; `gone` when it is forgotten.
    pub status: Steps<String>,
    /// The second from which on it is wanted `STOPPED`; without it, it is wanted `RUNNING`.
    pub stop: Option<f64>,
    /// The container instance that it is on.
    pub instance: Option<String>,
    /// The family of its definition.
    pub family: String,
    /// Who started it, if that was no service.
    pub started_by: Option<String>,
    /// The service that started it.
    pub service: Option<String>,
}

/// A metric with its data points.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MetricSeries {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its dimensions.
    #[serde(default)]
    pub dimensions: BTreeMap<String, String>,
    /// The unit that it is published in. Who asks for another gets nothing.
    #[serde(default = "no_unit")]
    pub unit: String,
    /// How many seconds after its instant a point can be seen.
    #[serde(default)]
    pub delay: f64,
    /// Seconds and values. Where there is none, none was published.
    pub points: Vec<(f64, f64)>,
}

fn no_unit() -> String {
    "None".into()
}

/// An alarm. Nothing is computed: its states are told as they were.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Alarm {
    /// `OK`, `ALARM` or `INSUFFICIENT_DATA`.
    pub state: Steps<String>,
    /// The namespace of its metric.
    pub namespace: String,
    /// Its metric.
    pub metric: String,
    /// From where on it is in alarm.
    pub threshold: f64,
    /// How the metric is compared.
    #[serde(default = "at_least")]
    pub comparison: String,
    /// `missing`, `breaching`, `notBreaching` or `ignore`; without it Amazon does not name any and takes `missing`.
    pub treat_missing_data: Option<String>,
}

fn at_least() -> String {
    "GreaterThanOrEqualToThreshold".into()
}

/// A queue of SQS.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Queue {
    /// How many messages wait.
    pub visible: Steps<u64>,
    /// How many are being worked on.
    pub not_visible: Steps<u64>,
    /// How many will wait later.
    pub delayed: Steps<u64>,
}

/// A stretch in which calls fail.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// The first second.
    pub from: f64,
    /// The second at which it is over.
    pub to: f64,
    /// The operations that fail; without it, all.
    #[serde(default)]
    pub operations: Vec<String>,
    /// Amazon's code, such as `ThrottlingException`; without it the call is never answered.
    pub error: Option<String>,
    /// The words with it.
    #[serde(default)]
    pub message: String,
    /// The HTTP status with it.
    #[serde(default = "bad_request")]
    pub status: u16,
}

fn bad_request() -> u16 {
    400
}

/// Why a file is no timeline.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TimelineError {
    /// It is not TOML, or has keys or values that mean nothing.
    #[error("{0}")]
    Format(String),
    /// These steps do not go forward in time.
    #[error("not in order of time: {}", .0.join(", "))]
    Disorder(Vec<String>),
}

impl Timeline {
    /// Reads a timeline.
    ///
    /// # Errors
    /// What is not understood, with its line; or all steps that do not go forward.
    pub fn parse(text: &str) -> Result<Timeline, TimelineError> {
        let timeline: Timeline = toml::from_str(text).map_err(|error| TimelineError::Format(error.to_string()))?;
        let disorder = timeline.disorder();
        if disorder.is_empty() { Ok(timeline) } else { Err(TimelineError::Disorder(disorder)) }
    }

    fn disorder(&self) -> Vec<String> {
        let mut found = Vec::new();
        let mut look = |place: String, is_in_order: bool| {
            if !is_in_order {
                found.push(place);
            }
        };
        for (name, group) in &self.groups {
            for (key, steps) in [("min", &group.min), ("max", &group.max), ("desired", &group.desired)] {
                look(format!("groups.{name}.{key}"), steps.are_in_order());
            }
            for (id, steps) in &group.instances {
                look(format!("groups.{name}.instances.{id}"), steps.are_in_order());
            }
        }
        for (name, cluster) in &self.clusters {
            for (service, it) in &cluster.services {
                let all = [&it.min, &it.max, &it.desired, &it.running, &it.pending];
                look(format!("clusters.{name}.services.{service}"), all.iter().all(|steps| steps.are_in_order()));
            }
            for (id, it) in &cluster.instances {
                let are_in_order = it.status.are_in_order() && it.connected.are_in_order();
                look(format!("clusters.{name}.instances.{id}"), are_in_order);
            }
            for (id, task) in &cluster.tasks {
                look(format!("clusters.{name}.tasks.{id}"), task.status.are_in_order());
            }
        }
        for (name, alarm) in &self.alarms {
            look(format!("alarms.{name}.state"), alarm.state.are_in_order());
        }
        for (name, queue) in &self.queues {
            let all = [&queue.visible, &queue.not_visible, &queue.delayed];
            look(format!("queues.{name}"), all.iter().all(|steps| steps.are_in_order()));
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timeline_is_read() {
        let text = "[groups.web]\ndesired = [[0, 2], [75.5, 4]]\n[groups.web.instances]\ni-1 = [[-60, \"InService\"]]";
        let timeline = Timeline::parse(text).unwrap();
        assert_eq!(timeline.groups["web"].desired, Steps(vec![(0.0, 2), (75.5, 4)]));
    }

    #[test]
    fn mistakes_are_told_with_their_places() {
        let told = |text: &str| Timeline::parse(text).unwrap_err().to_string();
        let wrong = told("[groups.web]\nwanted = []");
        assert!(wrong.contains("line 2") && wrong.contains("wanted"), "{wrong}");
        let text = "[groups.web]\nmin = [[5, 1], [5, 2]]\n[queues.jobs]\nvisible = [[9, 1], [0, 1]]";
        assert_eq!(told(text), "not in order of time: groups.web.min, queues.jobs");
    }
}
