//! Amazon's own library behind [`Cloud`]: what is asked, and how the answers are read. Nothing is decided here.
//!
//! | file | asks |
//! |---|---|
//! | `account` | nobody: how the account is reached |
//! | `places` | where there is what, at which price |
//! | `beside` | other services than EC2: quotas, and the role of spot instances |
//! | `skeletons` | for security groups and launch templates |
//! | `fleets` | for instances |
//! | `lone` | for one instance |
//! | `ours` | what is ours, and to end it |
//! | `leave` | whether we may |

use std::collections::BTreeSet;

use aws_sdk_ec2::types::{Filter, ResourceType, Tag, TagSpecification};

use crate::cloud::{
    Access, Action, Answer, Cloud, FleetAnswer, Instance, Leftover, Offering, Price, Purchase, Skeleton, Subnet,
};
use crate::machines::Machine;
use crate::names::{GroupId, InstanceId, Region, SubnetId, TemplateId, VpcId};
use crate::request::{FleetRequest, RunOne};
use crate::tags::Tags;

mod account;
mod beside;
mod errors;
mod fleets;
mod leave;
mod lone;
mod ours;
mod places;
mod skeletons;

pub use account::{Amazon, Reach};

impl Cloud for Amazon {
    fn regions(&self) -> Answer<'_, Vec<(Region, Access)>> {
        Box::pin(places::regions(self))
    }

    fn subnets<'a>(&'a self, at: &'a Region, given: &'a [SubnetId]) -> Answer<'a, Vec<Subnet>> {
        Box::pin(async move { places::subnets(&self.client(at), given).await })
    }

    fn offerings<'a>(&'a self, at: &'a Region, machines: &'a [Machine]) -> Answer<'a, Vec<Offering>> {
        Box::pin(async move { places::offerings(&self.client(at), machines).await })
    }

    fn prices<'a>(&'a self, at: &'a Region, machines: &'a [Machine]) -> Answer<'a, Vec<Price>> {
        Box::pin(async move { places::prices(&self.client(at), machines).await })
    }

    fn quota<'a>(&'a self, at: &'a Region, of: Purchase) -> Answer<'a, Option<u32>> {
        Box::pin(beside::quota(self, at, of))
    }

    fn has_spot_role(&self) -> Answer<'_, Option<bool>> {
        Box::pin(beside::has_spot_role(self))
    }

    fn ensure_group<'a>(&'a self, at: &'a Region, network: &'a VpcId) -> Answer<'a, GroupId> {
        Box::pin(async move { skeletons::ensure_group(&self.client(at), network).await })
    }

    fn ensure_open_group<'a>(
        &'a self,
        at: &'a Region,
        network: &'a VpcId,
        ports: &'a BTreeSet<u16>,
    ) -> Answer<'a, GroupId> {
        Box::pin(async move { skeletons::ensure_open_group(&self.client(at), network, ports).await })
    }

    fn ensure_template<'a>(&'a self, at: &'a Region, skeleton: &'a Skeleton) -> Answer<'a, TemplateId> {
        Box::pin(async move { skeletons::ensure_template(&self.client(at), skeleton).await })
    }

    fn create_fleet<'a>(&'a self, at: &'a Region, request: &'a FleetRequest) -> Answer<'a, FleetAnswer> {
        Box::pin(async move { fleets::create(&self.client(at), request).await })
    }

    fn run_one<'a>(&'a self, at: &'a Region, request: &'a RunOne) -> Answer<'a, InstanceId> {
        Box::pin(async move { lone::run(&self.client(at), request).await })
    }

    fn instances<'a>(&'a self, at: &'a Region, filter: &'a Tags) -> Answer<'a, Vec<Instance>> {
        Box::pin(async move { ours::instances(&self.client(at), filter).await })
    }

    fn terminate<'a>(&'a self, at: &'a Region, instances: &'a [InstanceId]) -> Answer<'a, ()> {
        Box::pin(async move { ours::terminate(&self.client(at), instances).await })
    }

    fn leftovers<'a>(&'a self, at: &'a Region) -> Answer<'a, Vec<Leftover>> {
        Box::pin(async move { ours::leftovers(&self.client(at)).await })
    }

    fn delete<'a>(&'a self, at: &'a Region, leftover: &'a Leftover) -> Answer<'a, ()> {
        Box::pin(async move { ours::delete(&self.client(at), &leftover.what).await })
    }

    fn may<'a>(&'a self, at: &'a Region, action: &'a Action) -> Answer<'a, ()> {
        Box::pin(async move { leave::may(&self.client(at), action).await })
    }
}

/// A filter by one name and the values that it may have.
fn filter(name: impl Into<String>, values: impl IntoIterator<Item = impl Into<String>>) -> Filter {
    Filter::builder().name(name).set_values(Some(values.into_iter().map(Into::into).collect())).build()
}

/// Filters that only things with all of these tags pass.
fn with_tags(tags: &Tags) -> Vec<Filter> {
    tags.iter().map(|(key, value)| filter(format!("tag:{key}"), [value])).collect()
}

/// The tags that a thing of a kind gets when it is made.
fn tagged(kind: ResourceType, tags: &Tags) -> TagSpecification {
    let tags = tags.iter().map(|(key, value)| Tag::builder().key(key).value(value).build());
    TagSpecification::builder().resource_type(kind).set_tags(Some(tags.collect())).build()
}

/// The tags that a thing has.
fn tags_of(tags: &[Tag]) -> Tags {
    let pair = |tag: &Tag| Some((tag.key()?.to_owned(), tag.value().unwrap_or_default().to_owned()));
    tags.iter().filter_map(pair).collect()
}
