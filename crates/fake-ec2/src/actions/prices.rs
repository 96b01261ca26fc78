//! What spot instances cost now, and how likely they are to be had.

use std::time::{Duration, SystemTime};

use rehearsal_fake_aws::Shape;

use crate::account::Account;
use crate::call::{Call, Fields};
use crate::geography::{zone, zone_id};
use crate::listing::{PageBounds, Seen, numbered, page};
use crate::refusal::Refusal;

/// The products that every pool is; a caller that names neither gets the first.
const PRODUCTS: [&str; 2] = ["Linux/UNIX", "Linux/UNIX (Amazon VPC)"];

/// How long ago the price that holds is said to have come.
const SINCE: Duration = Duration::from_secs(1_800);

/// The price that holds in each pool. There is no history: what was before a change is not told.
pub(super) fn history(account: &Account, call: &Call, now: SystemTime) -> Result<Shape, Refusal> {
    let (world, region) = (&account.world, call.region.as_str());
    let asked = call.fields.texts("InstanceType");
    let in_zone = call.fields.text("AvailabilityZone");
    let products = call.fields.texts("ProductDescription");
    let product = PRODUCTS.into_iter().find(|product| products.is_empty() || products.contains(product));
    let mut told = Vec::new();
    for (kind, letter) in world.types.keys().flat_map(|kind| {
        world.regions.get(region).into_iter().flat_map(move |region| region.zones.iter().map(move |it| (kind, it)))
    }) {
        let (name, price) = (zone(region, letter), world.spot_price(region, kind, letter));
        let (Some(product), Some(price)) = (product, price) else { continue };
        let price = format!("{price:.6}");
        let attributes = [
            ("availability-zone", name.clone()),
            ("instance-type", kind.clone()),
            ("product-description", product.to_owned()),
            ("spot-price", price.clone()),
        ];
        let is_asked =
            (asked.is_empty() || asked.contains(&kind.as_str())) && in_zone.is_none_or(|wanted| wanted == name);
        if is_asked && Seen::new(None, attributes).passes(call)? {
            told.push(Shape::map([
                ("instanceType", kind.as_str().into()),
                ("productDescription", product.into()),
                ("spotPrice", price.into()),
                ("timestamp", Shape::Time(now.checked_sub(SINCE).unwrap_or(now))),
                ("availabilityZone", name.into()),
                ("availabilityZoneId", zone_id(region, letter).into()),
            ]));
        }
    }
    let (told, token) = page(numbered(told), call, PageBounds { fewest: 1, most: 1_000 }, world.page_size)?;
    Ok(Shape::map([("spotPriceHistorySet", Shape::List(told)), ("nextToken", token)]))
}

/// The ten best regions, or zones, in which at least one of the types is offered.
pub(super) fn scores(account: &Account, call: &Call) -> Result<Shape, Refusal> {
    let world = &account.world;
    call.fields.count("TargetCapacity")?.ok_or_else(|| Refusal::missing("TargetCapacity"))?;
    if call.fields["InstanceRequirementsWithMetadata"].is_object() {
        return Err(Refusal::unknown("InstanceRequirementsWithMetadata"));
    }
    let (kinds, names) = (call.fields.texts("InstanceType"), call.fields.texts("RegionName"));
    if let Some(unknown) = names.iter().find(|name| !world.regions.contains_key(**name)) {
        return Err(Refusal::value(format!("Invalid region names: [{unknown}]")));
    }
    let by_zone = call.fields.flag("SingleAvailabilityZone") == Some(true);
    let mut found: Vec<(u8, &str, Option<String>)> = Vec::new();
    for (name, region) in &world.regions {
        let is_asked = region.is_enabled() && (names.is_empty() || names.contains(&name.as_str()));
        let has_any = |letter: &&String| kinds.iter().any(|kind| world.spot_price(name, kind, letter).is_some());
        let zones = region.zones.iter().filter(|_| is_asked).filter(has_any);
        if by_zone {
            found.extend(zones.map(|letter| (region.score, name.as_str(), Some(zone_id(name, letter)))));
        } else if zones.count() > 0 {
            found.push((region.score, name, None));
        }
    }
    found.sort_by(|one, other| other.0.cmp(&one.0).then(one.1.cmp(other.1)));
    let told = found.into_iter().take(10).map(|(score, region, zone)| {
        Shape::map([("region", region.into()), ("availabilityZoneId", zone.into()), ("score", u64::from(score).into())])
    });
    let bounds = PageBounds { fewest: 10, most: 1_000 };
    let (told, token) = page(numbered(told), call, bounds, world.page_size)?;
    Ok(Shape::map([("spotPlacementScoreSet", Shape::List(told)), ("nextToken", token)]))
}
