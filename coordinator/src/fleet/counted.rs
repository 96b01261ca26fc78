//! Which instances of a fleet people count on, and which of them have ended, from looks alone.

use std::collections::BTreeSet;

use rehearsal_ec2::meter::Look;
use rehearsal_ec2::names::InstanceId;

/// Which instances people count on, and which have ended.
#[derive(Default)]
pub(super) struct Counted {
    /// Those of the launch, once that is over; before, nobody knows who is one too many.
    launched: Option<BTreeSet<InstanceId>>,
    /// A launch is to come.
    is_launching: bool,
    /// Those that were seen to run.
    seen: BTreeSet<InstanceId>,
    told: BTreeSet<InstanceId>,
}

impl Counted {
    /// Of a fleet that is about to be launched, or that stands.
    pub(super) fn new(is_launching: bool) -> Self {
        Self { is_launching, ..Self::default() }
    }

    /// Takes in whom a launch gave.
    pub(super) fn count_on(&mut self, launched: impl Iterator<Item = InstanceId>) {
        self.launched = Some(launched.collect());
    }

    /// Takes in a look; gives those that have ended since the last one, and whether somebody counts on them. Who had ended
    /// before anybody looked is nobody's loss.
    pub(super) fn ended(&mut self, look: &Look) -> Vec<(InstanceId, bool)> {
        self.seen.extend(look.agents.keys().cloned());
        if self.is_launching && self.launched.is_none() {
            return Vec::new(); // the launch itself ends some, and sees who has ended
        }
        let is_known = |id: &&InstanceId| {
            self.seen.contains(*id) || self.launched.as_ref().is_some_and(|launched| launched.contains(*id))
        };
        let ended: Vec<_> = look.ended.iter().filter(is_known).filter(|id| !self.told.contains(*id)).cloned().collect();
        self.told.extend(ended.iter().cloned());
        let is_counted = |id: &InstanceId| self.launched.as_ref().is_none_or(|launched| launched.contains(id));
        ended.into_iter().map(|id| (id.clone(), is_counted(&id))).collect()
    }

    /// Whether an agent of this instance may come in. While a launch goes on none may: one that is ended again because it was
    /// too many would have taken the place of another.
    pub(super) fn is_welcome(&self, id: &InstanceId) -> bool {
        self.launched.as_ref().map_or(!self.is_launching, |launched| launched.contains(id))
    }

    /// How many are to be seen before looking may be slow; as many as were ordered while nobody knows.
    pub(super) fn expected(&self, ordered: usize) -> usize {
        match &self.launched {
            Some(launched) => launched.difference(&self.told).count(),
            None => ordered.saturating_sub(self.told.len()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(names: &[&str]) -> BTreeSet<InstanceId> {
        names.iter().map(|name| InstanceId::from(*name)).collect()
    }

    fn look(run: &[&str], ended: &[&str]) -> Look {
        Look { agents: ids(run).into_iter().map(|id| (id, None)).collect(), ended: ids(ended), ..Look::default() }
    }

    fn told(counted: &mut Counted, run: &[&str], ended: &[&str]) -> Vec<(String, bool)> {
        counted.ended(&look(run, ended)).into_iter().map(|(id, is_counted)| (id.0, is_counted)).collect()
    }

    #[test]
    fn who_had_ended_before_anybody_looked_is_nobodys_loss() {
        let mut standing = Counted::new(false);
        assert_eq!(told(&mut standing, &["a", "b"], &["old"]), []);
        assert_eq!(told(&mut standing, &["a"], &["old", "b"]), [("b".to_owned(), true)]);
        assert_eq!(told(&mut standing, &["a"], &["old", "b"]), [], "once is enough");
    }

    #[test]
    fn who_was_one_too_many_is_not_counted_on() {
        let mut launching = Counted::new(true);
        assert_eq!(launching.expected(2), 2);
        assert!(!launching.is_welcome(&"a".into()), "it may be one too many");
        assert_eq!(told(&mut launching, &["a", "b", "c"], &[]), []);
        assert_eq!(told(&mut launching, &["a", "b"], &["c"]), [], "the launch is not over");
        launching.count_on(ids(&["a", "b"]).into_iter());
        assert_eq!(told(&mut launching, &["a"], &["b", "c"]), [("b".to_owned(), true), ("c".to_owned(), false)]);
        assert_eq!(launching.expected(2), 1, "c was never one of them");
        assert!(launching.is_welcome(&"a".into()) && !launching.is_welcome(&"c".into()));
        assert!(Counted::new(false).is_welcome(&"a".into()), "of a fleet that stands all are");
    }

    #[test]
    fn one_that_was_launched_and_ended_before_any_look_is_told() {
        let mut launching = Counted::new(true);
        launching.count_on(ids(&["a", "b"]).into_iter());
        assert_eq!(told(&mut launching, &["a"], &["b"]), [("b".to_owned(), true)]);
    }
}
