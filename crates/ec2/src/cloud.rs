//! All that is ever asked of Amazon, as one narrow trait.
//!
//! An adapter says what was asked and what was answered, and decides nothing: it does not repeat calls, hides no error,
//! and follows pages to their end. Whoever calls decides what an error means ([`failure`](crate::failure)).
//!
//! Every future may be dropped at any point. What was asked may happen all the same, later: that is why everything is
//! tagged in the call that makes it, and why [`sweep`](crate::sweep) looks again after it has found nothing.

use std::collections::BTreeSet;
use std::fmt;
use std::time::SystemTime;

use futures_util::future::{BoxFuture, ready};

pub use crate::failure::{CloudError, Retry};
use crate::machines::Machine;
use crate::money::UsdPerHour;
use crate::names::{GroupId, InstanceId, Region, RequestId, SubnetId, TemplateId, VpcId, Zone};
use crate::request::{FleetRequest, RunOne};
use crate::tags::Tags;

/// What comes back from one call.
pub type Answer<'a, T> = BoxFuture<'a, Result<T, CloudError>>;

/// The most instances that one call ends. Amazon takes 1,000; Karpenter, which lives on this call, gives it 500.
pub const MOST_ENDED_AT_ONCE: usize = 500;

/// One account at Amazon's EC2.
pub trait Cloud: Send + Sync {
    /// Lists all regions, and which of them the account may use (`DescribeRegions` with `AllRegions`).
    fn regions(&self) -> Answer<'_, Vec<(Region, Access)>>;

    /// Lists the given subnets, or without any the default ones of the default network. None if there is no such
    /// network (`DescribeVpcs`, `DescribeSubnets`).
    fn subnets<'a>(&'a self, at: &'a Region, given: &'a [SubnetId]) -> Answer<'a, Vec<Subnet>>;

    /// Lists in which zones each of some machines is offered at all (`DescribeInstanceTypeOfferings`).
    fn offerings<'a>(&'a self, at: &'a Region, machines: &'a [Machine]) -> Answer<'a, Vec<Offering>>;

    /// Lists the current spot prices of machines (`DescribeSpotPriceHistory` from now on, for Linux).
    fn prices<'a>(&'a self, at: &'a Region, machines: &'a [Machine]) -> Answer<'a, Vec<Price>>;

    /// How many virtual CPUs may run at once, if that can be told (`servicequotas:GetServiceQuota`).
    fn quota<'a>(&'a self, _at: &'a Region, _of: Purchase) -> Answer<'a, Option<u32>> {
        Box::pin(ready(Ok(None)))
    }

    /// Whether the account has the role by which Amazon launches spot instances, if that can be told (`iam:GetRole`).
    fn has_spot_role(&self) -> Answer<'_, Option<bool>> {
        Box::pin(ready(Ok(None)))
    }

    /// Finds or makes the security group of all our fleets in a network: nothing comes in, everything may go out. It
    /// has the tags of [`tags::of_anything`](crate::tags::of_anything).
    fn ensure_group<'a>(&'a self, at: &'a Region, network: &'a VpcId) -> Answer<'a, GroupId>;

    /// Finds or makes the launch template of that name, tagged likewise. It holds nothing of any fleet, least of all
    /// secrets: whoever may describe templates reads them.
    fn ensure_template<'a>(&'a self, at: &'a Region, skeleton: &'a Skeleton) -> Answer<'a, TemplateId>;

    /// Asks for instances, once and at once: `CreateFleet` of type `instant`, strategy `price-capacity-optimized`, every
    /// override weighted by its virtual CPUs, the tags on fleet, instances, volumes and network interfaces.
    ///
    /// The answer may hold both instances and errors; neither is the exception.
    fn create_fleet<'a>(&'a self, at: &'a Region, request: &'a FleetRequest) -> Answer<'a, FleetAnswer>;

    /// Finds or makes a security group that lets these TCP ports in from everywhere, and everything out. Its name tells
    /// which they are, so that none ever lets in more than whoever starts from it asked for. It is tagged likewise.
    fn ensure_open_group<'a>(
        &'a self,
        at: &'a Region,
        network: &'a VpcId,
        ports: &'a BTreeSet<u16>,
    ) -> Answer<'a, GroupId>;

    /// Launches one instance on demand (`RunInstances`), with the tags on instance, volume and network interface. What is
    /// never different is as with a [`Skeleton`].
    fn run_one<'a>(&'a self, at: &'a Region, request: &'a RunOne) -> Answer<'a, InstanceId>;

    /// Lists the instances with all of these tags, those that ended lately too. What was launched in the last seconds may
    /// be missing, and what ended may be shown as it was.
    fn instances<'a>(&'a self, at: &'a Region, filter: &'a Tags) -> Answer<'a, Vec<Instance>>;

    /// Ends at most [`MOST_ENDED_AT_ONCE`] instances. If one of them is not known none may have been ended.
    fn terminate<'a>(&'a self, at: &'a Region, instances: &'a [InstanceId]) -> Answer<'a, ()>;

    /// Lists what is ours beside instances. Requests are found by `DescribeTags`: `DescribeFleets` does not show those
    /// of type `instant` to those who do not know their ids.
    fn leftovers<'a>(&'a self, at: &'a Region) -> Answer<'a, Vec<Leftover>>;

    /// Deletes one of those; one that is gone already is no error. A request takes its instances with it, also those that no list shows yet.
    fn delete<'a>(&'a self, at: &'a Region, leftover: &'a Leftover) -> Answer<'a, ()>;

    /// Asks whether we might do something, without doing it (`DryRun`). Yes is no error.
    fn may<'a>(&'a self, at: &'a Region, action: &'a Action) -> Answer<'a, ()>;
}

/// Whether an account can use a region.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// It can.
    Enabled,
    /// Somebody has to opt in first.
    NotOptedIn,
}

/// A part of a network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subnet {
    /// Its id.
    pub id: SubnetId,
    /// The network it belongs to.
    pub vpc: VpcId,
    /// Where it is.
    pub zone: Zone,
}

/// One machine in one zone.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Offering {
    /// Where.
    pub zone: Zone,
    /// The machine's name.
    pub machine: String,
}

/// What one pool costs now.
#[derive(Clone, Debug, PartialEq)]
pub struct Price {
    /// Which pool.
    pub of: Offering,
    /// For one instance.
    pub usd: UsdPerHour,
}

/// How an instance is paid.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Purchase {
    /// Cheap, until Amazon takes it back.
    Spot,
    /// Ours as long as we want.
    OnDemand,
}

/// What every instance has in common, whatever fleet it is of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Skeleton {
    /// The template's name. Another skeleton has another name, so that templates are never changed.
    pub name: String,
    /// The security group.
    pub group: GroupId,
    /// The root volume's size, in GB; it goes with its instance.
    pub volume_gb: u32,
    // An adapter adds what is never different: an instance that shuts down terminates, metadata only with tokens and over
    // one hop, a public address, no key pair, no role.
}

/// What came of a request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FleetAnswer {
    /// Its id, if one was made.
    pub request: Option<RequestId>,
    /// What was launched. This counts.
    pub launched: Vec<Launched>,
    /// What some pools said meanwhile. It does not tell how many instances are missing.
    pub refusals: Vec<Refusal>,
}

/// One instance that a request launched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Launched {
    /// Its id.
    pub id: InstanceId,
    /// Its pool, as far as the answer says.
    pub of: Offering,
    /// How it is paid.
    pub purchase: Purchase,
}

/// Why one pool gave nothing, or not enough.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Which pool; none if the request as a whole was meant.
    pub of: Option<Offering>,
    /// What it said.
    pub error: CloudError,
}

/// An instance as the cloud lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Instance {
    /// Its id.
    pub id: InstanceId,
    /// Its pool.
    pub of: Offering,
    /// How it is paid.
    pub purchase: Purchase,
    /// What it does.
    pub state: State,
    /// When it was launched.
    pub since: SystemTime,
    /// By which address it is seen from outside, once it has one.
    pub address: Option<std::net::IpAddr>,
    /// Its tags.
    pub tags: Tags,
}

/// What an instance does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum State {
    /// It boots.
    Pending,
    /// It runs.
    Running,
    /// It ends, and costs nothing any more.
    ShuttingDown,
    /// It has ended.
    Terminated,
    /// It is being stopped, which nothing of ours is meant to be: its volume would cost on.
    Stopping,
    /// It was stopped.
    Stopped,
}

impl State {
    /// Whether somebody has to end it.
    #[must_use]
    pub fn is_alive(self) -> bool {
        !matches!(self, State::ShuttingDown | State::Terminated)
    }
}

/// Something of ours that is not an instance. None of these costs anything.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leftover {
    /// What it is, with its id.
    pub what: Thing,
    /// Its tags.
    pub tags: Tags,
}

/// Kinds of leftovers, in the order in which they can be deleted.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Thing {
    /// What a `CreateFleet` made.
    Request(RequestId),
    /// A launch template.
    Template(TemplateId),
    /// A security group; as long as an instance uses it, it stays.
    Group(GroupId),
}

impl fmt::Display for Thing {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Thing::Request(id) => id.fmt(out),
            Thing::Template(id) => id.fmt(out),
            Thing::Group(id) => id.fmt(out),
        }
    }
}

/// What can be asked for without doing it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// `CreateSecurityGroup`
    CreateGroup,
    /// `CreateLaunchTemplate`
    CreateTemplate,
    /// `CreateFleet`
    CreateFleet,
    /// `RunInstances`, with our tags: Amazon asks for it on behalf of a fleet.
    RunInstances,
    /// `TerminateInstances`, of one that is ours. About any other, Amazon refuses those who may end only what is theirs.
    Terminate(InstanceId),
}

impl Action {
    /// What a launch does in each region.
    pub const OF_A_LAUNCH: [Action; 4] =
        [Action::CreateGroup, Action::CreateTemplate, Action::CreateFleet, Action::RunInstances];

    /// As Amazon calls it.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Action::CreateGroup => "CreateSecurityGroup",
            Action::CreateTemplate => "CreateLaunchTemplate",
            Action::CreateFleet => "CreateFleet",
            Action::RunInstances => "RunInstances",
            Action::Terminate(_) => "TerminateInstances",
        }
    }
}
