//! Which agent played which user, when. A run promises that no user number is live on two agents
//! at once; the stays of each number show whether that held.
//!
//! A **visit** is one request, from its arrival to its answer, or one WebSocket, from its opening
//! to its end. A **stay** is a chain of visits of one user from one agent, the pauses between them
//! included, as long as no other agent had that user in between. Nothing here reads a clock.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// Most stays that are kept: about 150 bytes each, and the numbers come from outside.
const MOST_STAYS: usize = 2_000_000;

/// Which users were on more than one agent, and when. All times are microseconds of Unix time.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Users {
    /// User numbers that were seen with an agent's id since the start or the last reset.
    pub followed: u64,
    /// Visits that found no room among the stays that are kept: this is then not the whole truth.
    pub not_followed: u64,
    /// The users that were seen from more than one agent, by number.
    pub users: Vec<UserStays>,
    /// Every overlap of two stays of one user from different agents, by user and time.
    pub live_twice: Vec<LiveTwice>,
}

/// Where one user was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserStays {
    /// The user's number.
    pub user: u64,
    /// In the order in which they began.
    pub stays: Vec<Stay>,
}

/// An unbroken stay of one user on one agent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stay {
    /// The agent's id.
    pub agent: String,
    /// The arrival of its first request.
    pub from_us: i64,
    /// Its last answer, or the end of its last socket; none while a visit lasts.
    pub to_us: Option<i64>,
}

/// A time in which two agents had the same user.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LiveTwice {
    /// The user's number.
    pub user: u64,
    /// The ids of the agents, first the one that had the user before.
    pub agents: [String; 2],
    /// When the second came.
    pub from_us: i64,
    /// When the first of both left; none while both are there.
    pub to_us: Option<i64>,
}

/// The stays of all users.
#[derive(Debug, Default)]
pub(crate) struct Stays {
    /// In the order in which they began; few users ever have more than one.
    by_user: BTreeMap<u64, Vec<Kept>>,
    count: usize,
    not_followed: u64,
    latest_us: i64,
}

#[derive(Debug)]
struct Kept {
    agent: Arc<str>,
    from_us: i64,
    /// The end of the latest visit that has ended.
    to_us: i64,
    /// Visits that last.
    visits: u32,
}

impl Kept {
    fn end_us(&self) -> Option<i64> {
        (self.visits == 0).then_some(self.to_us)
    }

    fn lasts_beyond(&self, instant_us: i64) -> bool {
        self.end_us().is_none_or(|end_us| end_us > instant_us)
    }
}

impl Stays {
    /// Begins a visit. False when there was no room: then it must not be ended.
    pub(crate) fn enter(&mut self, user: u64, agent: &Arc<str>, now_us: i64) -> bool {
        let from_us = self.instant(now_us);
        if let Some(stay) = self.by_user.get_mut(&user).and_then(|stays| unbroken(stays, agent)) {
            stay.visits += 1;
            return true;
        }
        if self.count == MOST_STAYS {
            self.not_followed += 1;
            return false;
        }
        self.count += 1;
        let stay = Kept { agent: agent.clone(), from_us, to_us: from_us, visits: 1 };
        // Room for one, because nearly all have one.
        self.by_user.entry(user).or_insert_with(|| Vec::with_capacity(1)).push(stay);
        true
    }

    /// Ends a visit.
    pub(crate) fn leave(&mut self, user: u64, agent: &str, now_us: i64) {
        let to_us = self.instant(now_us);
        let stays = self.by_user.get_mut(&user).into_iter().flatten();
        let mut lasting = stays.filter(|stay| stay.visits > 0 && *stay.agent == *agent);
        let stay = lasting.next().expect("what is left was entered, and a reset keeps what lasts");
        stay.visits -= 1;
        stay.to_us = to_us;
    }

    /// Forgets all that is over. What lasts begins now.
    pub(crate) fn reset(&mut self, now_us: i64) {
        let from_us = self.instant(now_us);
        self.not_followed = 0;
        self.count = 0;
        self.by_user.retain(|_, stays| {
            stays.retain(|stay| stay.visits > 0);
            stays.iter_mut().for_each(|stay| stay.from_us = from_us);
            self.count += stays.len();
            !stays.is_empty()
        });
    }

    pub(crate) fn users(&self) -> Users {
        let several = self.by_user.iter().filter(|(_, stays)| stays.iter().any(|stay| stay.agent != stays[0].agent));
        let mut users =
            Users { followed: self.by_user.len() as u64, not_followed: self.not_followed, ..Users::default() };
        for (&user, stays) in several {
            let told = |stay: &Kept| {
                let agent = stay.agent.to_string();
                Stay { agent, from_us: stay.from_us, to_us: stay.end_us() }
            };
            users.users.push(UserStays { user, stays: stays.iter().map(told).collect() });
            users.live_twice.extend(overlaps(user, stays));
        }
        users
    }

    /// Gives every event a microsecond of its own: so what came one after the other never seems to
    /// have been together, also when the clock is coarse or is set back.
    fn instant(&mut self, now_us: i64) -> i64 {
        self.latest_us = now_us.max(self.latest_us + 1);
        self.latest_us
    }
}

/// Finds the stay that a visit from this agent belongs to: its last one, unless another agent was
/// there after it.
fn unbroken<'a>(stays: &'a mut [Kept], agent: &str) -> Option<&'a mut Kept> {
    let last = stays.iter().rposition(|stay| *stay.agent == *agent)?;
    let is_broken = stays[last].end_us().is_some_and(|end_us| stays.iter().any(|other| other.lasts_beyond(end_us)));
    if is_broken { None } else { stays.get_mut(last) }
}

fn overlaps(user: u64, stays: &[Kept]) -> impl Iterator<Item = LiveTwice> {
    stays.iter().enumerate().flat_map(move |(place, first)| {
        let later = stays[place + 1..].iter().take_while(|second| first.lasts_beyond(second.from_us));
        later.filter(|second| second.agent != first.agent).map(move |second| LiveTwice {
            user,
            agents: [first.agent.to_string(), second.agent.to_string()],
            from_us: second.from_us,
            to_us: first.end_us().into_iter().chain(second.end_us()).min(),
        })
    })
}

#[cfg(test)]
mod tests;
