//! The process that launches is stopped after every single call of a launch, in worlds of all kinds. A sweep that knows
//! nothing of it leaves nothing running; and if nobody sweeps, nothing runs for longer than its tags say.

use std::time::Duration;

use proptest::prelude::*;
use rehearsal_ec2::cloud::Cloud;
use rehearsal_ec2::launch::launch;
use rehearsal_ec2::order::Order;
use rehearsal_ec2::plan::plan;
use rehearsal_ec2::relay;
use rehearsal_ec2::survey::survey;
use rehearsal_ec2::sweep::sweep;
use rehearsal_ec2::tags::{Scope, of_anything};

use crate::model::{Habits, Model, Place, Stop, World};
use crate::orders::{self, QUIET, order};

/// A world that can be made again, the same.
#[derive(Clone, Debug)]
struct Case {
    agents: u32,
    min_agents: u32,
    /// Whether a relay is launched first.
    has_relay: bool,
    capacity: [u32; 3],
    quota: u32,
    habits: Habits,
    seed: u64,
}

impl Case {
    fn world(&self) -> World {
        let mut places = self.capacity.map(|each| Place::new(each, 0.02));
        places[0].quota = self.quota;
        World::new(["eu", "us", "ap"].into_iter().zip(places), self.habits, self.seed)
    }

    fn order(&self) -> Order {
        Order { min_agents: self.min_agents.min(self.agents), ..order(self.agents) }
    }
}

fn cases() -> impl Strategy<Value = Case> {
    let habits = (0..25_u64, 0..15_u64, 0..10_u64, 0..30_u64, 0..30_u64);
    let habits = habits.prop_map(|(throttled, slow, lost, generous, lag)| Habits {
        throttled,
        slow,
        lost,
        generous,
        lag,
        restless: false,
    });
    let agents = (1..12_u32, 0..12_u32, any::<bool>());
    (agents, prop::array::uniform3(0..4_u32), 0..12_u32, habits, any::<u64>()).prop_map(
        |((agents, min_agents, has_relay), capacity, quota, habits, seed)| Case {
            agents,
            min_agents,
            has_relay,
            capacity,
            quota,
            habits,
            seed,
        },
    )
}

/// The whole command, from the first look to the end of the launch.
async fn command(model: &Model, case: &Case) {
    let order = &case.order();
    if case.has_relay {
        // Without one the fleet is launched all the same: here it is only about what is left.
        let _ = relay::launch(model, &"us".into(), &orders::relay(), model.now()).await;
    }
    let Ok(market) = survey(model, order, QUIET).await else { return };
    // Room for too few: then there is no launch.
    let Ok(plan) = plan(order, &market) else { return };
    let _ = launch(model, order, &market, &plan, model.now(), QUIET).await;
}

/// Runs the command and stops it at a call. Gives whether it came that far.
async fn stopped(case: &Case, call: u64, stop: Stop) -> (Model, bool) {
    let model = Model::new(case.world());
    model.stop_at(call, stop);
    let was_stopped = tokio::select! {
        // The process dies: everything that it waited for is dropped.
        () = model.stopped() => true,
        () = command(&model, case) => false,
    };
    model.world().stop = None;
    (model, was_stopped)
}

fn in_no_time<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    runtime.unwrap().block_on(work)
}

/// Stops a command at every call that it makes, both ways, and lets a fresh process do something.
async fn at_every_call(case: &Case, then: impl AsyncFn(&Model, &str)) -> u64 {
    let mut launched = 0;
    for call in 1.. {
        let mut came_that_far = false;
        for stop in [Stop::Sent, Stop::Answered] {
            let (model, was_stopped) = stopped(case, call, stop).await;
            came_that_far |= was_stopped;
            then(&model, &format!("{stop:?} at call {call}")).await;
            launched += model.world().places.values().map(|place| place.instances.len() as u64).sum::<u64>();
        }
        if !came_that_far {
            break;
        }
    }
    launched
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn a_sweep_leaves_nothing(case in cases(), sweeps_all: bool) {
        // With the fleet's name alone the template stays, and a request on its way finds it.
        let scope = if sweeps_all { Scope::All } else { Scope::Fleet("friday".into()) };
        in_no_time(at_every_call(&case, async |model, when| {
            let swept = sweep(model, &scope, QUIET).await.unwrap();
            // What was on its way has arrived long since.
            tokio::time::sleep(Duration::from_secs(300)).await;
            assert!(swept.is_clean(), "{when}: {swept:?}");
            let world = model.world();
            assert_eq!(world.alive().len(), 0, "{when}: {case:?}");
            let has_any = |place: &Place| {
                place.group.is_some() || place.template.is_some() || !place.open_groups.is_empty()
            };
            assert!(!sweeps_all || !world.places.values().any(has_any), "{when}: {case:?}");
        }));
    }

    #[test]
    fn without_a_sweep_everything_ends_by_itself_before_its_tag_says_so(case in cases()) {
        in_no_time(at_every_call(&case, async |model, when| {
            tokio::time::sleep(Duration::from_secs(2 * 3_600)).await;
            let world = model.world();
            assert_eq!(world.alive().len(), 0, "{when}: {case:?}");
            for machine in world.places.values().flat_map(|place| &place.instances) {
                let expires: u64 = machine.tags["rehearsal:expires"].parse().unwrap();
                assert!(machine.until.unwrap() <= Duration::from_secs(expires - 1_900_000_000), "{when}: {case:?}");
            }
        }));
    }
}

/// The worlds are bad enough: a sweep that looks once, as many do, leaves instances running.
#[test]
fn a_sweep_that_looks_once_is_found_out() {
    let habits = Habits { throttled: 0, slow: 20, lost: 5, generous: 0, lag: 20, restless: false };
    let case = Case { agents: 6, min_agents: 0, has_relay: true, capacity: [4; 3], quota: 12, habits, seed: 3 };
    let left = std::cell::Cell::new(0);
    let launched = in_no_time(at_every_call(&case, async |model, _| {
        let regions = model.world().places.keys().cloned().collect::<Vec<_>>();
        for at in &regions {
            let filter = of_anything();
            let Ok(Ok(list)) = tokio::time::timeout(Duration::from_secs(40), model.instances(at, &filter)).await else {
                continue;
            };
            let ids: Vec<_> = list.into_iter().map(|one| one.id).collect();
            let _ = tokio::time::timeout(Duration::from_secs(40), model.terminate(at, &ids)).await;
        }
        tokio::time::sleep(Duration::from_secs(60)).await;
        left.set(left.get() + model.world().alive().len());
    }));
    assert!(launched > 0 && left.get() > 0, "{launched} launched, {} left", left.get());
}
