//! What the two ends say to each other, one to one with the enums of the link.

use std::{sync::Arc, time::Duration};

use rehearsal_link::{
    Applied, Assignment, CueAnnouncement, Epoch, Hello, Incarnation, LeaseTerms, Leaving, Readiness, StopKind,
    Stopping, ToAgent, ToCoordinator, Welcome,
};
use rehearsal_metrics::Interval;
use rehearsal_plan::{AgentNumber, RunTime, Version};

use super::{WireError, micros};
use crate::v1::{self, agent_message, coordinator_message};

/// A lease of a day is none; sums of shorter ones cannot overflow.
const LONGEST_TERM: Duration = Duration::from_secs(24 * 3600);

impl From<ToCoordinator<Interval>> for v1::AgentMessage {
    fn from(message: ToCoordinator<Interval>) -> v1::AgentMessage {
        use agent_message::Kind;
        let kind = match message {
            ToCoordinator::Hello(hello) => Kind::Hello(hello.into()),
            ToCoordinator::Interval { number, payload } => {
                Kind::Interval(v1::NumberedInterval { number, interval: Some(payload.into()) })
            }
            ToCoordinator::Heartbeat { sequence, round_trip } => {
                Kind::Heartbeat(v1::Heartbeat { sequence, round_trip_us: micros(round_trip) })
            }
            ToCoordinator::Armed => Kind::Armed(v1::Armed {}),
            ToCoordinator::Applied(Applied { version, at, missed }) => {
                Kind::Applied(v1::Applied { version, at_us: at.0, missed })
            }
            ToCoordinator::Stopping(Stopping { kind, at }) => {
                Kind::Stopping(v1::Stopping { kind: v1::Stop::from(kind).kind, at_us: at.0 })
            }
            ToCoordinator::Leaving(Leaving { from, reason }) => Kind::Leaving(v1::Leaving { from_us: from.0, reason }),
            ToCoordinator::Drained => Kind::Drained(v1::Drained {}),
            ToCoordinator::Farewell => Kind::Farewell(v1::Farewell {}),
        };
        v1::AgentMessage { kind: Some(kind) }
    }
}

impl TryFrom<v1::AgentMessage> for ToCoordinator<Interval> {
    type Error = WireError;

    fn try_from(wire: v1::AgentMessage) -> Result<ToCoordinator<Interval>, WireError> {
        use agent_message::Kind;
        Ok(match wire.kind.ok_or(WireError::Lacks("kind that this build knows"))? {
            Kind::Hello(hello) => ToCoordinator::Hello(hello.try_into()?),
            Kind::Interval(v1::NumberedInterval { number, interval }) => {
                let payload = interval.ok_or(WireError::Lacks("interval"))?.try_into()?;
                ToCoordinator::Interval { number, payload }
            }
            Kind::Heartbeat(v1::Heartbeat { sequence, round_trip_us }) => {
                ToCoordinator::Heartbeat { sequence, round_trip: Duration::from_micros(round_trip_us) }
            }
            Kind::Armed(v1::Armed {}) => ToCoordinator::Armed,
            Kind::Applied(v1::Applied { version, at_us, missed }) => {
                ToCoordinator::Applied(Applied { version, at: RunTime(at_us), missed })
            }
            Kind::Stopping(v1::Stopping { kind, at_us }) => {
                ToCoordinator::Stopping(Stopping { kind: v1::Stop { kind }.try_into()?, at: RunTime(at_us) })
            }
            Kind::Leaving(v1::Leaving { from_us, reason }) => {
                ToCoordinator::Leaving(Leaving { from: RunTime(from_us), reason })
            }
            Kind::Drained(v1::Drained {}) => ToCoordinator::Drained,
            Kind::Farewell(v1::Farewell {}) => ToCoordinator::Farewell,
        })
    }
}

impl From<ToAgent> for v1::CoordinatorMessage {
    fn from(message: ToAgent) -> v1::CoordinatorMessage {
        use coordinator_message::Kind;
        let kind = match message {
            ToAgent::Welcome(welcome) => Kind::Welcome(welcome.into()),
            ToAgent::Assignment(assignment) => Kind::Assignment(assignment.as_ref().into()),
            ToAgent::Ack { number } => Kind::Ack(v1::Ack { number }),
            ToAgent::HeartbeatAnswer { sequence } => Kind::HeartbeatAnswer(v1::HeartbeatAnswer { sequence }),
            ToAgent::Version(version) => Kind::Version(version.as_ref().into()),
            ToAgent::Cue(cue) => Kind::Cue(cue.as_ref().into()),
            ToAgent::Stop(kind) => Kind::Stop(kind.into()),
            ToAgent::Fenced => Kind::Fenced(v1::Fenced {}),
            ToAgent::Goodbye => Kind::Goodbye(v1::Goodbye {}),
            ToAgent::Instances(instances) => Kind::Instances(instances.as_ref().into()),
        };
        v1::CoordinatorMessage { kind: Some(kind) }
    }
}

impl TryFrom<v1::CoordinatorMessage> for ToAgent {
    type Error = WireError;

    fn try_from(wire: v1::CoordinatorMessage) -> Result<ToAgent, WireError> {
        use coordinator_message::Kind;
        Ok(match wire.kind.ok_or(WireError::Lacks("kind that this build knows"))? {
            Kind::Welcome(welcome) => ToAgent::Welcome(welcome.try_into()?),
            Kind::Assignment(assignment) => ToAgent::Assignment(Arc::new(assignment.into())),
            Kind::Ack(v1::Ack { number }) => ToAgent::Ack { number },
            Kind::HeartbeatAnswer(v1::HeartbeatAnswer { sequence }) => ToAgent::HeartbeatAnswer { sequence },
            Kind::Version(version) => ToAgent::Version(Arc::new(Version::try_from(version)?)),
            Kind::Cue(cue) => ToAgent::Cue(Arc::new(cue.into())),
            Kind::Stop(stop) => ToAgent::Stop(stop.try_into()?),
            Kind::Fenced(v1::Fenced {}) => ToAgent::Fenced,
            Kind::Goodbye(v1::Goodbye {}) => ToAgent::Goodbye,
            Kind::Instances(instances) => ToAgent::Instances(Arc::new(instances.try_into()?)),
        })
    }
}

impl From<Hello> for v1::Hello {
    fn from(hello: Hello) -> v1::Hello {
        let readiness = match hello.readiness {
            Readiness::Unassigned => v1::hello::Readiness::Unassigned,
            Readiness::Assigned => v1::hello::Readiness::Assigned,
            Readiness::Armed => v1::hello::Readiness::Armed,
        };
        v1::Hello {
            incarnation: hello.incarnation.0.to_vec(),
            agent: hello.agent.0,
            epoch: hello.epoch.0,
            version: hello.version,
            readiness: readiness.into(),
            build: hello.build,
        }
    }
}

impl TryFrom<v1::Hello> for Hello {
    type Error = WireError;

    fn try_from(wire: v1::Hello) -> Result<Hello, WireError> {
        let readiness = match wire.readiness() {
            v1::hello::Readiness::Unassigned => Readiness::Unassigned,
            v1::hello::Readiness::Assigned => Readiness::Assigned,
            v1::hello::Readiness::Armed => Readiness::Armed,
            v1::hello::Readiness::Unspecified => {
                return Err(WireError::Unknown { what: "readiness", value: wire.readiness });
            }
        };
        let incarnation = wire.incarnation.try_into();
        Ok(Hello {
            agent: AgentNumber(wire.agent),
            incarnation: Incarnation(incarnation.map_err(|_| WireError::Range("an incarnation's length"))?),
            epoch: Epoch(wire.epoch),
            version: wire.version,
            readiness,
            build: wire.build,
        })
    }
}

impl From<Welcome> for v1::Welcome {
    fn from(welcome: Welcome) -> v1::Welcome {
        v1::Welcome {
            epoch: welcome.epoch.0,
            mark: welcome.mark,
            lease_us: micros(welcome.lease.lease),
            drain_us: micros(welcome.lease.drain),
        }
    }
}

impl TryFrom<v1::Welcome> for Welcome {
    type Error = WireError;

    fn try_from(wire: v1::Welcome) -> Result<Welcome, WireError> {
        let (lease, drain) = (Duration::from_micros(wire.lease_us), Duration::from_micros(wire.drain_us));
        if lease.max(drain) > LONGEST_TERM {
            return Err(WireError::Range("the terms of the lease"));
        }
        Ok(Welcome { epoch: Epoch(wire.epoch), mark: wire.mark, lease: LeaseTerms { lease, drain } })
    }
}

impl From<&Assignment> for v1::Assignment {
    fn from(assignment: &Assignment) -> v1::Assignment {
        v1::Assignment {
            run: assignment.run.clone(),
            agent_id: assignment.agent_id.clone(),
            region: assignment.region.clone(),
            seed: assignment.seed,
            threads: assignment.threads,
            scenario: assignment.scenario.to_string(),
            environment_json: assignment.environment.to_string(),
            plan_json: assignment.plan.to_string(),
            common_json: assignment.common.to_string(),
            data: assignment.data.as_ref().clone(),
        }
    }
}

impl From<v1::Assignment> for Assignment {
    fn from(wire: v1::Assignment) -> Assignment {
        Assignment {
            run: wire.run,
            agent_id: wire.agent_id,
            region: wire.region,
            seed: wire.seed,
            threads: wire.threads,
            scenario: wire.scenario.into(),
            environment: wire.environment_json.into(),
            plan: wire.plan_json.into(),
            common: wire.common_json.into(),
            data: Arc::new(wire.data),
        }
    }
}

impl From<&CueAnnouncement> for v1::CueAnnouncement {
    fn from(cue: &CueAnnouncement) -> v1::CueAnnouncement {
        let CueAnnouncement { firing, name, number, id, at, event, pointer } = cue.clone();
        v1::CueAnnouncement { firing, name, number, id, at_us: at.0, event, pointer }
    }
}

impl From<v1::CueAnnouncement> for CueAnnouncement {
    fn from(wire: v1::CueAnnouncement) -> CueAnnouncement {
        let v1::CueAnnouncement { firing, name, number, id, at_us, event, pointer } = wire;
        CueAnnouncement { firing, name, number, id, at: RunTime(at_us), event, pointer }
    }
}

impl From<StopKind> for v1::Stop {
    fn from(kind: StopKind) -> v1::Stop {
        let kind = match kind {
            StopKind::Graceful => v1::stop::Kind::Graceful,
            StopKind::Hard => v1::stop::Kind::Hard,
        };
        v1::Stop { kind: kind.into() }
    }
}

impl TryFrom<v1::Stop> for StopKind {
    type Error = WireError;

    fn try_from(wire: v1::Stop) -> Result<StopKind, WireError> {
        match wire.kind() {
            v1::stop::Kind::Graceful => Ok(StopKind::Graceful),
            v1::stop::Kind::Hard => Ok(StopKind::Hard),
            v1::stop::Kind::Unspecified => Err(WireError::Unknown { what: "kind of stop", value: wire.kind }),
        }
    }
}
