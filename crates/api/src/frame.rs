//! The newest snapshot of a run as all its streams send it.

use rehearsal_report::view::Snapshot;

/// A snapshot, encoded once for however many screens look on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// The snapshot's revision.
    pub revision: u64,
    /// The snapshot as JSON, on one line.
    pub json: String,
}

impl Frame {
    /// Encodes a snapshot.
    #[must_use]
    pub fn new(snapshot: &Snapshot) -> Self {
        let json = serde_json::to_string(snapshot).expect("a snapshot has only keys that are texts");
        Self { revision: snapshot.revision, json }
    }
}
