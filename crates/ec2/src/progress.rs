//! What happens to a fleet, told as it happens: events, and the table that they add up to. Both are data; how a
//! screen draws them is the screen's business.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::cloud::CloudError;
use crate::names::Region;

/// Something happened in a region.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Where.
    pub region: Region,
    /// What.
    pub what: What,
}

/// What can happen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// The region has so many pools for us.
    Surveyed {
        /// How many.
        pools: usize,
        /// How many virtual CPUs of spot instances the account may have here, if that is known.
        quota: Option<u32>,
    },
    /// The region cannot be used, and why.
    Unusable(String),
    /// Agents were asked for.
    Asked {
        /// In which round, from 1.
        round: u32,
        /// How many.
        agents: u32,
    },
    /// A call is made again.
    Waiting {
        /// Why.
        because: String,
        /// After how long.
        pause: Duration,
    },
    /// The region answered.
    Got {
        /// In which round.
        round: u32,
        /// How many agents were launched.
        agents: u32,
        /// Why not more, if there are fewer.
        because: Option<String>,
    },
    /// Instances that were not known before were found by their tags.
    Found {
        /// How many.
        agents: u32,
    },
    /// Instances were told to end.
    Ending {
        /// How many.
        agents: u32,
    },
    /// What is left here is looked for.
    Searching,
    /// Nothing of what was meant is left here.
    Ended,
    /// Something may be left, and why.
    Left(String),
}

/// Who is told. It must not wait: a launch waits for nobody who only looks.
pub type Tell<'a> = &'a (dyn Fn(Event) + Send + Sync);

/// Tells of calls in a region that are made again.
pub(crate) fn waiting<'a>(tell: Tell<'a>, at: &'a Region) -> impl FnMut(&CloudError, Duration) + 'a {
    move |error, pause| {
        let what = What::Waiting { because: error.code.clone(), pause };
        tell(Event { region: at.clone(), what });
    }
}

/// All regions at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Table {
    /// Each region that something happened in.
    pub rows: BTreeMap<Region, Row>,
}

/// One region at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Row {
    /// Agents asked for in all rounds.
    pub asked: u32,
    /// Agents launched, or found.
    pub launched: u32,
    /// Agents told to end.
    pub ending: u32,
    /// What goes on, in a few words.
    pub now: String,
}

impl Table {
    /// Takes an event in.
    pub fn take(&mut self, event: &Event) {
        let row = self.rows.entry(event.region.clone()).or_default();
        row.now = match &event.what {
            What::Surveyed { pools, quota: None } => format!("{pools} pools"),
            What::Surveyed { pools, quota: Some(vcpus) } => format!("{pools} pools, a spot quota of {vcpus} vCPUs"),
            What::Unusable(why) => format!("unusable: {why}"),
            What::Asked { round, agents } => {
                row.asked += agents;
                format!("round {round}: asking for {agents}")
            }
            What::Waiting { because, pause } => format!("again in {} s: {because}", pause.as_secs()),
            What::Got { round, agents, because } => {
                row.launched += agents;
                match because {
                    Some(why) => format!("round {round}: got {agents}: {why}"),
                    None => format!("round {round}: got {agents}"),
                }
            }
            What::Found { agents } => {
                row.launched += agents;
                format!("found {agents} more")
            }
            What::Ending { agents } => {
                row.ending += agents;
                format!("ending {agents}")
            }
            What::Searching => "looking for what is left of it".to_owned(),
            What::Ended => "nothing left".to_owned(),
            What::Left(why) => format!("may have something left: {why}"),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_add_up() {
        let mut table = Table::default();
        let region: Region = "eu-west-1".into();
        let full = || Some("no capacity".to_owned());
        for what in [
            What::Surveyed { pools: 9, quota: Some(64) },
            What::Asked { round: 1, agents: 4 },
            What::Got { round: 1, agents: 3, because: full() },
            What::Asked { round: 2, agents: 2 },
            What::Got { round: 2, agents: 2, because: None },
            What::Found { agents: 1 },
            What::Ending { agents: 6 },
        ] {
            table.take(&Event { region: region.clone(), what });
        }
        let expected = Row { asked: 6, launched: 6, ending: 6, now: "ending 6".into() };
        assert_eq!(table.rows, BTreeMap::from([(region, expected)]));
    }
}
