//! Data of a plan: files of rows that users draw from, and whose row is which.
//!
//! With P the planned users of the run, the draws of all users from one file lie side by side:
//!
//! ```text
//!   row        0   1   …  P−1 │  P  P+1  …  2P−1 │ 2P  …
//!   user       0   1   …  P−1 │  0   1   …   P−1 │  0  …
//!   draw             1        │         2        │  3
//! ```
//!
//! P is that of the plan as it was first made, over all scenarios: every agent computes the same row from number and draw,
//! nothing is handed out over the wire, and a user that comes back elsewhere finds its own rows again. Users whom scaling
//! adds have numbers from P on. Their first rows lie where others find their second ones: no row goes to two users as long
//! as each draws one, or nobody is added.

mod rows;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::plan::Plan;
use crate::problem::Problem;

pub use rows::Rows;

/// Bytes that all files of a plan may have together: each agent gets them in one message, of 64 MiB at most.
pub const LARGEST_DATA: usize = 60 << 20;

/// A file of rows for users.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DataSource {
    /// The file, as the scenario names it.
    pub path: String,
    /// What happens when there are no more rows.
    pub exhausted: Exhausted,
}

/// What happens to a user who asks for a row when there are no more.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Exhausted {
    /// The user is finished.
    Stop,
    /// The rows begin again.
    Wrap,
    /// The user fails: too few rows are a mistake unless the plan says what they mean.
    #[default]
    Error,
}

impl Exhausted {
    /// All of them, as scenarios write them.
    pub const ALL: [(Exhausted, &'static str); 3] =
        [(Exhausted::Stop, "stop"), (Exhausted::Wrap, "wrap"), (Exhausted::Error, "error")];
}

/// One file, read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// Its name in the plan.
    pub name: String,
    /// Its rows.
    pub rows: Rows,
    /// What happens when there are no more.
    pub exhausted: Exhausted,
}

/// All files of a plan, ready to be drawn from. Large: threads share one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Data {
    /// P above.
    planned_users: u64,
    sources: Vec<Source>,
}

impl Data {
    /// Reads the content of every file that a plan declares, given by the names in the plan.
    ///
    /// # Errors
    /// The first mistake: a file that is not given, or one that [`Rows::read`] refuses.
    pub fn read(plan: &Plan, contents: &BTreeMap<String, String>) -> Result<Data, Problem> {
        let read = |(name, DataSource { path, exhausted }): (&String, &DataSource)| {
            let content = contents.get(name).ok_or_else(|| Problem::new("its content is not there"));
            let rows = content.and_then(|content| Rows::read(content).map_err(|mut problems| problems.swap_remove(0)));
            let rows = rows.map_err(|problem| problem.within(format_args!("data `{name}` of {path}")))?;
            Ok(Source { name: name.clone(), rows, exhausted: *exhausted })
        };
        let sources = plan.data.iter().map(read).collect::<Result<_, Problem>>()?;
        Ok(Data { planned_users: plan.planned_users(), sources })
    }

    /// The files in the order of their names.
    #[must_use]
    pub fn sources(&self) -> &[Source] {
        &self.sources
    }

    /// Finds the row of a user's draw from a source: `user` is its number, `draw` counts its draws from that source, from 1.
    ///
    /// # Errors
    /// The row that there would have to be, from 0, when they are exhausted; never if they wrap.
    pub fn row_of(&self, source: &Source, user: u64, draw: u64) -> Result<u64, u128> {
        let row = u128::from(draw.saturating_sub(1)) * u128::from(self.planned_users) + u128::from(user);
        let rows = u128::from(source.rows.len());
        let row = if source.exhausted == Exhausted::Wrap { row % rows } else { row };
        if row < rows { Ok(row as u64) } else { Err(row) }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;
    use crate::load::{Load, Spacing, Stay};
    use crate::plan::Scenario;
    use crate::slots::{AgentNumber, SlotTable};
    use crate::units::RunTime;
    use crate::versions::Versions;

    fn plan(loads: &[u64], exhausted: Exhausted) -> Plan {
        let over = Duration::from_secs(10);
        let load = |users| Load::Arrive { users, over, spacing: Spacing::Random, stay: Stay::UntilDone };
        let scenarios = loads.iter().enumerate().map(|(number, users)| Scenario {
            name: format!("kind {number}"),
            run: "user".into(),
            load: load(*users),
        });
        let source = DataSource { path: "accounts.csv".into(), exhausted };
        Plan { scenarios: scenarios.collect(), data: [("accounts".into(), source)].into(), ..Plan::default() }
    }

    fn data(plan: &Plan, rows: u64) -> Data {
        let content: String = std::iter::once("name\n".into()).chain((0..rows).map(|row| format!("{row}\n"))).collect();
        Data::read(plan, &[("accounts".to_owned(), content)].into()).unwrap()
    }

    /// The rows of a user's first draws.
    fn draws(data: &Data, user: u64, count: u64) -> Vec<Result<u64, u128>> {
        (1..=count).map(|draw| data.row_of(&data.sources()[0], user, draw)).collect()
    }

    #[test]
    fn exhausted_rows_end_or_begin_again() {
        let of = |exhausted| data(&plan(&[3], exhausted), 5);
        for exhausted in [Exhausted::Stop, Exhausted::Error] {
            let data = of(exhausted);
            assert_eq!(draws(&data, 1, 3), [Ok(1), Ok(4), Err(7)], "{exhausted:?}");
            assert_eq!(draws(&data, 2, 2), [Ok(2), Err(5)], "{exhausted:?}");
        }
        assert_eq!(draws(&of(Exhausted::Wrap), 2, 4), [Ok(2), Ok(0), Ok(3), Ok(1)]);
        assert_eq!(draws(&of(Exhausted::Wrap), u64::MAX, 1), [Ok(u64::MAX % 5)]);
        let beyond = of(Exhausted::Error);
        assert!(beyond.row_of(&beyond.sources()[0], u64::MAX, u64::MAX).is_err());
    }

    #[test]
    fn contents_must_be_there_and_be_rows() {
        let plan = plan(&[3], Exhausted::Stop);
        let told = |contents: BTreeMap<String, String>| Data::read(&plan, &contents).unwrap_err().to_string();
        assert_eq!(told(BTreeMap::new()), "data `accounts` of accounts.csv: its content is not there");
        let ragged = [("accounts".into(), "a,b\n1\n".into())].into();
        assert!(told(ragged).starts_with("data `accounts` of accounts.csv: line 2: "));
    }

    proptest! {
        /// Whoever plays a user, and however many agents there are: together they draw each row once, and none is left out.
        #[test]
        fn the_cluster_draws_every_row_once(
            loads in prop::collection::vec(1_u64..40, 1..4),
            weights in prop::collection::vec(1_u32..4, 1..5),
            count in 1_u64..5,
            seed: u64,
        ) {
            let plan = plan(&loads, Exhausted::Error);
            let users = plan.planned_users();
            let data = data(&plan, users * count);
            let agents: Vec<_> = (0..).map(AgentNumber).zip(weights.iter().copied()).collect();
            let loads = plan.scenarios.iter().map(|scenario| scenario.load.clone()).collect();
            let versions = Versions::first(RunTime::ZERO, loads, SlotTable::weighted(16, &agents), seed);
            prop_assert_eq!(versions.planned(), users);
            let mut drawn = BTreeSet::new();
            for (agent, _) in agents {
                for arrival in (0..versions.scenarios()).flat_map(|scenario| versions.arrivals_of(agent, scenario, 0)) {
                    for row in draws(&data, arrival.number, count) {
                        prop_assert!(drawn.insert(row), "row {:?} twice", row);
                    }
                }
            }
            prop_assert_eq!(drawn, (0..users * count).map(Ok).collect());
        }
    }
}
