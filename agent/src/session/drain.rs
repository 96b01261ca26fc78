//! Leaving in order before a deadline, for whatever reason: nobody new, users one after the other, then what they measured.
//!
//! ```text
//! told ── ⅓ ──┤ the last user was sent away ── ⅓ ──┤ who is left is cut ── ⅓ ──┤ the process ends
//!      └ arrivals end after LEAVING_NOTICE                      └ intervals are acknowledged, goodbye
//! ```

use std::time::Duration;

use rehearsal_engine::Command;
use rehearsal_link::Leaving;
use rehearsal_link::agent::Event;
use rehearsal_metrics::Interval;
use tokio::time::Instant;

use super::Session;
use crate::connection::log;
use crate::crew::Crew;

/// How far ahead an agent that has to go says that its arrivals end, so that others can take over.
const LEAVING_NOTICE: Duration = Duration::from_millis(500);
/// The longest over which users leave: a pace that no system under test takes for a failure.
const LONGEST_PACE: Duration = Duration::from_secs(10);

/// A drain that has begun.
#[derive(Debug)]
pub(super) struct Drain {
    reason: String,
    /// Over which time users leave.
    pace: Duration,
    cut_at: Instant,
    is_cut: bool,
    deadline: Instant,
}

/// What has become due in a drain.
#[derive(Debug, PartialEq, Eq)]
enum Step {
    Cut,
    End,
}

impl Drain {
    fn new(reason: String, began: Instant, deadline: Instant) -> Self {
        let deadline = deadline.max(began);
        let third = (deadline - began) / 3;
        Self { reason, pace: LONGEST_PACE.min(third), cut_at: began + third * 2, is_cut: false, deadline }
    }

    /// Takes another order to go into account: time may get shorter, never longer. Gives the pace if it did.
    fn hasten(&mut self, other: Drain) -> Option<Duration> {
        if other.deadline >= self.deadline {
            return None;
        }
        self.reason = format!("{}; {}", self.reason, other.reason);
        self.cut_at = self.cut_at.min(other.cut_at);
        (self.pace, self.deadline) = (other.pace, other.deadline);
        Some(self.pace)
    }

    fn next_step(&mut self, now: Instant) -> Option<Step> {
        if now >= self.deadline {
            return Some(Step::End);
        }
        let cut = !self.is_cut && now >= self.cut_at;
        self.is_cut |= cut;
        cut.then_some(Step::Cut)
    }
}

impl<C: Crew> Session<C> {
    /// Begins to leave, for a reason that people read. Whoever is leaving already can only be made to leave sooner.
    pub(super) fn drain(&mut self, reason: String, deadline: Instant) -> Option<Event<Interval>> {
        let from = self.clock.now() + LEAVING_NOTICE;
        let asked = Drain::new(reason.clone(), Instant::now(), deadline);
        if let Some(drain) = &mut self.drain {
            if let Some(pace) = drain.hasten(asked) {
                log(&format!("leaving sooner because of {reason}"));
                self.relieve(from, pace);
            }
            return None;
        }
        let drain = self.drain.insert(asked);
        let over = drain.pace;
        self.relieve(from, over);
        Some(Event::Leave(Leaving { from, reason }))
    }

    /// Does what has become due.
    ///
    /// # Errors
    /// When time is up: what the coordinator has not acknowledged by now is lost.
    pub(super) fn go_on_draining(&mut self) -> anyhow::Result<()> {
        let Some(drain) = &mut self.drain else { return Ok(()) };
        match drain.next_step(Instant::now()) {
            None => Ok(()),
            Some(Step::Cut) => {
                self.tell(&Command::Cut);
                Ok(())
            }
            Some(Step::End) => {
                let left = match self.end.outbox().unacknowledged() {
                    Some(seconds) => format!("seconds {} to {} of the run are lost", seconds.start, seconds.end),
                    None => "the coordinator has not said goodbye".to_owned(),
                };
                anyhow::bail!("leaving because of {}: time is up, and {left}", drain.reason)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_third_for_users_to_leave_a_third_to_be_cut_a_third_to_be_heard() {
        let began = Instant::now();
        let at = |seconds| began + Duration::from_secs(seconds);
        let mut drain = Drain::new("a test".to_owned(), began, at(24));
        assert_eq!(drain.pace, Duration::from_secs(8));
        let steps: Vec<_> = [0, 15, 16, 17, 23, 24].into_iter().map(|second| drain.next_step(at(second))).collect();
        assert_eq!(steps, [None, None, Some(Step::Cut), None, None, Some(Step::End)]);
    }

    #[test]
    fn users_do_not_take_all_the_time_there_is() {
        let began = Instant::now();
        let drain = |seconds| Drain::new("a test".to_owned(), began, began + Duration::from_secs(seconds));
        assert_eq!(drain(120).pace, Duration::from_secs(10));
        let passed = Drain::new("a test".to_owned(), began, began - Duration::from_millis(1));
        assert_eq!(passed.pace, Duration::ZERO, "a deadline that has passed is now");
        assert_eq!(drain(0).next_step(began), Some(Step::End));
    }

    #[test]
    fn a_second_order_may_only_hurry() {
        let began = Instant::now();
        let at = |seconds| began + Duration::from_secs(seconds);
        let mut drain = Drain::new("a recommendation".to_owned(), began, at(120));
        assert_eq!(drain.hasten(Drain::new("no hurry".to_owned(), at(10), at(120))), None);
        assert_eq!(drain.hasten(Drain::new("a preemption".to_owned(), at(60), at(75))), Some(Duration::from_secs(5)));
        assert_eq!(drain.reason, "a recommendation; a preemption");
        let steps: Vec<_> = [69, 70, 74, 75].into_iter().map(|second| drain.next_step(at(second))).collect();
        assert_eq!(steps, [None, Some(Step::Cut), None, Some(Step::End)]);
        let mut late = Drain::new("a recommendation".to_owned(), began, at(90));
        late.hasten(Drain::new("a preemption".to_owned(), at(50), at(80)));
        assert_eq!(late.next_step(at(60)), Some(Step::Cut), "who was to be cut at 60 s is, though 70 would do now");
    }
}
