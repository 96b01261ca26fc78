//! Orders and worlds that the tests have in common.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use rehearsal_ec2::cloud::Cloud;
use rehearsal_ec2::launch::{Fleet, NotLaunched, launch};
use rehearsal_ec2::machines::{Arch, Machine};
use rehearsal_ec2::market::Market;
use rehearsal_ec2::names::Region;
use rehearsal_ec2::order::{Order, Regions};
use rehearsal_ec2::plan::{Plan, plan};
use rehearsal_ec2::progress::{Event, Tell};
use rehearsal_ec2::relay::Relay;
use rehearsal_ec2::survey::survey;
use rehearsal_ec2::user_data::{Boot, Build, UserData};

use crate::model::Model;

/// Agents of two vCPUs for half an hour, who live for an hour; none is a must.
pub fn order(agents: u32) -> Order {
    Order {
        fleet: "friday".into(),
        run: None,
        owner: "ann".into(),
        agents,
        min_agents: 0,
        vcpus: 2,
        regions: Regions::All,
        subnets: BTreeMap::new(),
        max_price: None,
        budget: None,
        duration: Duration::from_secs(1_800),
        ttl: Duration::from_secs(3_600),
        on_demand_percent: 0,
        beside: rehearsal_ec2::money::UsdPerHour::default(),
        boot: Boot {
            join: "rhj1_x".into(),
            builds: vec![Build { arch: Arch::Aarch64, sha256: "0".repeat(64) }],
            urls: vec!["https://203.0.113.7/agent".into()],
        },
    }
}

/// The relay of the same fleet, which lives for an hour as well.
pub fn relay() -> Relay {
    let machine = |name: &str| Machine { name: name.into(), vcpus: 2, arch: Arch::Aarch64 };
    Relay {
        fleet: "friday".into(),
        run: None,
        owner: "ann".into(),
        ports: BTreeSet::from([7443, 7444]),
        machines: vec![machine("c7g.large"), machine("c6g.large")],
        subnets: Vec::new(),
        user_data: UserData("#!/bin/sh\nshutdown -P +60 || poweroff -f\n".into()),
        ttl: Duration::from_secs(3_600),
    }
}

/// Tells nobody.
pub const QUIET: Tell<'static> = &|_: Event| ();

/// Surveys, plans and launches, as the command does.
pub async fn start(model: &Model, order: &Order) -> Result<Fleet, NotLaunched> {
    let (market, plan) = planned(model, order).await;
    launch(model, order, &market, &plan, model.now(), QUIET).await
}

/// Surveys and plans.
pub async fn planned(cloud: &dyn Cloud, order: &Order) -> (Market, Plan) {
    let market = survey(cloud, order, QUIET).await.unwrap();
    let plan = plan(order, &market).unwrap();
    (market, plan)
}

/// The regions of some agents, with their numbers.
pub fn by_region(fleet: &Fleet) -> BTreeMap<&str, usize> {
    let regions: BTreeSet<&Region> = fleet.agents.values().map(|agent| &agent.region).collect();
    let count = |region: &Region| fleet.agents.values().filter(|agent| agent.region == *region).count();
    regions.into_iter().map(|region| (region.0.as_str(), count(region))).collect()
}
