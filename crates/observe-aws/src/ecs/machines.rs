//! Container instances: the machines of a cluster, and the tasks on those that leave.
//!
//! A machine may be ended when it drains and has no tasks, and its own count of tasks says so too early: it leaves
//! out those that are still stopping. What was not stopped when the machine went away was cut off.

use std::collections::BTreeMap;

use aws_sdk_ecs::Client;
use aws_sdk_ecs::types::ContainerInstance;
use rehearsal_observe::{Departure, Failure, Supply};

use super::tasks::{Filter, Tasks};
use crate::failure::{count, of_call};

/// The most that may be described with one call.
const AT_ONCE: usize = 100;

/// Which tasks of machines are counted.
#[derive(Clone, Copy, Debug)]
pub enum Counted {
    /// Those on draining machines that have not stopped.
    Unstopped,
    /// Those that had not stopped at the last look before their machine was gone, since the first reading.
    CutOff,
}

/// A machine at one look.
struct Seen {
    /// As operators know it.
    name: String,
    /// How many of its tasks had not stopped.
    unstopped: u64,
}

/// The machines of a cluster.
pub struct Machines {
    cluster: String,
    tasks: Tasks,
    /// What each machine was like at the last look, by its ARN.
    seen: BTreeMap<String, Seen>,
    /// The machines that the last look found gone.
    gone: Vec<Departure>,
    cut_off: u64,
}

impl Machines {
    /// Those of a cluster.
    pub fn of(cluster: String) -> Machines {
        Machines { tasks: Tasks::of(cluster.clone()), cluster, seen: BTreeMap::new(), gone: Vec::new(), cut_off: 0 }
    }

    /// Counts the machines by their status.
    pub async fn supply(&mut self, client: &Client) -> Result<Supply, Failure> {
        let machines = self.look(client).await?;
        let number = |is_meant: fn(&ContainerInstance) -> bool| {
            Some(machines.iter().filter(|machine| is_meant(machine)).count() as u64)
        };
        Ok(Supply {
            running: number(|_| true),
            ready: number(|machine| machine.status() == Some("ACTIVE") && machine.agent_connected()),
            draining: number(is_leaving),
            ..Supply::default()
        })
    }

    /// Counts tasks on machines that leave, or that were on those that have left.
    pub async fn tasks(&mut self, client: &Client, counted: Counted) -> Result<u64, Failure> {
        let machines = self.look(client).await?;
        let leaving = machines.iter().filter(|machine| is_leaving(machine));
        let seen = leaving.filter_map(|machine| self.seen.get(machine.container_instance_arn()?));
        let unstopped = seen.map(|machine| machine.unstopped).sum();
        self.cut_off += self.departures().iter().filter_map(|departure| departure.in_flight).sum::<u64>();
        Ok(match counted {
            Counted::Unstopped => unstopped,
            Counted::CutOff => self.cut_off,
        })
    }

    /// Takes out the machines that have gone, with the tasks that had not stopped at the last look.
    pub fn departures(&mut self) -> Vec<Departure> {
        std::mem::take(&mut self.gone)
    }

    /// Looks at all machines, and for those that leave at their tasks.
    async fn look(&mut self, client: &Client) -> Result<Vec<ContainerInstance>, Failure> {
        let machines = self.describe(client).await?;
        let mut seen = BTreeMap::new();
        for machine in &machines {
            let Some(arn) = machine.container_instance_arn() else { continue };
            let mut unstopped = count(machine.running_tasks_count())? + count(machine.pending_tasks_count())?;
            if is_leaving(machine) {
                unstopped += self.tasks.stopping(client, &Filter::Machine(arn.into())).await?;
            }
            let name = machine.ec2_instance_id().unwrap_or(arn).to_owned();
            seen.insert(arn.to_owned(), Seen { name, unstopped });
        }
        if !machines.iter().any(is_leaving) {
            self.tasks.forget();
        }
        let before = std::mem::replace(&mut self.seen, seen).into_iter();
        let gone = before.filter(|(arn, _)| !self.seen.contains_key(arn));
        let departure = |(_, Seen { name, unstopped })| Departure { instance: name, in_flight: Some(unstopped) };
        self.gone = gone.map(departure).collect();
        Ok(machines)
    }

    async fn describe(&self, client: &Client) -> Result<Vec<ContainerInstance>, Failure> {
        let arns = client.list_container_instances().cluster(&self.cluster).into_paginator().items().send();
        let arns = arns.collect::<Result<Vec<_>, _>>().await;
        let arns = arns.map_err(|error| of_call("ListContainerInstances", error))?;
        let mut machines = Vec::new();
        for some in arns.chunks(AT_ONCE) {
            let call = client.describe_container_instances().cluster(&self.cluster);
            let call = call.set_container_instances(Some(some.to_vec()));
            let answer = call.send().await.map_err(|error| of_call("DescribeContainerInstances", error))?;
            machines.extend(answer.container_instances.unwrap_or_default());
        }
        Ok(machines)
    }
}

fn is_leaving(machine: &ContainerInstance) -> bool {
    matches!(machine.status(), Some("DRAINING" | "DEREGISTERING"))
}
