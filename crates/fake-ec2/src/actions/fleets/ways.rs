//! The ways that a caller gives a fleet to start instances: each override of each launch template, in each subnet.

use rehearsal_fake_aws::Shape;
use serde_json::Value;

use crate::account::Account;
use crate::actions::allocation::Candidate;
use crate::actions::blueprint::{Blueprint, user_data};
use crate::actions::launch::candidate;
use crate::actions::templates;
use crate::call::{Call, Fields};
use crate::geography::SubnetPlace;
use crate::holdings::{Holdings, LaunchTemplate};
use crate::instance::Lifecycle;
use crate::refusal::Refusal;

/// A way to start an instance as the caller gave it, in one subnet.
pub(super) struct Way {
    pub template: LaunchTemplate,
    /// As it was given, for the answer.
    pub given: Value,
    pub blueprint: Blueprint,
    pub subnet: SubnetPlace,
    pub weight: f64,
    pub priority: f64,
    pub max_price: Option<f64>,
}

/// All ways that the caller gave: each override of each template, in each subnet that it allows.
pub(super) fn all(account: &Account, call: &Call) -> Result<Vec<Way>, Refusal> {
    let none = Holdings::default();
    let holdings = account.holdings.get(&call.region).unwrap_or(&none);
    let mut ways = Vec::new();
    for config in call.fields.list("LaunchTemplateConfigs") {
        let specification = &config["LaunchTemplateSpecification"];
        if specification.text("Version").is_none() {
            return Err(Refusal::missing("LaunchTemplateConfigs.LaunchTemplateSpecification.Version"));
        }
        let template = templates::specified(holdings, specification)?;
        let mut base = Blueprint::read(&template.data)?;
        if let Some(text) = specification.text("LaunchTemplateSpecificationUserData") {
            base.user_data = Some(user_data(text)?);
        }
        let given = match config.list("Overrides") {
            [] => vec![Value::Object(serde_json::Map::new())],
            overrides => overrides.to_vec(),
        };
        for given in given {
            let blueprint = Blueprint::read(&given)?.over(base.clone());
            let weight = given.number("WeightedCapacity")?.unwrap_or(1.0);
            if weight <= 0.0 {
                return Err(Refusal::value("WeightedCapacity must be above 0"));
            }
            for subnet in blueprint.subnets(&account.world, &call.region)? {
                ways.push(Way {
                    template: template.clone(),
                    blueprint: blueprint.clone(),
                    subnet,
                    weight,
                    priority: given.number("Priority")?.unwrap_or(f64::MAX),
                    max_price: given.number("MaxPrice")?,
                    given: given.clone(),
                });
            }
        }
    }
    if ways.is_empty() { Err(Refusal::missing("LaunchTemplateConfigs")) } else { Ok(ways) }
}

/// The pools of all ways. Two ways of the same type and zone share one.
pub(super) fn candidates(account: &Account, region: &str, ways: &[Way], lifecycle: Lifecycle) -> Vec<Candidate> {
    let mut pools: Vec<(&Option<String>, &str)> = Vec::new();
    let mut all = Vec::new();
    for way in ways {
        let place = (&way.blueprint.kind, way.subnet.letter.as_str());
        let pool = pools.iter().position(|known| *known == place).unwrap_or(pools.len());
        if pool == pools.len() {
            pools.push(place);
        }
        let seen = candidate(account, region, &way.blueprint, &way.subnet, lifecycle);
        let is_too_low = lifecycle == Lifecycle::Spot && way.max_price.is_some_and(|most| most < seen.price);
        let too_low = || {
            let message = format!(
                "Your Spot request price is lower than the minimum required Spot request fulfillment price of {:.6}.",
                seen.price
            );
            Refusal::new("SpotMaxPriceTooLow", message)
        };
        let crowded = too_many_fleets(account, region);
        let refusal = seen.refusal.clone().or(crowded).or_else(|| is_too_low.then(too_low));
        all.push(Candidate { pool, weight: way.weight, priority: way.priority, refusal, ..seen });
    }
    all
}

fn too_many_fleets(account: &Account, region: &str) -> Option<Refusal> {
    let most = account.world.regions.get(region)?.fleets?;
    let there = account.holdings.get(region)?.fleets.values().filter(|fleet| !fleet.is_deleted).count();
    (there >= most).then(|| Refusal::new("MaxFleetCountExceeded", "The maximum number of fleets has been reached."))
}

impl Way {
    /// It as answers name it.
    pub(super) fn shape(&self) -> Shape {
        let text = |key: &str| Shape::from(self.given.text(key));
        let specification =
            Shape::map([("launchTemplateId", self.template.id.as_str().into()), ("version", "1".into())]);
        let overrides = Shape::map([
            ("instanceType", self.blueprint.kind.clone().into()),
            ("maxPrice", text("MaxPrice")),
            ("subnetId", text("SubnetId")),
            ("availabilityZone", text("AvailabilityZone")),
            ("weightedCapacity", text("WeightedCapacity")),
            ("priority", text("Priority")),
            ("imageId", text("ImageId")),
        ]);
        Shape::map([("launchTemplateSpecification", specification), ("overrides", overrides)])
    }
}
