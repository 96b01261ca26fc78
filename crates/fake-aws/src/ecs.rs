//! ECS: services, container instances and tasks.
//!
//! A container instance's counts are of tasks that are *wanted* running, as with Amazon: one that drains may count
//! none while its tasks are still stopping.

use crate::call::Call;
use crate::replay::{ACCOUNT, Answer, Moment, REGION, failed};
use crate::shape::{Shape, after};
use crate::timeline::{Cluster, ContainerInstance, Service, Task};

/// The most that may be described with one call.
const MOST_SERVICES: usize = 10;
const MOST: usize = 100;

/// A cluster at a moment.
#[derive(Clone, Copy)]
struct At<'a> {
    moment: Moment<'a>,
    name: &'a str,
    cluster: &'a Cluster,
}

pub(crate) fn answer(moment: Moment<'_>, call: &Call) -> Option<Answer> {
    let name = last(call.text("cluster").unwrap_or("default"));
    let Some((name, cluster)) = moment.timeline.clusters.get_key_value(name) else {
        return Some(failed(400, "ClusterNotFoundException", "Cluster not found."));
    };
    let at = At { moment, name, cluster };
    match &*call.operation {
        "DescribeServices" => Some(at.services(call)),
        "ListContainerInstances" => Some(at.list_instances(call)),
        "DescribeContainerInstances" => Some(at.instances(call)),
        "ListTasks" => Some(at.list_tasks(call)),
        "DescribeTasks" => Some(at.tasks(call)),
        _ => None,
    }
}

/// Names may be given as such or as the end of an ARN.
fn last(name: &str) -> &str {
    name.rsplit('/').next().unwrap_or_default()
}

impl At<'_> {
    fn arn(self, kind: &str, id: &str) -> String {
        format!("arn:aws:ecs:{REGION}:{ACCOUNT}:{kind}/{}/{id}", self.name)
    }

    /// Tells of what is asked for by name, and lists what is not there as failures. A kind of thing is its key in call
    /// and answer, its name in ARNs, and how many may be asked for at once.
    fn describe(
        self,
        call: &Call,
        (key, kind, most): (&str, &str, usize),
        tell: impl Fn(&str) -> Option<Shape>,
    ) -> Answer {
        let asked = call.texts(key);
        if asked.is_empty() || asked.len() > most {
            return failed(400, "InvalidParameterException", &format!("there must be 1 to {most} {key}"));
        }
        let (mut told, mut missing) = (Vec::new(), Vec::new());
        for name in asked.into_iter().map(last) {
            match tell(name) {
                Some(shape) => told.push(shape),
                None => missing.push(Shape::map([("arn", self.arn(kind, name).into()), ("reason", "MISSING".into())])),
            }
        }
        Answer::Told(Shape::map([(key, Shape::List(told)), ("failures", Shape::List(missing))]))
    }

    fn listed(self, key: &str, kind: &str, ids: Vec<&String>, call: &Call) -> Answer {
        let arns = ids.into_iter().map(|id| self.arn(kind, id).into()).collect();
        let (arns, token) = self.moment.page(arns, call.whole("maxResults"), call.text("nextToken"));
        Answer::Told(Shape::map([(key, Shape::List(arns)), ("nextToken", token)]))
    }

    fn services(self, call: &Call) -> Answer {
        let told = |name: &str| Some(self.service(name, self.cluster.services.get(name)?));
        self.describe(call, ("services", "service", MOST_SERVICES), told)
    }

    fn service(self, name: &str, service: &Service) -> Shape {
        let count = |steps: &crate::Steps<u64>| steps.at(self.moment.second).copied().unwrap_or(0).into();
        Shape::map([
            ("serviceName", name.into()),
            ("serviceArn", self.arn("service", name).into()),
            ("clusterArn", format!("arn:aws:ecs:{REGION}:{ACCOUNT}:cluster/{}", self.name).into()),
            ("status", "ACTIVE".into()),
            ("desiredCount", count(&service.desired)),
            ("runningCount", count(&service.running)),
            ("pendingCount", count(&service.pending)),
        ])
    }

    fn list_instances(self, call: &Call) -> Answer {
        let wanted = call.text("status");
        let is_listed = |it: &ContainerInstance| {
            let status = it.status.at(self.moment.second).filter(|status| *status != "gone");
            // Without a word all but those that are no more.
            status.is_some_and(|status| wanted.map_or(status != "INACTIVE", |wanted| wanted == status))
        };
        let listed = self.cluster.instances.iter().filter(|(_, it)| is_listed(it)).map(|(id, _)| id);
        self.listed("containerInstanceArns", "container-instance", listed.collect(), call)
    }

    fn instances(self, call: &Call) -> Answer {
        let told = |id: &str| self.instance(id, self.cluster.instances.get(id)?);
        self.describe(call, ("containerInstances", "container-instance", MOST), told)
    }

    fn instance(self, id: &str, it: &ContainerInstance) -> Option<Shape> {
        let second = self.moment.second;
        let status = it.status.at(second).filter(|status| *status != "gone")?;
        let count = |last_status: &str| {
            let here = self.cluster.tasks.values().filter(|task| task.instance.as_deref() == Some(id));
            let wanted = here.filter(|task| is_wanted(task, second));
            wanted.filter(|task| task.status.at(second).is_some_and(|status| status == last_status)).count()
        };
        Some(Shape::map([
            ("containerInstanceArn", self.arn("container-instance", id).into()),
            ("ec2InstanceId", it.ec2.as_str().into()),
            ("status", status.as_str().into()),
            ("agentConnected", it.connected.at(second).copied().unwrap_or(true).into()),
            ("runningTasksCount", count("RUNNING").into()),
            ("pendingTasksCount", count("PENDING").into()),
        ]))
    }

    fn list_tasks(self, call: &Call) -> Answer {
        let [instance, family, service, starter] =
            ["containerInstance", "family", "serviceName", "startedBy"].map(|key| call.text(key).map(last));
        if starter.is_some() && (instance.is_some() || family.is_some() || service.is_some()) {
            return failed(400, "InvalidParameterException", "startedBy cannot be combined with another filter");
        }
        let is_running = call.text("desiredStatus") != Some("STOPPED");
        let is_same = |wanted: Option<&str>, is: Option<&str>| wanted.is_none() || wanted == is;
        let is_listed = |task: &Task| {
            let status = task.status.at(self.moment.second);
            status.is_some_and(|status| status != "gone")
                && is_wanted(task, self.moment.second) == is_running
                && is_same(instance, task.instance.as_deref())
                && is_same(family, Some(&task.family))
                && is_same(service, task.service.as_deref())
                && is_same(starter, task.started_by.as_deref())
        };
        let listed = self.cluster.tasks.iter().filter(|(_, task)| is_listed(task)).map(|(id, _)| id);
        self.listed("taskArns", "task", listed.collect(), call)
    }

    fn tasks(self, call: &Call) -> Answer {
        let told = |id: &str| self.task(id, self.cluster.tasks.get(id)?);
        self.describe(call, ("tasks", "task", MOST), told)
    }

    fn task(self, id: &str, task: &Task) -> Option<Shape> {
        let (second, epoch) = (self.moment.second, self.moment.epoch);
        let status = task.status.at(second).filter(|status| *status != "gone")?;
        let since = |wanted: &str| {
            let from = task.status.first(|status| status == wanted).filter(|from| *from <= second);
            from.map_or(Shape::Nothing, |from| Shape::Time(after(epoch, from)))
        };
        let instance = task.instance.as_deref().map(|instance| self.arn("container-instance", instance));
        let family = if task.family.is_empty() { "task" } else { &task.family };
        Some(Shape::map([
            ("taskArn", self.arn("task", id).into()),
            ("lastStatus", status.as_str().into()),
            ("desiredStatus", if is_wanted(task, second) { "RUNNING" } else { "STOPPED" }.into()),
            ("containerInstanceArn", instance.into()),
            ("startedBy", task.started_by.as_deref().into()),
            (
                "group",
                task.service.as_ref().map_or(format!("family:{family}"), |name| format!("service:{name}")).into(),
            ),
            ("taskDefinitionArn", format!("arn:aws:ecs:{REGION}:{ACCOUNT}:task-definition/{family}:1").into()),
            ("startedAt", since("RUNNING")),
            ("stoppedAt", since("STOPPED")),
        ]))
    }
}

/// Whether a task is wanted running.
fn is_wanted(task: &Task, second: f64) -> bool {
    task.stop.is_none_or(|stop| second < stop)
}
