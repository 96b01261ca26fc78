//! The one instance that others are reached through: launched once, kept apart from the agents, ended with its fleet.

use std::collections::BTreeSet;
use std::time::Duration;

use rehearsal_ec2::cloud::{Cloud, Purchase};
use rehearsal_ec2::guard::Guard;
use rehearsal_ec2::names::Region;
use rehearsal_ec2::relay::{Relay, address, launch};
use rehearsal_ec2::sweep::sweep;
use rehearsal_ec2::tags::{Scope, is_agent};
use tokio::time::Instant;

use crate::model::{Habits, Model, Place, World, offering};
use crate::orders::{QUIET, order, planned, relay, start};

fn one(change: impl FnOnce(&mut Place)) -> Model {
    let mut place = Place::new(50, 0.02);
    change(&mut place);
    Model::new(World::new([("eu", place)], Habits::default(), 11))
}

async fn check(change: impl FnOnce(&mut Place), relay: &Relay, expected: Result<&str, &str>) {
    let model = one(change);
    let launched = launch(&model, &"eu".into(), relay, model.now()).await;
    let world = model.world();
    let found: Vec<String> = world.alive().iter().map(|it| format!("{} {}", it.of.machine, it.of.zone)).collect();
    match expected {
        Ok(pool) => assert_eq!((launched.is_ok(), found), (true, vec![pool.to_owned()])),
        Err(code) => assert_eq!((launched.unwrap_err().code.as_str(), found), (code, Vec::new())),
    }
}

#[tokio::test(start_paused = true)]
async fn the_best_that_can_be_had_is_taken() {
    check(|_| (), &relay(), Ok("c7g.large a")).await;
    let empty = |pools: &'static [&'static str]| {
        move |place: &mut Place| place.capacity.extend(pools.iter().map(|pool| (offering(pool), 0)))
    };
    check(empty(&["c7g.large a"]), &relay(), Ok("c7g.large b")).await;
    check(empty(&["c7g.large a", "c7g.large b"]), &relay(), Ok("c6g.large a")).await;
    let all = &["c7g.large a", "c7g.large b", "c6g.large a", "c6g.large b"];
    check(empty(all), &relay(), Err("InsufficientInstanceCapacity")).await;
    check(|_| (), &Relay { subnets: vec!["subnet-b".into()], ..relay() }, Ok("c7g.large b")).await;
    check(|place| place.zones.clear(), &relay(), Err("VPCIdNotSpecified")).await;
    check(|place| place.quota = 1, &relay(), Err("VcpuLimitExceeded")).await;
    check(|_| (), &Relay { machines: Vec::new(), ..relay() }, Err("NotOffered")).await;
}

#[tokio::test(start_paused = true)]
async fn it_is_launched_once_and_other_ports_are_another_group() {
    let (model, at) = (one(|_| ()), Region::from("eu"));
    let now = model.now();
    let first = launch(&model, &at, &relay(), now).await.unwrap();
    assert_eq!(launch(&model, &at, &relay(), now).await.unwrap(), first);
    let later = now + Duration::from_secs(60);
    assert_eq!(launch(&model, &at, &relay(), later).await.unwrap(), first, "by its tags, if by no token");
    launch(&model, &at, &Relay { fleet: "saturday".into(), ports: BTreeSet::from([22]), ..relay() }, now)
        .await
        .unwrap();
    let world = model.world();
    assert_eq!((world.alive().len(), world.places[&at].open_groups.len()), (2, 2));
    assert!(world.alive().iter().all(|machine| machine.purchase == Purchase::OnDemand));
}

/// It has the tags of its fleet, and would be the dearest agent: the first to be ended when there is one too many.
#[tokio::test(start_paused = true)]
async fn it_is_no_agent_but_paid_and_ended_with_them() {
    let (model, at) = (one(|_| ()), Region::from("eu"));
    let id = launch(&model, &at, &relay(), model.now()).await.unwrap();
    model.world().habits.generous = 100;
    let fleet = start(&model, &order(5)).await.unwrap();
    assert_eq!((fleet.agents.len(), fleet.agents.contains_key(&id)), (5, false));
    let (market, _) = planned(&model, &order(5)).await;
    assert_eq!(market.present_agents(), 5);
    let running = Guard::new(&model, &order(5), &market).look().await.running;
    assert_eq!((running.len(), running.iter().any(|(running, _)| *running == id)), (6, true), "whoever pays sees it");
    let listed = model.instances(&at, &Scope::Fleet("friday".into()).filter()).await.unwrap();
    let alive: Vec<_> = listed.into_iter().filter(|one| one.state.is_alive()).collect();
    assert_eq!(alive.iter().filter(|one| !is_agent(&one.tags)).map(|one| &one.id).collect::<Vec<_>>(), [&id]);
    assert!(sweep(&model, &Scope::Fleet("friday".into()), QUIET).await.unwrap().is_clean());
    assert_eq!(model.world().alive().len(), 0);
}

/// The model gives nobody an address, so that the wait for one is seen to end.
#[tokio::test(start_paused = true)]
async fn the_wait_for_an_address_ends() {
    let (model, at) = (one(|_| ()), Region::from("eu"));
    let id = launch(&model, &at, &relay(), model.now()).await.unwrap();
    let until = Instant::now() + Duration::from_secs(60);
    assert_eq!(address(&model, &at, "friday", &id, until).await.unwrap_err().code, "Unanswered");
    assert!(Instant::now() <= until);
    model.terminate(&at, std::slice::from_ref(&id)).await.unwrap();
    let until = Instant::now() + Duration::from_secs(60);
    let gone = address(&model, &at, "friday", &id, until).await.unwrap_err();
    assert!(gone.message.contains("ended before"), "{gone}");
    assert!(Instant::now() + Duration::from_secs(30) < until, "it is told at once");
}
