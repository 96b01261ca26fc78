//! Who comes to one thread, and who is kept out. Pure: "now" comes from the caller, who starts, drops and cancels as told.
//!
//! Of those who are this thread's, everybody is given out once: to start, to drop or to cancel. Left over are only those
//! who become somebody else's, and those who were lost with the lease.

use std::sync::Arc;

use rehearsal_plan::{AgentNumber, Load, RunTime, Versions};

use crate::arrivals::{Arrivals, Due, Share};

/// The way in for the users of one thread.
#[derive(Debug)]
pub struct Gate {
    arrivals: Arrivals,
    held: bool,
    /// The right to make load has run out, and nobody has said so yet.
    lapsed: bool,
    /// Those who became due while held.
    put_by: Vec<Due>,
    /// From when on arrivals are somebody else's.
    relieved: Option<RunTime>,
    stopped: bool,
}

/// What becomes of users who have not come yet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Admitted {
    /// They start.
    pub start: Vec<Due>,
    /// It is too late for them.
    pub drop: Vec<Due>,
    /// The load has ended.
    pub cancel: Vec<Due>,
}

impl Gate {
    /// Nobody comes until it is told versions.
    #[must_use]
    pub fn new(agent: AgentNumber, share: Share) -> Self {
        let arrivals = Arrivals::new(agent, share);
        Self { arrivals, held: false, lapsed: false, put_by: Vec::new(), relieved: None, stopped: false }
    }

    /// Takes a longer history of versions. One that comes after its instant holds from now on: what it wanted in between is
    /// dropped, never made up for.
    pub fn take_versions(&mut self, versions: Arc<Versions>, now: RunTime) -> Admitted {
        let holds_from = versions.latest().at;
        let mut behind = self.arrivals.set_versions(versions, now);
        behind.retain(|due| self.is_ours(due));
        if self.stopped {
            behind.extend(self.rest(now));
            return Admitted { cancel: behind, ..Admitted::default() };
        }
        let (start, late) = self.take_due(now).into_iter().partition(|due| due.arrival.at < holds_from);
        Admitted { start, drop: behind.into_iter().chain(late).collect(), cancel: Vec::new() }
    }

    /// The instant of the next who may start.
    #[must_use]
    pub fn next_at(&self) -> Option<RunTime> {
        let next = self.arrivals.next_at().filter(|_| !self.stopped);
        next.filter(|at| self.relieved.is_none_or(|from| *at < from))
    }

    /// Takes those who start by now.
    pub fn take_due(&mut self, now: RunTime) -> Vec<Due> {
        let mut due: Vec<Due> = Vec::new();
        while self.next_at().is_some_and(|at| at <= now) {
            due.extend(self.arrivals.take_due(now));
        }
        match self.held || self.lapsed {
            false => due,
            true => {
                self.put_by.append(&mut due);
                due
            }
        }
    }

    /// While held nobody starts. When that ends, those are given who became due meanwhile: they are dropped. If it never
    /// ends they were lost with the lease.
    pub fn hold(&mut self, held: bool) -> Vec<Due> {
        self.held = held;
        self.released()
    }

    /// The same by the permit, which a thread sees before it is told to hold.
    pub fn lapse(&mut self, lapsed: bool) -> Vec<Due> {
        self.lapsed = lapsed;
        self.released()
    }

    fn released(&mut self) -> Vec<Due> {
        if self.held || self.lapsed { Vec::new() } else { std::mem::take(&mut self.put_by) }
    }

    /// Whoever is due from an instant on is somebody else's.
    pub fn relieve(&mut self, from: RunTime) {
        let from = self.relieved.map_or(from, |earlier| earlier.min(from));
        self.relieved = Some(from);
        self.put_by.retain(|due| due.arrival.at < from);
    }

    /// Nobody starts any more: gives all who have not come, for ever if that was said before. Later versions may give more.
    pub fn stop(&mut self, now: RunTime) -> Vec<Due> {
        if self.stopped {
            return Vec::new();
        }
        let put_by = std::mem::take(&mut self.put_by);
        // Once relieved, a hold never ends: who was put by was lost with the lease, and may be about to come elsewhere.
        let mut waiting = if self.held && self.relieved.is_some() { Vec::new() } else { put_by };
        waiting.extend(self.rest(now));
        self.stopped = true;
        waiting
    }

    /// Whether nobody will come by the versions it has.
    #[must_use]
    pub fn is_shut(&self, now: RunTime) -> bool {
        match self.relieved {
            _ if self.stopped => true,
            Some(from) => now >= from,
            None => self.arrivals.versions().is_some() && self.arrivals.next_at().is_none(),
        }
    }

    /// From when on nobody comes, whatever versions say, if that is still ahead.
    #[must_use]
    pub fn shuts_at(&self, now: RunTime) -> Option<RunTime> {
        self.relieved.filter(|from| now < *from)
    }

    /// The load of a scenario as it stands.
    #[must_use]
    pub fn load(&self, scenario: usize) -> Option<&Load> {
        self.arrivals.load(scenario)
    }

    pub(crate) fn cap(&self, scenario: usize) -> Option<u64> {
        self.arrivals.cap(scenario)
    }

    fn is_ours(&self, due: &Due) -> bool {
        self.relieved.is_none_or(|from| due.arrival.at < from)
    }

    /// Takes everybody who has not come. Of those whom a pause holds up nobody knows whose they will be once relieved.
    fn rest(&mut self, now: RunTime) -> Vec<Due> {
        let Some(from) = self.relieved else { return self.arrivals.take_rest(now) };
        let last = RunTime(from.0.saturating_sub(1));
        std::iter::from_fn(|| self.arrivals.take_due(last)).collect()
    }
}

#[cfg(test)]
mod tests;
