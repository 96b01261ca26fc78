//! Answers calls out of a timeline, as of one second of it.

use std::time::SystemTime;

use crate::call::{Call, Service};
use crate::shape::Shape;
use crate::timeline::Timeline;
use crate::{application, autoscaling, cloudwatch, ecs, sqs};

/// The account and region in every name. Amazon's own examples have this account.
pub(crate) const ACCOUNT: &str = "123456789012";
pub(crate) const REGION: &str = "ap-northeast-1";

/// What a call gets.
#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    /// What was asked for.
    Told(Shape),
    /// A refusal.
    Failed {
        /// The HTTP status.
        status: u16,
        /// Amazon's code.
        code: String,
        /// The words with it.
        message: String,
    },
    /// Nothing, for as long as the caller waits.
    Silence,
}

/// A timeline whose second 0 is an instant.
#[derive(Clone, Debug)]
pub struct Replay {
    timeline: Timeline,
    epoch: SystemTime,
}

/// One moment of a replay, which is what the operations look at.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moment<'a> {
    pub timeline: &'a Timeline,
    pub epoch: SystemTime,
    pub second: f64,
}

impl Replay {
    /// Begins a timeline at an instant.
    #[must_use]
    pub fn new(timeline: Timeline, epoch: SystemTime) -> Replay {
        Replay { timeline, epoch }
    }

    /// What is replayed.
    #[must_use]
    pub fn timeline(&self) -> &Timeline {
        &self.timeline
    }

    /// The instant of second 0.
    #[must_use]
    pub fn epoch(&self) -> SystemTime {
        self.epoch
    }

    /// Answers a call as of a second.
    #[must_use]
    pub fn answer(&self, call: &Call, second: f64) -> Answer {
        let is_struck = |operations: &[String]| operations.is_empty() || operations.contains(&call.operation);
        let faults = self.timeline.faults.iter();
        let mut faults =
            faults.filter(|fault| (fault.from..fault.to).contains(&second) && is_struck(&fault.operations));
        if let Some(fault) = faults.next() {
            return match &fault.error {
                Some(code) => failed(fault.status, code, &fault.message),
                None => Answer::Silence,
            };
        }
        let moment = Moment { timeline: &self.timeline, epoch: self.epoch, second };
        let told = match call.service {
            Service::AutoScaling => autoscaling::answer(moment, call),
            Service::ApplicationAutoScaling => application::answer(moment, call),
            Service::CloudWatch => cloudwatch::answer(moment, call),
            Service::Ecs => ecs::answer(moment, call),
            Service::Sqs => sqs::answer(moment, call),
        };
        told.unwrap_or_else(|| failed(400, "InvalidAction", &format!("{} is not replayed", call.operation)))
    }
}

/// A refusal.
pub(crate) fn failed(status: u16, code: &str, message: &str) -> Answer {
    Answer::Failed { status, code: code.into(), message: message.into() }
}

impl Moment<'_> {
    /// Cuts one page out of a list. `asked` is how many the caller wants at most; a token is the place of the first.
    pub(crate) fn page<T>(self, all: Vec<T>, asked: Option<usize>, token: Option<&str>) -> (Vec<T>, Shape) {
        let most = asked.unwrap_or(100).min(self.timeline.page_size.unwrap_or(100)).max(1);
        let first: usize = token.and_then(|token| token.parse().ok()).unwrap_or(0);
        let next = first.saturating_add(most);
        let token = if next < all.len() { next.to_string().into() } else { Shape::Nothing };
        (all.into_iter().skip(first).take(most).collect(), token)
    }
}
