//! ECS: tasks of a service, tasks that belong to none, and the machines that they run on.
//!
//! Every count of Amazon's is of tasks that are *wanted* running. One that has been told to stop is in none of them,
//! and may still work for minutes: those are looked up one by one.

mod tasks;
mod machines;
mod log;

use std::time::{Duration, SystemTime};

use aws_sdk_applicationautoscaling::Client as Scaling;
use aws_sdk_applicationautoscaling::types::ServiceNamespace;
use aws_sdk_ecs::Client;
use futures_util::future::BoxFuture;
use rehearsal_observe::{Departure, Failure, Observer, Reading, Role, Sample, Settings, Supply, settings};
use rehearsal_plan::Problem;
use serde_json::Value;

use crate::account::{Account, Lazy};
use crate::asg::look_back;
use crate::failure::{count, of_call};
use machines::{Counted, Machines};
use tasks::{Filter, Tasks};

struct Service {
    client: Lazy<Client>,
    /// Asked for the bounds, if they are wanted.
    scaling: Option<Lazy<Scaling>>,
    cluster: String,
    service: String,
    tasks: Tasks,
}

struct Workers {
    client: Lazy<Client>,
    filter: Filter,
    tasks: Tasks,
}

struct Cluster {
    client: Lazy<Client>,
    machines: Machines,
    /// Without one, a supply.
    counted: Option<Counted>,
}

struct Activities {
    scaling: Lazy<Scaling>,
    resource: String,
    look_back: Duration,
    since: Option<SystemTime>,
}

/// Takes the keys of [`Account`] and `cluster`; for a supply exactly one of `service`, `family`, `started_by` and
/// `machines`, with a service `limits`; for a metric `counts`; for activities `service` and `look_back`.
pub fn make(settings: &mut Settings<'_>, role: Role) -> Option<Box<dyn Observer>> {
    let account = Account::from_settings(settings);
    let cluster = settings.take("cluster", settings::text).unwrap_or_else(|| "default".into());
    match role {
        Role::Supply => supply(settings, account, cluster),
        Role::Metric => {
            let counted = settings.require("counts", |_| Ok(()));
            let words = [("unstopped", Counted::Unstopped), ("cut_off", Counted::CutOff)];
            let counted = counted.and_then(|()| settings.choice("counts", &words));
            let (client, machines) = (Lazy::new(account, Client::new), Machines::of(cluster));
            Some(Box::new(Cluster { client, machines, counted: Some(counted?) }))
        }
        Role::Activities => {
            let service = settings.require("service", settings::text);
            let look_back = look_back(settings);
            let resource = format!("service/{cluster}/{}", service?);
            Some(Box::new(Activities { scaling: Lazy::new(account, Scaling::new), resource, look_back, since: None }))
        }
    }
}

fn supply(settings: &mut Settings<'_>, account: Account, cluster: String) -> Option<Box<dyn Observer>> {
    const ONE_OF: [&str; 4] = ["service", "family", "started_by", "machines"];
    let [service, family, starter] = ["service", "family", "started_by"].map(|key| settings.take(key, settings::text));
    let machines = settings.take("machines", yes);
    let has_limits = settings.take("limits", yes).is_some();
    if ONE_OF.iter().filter(|key| settings.has(key)).count() != 1 {
        settings.complain(Problem::new(format!("has not exactly one of the keys {}", ONE_OF.join(", "))));
        return None;
    }
    if has_limits && !settings.has("service") {
        settings.complain_of("limits", Problem::new("is only told of a `service`"));
    }
    if let Some(service) = service {
        let scaling = has_limits.then(|| Lazy::new(account.clone(), Scaling::new));
        let tasks = Tasks::of(cluster.clone());
        return Some(Box::new(Service { client: Lazy::new(account, Client::new), scaling, cluster, service, tasks }));
    }
    let client = Lazy::new(account, Client::new);
    if machines.is_some() {
        return Some(Box::new(Cluster { client, machines: Machines::of(cluster), counted: None }));
    }
    let filter = family.map(Filter::Family).or(starter.map(Filter::StartedBy))?;
    Some(Box::new(Workers { client, filter, tasks: Tasks::of(cluster) }))
}

/// Reads what is said by saying it at all.
fn yes(value: &Value) -> Result<(), Problem> {
    match value {
        Value::Bool(true) => Ok(()),
        _ => Err(Problem::new("is not true").hint("leave it out for no")),
    }
}

impl Observer for Service {
    fn read(&mut self, _now: SystemTime) -> BoxFuture<'_, Result<Sample, Failure>> {
        Box::pin(async {
            let client = self.client.get().await?;
            let call = client.describe_services().cluster(&self.cluster).services(&self.service);
            let answer = call.send().await.map_err(|error| of_call("DescribeServices", error))?;
            let Some(service) = answer.services().first() else {
                let reason = answer.failures().first().and_then(|failure| failure.reason()).unwrap_or("no answer");
                return Err(Failure::missing(format!("there is no service `{}`: {reason}", self.service)));
            };
            let ready = count(service.running_count())?;
            let draining = self.tasks.stopping(&client, &Filter::Service(self.service.clone())).await?;
            let (min, max) = match &mut self.scaling {
                Some(scaling) => limits(&scaling.get().await?, &self.cluster, &self.service).await?,
                None => (None, None),
            };
            let supply = Supply {
                desired: Some(count(service.desired_count())?),
                running: Some(ready + count(service.pending_count())? + draining),
                ready: Some(ready),
                draining: Some(draining),
                min,
                max,
            };
            Ok(Reading::Supply(supply).into())
        })
    }
}

/// Asks for the fewest and the most tasks that the scaler may want; a service that it does not scale has no such.
async fn limits(scaling: &Scaling, cluster: &str, service: &str) -> Result<(Option<u64>, Option<u64>), Failure> {
    let call = scaling.describe_scalable_targets().service_namespace(ServiceNamespace::Ecs);
    let call = call.resource_ids(format!("service/{cluster}/{service}"));
    let answer = call.send().await.map_err(|error| of_call("DescribeScalableTargets", error))?;
    match answer.scalable_targets().first() {
        Some(target) => Ok((Some(count(target.min_capacity())?), Some(count(target.max_capacity())?))),
        None => Ok((None, None)),
    }
}

impl Observer for Workers {
    fn read(&mut self, _now: SystemTime) -> BoxFuture<'_, Result<Sample, Failure>> {
        Box::pin(async {
            let client = self.client.get().await?;
            let (ready, coming) = self.tasks.orphans(&client, &self.filter).await?;
            let draining = self.tasks.stopping(&client, &self.filter).await?;
            let running = Some(ready + coming + draining);
            Ok(Reading::Supply(Supply { running, ready: Some(ready), draining: Some(draining), ..Supply::default() })
                .into())
        })
    }
}

impl Observer for Cluster {
    fn read(&mut self, _now: SystemTime) -> BoxFuture<'_, Result<Sample, Failure>> {
        Box::pin(async {
            let client = self.client.get().await?;
            let reading = match self.counted {
                None => Reading::Supply(self.machines.supply(&client).await?),
                Some(counted) => Reading::Metric(self.machines.tasks(&client, counted).await? as f64),
            };
            Ok(reading.into())
        })
    }

    fn departures(&mut self) -> Vec<Departure> {
        self.machines.departures()
    }
}

impl Observer for Activities {
    fn read(&mut self, now: SystemTime) -> BoxFuture<'_, Result<Sample, Failure>> {
        Box::pin(async move {
            let since = *self.since.get_or_insert_with(|| now.checked_sub(self.look_back).unwrap_or(now));
            let found = log::read(&self.scaling.get().await?, &self.resource, since).await?;
            Ok(Reading::Activities(found).into())
        })
    }
}
