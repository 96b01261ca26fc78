//! Everything of ours is found and ended, and nothing of anybody else.

use std::collections::BTreeSet;
use std::future::ready;
use std::time::Duration;

use rehearsal_ec2::cloud::{
    Access, Action, Answer, Cloud, CloudError, FleetAnswer, Instance, Leftover, Offering, Price, Purchase, Skeleton,
    Subnet,
};
use rehearsal_ec2::machines::Machine as Kind;
use rehearsal_ec2::names::{GroupId, InstanceId, Region, SubnetId, TemplateId, VpcId};
use rehearsal_ec2::request::{FleetRequest, RunOne};
use rehearsal_ec2::sweep::{SETTLED, end, sweep};
use rehearsal_ec2::tags::{self, Scope, Tags};
use tokio::time::Instant;

use crate::model::{Habits, Machine, Model, Place, World, offering};
use crate::orders::{QUIET, order, start};

fn two(habits: Habits) -> Model {
    Model::new(World::new([("eu", Place::new(2_000, 0.02)), ("us", Place::new(2_000, 0.02))], habits, 7))
}

/// Puts instances with these tags into a region. `lag` is after how long they are known.
fn put(model: &Model, at: &str, how_many: usize, tags: &Tags, lag: impl Fn(usize) -> u64) -> Vec<InstanceId> {
    let mut world = model.world();
    let now = world.now();
    let ids: Vec<InstanceId> = (0..how_many).map(|_| InstanceId(world.next_id("i"))).collect();
    let place = world.places.get_mut(&Region::from(at)).unwrap();
    place.instances.extend(ids.iter().enumerate().map(|(index, id)| Machine {
        id: id.clone(),
        of: offering("c6g.large a"),
        purchase: Purchase::Spot,
        request: None,
        tags: tags.clone(),
        since: now,
        until: None,
        lag: Duration::from_secs(lag(index)),
        ttl: Duration::from_secs(86_400),
        max_price: 1.0,
        cost: 0.0,
    }));
    ids
}

fn ours(model: &Model, fleet: &str, expires_in: i64) -> Tags {
    let expires = model.now_unix().checked_add_signed(expires_in).unwrap();
    tags::of_fleet(fleet, Some("run-1"), "ann", expires)
}

async fn check(scope: impl FnOnce(&Model) -> Scope, expected: &[&str], why: &str) {
    let model = two(Habits::default());
    let foreign = Tags::from([("app".to_owned(), "shop".to_owned())]);
    for tags in [ours(&model, "friday", 600), ours(&model, "old", -600), foreign] {
        put(&model, "eu", 2, &tags, |_| 0);
        put(&model, "us", 1, &tags, |_| 0);
    }
    let swept = sweep(&model, &scope(&model), QUIET).await.unwrap();
    assert!(swept.is_clean(), "{swept:?}");
    let world = model.world();
    let left: BTreeSet<&str> =
        world.alive().iter().map(|one| one.tags.get(tags::FLEET).map_or("shop", String::as_str)).collect();
    assert_eq!(left, expected.iter().copied().collect(), "{why}");
    let ended: usize = swept.ended.values().sum();
    assert_eq!(ended + world.alive().len(), 9, "{why}: each is counted once");
}

#[tokio::test(start_paused = true)]
async fn only_what_is_meant_is_ended() {
    check(|_| Scope::Fleet("friday".into()), &["old", "shop"], "one fleet").await;
    check(|_| Scope::Run("run-1".into()), &["shop"], "one run").await;
    check(|model| Scope::Expired(model.now_unix()), &["friday", "shop"], "what should be gone").await;
    check(|_| Scope::All, &["shop"], "all of ours, and nobody else's").await;
}

#[tokio::test(start_paused = true)]
async fn all_takes_what_fleets_share_too() {
    let model = two(Habits::default());
    start(&model, &order(6)).await.unwrap();
    let began = Instant::now();
    assert!(sweep(&model, &Scope::Fleet("friday".into()), QUIET).await.unwrap().is_clean());
    assert!(began.elapsed() >= SETTLED);
    {
        let world = model.world();
        assert!(world.places.values().all(|place| place.group.is_some()), "another fleet may use it");
    }
    assert!(sweep(&model, &Scope::All, QUIET).await.unwrap().is_clean());
    let world = model.world();
    assert!(world.places.values().all(|place| place.group.is_none() && place.template.is_none()));
}

/// One id that is not known yet fails the whole batch that it is in; the others must not wait for it.
#[tokio::test(start_paused = true)]
async fn a_thousand_are_ended_though_some_are_not_known_yet() {
    let model = two(Habits::default());
    let tags = ours(&model, "friday", 600);
    let ids = put(&model, "eu", 1_203, &tags, |_| 0);
    // As if listed by one server and unknown to another.
    let ended = end(
        &Flaky {
            model: model.clone(),
            unknown: BTreeSet::from([ids[3].clone(), ids[700].clone(), ids[1_202].clone()]),
        },
        &"eu".into(),
        &ids,
        Instant::now() + Duration::from_secs(30),
        QUIET,
    )
    .await;
    assert_eq!(ended.unwrap_err().code, "InvalidInstanceID.NotFound");
    assert_eq!(model.world().alive().len(), 3);
    assert!(sweep(&model, &Scope::All, QUIET).await.unwrap().is_clean());
    assert_eq!(model.world().alive().len(), 0);
}

/// Forwards only ending, and knows some instances not.
struct Flaky {
    model: Model,
    unknown: BTreeSet<InstanceId>,
}

macro_rules! never {
    ($($name:ident($($argument:ident: $kind:ty),*) -> $answer:ty;)*) => {$(
        fn $name<'a>(&'a self, $(_: &'a $kind),*) -> Answer<'a, $answer> {
            unreachable!("not called here")
        }
    )*};
}

impl Cloud for Flaky {
    fn terminate<'a>(&'a self, at: &'a Region, ids: &'a [InstanceId]) -> Answer<'a, ()> {
        match ids.iter().any(|id| self.unknown.contains(id)) {
            true => Box::pin(ready(Err(CloudError::of_code("InvalidInstanceID.NotFound", "who?")))),
            false => self.model.terminate(at, ids),
        }
    }

    fn regions(&self) -> Answer<'_, Vec<(Region, Access)>> {
        unreachable!("not called here")
    }

    fn may<'a>(&'a self, _: &'a Region, _: &'a Action) -> Answer<'a, ()> {
        unreachable!("not called here")
    }

    never! {
        subnets(at: Region, given: [SubnetId]) -> Vec<Subnet>;
        offerings(at: Region, machines: [Kind]) -> Vec<Offering>;
        prices(at: Region, machines: [Kind]) -> Vec<Price>;
        ensure_group(at: Region, network: VpcId) -> GroupId;
        ensure_template(at: Region, skeleton: Skeleton) -> TemplateId;
        ensure_open_group(at: Region, network: VpcId, ports: BTreeSet<u16>) -> GroupId;
        create_fleet(at: Region, request: FleetRequest) -> FleetAnswer;
        run_one(at: Region, request: RunOne) -> InstanceId;
        instances(at: Region, filter: Tags) -> Vec<Instance>;
        leftovers(at: Region) -> Vec<Leftover>;
        delete(at: Region, leftover: Leftover) -> ();
    }
}

#[tokio::test(start_paused = true)]
async fn what_comes_to_light_late_is_ended_too() {
    let model = two(Habits::default());
    let tags = ours(&model, "friday", 600);
    put(&model, "eu", 5, &tags, |index| 15 * index as u64);
    assert!(sweep(&model, &Scope::Fleet("friday".into()), QUIET).await.unwrap().is_clean());
    assert_eq!(model.world().alive().len(), 0);
}

/// Who has lost the right to a region is told that something may be there, and the other regions are swept.
#[tokio::test(start_paused = true)]
async fn a_region_that_cannot_be_reached_holds_up_no_other() {
    let model = two(Habits::default());
    start(&model, &order(6)).await.unwrap();
    model.world().places.get_mut(&Region::from("eu")).unwrap().is_shut = true;
    let swept = sweep(&model, &Scope::All, QUIET).await.unwrap();
    assert!(swept.left[&Region::from("eu")].contains("AWS_STS_REGIONAL_ENDPOINTS"), "{swept:?}");
    assert_eq!(swept.ended.into_iter().collect::<Vec<_>>(), [(Region::from("us"), 3)]);
    assert_eq!(model.world().alive().len(), 3);
}

#[tokio::test(start_paused = true)]
async fn what_will_not_go_is_named() {
    let model = two(Habits::default());
    start(&model, &order(2)).await.unwrap();
    let foreign = Tags::from([("app".to_owned(), "shop".to_owned())]);
    put(&model, "eu", 1, &foreign, |_| 0);
    let swept = sweep(&model, &Scope::All, QUIET).await.unwrap();
    let left = &swept.left[&Region::from("eu")];
    assert!(left.starts_with("still there after 15 min: 0 instances; sg-"), "{left}");
    assert!(left.contains("DependencyViolation"), "{left}");
    assert_eq!(swept.left.len(), 1, "{swept:?}");
}

#[tokio::test(start_paused = true)]
async fn a_cloud_that_never_answers_is_given_up() {
    let model = two(Habits { lost: 100, ..Habits::default() });
    let began = Instant::now();
    let error = sweep(&model, &Scope::All, QUIET).await.unwrap_err();
    assert_eq!(error.code, "Unanswered");
    assert!(began.elapsed() < Duration::from_secs(1_000));
}
