//! Tasks of a cluster, looked up one by one.

use std::collections::BTreeSet;

use aws_sdk_ecs::Client;
use aws_sdk_ecs::types::{DesiredStatus, Task};
use rehearsal_observe::Failure;

use crate::failure::of_call;

/// The most that may be described with one call.
const AT_ONCE: usize = 100;

/// Which tasks are meant.
pub enum Filter {
    /// Those of a service.
    Service(String),
    /// Those of a family of definitions.
    Family(String),
    /// Those that somebody started. Amazon allows no other filter beside it.
    StartedBy(String),
    /// Those on a machine.
    Machine(String),
}

/// The tasks of a cluster, with what is known of them for good.
pub struct Tasks {
    cluster: String,
    /// Tasks that have stopped, which Amazon lists for an hour or longer: they need not be described again.
    stopped: BTreeSet<String>,
}

impl Tasks {
    /// Those of a cluster.
    pub fn of(cluster: String) -> Tasks {
        Tasks { cluster, stopped: BTreeSet::new() }
    }

    /// Counts the tasks that were told to stop and have not yet.
    pub async fn stopping(&mut self, client: &Client, filter: &Filter) -> Result<u64, Failure> {
        let listed = self.list(client, filter, DesiredStatus::Stopped).await?;
        let (known, unknown): (Vec<_>, Vec<_>) = listed.into_iter().partition(|arn| self.stopped.contains(arn));
        let mut stopped: BTreeSet<String> = known.into_iter().collect();
        let mut stopping = 0;
        for task in self.describe(client, unknown).await? {
            match (task.last_status(), task.task_arn()) {
                (Some("STOPPED" | "DELETED"), Some(arn)) => {
                    stopped.insert(arn.into());
                }
                _ if is_meant(&task, filter) => stopping += 1,
                _ => {}
            }
        }
        // Filters of one observer never differ, but those of a cluster's machines do.
        match filter {
            Filter::Machine(_) => self.stopped.extend(stopped),
            _ => self.stopped = stopped,
        }
        Ok(stopping)
    }

    /// Counts the tasks that no service looks after: those that run, and those that are about to.
    pub async fn orphans(&self, client: &Client, filter: &Filter) -> Result<(u64, u64), Failure> {
        let listed = self.list(client, filter, DesiredStatus::Running).await?;
        let tasks = self.describe(client, listed).await?;
        // Between the two calls one may have been told to stop; then it is counted as stopping.
        let wanted = |task: &&Task| is_meant(task, filter) && task.desired_status() == Some("RUNNING");
        let (ready, coming): (Vec<_>, Vec<_>) =
            tasks.iter().filter(wanted).partition(|task| task.last_status() == Some("RUNNING"));
        Ok((ready.len() as u64, coming.len() as u64))
    }

    /// Forgets which tasks have stopped; those of machines that have gone are not listed any more.
    pub fn forget(&mut self) {
        self.stopped.clear();
    }

    async fn list(&self, client: &Client, filter: &Filter, wanted: DesiredStatus) -> Result<Vec<String>, Failure> {
        let call = client.list_tasks().cluster(&self.cluster).desired_status(wanted);
        let call = match filter {
            Filter::Service(name) => call.service_name(name),
            Filter::Family(name) => call.family(name),
            Filter::StartedBy(name) => call.started_by(name),
            Filter::Machine(arn) => call.container_instance(arn),
        };
        let arns = call.into_paginator().items().send().collect::<Result<Vec<_>, _>>().await;
        arns.map_err(|error| of_call("ListTasks", error))
    }

    async fn describe(&self, client: &Client, arns: Vec<String>) -> Result<Vec<Task>, Failure> {
        let mut tasks = Vec::new();
        for some in arns.chunks(AT_ONCE) {
            let call = client.describe_tasks().cluster(&self.cluster).set_tasks(Some(some.to_vec()));
            let answer = call.send().await.map_err(|error| of_call("DescribeTasks", error))?;
            // One that has been forgotten since it was listed has stopped long ago.
            tasks.extend(answer.tasks.unwrap_or_default());
        }
        Ok(tasks)
    }
}

/// Whether a task counts for a filter: who asks for a family or a starter asks for tasks that no service looks after.
fn is_meant(task: &Task, filter: &Filter) -> bool {
    let has_service = task.group().is_some_and(|group| group.starts_with("service:"));
    !has_service || matches!(filter, Filter::Service(_) | Filter::Machine(_))
}
