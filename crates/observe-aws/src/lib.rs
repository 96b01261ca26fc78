//! What Amazon tells of an autoscaler: Auto Scaling groups, services of ECS, CloudWatch and queues of SQS.
//!
//! One adapter in each file, added to a [`Registry`] by [`register`]. They only read, and hide nothing: calls are not
//! repeated behind the caller's back, so that throttling is an error sample and not a late value.
//!
//! Amazon's libraries take minutes to build. Without the feature `sdk` the adapters are known by name, and whoever asks
//! for one is told how to get it.
#![forbid(unsafe_code)]

#[cfg(feature = "sdk")]
mod account;
#[cfg(feature = "sdk")]
mod failure;

#[cfg(feature = "sdk")]
mod asg;
#[cfg(feature = "sdk")]
mod ecs;
#[cfg(feature = "sdk")]
mod cloudwatch;
#[cfg(feature = "sdk")]
mod sqs;

#[cfg(not(feature = "sdk"))]
mod absent;
#[cfg(not(feature = "sdk"))]
use {absent as asg, absent as ecs, absent as cloudwatch, absent as sqs};

use rehearsal_observe::{Make, Registry};

/// The adapters by the names that environments use.
pub const ALL: [(&str, Make); 4] =
    [("asg", asg::make), ("ecs", ecs::make), ("cloudwatch", cloudwatch::make), ("sqs", sqs::make)];

/// Adds the adapters of this crate to others.
#[must_use]
pub fn register(mut registry: Registry) -> Registry {
    for (name, make) in ALL {
        registry.register(name, make);
    }
    registry
}
