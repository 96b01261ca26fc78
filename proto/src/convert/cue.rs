//! What an interval says about cues: who should hear them and who did.

use std::collections::BTreeMap;

use rehearsal_metrics::{CuePoints, Hearings, Snapshot};

use super::{WireError, unique};
use crate::v1;

pub(super) fn cue_row((cue, points): (u32, CuePoints)) -> v1::CueRow {
    let snapshot = points.snapshot.map(|audiences| v1::CueSnapshot {
        audiences: audiences
            .into_iter()
            .map(|(transport, Snapshot { live, connected })| v1::CueAudience { transport, live, connected })
            .collect(),
    });
    let heard = points.heard.into_iter().map(|(transport, bins)| {
        let (bins_ms, counts) = bins.into_iter().unzip();
        let unready = points.unready.get(&transport).copied().unwrap_or(0);
        v1::CueHearings { transport, bins_ms, counts, unready }
    });
    v1::CueRow {
        cue,
        snapshot,
        heard: heard.collect(),
        late_heard: points.late_heard,
        duplicates: points.duplicates,
        first_us: points.first_micros,
        last_us: points.last_micros,
    }
}

pub(super) fn read_cue(wire: v1::CueRow) -> Result<(u32, CuePoints), WireError> {
    let unready = wire.heard.iter().filter(|row| row.unready > 0);
    let points = CuePoints {
        unready: unready.map(|row| (row.transport.clone(), row.unready)).collect(),
        snapshot: wire.snapshot.map(read_snapshot).transpose()?,
        heard: unique("a transport of hearings", wire.heard.into_iter().map(read_hearings))?,
        late_heard: wire.late_heard,
        duplicates: wire.duplicates,
        first_micros: wire.first_us,
        last_micros: wire.last_us,
    };
    Ok((wire.cue, points))
}

fn read_snapshot(wire: v1::CueSnapshot) -> Result<BTreeMap<String, Snapshot>, WireError> {
    let rows = wire.audiences.into_iter().map(|row| {
        let v1::CueAudience { transport, live, connected } = row;
        if connected > live {
            return Err(WireError::Range("the audience of a cue"));
        }
        Ok((transport, Snapshot { live, connected }))
    });
    unique("a transport of an audience", rows)
}

fn read_hearings(wire: v1::CueHearings) -> Result<(String, Hearings), WireError> {
    if wire.bins_ms.len() != wire.counts.len() {
        return Err(WireError::Lacks("count for each bin of hearings"));
    }
    if !wire.bins_ms.is_sorted_by(|a, b| a < b) {
        return Err(WireError::Twice("a bin of hearings"));
    }
    Ok((wire.transport, wire.bins_ms.into_iter().zip(wire.counts).collect()))
}
