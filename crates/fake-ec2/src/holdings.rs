//! What was made in one region.

use std::collections::{BTreeMap, BTreeSet};
use std::time::SystemTime;

use rehearsal_fake_aws::Shape;
use serde_json::Value;

use crate::call::Tags;
use crate::instance::{Instance, Lifecycle};

/// All that was made in one region, by ids.
#[derive(Debug, Default)]
pub(crate) struct Holdings {
    pub groups: BTreeMap<String, SecurityGroup>,
    pub templates: BTreeMap<String, LaunchTemplate>,
    pub fleets: BTreeMap<String, Fleet>,
    pub instances: BTreeMap<String, Instance>,
}

/// A security group that was created.
#[derive(Clone, Debug)]
pub(crate) struct SecurityGroup {
    pub number: u64,
    pub id: String,
    pub name: String,
    pub description: String,
    pub vpc: String,
    /// What it lets in.
    pub lets_in: BTreeSet<Rule>,
    pub tags: Tags,
}

/// What a security group lets in: ports of a protocol, from a range of addresses.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Rule {
    pub protocol: String,
    pub from: u16,
    pub to: u16,
    pub range: String,
}

/// A launch template, of which there is only one version.
#[derive(Clone, Debug)]
pub(crate) struct LaunchTemplate {
    pub number: u64,
    pub id: String,
    pub name: String,
    pub created: SystemTime,
    pub data: Value,
    pub tags: Tags,
}

/// A fleet that made its one attempt.
#[derive(Clone, Debug)]
pub(crate) struct Fleet {
    pub number: u64,
    pub id: String,
    pub created: SystemTime,
    pub client_token: String,
    pub strategy: String,
    pub target: u64,
    pub spot_target: u64,
    pub default_target: String,
    pub fulfilled: f64,
    pub instances: Shape,
    pub errors: Shape,
    pub tags: Tags,
    pub is_deleted: bool,
}

impl Holdings {
    /// How many instances of a pool there are.
    pub(crate) fn in_pool(&self, kind: &str, zone: &str) -> u32 {
        self.count(|instance| if instance.kind == kind && instance.zone == zone { 1 } else { 0 })
    }

    /// How many virtual processors there are, of those that are paid for in this way.
    pub(crate) fn vcpus(&self, lifecycle: Lifecycle) -> u32 {
        self.count(|instance| if instance.lifecycle == lifecycle { instance.vcpus } else { 0 })
    }

    fn count(&self, weight: impl Fn(&Instance) -> u32) -> u32 {
        self.instances.values().filter(|instance| instance.state().is_alive()).map(weight).sum()
    }

    /// The ids of a fleet's instances that are told of.
    pub(crate) fn of_fleet(&self, fleet: &str) -> Vec<String> {
        let members = self.instances.values().filter(|instance| instance.fleet.as_deref() == Some(fleet));
        members.map(|instance| instance.id.clone()).collect()
    }
}
