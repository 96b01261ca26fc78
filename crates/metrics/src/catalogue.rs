//! Translates the series ids of many sources into one numbering.
//!
//! Each thread and each agent numbers its series by itself, because asking somebody first would put
//! a round trip before the first sample.

use std::collections::{BTreeMap, HashMap};

use crate::intern::{Interner, Limits};
use crate::points::{KindMismatch, Points};
use crate::series::{Definition, SeriesId};

/// More definitions than any honest recorder makes, as a bound on what a broken source can cost.
const MOST_DEFINITIONS: usize = 100_000;
/// Seconds further from the start than thirty years come from a broken clock.
const FURTHEST_SECOND: i64 = 1_000_000_000;

/// An interval contradicts itself or what its source said before; none of it was counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The interval ends before it begins, or is nowhere near the run.
    #[error("adding an interval: [{0}, {1}) is not a stretch of the run")]
    Span(i64, i64),
    /// A row of users or health lies outside the interval.
    #[error("adding an interval: a row for second {0}, which is outside of it")]
    Row(i64),
    /// Samples of a series that was never defined.
    #[error("adding an interval: series {} is not defined", .0.0)]
    Undefined(SeriesId),
    /// An id defined again as something else.
    #[error("adding an interval: series {} is defined twice", .0.0)]
    Redefined(SeriesId),
    /// A source defines without end.
    #[error("adding an interval: more than {MOST_DEFINITIONS} series defined")]
    TooMany,
    /// Samples that are not of the kind their series has.
    #[error("adding an interval: series {} differs in kind", .0.0)]
    Kind(SeriesId, #[source] KindMismatch),
    /// A ratio whose part is more than its whole.
    #[error("adding an interval: series {} counts more than its whole", .0.0)]
    Share(SeriesId),
}

/// Checks that a stretch of seconds can be one of a run.
pub(crate) fn check_span(from: i64, to: i64) -> Result<(), Refused> {
    let near = -FURTHEST_SECOND..=FURTHEST_SECOND;
    let is_stretch = from < to && near.contains(&from) && near.contains(&to);
    if is_stretch { Ok(()) } else { Err(Refused::Span(from, to)) }
}

/// All series of all sources.
#[derive(Debug)]
pub(crate) struct Catalogue {
    pub(crate) interner: Interner,
    pub(crate) sources: HashMap<u32, HashMap<SeriesId, SeriesId>>,
}

impl Catalogue {
    pub(crate) fn new(limits: Limits) -> Catalogue {
        Catalogue { interner: Interner::new(limits), sources: HashMap::new() }
    }

    /// Takes note of what a source's ids mean.
    pub(crate) fn learn(&mut self, source: u32, defines: &[Definition]) -> Result<(), Refused> {
        let known = self.sources.entry(source).or_default();
        for Definition { id, kind, key } in defines {
            if known.len() >= MOST_DEFINITIONS {
                return Err(Refused::TooMany);
            }
            let ours = self.interner.intern(*kind, key);
            if *known.entry(*id).or_insert(ours) != ours {
                return Err(Refused::Redefined(*id));
            }
        }
        Ok(())
    }

    /// Translates a source's points and checks their kinds.
    pub(crate) fn translate<'a>(
        &self,
        source: u32,
        points: &'a BTreeMap<SeriesId, Points>,
    ) -> Result<Vec<(SeriesId, &'a Points)>, Refused> {
        let known = self.sources.get(&source);
        let translate = |(id, points): (&SeriesId, &'a Points)| {
            let id = *id;
            let ours = known.and_then(|known| known.get(&id)).ok_or(Refused::Undefined(id))?;
            let expected = self.interner.definition(*ours).kind;
            let found = points.kind();
            if expected != found {
                return Err(Refused::Kind(id, KindMismatch { expected, found }));
            }
            match points {
                Points::Ratio { yes, total } if yes > total => Err(Refused::Share(id)),
                _ => Ok((*ours, points)),
            }
        };
        points.iter().map(translate).collect()
    }
}

/// Adds samples to those of the same series. The catalogue's check of kinds must have been passed.
pub(crate) fn add_points(into: &mut BTreeMap<SeriesId, Points>, points: Vec<(SeriesId, &Points)>) {
    for (id, points) in points {
        match into.get_mut(&id) {
            Some(known) => known.merge(points).expect("the catalogue has checked the kind of every series"),
            None => {
                into.insert(id, points.clone());
            }
        }
    }
}
