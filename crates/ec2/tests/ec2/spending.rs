//! No budget is ever passed: while somebody looks, because the meter ends the fleet; when nobody does, because
//! instances live only as long as it lasts.

use std::time::Duration;

use proptest::prelude::*;
use rehearsal_ec2::forecast::OverBudget;
use rehearsal_ec2::guard::Guard;
use rehearsal_ec2::launch::launch;
use rehearsal_ec2::meter::Due;
use rehearsal_ec2::money::Usd;
use rehearsal_ec2::order::Order;
use rehearsal_ec2::plan::{PlanError, plan};
use rehearsal_ec2::survey::survey;

use crate::model::{Habits, Model, Place, World};
use crate::orders::{QUIET, order, planned};

fn in_no_time<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    runtime.unwrap().block_on(work)
}

fn model(habits: Habits, seed: u64) -> Model {
    let places = [0.02, 0.03, 0.04].map(|price| Place::new(20, price));
    Model::new(World::new(["eu", "us", "ap"].into_iter().zip(places), habits, seed))
}

/// Launches without a thought of money, guards with a budget for so many minutes at the forecast's price, and tells what
/// was due, what it cost, and what runs on.
async fn guarded(habits: Habits, seed: u64, agents: u32, minutes: f64) -> (Vec<Due>, Usd, Usd, Usd, usize) {
    let model = model(habits, seed);
    let order = Order { ttl: Duration::from_secs(8 * 3_600), ..order(agents) };
    let market = loop {
        if let Ok(market) = survey(&model, &order, QUIET).await {
            break market;
        }
    };
    let plan = plan(&order, &market).unwrap();
    let budget = plan.forecast.hourly.over(Duration::from_secs_f64(minutes * 60.0));
    let fleet = launch(&model, &order, &market, &plan, model.now(), QUIET).await.unwrap();
    let order = Order { budget: Some(budget), ..order };
    let guard = Guard::new(&model, &order, &market);
    let mut meter = guard.meter(&fleet, model.now());
    let dues = std::sync::Mutex::new(Vec::new());
    let (clock, on) = (|| model.now(), |due| dues.lock().unwrap().push(due));
    let show = Duration::from_secs(7 * 3_600);
    let _ = tokio::time::timeout(show, guard.watch(&mut meter, &clock, &on)).await;
    let charged = meter.reading().spent;
    guard.tear_down(&meter, QUIET).await.unwrap();
    let world = model.world();
    (dues.into_inner().unwrap(), budget, charged, Usd(world.cost()), world.alive().len())
}

#[test]
fn in_a_calm_world_a_budget_is_used_up_and_kept() {
    let calm = Habits::default();
    let (dues, budget, charged, cost, alive) = in_no_time(guarded(calm, 1, 9, 120.0));
    assert_eq!(dues, [Due::Warn, Due::Drain, Due::TearDown]);
    assert_eq!(alive, 0);
    assert!(cost <= budget && cost.0 > 0.85 * budget.0, "{cost:?} of {budget:?}");
    assert!(charged <= budget && charged.0 > 0.85 * budget.0, "{charged:?} of {budget:?}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// The meter alone, against a cloud that changes its prices, loses answers and launches more than was asked for.
    #[test]
    fn the_meter_ends_a_fleet_before_its_budget_is_passed(
        (throttled, slow, lost, generous, lag) in (0..20_u64, 0..5_u64, 0..5_u64, 0..20_u64, 0..20_u64),
        seed: u64,
        agents in 1..20_u32,
        minutes in 40.0..200.0_f64,
    ) {
        let habits = Habits { throttled, slow, lost, generous, lag, restless: true };
        let (dues, budget, charged, cost, alive) = in_no_time(guarded(habits, seed, agents, minutes));
        prop_assert_eq!(alive, 0);
        prop_assert!(cost <= budget, "{:?} of {:?}, charged {:?}, {:?}", cost, budget, charged, dues);
    }

    /// Nobody looks and nobody sweeps: at prices that stay, the TTL alone keeps the budget that was planned with.
    #[test]
    fn a_fleet_that_is_forgotten_keeps_its_budget(seed: u64, agents in 1..20_u32, minutes in 20.0..100.0_f64, lag in 0..30_u64) {
        in_no_time(async {
            let model = model(Habits { lag, ..Habits::default() }, seed);
            let (market, full) = planned(&model, &order(agents)).await;
            let budget = full.forecast.hourly.over(Duration::from_secs_f64(minutes * 60.0));
            let order = Order { budget: Some(budget), ..order(agents) };
            match plan(&order, &market) {
                Err(PlanError::Budget(OverBudget { needed, .. })) => assert!(needed > budget),
                Err(other) => panic!("{other}"),
                Ok(plan) => {
                    assert!(plan.forecast.at_most <= budget);
                    launch(&model, &order, &market, &plan, model.now(), QUIET).await.unwrap();
                    tokio::time::sleep(Duration::from_secs(3 * 3_600)).await;
                    let world = model.world();
                    assert_eq!(world.alive().len(), 0);
                    assert!(world.cost() <= plan.forecast.at_most.0, "{} of {budget}", world.cost());
                }
            }
        });
    }
}
