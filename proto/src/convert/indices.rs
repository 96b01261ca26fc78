//! Lists of arrivals on the wire: rising indices, as the distances between them, which are small.

use rehearsal_metrics::Arrivals;

use super::WireError;
use crate::v1;

/// More scenarios than anybody writes: a list of entries that is longer is not one of ours.
const MOST_SCENARIOS: usize = 10_000;

pub(super) fn write_indices(indices: impl IntoIterator<Item = u64>) -> v1::Indices {
    let mut before = 0;
    let gap = |index: u64| index - std::mem::replace(&mut before, index);
    v1::Indices { gaps: indices.into_iter().map(gap).collect() }
}

pub(super) fn read_indices(wire: &v1::Indices) -> Result<Vec<u64>, WireError> {
    let mut indices: Vec<u64> = Vec::with_capacity(wire.gaps.len());
    for gap in &wire.gaps {
        let next = match indices.last() {
            None => Some(*gap),
            Some(last) => last.checked_add(*gap).filter(|next| next > last),
        };
        indices.push(next.ok_or(WireError::Range("indices of arrivals"))?);
    }
    Ok(indices)
}

/// One entry for each scenario up to the last that has any.
pub(super) fn write_arrivals(arrivals: &Arrivals) -> Vec<v1::Indices> {
    let scenarios = arrivals.last_key_value().map_or(0, |(last, _)| last + 1);
    let of = |scenario: u32| write_indices(arrivals.get(&scenario).into_iter().flatten().copied());
    (0..scenarios).map(of).collect()
}

pub(super) fn read_arrivals(wire: &[v1::Indices]) -> Result<Arrivals, WireError> {
    if wire.len() > MOST_SCENARIOS {
        return Err(WireError::Range("the scenarios of arrivals"));
    }
    let entry = |(scenario, indices)| Ok((scenario, read_indices(indices)?.into_iter().collect()));
    (0..).zip(wire).filter(|(_, indices)| !indices.gaps.is_empty()).map(entry).collect()
}
