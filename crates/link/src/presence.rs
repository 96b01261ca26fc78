//! What the coordinator knows about one life of an agent, and from when on its load may be given to others.
//!
//! | state | enters when | shown | slots |
//! |---|---|---|---|
//! | `Joined` | restored after the coordinator's restart, has not dialled yet | yes | stay |
//! | `Connected` | dialled, and was heard in the last 3 s (or redials within 2 s) | | stay |
//! | `Silent` | nothing heard for 3 s, the connection stands | yes | stay |
//! | `Closed` | connection gone or unheard for L/4, no redial within 2 s | yes | stay, unless takeover is eager |
//! | `Expired` | L′ after the last answered heartbeat | yes | move |
//! | `Cleared` | L′ + D′ after it | | users may be restored elsewhere |
//! | `Ended` | its process exited, or it drained | yes | move at once |
//!
//! `Expired`, `Cleared` and `Ended` are never left: an agent that comes back is *fenced*, its intervals are still
//! taken and its heartbeats stay unanswered. A coordinator that restarted does not know which heartbeats its former
//! life answered, so a restored agent's lease counts from the restart plus D: nothing is taken over before L + D.

use std::time::Duration;

use rehearsal_plan::RunTime;

use crate::lease::LeaseTerms;

/// Without a message for this long an agent is shown as silent: three heartbeats.
const SILENT_AFTER: Duration = Duration::from_secs(3);

/// Without a redial for this long a closed connection is shown: the first redial comes within half a second.
const CLOSED_AFTER: Duration = Duration::from_secs(2);

/// The states of the table above.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum PresenceState {
    /// Known from before the coordinator's restart.
    Joined,
    /// Alive.
    Connected,
    /// The connection stands, and nothing comes.
    Silent,
    /// The connection is gone.
    Closed,
    /// The lease has run out on both sides.
    Expired,
    /// Its users have left, too.
    Cleared,
    /// It is known to have ended.
    Ended,
}

/// One life of an agent as the coordinator sees it.
#[derive(Debug, Clone)]
pub struct AgentPresence {
    terms: LeaseTerms,
    state: PresenceState,
    /// When the lease was extended last.
    answered: RunTime,
    /// When anything was heard last.
    heard: RunTime,
    /// Since when there is no connection.
    disconnected: Option<RunTime>,
    /// Whether its load was given away before the lease had run out.
    fenced: bool,
}

impl AgentPresence {
    /// An agent that dialled in just now.
    pub fn new(terms: LeaseTerms, now: RunTime) -> Self {
        AgentPresence {
            terms,
            state: PresenceState::Connected,
            answered: now,
            heard: now,
            disconnected: None,
            fenced: false,
        }
    }

    /// An agent that a former life of the coordinator knew.
    pub fn restored(terms: LeaseTerms, now: RunTime) -> Self {
        let answered = now + terms.drain;
        AgentPresence { state: PresenceState::Joined, answered, disconnected: Some(now), ..Self::new(terms, now) }
    }

    /// The state, as of the last event.
    pub fn state(&self) -> PresenceState {
        self.state
    }

    /// Whether its load belongs, or is about to belong, to others.
    pub fn is_fenced(&self) -> bool {
        self.fenced || self.state >= PresenceState::Expired
    }

    /// Whether it can certainly start no load any more.
    pub fn is_harmless(&self) -> bool {
        self.state >= PresenceState::Expired
    }

    /// When its lease will have run out, if no further heartbeat is answered.
    pub fn expires(&self) -> RunTime {
        self.answered + self.terms.until_expired()
    }

    /// When its users will have left, too, if no further heartbeat is answered.
    pub fn clears(&self) -> RunTime {
        self.answered + self.terms.until_cleared()
    }

    /// Whether its connection is to be given up, as the agent does on its side. A network that loses everything tells
    /// neither end that the other is gone.
    pub fn is_unheard(&self, now: RunTime) -> bool {
        self.disconnected.is_none() && now.since(self.heard) >= self.terms.hang_up_after()
    }

    /// It dialled again. Gives the state if that is another one now.
    pub fn connected(&mut self, now: RunTime) -> Option<PresenceState> {
        self.disconnected = None;
        self.heard(now)
    }

    /// Its connection is gone.
    pub fn disconnected(&mut self, now: RunTime) {
        self.disconnected.get_or_insert(now);
    }

    /// Any message came. Gives the state if that is another one now.
    pub fn heard(&mut self, now: RunTime) -> Option<PresenceState> {
        self.heard = now;
        let is_back = self.state < PresenceState::Expired && self.state != PresenceState::Connected;
        is_back.then(|| {
            self.state = PresenceState::Connected;
            self.state
        })
    }

    /// Whether a heartbeat may be answered; if so the lease is extended from now. Never after expiry, even if no
    /// tick has noticed it yet.
    pub fn may_answer(&mut self, now: RunTime) -> bool {
        let valid = !self.is_fenced() && now < self.expires();
        if valid {
            self.answered = self.answered.max(now);
        }
        valid
    }

    /// Its load is given away now, before the lease has run out.
    pub fn fence(&mut self) {
        self.fenced = true;
    }

    /// A former life of the coordinator has given its load away: its users may be restored when the lease is over.
    pub fn expired(&mut self) {
        self.state = PresenceState::Expired;
    }

    /// It is known to have ended.
    pub fn ended(&mut self) {
        self.state = PresenceState::Ended;
    }

    /// Takes at most one step of the table and gives the new state; call again until it gives `None`.
    pub fn tick(&mut self, now: RunTime) -> Option<PresenceState> {
        let next = self.due(now)?;
        self.state = next;
        Some(next)
    }

    fn due(&self, now: RunTime) -> Option<PresenceState> {
        let gone = self.disconnected.is_some_and(|since| now.since(since) >= CLOSED_AFTER);
        match self.state {
            PresenceState::Cleared | PresenceState::Ended => None,
            PresenceState::Expired => (now >= self.clears()).then_some(PresenceState::Cleared),
            _ if now >= self.expires() => Some(PresenceState::Expired),
            PresenceState::Joined | PresenceState::Closed => None,
            _ if gone => Some(PresenceState::Closed),
            PresenceState::Connected if self.disconnected.is_none() && now.since(self.heard) >= SILENT_AFTER => {
                Some(PresenceState::Silent)
            }
            PresenceState::Connected | PresenceState::Silent => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: f64) -> RunTime {
        RunTime::from_secs_f64(seconds)
    }

    /// Ticks every 100 ms and lists each new state with the second in which it was entered.
    fn walk(presence: &mut AgentPresence, from: i64, to: i64) -> Vec<(i64, PresenceState)> {
        let ticks = (from * 10..to * 10).map(|tenth| at(tenth as f64 / 10.0));
        ticks.filter_map(|now| presence.tick(now).map(|state| (now.second(), state))).collect()
    }

    #[test]
    fn a_silent_agent_is_shown_then_expires_then_is_cleared() {
        let mut presence = AgentPresence::new(LeaseTerms::default(), at(0.0));
        let expected = [(3, PresenceState::Silent), (20, PresenceState::Expired), (32, PresenceState::Cleared)];
        assert_eq!(walk(&mut presence, 0, 60), expected);
    }

    /// A network that loses everything once left the connection standing until the lease had run out.
    #[test]
    fn a_connection_on_which_nothing_is_heard_is_given_up_as_the_agent_does() {
        let mut presence = AgentPresence::new(LeaseTerms::default(), at(0.0));
        assert!(!presence.is_unheard(at(4.9)) && presence.is_unheard(at(5.0)));
        presence.disconnected(at(5.0));
        assert!(!presence.is_unheard(at(6.0)), "it is given up once");
        let expected = [(7, PresenceState::Closed), (20, PresenceState::Expired), (32, PresenceState::Cleared)];
        assert_eq!(walk(&mut presence, 5, 60), expected);
    }

    #[test]
    fn a_redial_within_two_seconds_is_not_shown() {
        let mut presence = AgentPresence::new(LeaseTerms::default(), at(0.0));
        presence.disconnected(at(0.5));
        assert_eq!(walk(&mut presence, 1, 2), []);
        presence.connected(at(2.0));
        assert_eq!(walk(&mut presence, 2, 5), []);
        presence.disconnected(at(5.0));
        assert_eq!(walk(&mut presence, 5, 8), [(7, PresenceState::Closed)]);
        assert_eq!(presence.connected(at(8.0)), Some(PresenceState::Connected));
        assert_eq!(presence.heard(at(8.1)), None, "it is told once that it is back");
    }

    #[test]
    fn an_expired_agent_stays_fenced_whatever_it_says() {
        let mut presence = AgentPresence::new(LeaseTerms::default(), at(0.0));
        assert!(presence.may_answer(at(5.0)));
        assert!(!presence.may_answer(at(26.0)), "no tick was needed to expire");
        walk(&mut presence, 25, 27);
        presence.connected(at(27.0));
        assert_eq!(presence.state(), PresenceState::Expired);
        assert!(presence.is_fenced() && !presence.may_answer(at(27.0)));
    }

    #[test]
    fn a_restored_agent_has_lease_and_drain_before_anything_is_taken_over() {
        let mut presence = AgentPresence::restored(LeaseTerms::default(), at(100.0));
        assert_eq!(walk(&mut presence, 100, 140), [(132, PresenceState::Expired)]);
    }
}
