//! The table `demo`: the instances of the embedded demo system and who scales them.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::reader::{Read, Table, number, text, time};
use crate::duration;
use crate::problem::Problem;

/// The embedded demo as a system of instances. What is not said is as `coordinator demo` has it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct DemoInstances {
    /// In which manner its autoscaler adds and takes away instances; without it the demo is one system without limits.
    pub autoscaler: Option<String>,
    /// How many users an instance serves at full speed: then its CPU is at 100 %.
    pub capacity: Option<u32>,
    /// The fewest instances.
    pub min: Option<u32>,
    /// The most instances.
    pub max: Option<u32>,
    /// How long an instance takes to become ready.
    #[serde(with = "duration::optional")]
    pub boot: Option<Duration>,
    /// How long an instance takes to go.
    #[serde(with = "duration::optional")]
    pub drain: Option<Duration>,
    /// How often the autoscaler looks at the CPU.
    #[serde(with = "duration::optional")]
    pub every: Option<Duration>,
    /// How many users all instances together serve at full speed, however many there are: a limit elsewhere.
    pub shared_capacity: Option<u32>,
    /// The edges between which the autoscaler keeps the average CPU, in percent.
    pub band: Option<[f64; 2]>,
}

/// Reads the table, every mistake of it.
pub(super) fn instances(mut table: Table<'_>) -> DemoInstances {
    let mut count = |key: &'static str| {
        let count = table.take(key, number(1, u64::from(u32::MAX)))?;
        u32::try_from(count).ok()
    };
    let [capacity, min, max, shared_capacity] = ["capacity", "min", "max", "shared_capacity"].map(&mut count);
    let instances = DemoInstances {
        autoscaler: table.take("autoscaler", text),
        capacity,
        min,
        max,
        boot: table.take("boot", time),
        drain: table.take("drain", time),
        every: table.take("every", time),
        shared_capacity,
        band: table.take("band", band),
    };
    if instances.autoscaler.is_none() && instances != DemoInstances::default() {
        table.complain("autoscaler", "is missing: without it the demo has no instances", "autoscaler = \"healthy\"");
    }
    table.refuse_the_rest();
    instances
}

fn band(value: &toml::Value) -> Read<[f64; 2]> {
    let edge = |value: &toml::Value| value.as_float().or_else(|| value.as_integer().map(|edge| edge as f64));
    let edges = value.as_array().map(|edges| edges.iter().filter_map(edge).collect::<Vec<f64>>());
    match edges.as_deref() {
        Some([low, high]) => Ok([*low, *high]),
        _ => Err(Problem::new("is not a pair of numbers").hint("write it as in `band = [40, 70]`")),
    }
}
