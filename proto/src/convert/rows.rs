//! The rows of an interval that are kept by second or by name: users, calls, errors
//! and the generator's health.

use rehearsal_metrics::{CallCounts, ErrorCount, Errors, Health, Transitions, UserState};

use super::WireError;
use crate::v1;

pub(super) fn user_row(second: i64, moved: &Transitions) -> v1::UserRow {
    let transitions = moved.iter().map(|(from, to, users)| v1::Transition {
        from: v1::UserState::from(from).into(),
        to: v1::UserState::from(to).into(),
        users,
    });
    v1::UserRow { second, transitions: transitions.collect() }
}

pub(super) fn read_transitions(wire: &v1::UserRow) -> Result<Transitions, WireError> {
    let mut moved = Transitions::default();
    for row in &wire.transitions {
        let (from, to) = (read_state(row.from)?, read_state(row.to)?);
        moved.record(from, to, row.users).map_err(|source| WireError::Transition { second: wire.second, source })?;
    }
    Ok(moved)
}

impl From<UserState> for v1::UserState {
    fn from(state: UserState) -> v1::UserState {
        match state {
            UserState::Waiting => v1::UserState::Waiting,
            UserState::Live => v1::UserState::Live,
            UserState::Finished => v1::UserState::Finished,
            UserState::Failed => v1::UserState::Failed,
            UserState::Dropped => v1::UserState::Dropped,
            UserState::Cancelled => v1::UserState::Cancelled,
            UserState::Lost => v1::UserState::Lost,
        }
    }
}

fn read_state(value: i32) -> Result<UserState, WireError> {
    UserState::ALL
        .into_iter()
        .find(|state| i32::from(v1::UserState::from(*state)) == value)
        .ok_or(WireError::Unknown { what: "state of a user", value })
}

pub(super) fn call_row((name, counts): (String, CallCounts)) -> v1::CallRow {
    let CallCounts { begun, answered, failed, cut } = counts;
    v1::CallRow { name, begun, answered, failed, cut }
}

pub(super) fn read_call(wire: v1::CallRow) -> (String, CallCounts) {
    let v1::CallRow { name, begun, answered, failed, cut } = wire;
    (name, CallCounts { begun, answered, failed, cut })
}

pub(super) fn error_row((kind, error): (&str, &ErrorCount)) -> v1::ErrorRow {
    v1::ErrorRow { kind: kind.to_owned(), count: error.count, sample: error.sample.clone() }
}

pub(super) fn read_errors(wire: Vec<v1::ErrorRow>) -> Errors {
    let mut errors = Errors::default();
    for row in wire {
        errors.add(&row.kind, row.count, &row.sample, Errors::MOST_KINDS);
    }
    errors
}

pub(super) fn health_row(second: i64, health: &Health) -> v1::HealthRow {
    v1::HealthRow {
        second,
        lag_max_us: health.lag_max_micros,
        cpu_millicores: health.cpu_milli,
        steal_millicores: health.steal_milli,
        open_files: health.open_files,
        dropped_starts: health.dropped_starts,
        clock_bound_us: health.clock_bound_micros,
    }
}

pub(super) fn read_health(wire: &v1::HealthRow) -> Health {
    Health {
        lag_max_micros: wire.lag_max_us,
        cpu_milli: wire.cpu_millicores,
        steal_milli: wire.steal_millicores,
        open_files: wire.open_files,
        dropped_starts: wire.dropped_starts,
        clock_bound_micros: wire.clock_bound_us,
    }
}
