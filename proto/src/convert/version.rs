//! Versions of the plan on the wire. Loads travel as JSON, as the plan itself does;
//! the slot table, which is most of a version, as packed numbers.

use std::time::Duration;

use rehearsal_plan::{AgentNumber, Begun, Load, PlanRate, Returns, RunTime, SlotTable, Version};
use serde_json::Value;

use super::indices::{read_indices, write_indices};
use super::{WireError, nanos};
use crate::v1;

impl From<&Version> for v1::Version {
    fn from(version: &Version) -> v1::Version {
        let begun_and_base = version.begun.iter().zip(&version.base);
        let loads = version.loads.iter().zip(begun_and_base);
        v1::Version {
            number: version.number,
            at_us: version.at.0,
            plan_time_ns: nanos(version.plan_time),
            paused: version.running == PlanRate::Paused,
            loads: loads.map(|(load, (begun, base))| scenario_load(load, begun, *base)).collect(),
            slots: slots(&version.slots),
            returns: version.returns.as_ref().map(|returns| v1::Returns {
                over_ns: nanos(returns.over),
                users: returns.users.iter().map(|users| write_indices(users.iter().copied())).collect(),
            }),
        }
    }
}

impl TryFrom<v1::Version> for Version {
    type Error = WireError;

    fn try_from(wire: v1::Version) -> Result<Version, WireError> {
        let loads = wire.loads.iter().map(|row| {
            serde_json::from_str(&row.load_json)
                .map_err(|source| WireError::Json { what: "the load of a version", source })
        });
        Ok(Version {
            number: wire.number,
            at: RunTime(wire.at_us),
            plan_time: Duration::from_nanos(wire.plan_time_ns),
            running: if wire.paused { PlanRate::Paused } else { PlanRate::Running },
            loads: loads.collect::<Result<Vec<Load>, WireError>>()?,
            begun: wire.loads.iter().map(begun).collect(),
            base: wire.loads.iter().map(|row| row.base).collect(),
            slots: read_slots(&wire.slots)?,
            returns: wire.returns.as_ref().map(read_returns).transpose()?,
        })
    }
}

fn scenario_load(load: &Load, begun: &Begun, base: u64) -> v1::ScenarioLoad {
    v1::ScenarioLoad {
        load_json: serde_json::to_string(load).expect("a load has no keys but names, and memory takes every byte"),
        begun_index: begun.index,
        begun_plan_time_ns: nanos(begun.plan_time),
        base,
    }
}

fn begun(wire: &v1::ScenarioLoad) -> Begun {
    Begun { index: wire.begun_index, plan_time: Duration::from_nanos(wire.begun_plan_time_ns) }
}

fn read_returns(wire: &v1::Returns) -> Result<Returns, WireError> {
    let users = wire.users.iter().map(read_indices).collect::<Result<_, _>>()?;
    Ok(Returns { over: Duration::from_nanos(wire.over_ns), users })
}

fn slots(table: &SlotTable) -> Vec<u64> {
    let owner = |slot| table.owner(slot).map_or(0, |AgentNumber(agent)| u64::from(agent) + 1);
    (0..table.len() as u64).map(owner).collect()
}

/// The table says of itself how it is read, so this goes by way of its own form.
fn read_slots(wire: &[u64]) -> Result<SlotTable, WireError> {
    let owners = wire.iter().map(|owner| owner.checked_sub(1).map_or(Value::Null, Value::from));
    serde_json::from_value(owners.collect())
        .map_err(|source| WireError::Json { what: "the slots of a version", source })
}
