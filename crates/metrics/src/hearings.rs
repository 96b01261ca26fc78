//! Who should have heard a cue and who did, before it is known when the cue was really sent.
//!
//! Agents count hearings in bins of one millisecond relative to the *intended* instant. Only the
//! coordinator knows how much later the sending began; it subtracts that before anything enters a
//! histogram.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::interval::merge_maps;

/// Who was there at the intended instant, on one transport.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Snapshot {
    /// Users that had arrived and not left.
    pub live: u64,
    /// Of these, users connected with a handler for the cue's event.
    pub connected: u64,
}

impl Snapshot {
    pub(crate) fn merge(&mut self, other: Snapshot) {
        self.live = self.live.saturating_add(other.live);
        self.connected = self.connected.saturating_add(other.connected);
    }
}

/// First hearings of users on one transport: milliseconds after the intended instant (rounded down)
/// → users.
pub type Hearings = BTreeMap<i32, u64>;

/// What is known of one firing of a cue.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CuePoints {
    /// By transport; `None` means that nobody looked, which is unknown and not zero.
    pub snapshot: Option<BTreeMap<String, Snapshot>>,
    /// By transport.
    pub heard: BTreeMap<String, Hearings>,
    /// Of those in `heard`, by transport, users that were there at the instant but not connected with a handler: they
    /// count for reach and not for delivery.
    pub unready: BTreeMap<String, u64>,
    /// Users that heard it without being in the snapshot: they came after the instant.
    pub late_heard: u64,
    /// Further hearings by users that had heard it already.
    pub duplicates: u64,
    /// The earliest hearing, exactly, in microseconds after the intended instant.
    pub first_micros: Option<i64>,
    /// The latest hearing, exactly, in microseconds after the intended instant.
    pub last_micros: Option<i64>,
}

impl CuePoints {
    /// Notes who is there; several threads of an agent add up.
    pub fn take_snapshot(&mut self, transport: &str, snapshot: Snapshot) {
        let rows = self.snapshot.get_or_insert_default();
        rows.entry(transport.to_owned()).or_default().merge(snapshot);
    }

    /// Counts a user's first hearing, `after_micros` after the intended instant (before it if
    /// negative).
    pub fn hear(&mut self, transport: &str, after_micros: i64) {
        let millis = after_micros.div_euclid(1_000).clamp(i64::from(i32::MIN), i64::from(i32::MAX)) as i32;
        if !self.heard.contains_key(transport) {
            self.heard.insert(transport.to_owned(), Hearings::new());
        }
        if let Some(bins) = self.heard.get_mut(transport) {
            *bins.entry(millis).or_default() += 1;
        }
        self.widen(Some(after_micros), Some(after_micros));
    }

    /// Notes that the user who has just heard was not ready to hear at the instant.
    pub fn was_unready(&mut self, transport: &str) {
        *self.unready.entry(transport.to_owned()).or_default() += 1;
    }

    /// Number of first hearings by users in the snapshot, over all transports.
    pub fn heard_by(&self) -> u64 {
        self.heard.values().flat_map(BTreeMap::values).fold(0, |sum: u64, users| sum.saturating_add(*users))
    }

    /// Adds what another thread, agent or second knows of the same firing. Associative and
    /// commutative.
    pub fn merge(&mut self, other: CuePoints) {
        if let Some(rows) = other.snapshot {
            merge_maps(self.snapshot.get_or_insert_default(), rows, |mine, theirs| mine.merge(theirs));
        }
        merge_maps(&mut self.heard, other.heard, |mine, theirs| {
            merge_maps(mine, theirs, |users, more| *users = users.saturating_add(more));
        });
        merge_maps(&mut self.unready, other.unready, |users, more| *users = users.saturating_add(more));
        self.late_heard = self.late_heard.saturating_add(other.late_heard);
        self.duplicates = self.duplicates.saturating_add(other.duplicates);
        self.widen(other.first_micros, other.last_micros);
    }

    fn widen(&mut self, first: Option<i64>, last: Option<i64>) {
        // `None` sorts before every value: right for the maximum, wrong for the minimum.
        self.first_micros = [self.first_micros, first].into_iter().flatten().min();
        self.last_micros = self.last_micros.max(last);
    }
}
