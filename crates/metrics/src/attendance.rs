//! Which seconds each agent owes and has reported: what "settled" and "unobserved" are computed
//! from.

use serde::{Deserialize, Serialize};

use crate::health::Health;
use crate::interval::Interval;
use crate::ledger::Transitions;
use crate::spans::{Span, Spans};

/// One incarnation of an agent, as the timeline knows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AgentRecord {
    /// The first second it owes.
    pub from_s: i64,
    /// The second from which on it owes nothing, because it left in order.
    pub left_at: Option<i64>,
    /// The second from which on it is not waited for, because it is gone.
    pub lost_at: Option<i64>,
    /// Its lost users were restored elsewhere: what it still tells of its users is told of their former lives.
    #[serde(default)]
    pub restored: bool,
    /// Seconds it has reported.
    pub reported: Spans,
    /// All moves of its users.
    pub users: Transitions,
    /// The worst it said of itself.
    pub worst: Health,
    /// The latest second in which it graded itself, and what it said; `None` before the first.
    pub latest: Option<(i64, Health)>,
}

impl AgentRecord {
    pub(crate) fn new(from_s: i64) -> AgentRecord {
        AgentRecord {
            from_s,
            left_at: None,
            lost_at: None,
            restored: false,
            reported: Spans::default(),
            users: Transitions::default(),
            worst: Health::default(),
            latest: None,
        }
    }

    /// Takes note of what one of its intervals says of the agent itself.
    pub(crate) fn add(&mut self, interval: &Interval) {
        self.reported.insert(Span { from_s: interval.from, to_s: interval.to });
        interval.users.values().for_each(|moved| self.users.merge(moved));
        for (second, health) in &interval.health {
            self.worst.merge(health);
            match &mut self.latest {
                Some((latest, known)) if latest == second => known.merge(health),
                Some((latest, _)) if *latest > *second => {}
                latest => *latest = Some((*second, *health)),
            }
        }
    }

    /// The first second that it still has to report. An agent reports in order, so what it has left
    /// out before its latest second is unobserved and not waited for.
    pub(crate) fn reported_until(&self) -> i64 {
        self.reported.end().unwrap_or(self.from_s).max(self.from_s)
    }

    /// Tells whether a second that it has not reported may still come in order.
    pub(crate) fn is_awaited(&self) -> bool {
        let has_left = self.left_at.is_some_and(|left| self.reported_until() >= left);
        self.lost_at.is_none() && !has_left
    }

    /// Lists the seconds before `until` that it owed and has not reported.
    pub fn unobserved(&self, until: i64) -> Vec<Span> {
        let to_s = self.left_at.unwrap_or(until).min(until);
        self.reported.missing(Span { from_s: self.from_s, to_s })
    }
}
