//! A fake of the calls by which Amazon tells what an autoscaler sees and does, replaying a recorded timeline.
//!
//! A [timeline](Timeline) is a file that says what was true from which second on: sizes and instances of Auto
//! Scaling groups with their activities, services, container instances and tasks of ECS, data points with their
//! gaps, alarms, queues, and when calls were throttled or stayed unanswered. A [replay](Replay) of it answers each
//! call as of one second; [`serve`] puts a [clock](Clock) and HTTP around it.
//!
//! It exists because emulators of Amazon change state at once and tell no activities: what a scaler does over time,
//! and does wrongly, cannot be seen there. It only answers; nothing can be changed through it, and it checks no
//! signature.
#![forbid(unsafe_code)]

mod steps;
mod timeline;
mod activities;

mod shape;
pub mod form;
mod call;
pub mod xml;
mod wire;

mod replay;
mod autoscaling;
mod ecs;
mod application;
mod cloudwatch;
mod sqs;

mod clock;
mod server;

pub use activities::ScalingActivity;
pub use call::{Call, Format};
pub use clock::Clock;
pub use replay::{Answer, Replay};
pub use server::serve;
pub use shape::{Shape, printed};
pub use steps::Steps;
pub use timeline::{
    Alarm, Cluster, ContainerInstance, Fault, Group, MetricSeries, Queue, Service, Task, Timeline, TimelineError,
};
pub use wire::json;
