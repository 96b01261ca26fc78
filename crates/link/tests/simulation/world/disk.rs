//! What the coordinator's disk holds, and what a later life reads from it.

use super::*;

/// What survives a crash of the coordinator.
#[derive(Default)]
pub struct Disk {
    pub versions: Vec<Version>,
    pub committed: BTreeMap<Incarnation, Vec<Recorded>>,
    pub(super) owners: BTreeMap<Incarnation, AgentNumber>,
    pub(super) holders: BTreeMap<AgentNumber, SavedHolder>,
    pub(super) stop: Option<StopKind>,
}

impl Disk {
    /// All versions as a history; `None` before the start.
    pub fn history(&self) -> Option<Versions> {
        let mut rest = self.versions.iter().cloned();
        let first = rest.next()?;
        let mut versions = Versions::first(first.at, first.loads, first.slots, 1);
        rest.for_each(|version| versions.push(version).expect("versions were stored in order"));
        Some(versions)
    }

    pub(super) fn saved(&self) -> Saved {
        let life = |(incarnation, agent): (&Incarnation, &AgentNumber)| {
            let committed = self.committed.get(incarnation).map_or(&[][..], |committed| committed);
            let stored_until = committed.last().map(|last| last.seconds.end);
            (*incarnation, SavedLife { agent: *agent, mark: committed.len() as u64, stored_until })
        };
        let known = self.owners.iter().filter(|(incarnation, _)| self.is_known(incarnation));
        Saved {
            versions: self.history(),
            lives: known.map(life).collect(),
            holders: self.holders.clone(),
            stop: self.stop,
        }
    }

    pub(super) fn is_known(&self, incarnation: &Incarnation) -> bool {
        self.committed.contains_key(incarnation)
            || self.holders.values().any(|holder| holder.incarnation == *incarnation)
    }
}
