//! One instance, from its start until it is forgotten, with the history of its states: who asks late knowledge gets it.

use std::time::SystemTime;

use rehearsal_fake_aws::Shape;

use crate::call::Tags;
use crate::listing::{Seen, tag_set};

/// What an instance is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// About to run.
    Pending,
    /// Running.
    Running,
    /// About to be gone.
    ShuttingDown,
    /// Gone.
    Terminated,
    /// About to be stopped.
    Stopping,
    /// Stopped: its disk still costs money.
    Stopped,
}

impl State {
    /// Amazon's name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            State::Pending => "pending",
            State::Running => "running",
            State::ShuttingDown => "shutting-down",
            State::Terminated => "terminated",
            State::Stopping => "stopping",
            State::Stopped => "stopped",
        }
    }

    fn code(self) -> u64 {
        match self {
            State::Pending => 0,
            State::Running => 16,
            State::ShuttingDown => 32,
            State::Terminated => 48,
            State::Stopping => 64,
            State::Stopped => 80,
        }
    }

    /// Whether it takes capacity and quota.
    #[must_use]
    pub fn is_alive(self) -> bool {
        matches!(self, State::Pending | State::Running)
    }

    pub(crate) fn shape(self) -> Shape {
        Shape::map([("code", self.code().into()), ("name", self.name().into())])
    }
}

/// How it is paid for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Lifecycle {
    /// At the spot price, until Amazon wants it back.
    Spot,
    /// At the full price.
    OnDemand,
}

impl Lifecycle {
    /// Amazon's name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Lifecycle::Spot => "spot",
            Lifecycle::OnDemand => "on-demand",
        }
    }
}

/// What an instance does when its system is shut down.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnShutdown {
    /// Its disk stays: what Amazon takes if nothing is said.
    #[default]
    Stop,
    /// It is gone.
    Terminate,
}

/// Why an instance ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// Somebody called `TerminateInstances` or `DeleteFleets`.
    User,
    /// Its own system was shut down.
    Itself,
    /// Amazon wanted it back.
    Interruption,
    /// Its host died.
    Failure,
}

impl Reason {
    /// Amazon's code.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Reason::User => "Client.UserInitiatedShutdown",
            Reason::Itself => "Client.InstanceInitiatedShutdown",
            Reason::Interruption => "Server.SpotInstanceTermination",
            Reason::Failure => "Server.InternalError",
        }
    }

    fn message(self) -> &'static str {
        match self {
            Reason::User => "Client.UserInitiatedShutdown: User initiated shutdown",
            Reason::Itself => "Client.InstanceInitiatedShutdown: Instance initiated shutdown",
            Reason::Interruption => "Server.SpotInstanceTermination: Spot instance termination",
            Reason::Failure => "Server.InternalError: Internal error on launch",
        }
    }
}

/// One instance.
#[derive(Clone, Debug)]
pub struct Instance {
    /// Its place in the order of all starts.
    pub number: u64,
    /// Its id.
    pub id: String,
    /// The start that it came from, with others.
    pub reservation: String,
    /// Its region.
    pub region: String,
    /// The name of its zone.
    pub zone: String,
    /// The zone's id.
    pub zone_id: String,
    /// Its subnet.
    pub subnet: String,
    /// Its VPC.
    pub vpc: String,
    /// Its type.
    pub kind: String,
    /// The virtual processors that its type has.
    pub vcpus: u32,
    /// `x86_64` or `arm64`.
    pub architecture: String,
    /// Its image.
    pub image: String,
    /// How it is paid for.
    pub lifecycle: Lifecycle,
    /// The fleet that started it, if one did.
    pub fleet: Option<String>,
    /// Its security groups: ids and names.
    pub groups: Vec<(String, String)>,
    /// Its tags.
    pub tags: Tags,
    /// The token of the call that started it.
    pub client_token: String,
    /// Its user data.
    pub user_data: Vec<u8>,
    /// What it does when its system is shut down.
    pub on_shutdown: OnShutdown,
    /// Its address within the VPC, which nobody can reach.
    pub private_address: String,
    /// Its public address.
    pub public_address: String,
    /// What it was doing from when on.
    pub history: Vec<(SystemTime, State)>,
    /// Why it ended.
    pub reason: Option<Reason>,
    /// Since when it is recommended to replace it.
    pub recommended: Option<SystemTime>,
    /// When Amazon takes it back.
    pub deadline: Option<SystemTime>,
}

impl Instance {
    /// What it does now.
    #[must_use]
    pub fn state(&self) -> State {
        self.history.last().map_or(State::Pending, |(_, state)| *state)
    }

    /// What it did at an instant; `None` before its start.
    #[must_use]
    pub fn state_at(&self, instant: SystemTime) -> Option<State> {
        self.history.iter().rev().find(|(from, _)| *from <= instant).map(|(_, state)| *state)
    }

    /// When it was started.
    #[must_use]
    pub fn launched(&self) -> SystemTime {
        self.history.first().map_or(SystemTime::UNIX_EPOCH, |(from, _)| *from)
    }

    /// When it ended for good, if it has.
    #[must_use]
    pub fn terminated(&self) -> Option<SystemTime> {
        self.history.last().filter(|(_, state)| *state == State::Terminated).map(|(at, _)| *at)
    }

    /// Has it do something else from now on. What is terminated stays so.
    pub(crate) fn turn(&mut self, state: State, now: SystemTime) {
        if !matches!(self.state(), State::Terminated) && self.state() != state {
            self.history.push((now, state));
        }
    }

    /// What filters see of it as of an instant.
    pub(crate) fn seen(&self, state: State) -> Seen<'_> {
        let mut seen = Seen::new(
            Some(&self.tags),
            [
                ("architecture", self.architecture.clone()),
                ("availability-zone", self.zone.clone()),
                ("availability-zone-id", self.zone_id.clone()),
                ("client-token", self.client_token.clone()),
                ("image-id", self.image.clone()),
                ("instance-id", self.id.clone()),
                ("instance-state-code", state.code().to_string()),
                ("instance-state-name", state.name().into()),
                ("instance-type", self.kind.clone()),
                ("ip-address", self.public_address.clone()),
                ("private-ip-address", self.private_address.clone()),
                ("reservation-id", self.reservation.clone()),
                ("subnet-id", self.subnet.clone()),
                ("vpc-id", self.vpc.clone()),
            ],
        );
        let spot = (self.lifecycle == Lifecycle::Spot).then(|| "spot".to_owned());
        seen.attributes.push(("instance-lifecycle", spot.into_iter().collect()));
        seen.attributes.push(("instance.group-id", self.groups.iter().map(|(id, _)| id.clone()).collect()));
        seen.attributes.push(("instance.group-name", self.groups.iter().map(|(_, name)| name.clone()).collect()));
        seen
    }

    /// It as answers have it, doing what it did at some instant.
    pub(crate) fn shape(&self, state: State) -> Shape {
        let has_addresses = !matches!(state, State::Terminated | State::ShuttingDown);
        let address = |address: &str| if has_addresses { address.into() } else { Shape::Nothing };
        let reason = self.reason.filter(|_| !state.is_alive());
        let groups = self.groups.iter().map(|(id, name)| group(id, name)).collect();
        Shape::map([
            ("instanceId", self.id.as_str().into()),
            ("imageId", self.image.as_str().into()),
            ("instanceState", state.shape()),
            ("privateDnsName", "".into()),
            ("dnsName", "".into()),
            ("reason", reason.map_or("", Reason::message).into()),
            ("amiLaunchIndex", 0_u64.into()),
            ("instanceType", self.kind.as_str().into()),
            ("launchTime", Shape::Time(self.launched())),
            ("placement", self.placement()),
            ("monitoring", Shape::map([("state", "disabled".into())])),
            ("subnetId", address(&self.subnet)),
            ("vpcId", address(&self.vpc)),
            ("privateIpAddress", address(&self.private_address)),
            ("ipAddress", address(&self.public_address)),
        ])
        .and([
            ("groupSet", Shape::List(groups)),
            (
                "stateReason",
                reason.map_or(Shape::Nothing, |reason| {
                    Shape::map([("code", reason.code().into()), ("message", reason.message().into())])
                }),
            ),
            ("architecture", self.architecture.as_str().into()),
            ("rootDeviceType", "ebs".into()),
            ("rootDeviceName", "/dev/xvda".into()),
            ("virtualizationType", "hvm".into()),
            ("clientToken", self.client_token.as_str().into()),
            ("tagSet", tag_set(&self.tags)),
            ("hypervisor", "xen".into()),
            ("instanceLifecycle", if self.lifecycle == Lifecycle::Spot { "spot".into() } else { Shape::Nothing }),
            ("ebsOptimized", false.into()),
            ("enaSupport", true.into()),
        ])
    }

    fn placement(&self) -> Shape {
        Shape::map([
            ("availabilityZone", self.zone.as_str().into()),
            ("availabilityZoneId", self.zone_id.as_str().into()),
            ("groupName", "".into()),
            ("tenancy", "default".into()),
        ])
    }
}

/// A security group as answers name it.
pub(crate) fn group(id: &str, name: &str) -> Shape {
    Shape::map([("groupId", id.into()), ("groupName", name.into())])
}

/// Instances as answers have them, in the reservations that they came from.
pub(crate) fn reservations(account: &str, instances: &[(&Instance, State)]) -> Shape {
    let mut all: Vec<(&str, Vec<Shape>)> = Vec::new();
    for (instance, state) in instances {
        match all.last_mut() {
            Some((id, members)) if *id == instance.reservation => members.push(instance.shape(*state)),
            _ => all.push((&instance.reservation, vec![instance.shape(*state)])),
        }
    }
    Shape::List(all.into_iter().map(|(id, members)| reservation(account, id, members)).collect())
}

/// One reservation as answers have it.
pub(crate) fn reservation(account: &str, id: &str, members: Vec<Shape>) -> Shape {
    Shape::map([
        ("reservationId", id.into()),
        ("ownerId", account.into()),
        ("groupSet", Shape::List(Vec::new())),
        ("instancesSet", Shape::List(members)),
    ])
}
