//! A fleet from the first look to the last against moto, an emulator of Amazon that others wrote, and asked by Amazon's client
//! for Python what there is.
//!
//! What moto does not judge, because it has it not or differently: prices (all are 0.00001 dollars, of 2006), images (it takes
//! the name of the newest for an id), the choice of pools (it takes the first), partial success and errors, tokens that make
//! nothing twice, the template's security group and metadata options, lists that lag behind, quotas of EC2. A region that is
//! not opted in to does not exist there.

use std::time::{Duration, SystemTime};

use rehearsal_ec2::cloud::{Cloud, Purchase};
use rehearsal_ec2::guard::Guard;
use rehearsal_ec2::order::Order;
use rehearsal_ec2::sweep::sweep;
use rehearsal_ec2::tags::Scope;
use rehearsal_ec2::{launch, plan, relay, survey};
use serde_json::Value;

use crate::emulator::{emulator, python, run};
use crate::relaying;
use crate::{amazon, order};

const AGENTS: u32 = 20;
const SCRIPT: &str = "tests/sdk/emulated.py";

fn names(told: &Value, what: &str) -> Vec<String> {
    told[what].as_array().unwrap().iter().map(|one| one["id"].as_str().unwrap().to_owned()).collect()
}

/// A sweep takes a minute and a half of real time: the emulator's answers do not come sooner in a tokio whose clock runs ahead.
#[tokio::test(flavor = "multi_thread")]
async fn an_emulator_has_a_fleet_and_after_the_sweep_nothing() {
    let Some(python) = python("an_emulator_has_a_fleet_and_after_the_sweep_nothing") else { return };
    let (_server, url) = emulator(&python).await;
    let cloud = amazon(url.clone()).await;
    let ask = async |what: &str| -> Value { serde_json::from_str(&run(&python, SCRIPT, &[&url, what]).await).unwrap() };

    assert_eq!(cloud.has_spot_role().await, Ok(Some(false)));
    ask("use-spot").await;
    assert_eq!(cloud.has_spot_role().await, Ok(Some(true)));

    let order = Order { on_demand_percent: 10, ..order(AGENTS) };
    let market = survey::survey(&cloud, &order, &|_| ()).await.unwrap();
    assert!(market.offers.len() > 10 && market.offers.values().all(|offer| offer.spot_quota.is_none()), "{market:?}");
    let plan = plan::plan(&order, &market).unwrap();
    let now = SystemTime::now();
    let fleet = launch::launch(&cloud, &order, &market, &plan, now, &|_| ()).await.unwrap();
    assert_eq!((fleet.agents.len() as u32, fleet.missing), (AGENTS, 0), "{:?}", fleet.reasons);
    let is_placed = |agent: &launch::Agent| agent.of.zone.0.starts_with(&agent.region.0);
    assert!(fleet.agents.values().all(is_placed), "the answer names subnets and no zones: {:?}", fleet.agents);
    let (at, relay) = (&market.enabled[0], relaying::relay());
    let relay = relay::launch(&cloud, at, &relay, now).await.unwrap();

    let there = ask("tell").await;
    let mut expected: Vec<&str> = fleet.agents.keys().chain([&relay]).map(|id| id.0.as_str()).collect();
    expected.sort_unstable();
    assert_eq!(names(&there, "instances"), expected);
    for instance in there["instances"].as_array().unwrap() {
        let tags = &instance["tags"];
        assert_eq!((&tags["app"], &tags["rehearsal:fleet"]), (&"rehearsal".into(), &"friday".into()), "{instance}");
        let expires: u64 = tags["rehearsal:expires"].as_str().unwrap().parse().unwrap();
        assert!(SystemTime::UNIX_EPOCH + Duration::from_secs(expires) > now, "{instance}");
        let is_relay = instance["id"] == relay.0.as_str();
        assert_eq!(tags["rehearsal:part"] == "relay", is_relay, "{instance}");
        if is_relay {
            assert_eq!(instance["groups"], serde_json::json!(["rehearsal-open-7443-7444"]), "{instance}");
            assert_eq!(instance["ports"], serde_json::json!([7443, 7444]), "{instance}");
            assert_eq!(instance["on_shutdown"], "terminate", "{instance}");
        }
    }
    let lots = plan.lots.len();
    let made = ["fleets", "templates", "groups"].map(|what| names(&there, what).len());
    assert_eq!(made, [lots, lots, lots + 1], "{there}");

    let look = Guard::new(&cloud, &order, &market).look().await;
    assert_eq!((look.running.len() as u32, look.blind.len()), (AGENTS + 1, 0));
    let listed = cloud.instances(at, &Scope::Fleet("friday".into()).filter()).await.unwrap();
    assert!(listed.iter().any(|one| one.id == relay && one.purchase == Purchase::OnDemand), "{listed:?}");

    let swept = sweep(&cloud, &Scope::All, &|_| ()).await.unwrap();
    assert!(swept.is_clean(), "{swept:?}");
    assert_eq!(swept.ended.values().sum::<usize>() as u32, AGENTS + 1);
    let left = ask("tell").await;
    for what in ["instances", "fleets", "templates", "groups"] {
        assert_eq!(names(&left, what), [""; 0], "{left}");
    }
}
