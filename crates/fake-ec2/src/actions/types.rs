//! Instance types, and where they are offered.

use rehearsal_fake_aws::Shape;

use crate::account::Account;
use crate::call::{Call, Fields};
use crate::geography::{zone, zone_id};
use crate::listing::{PAGES, PageBounds, Seen, numbered, page};
use crate::refusal::Refusal;
use crate::world::InstanceType;

/// The letters of the zones of a region that have a type.
fn offered<'a>(account: &'a Account, region: &'a str, kind: &'a str) -> impl Iterator<Item = &'a String> {
    let zones = account.world.regions.get(region).into_iter().flat_map(|region| &region.zones);
    zones.filter(move |letter| account.world.spot_price(region, kind, letter).is_some())
}

pub(super) fn types(account: &Account, call: &Call) -> Result<Shape, Refusal> {
    let asked = call.fields.texts("InstanceType");
    let is_here = |kind: &str| offered(account, &call.region, kind).next().is_some();
    let unknown: Vec<&str> = asked.iter().copied().filter(|kind| !is_here(kind)).collect();
    if !unknown.is_empty() {
        let message = format!("The following supplied instance types do not exist: [{}]", unknown.join(", "));
        return Err(Refusal::new("InvalidInstanceType", message));
    }
    let mut told = Vec::new();
    for (name, kind) in &account.world.types {
        let attributes = [
            ("bare-metal", "false".to_owned()),
            ("burstable-performance-supported", "false".into()),
            ("current-generation", "true".into()),
            ("instance-type", name.clone()),
            ("memory-info.size-in-mib", kind.memory.to_string()),
            ("processor-info.supported-architecture", kind.architecture.clone()),
            ("vcpu-info.default-vcpus", kind.vcpus.to_string()),
        ];
        let mut seen = Seen::new(None, attributes);
        seen.attributes.push(("supported-usage-class", ["on-demand", "spot"].map(String::from).into()));
        let is_asked = (asked.is_empty() || asked.contains(&name.as_str())) && is_here(name);
        if is_asked && seen.passes(call)? {
            told.push(shape(name, kind));
        }
    }
    let bounds = PageBounds { fewest: 5, most: 100 };
    let (told, token) = page(numbered(told), call, bounds, account.world.page_size)?;
    Ok(Shape::map([("instanceTypeSet", Shape::List(told)), ("nextToken", token)]))
}

fn shape(name: &str, kind: &InstanceType) -> Shape {
    let threads: u64 = if kind.architecture == "arm64" { 1 } else { 2 };
    let vcpus = u64::from(kind.vcpus);
    Shape::map([
        ("instanceType", name.into()),
        ("currentGeneration", true.into()),
        ("freeTierEligible", false.into()),
        ("supportedUsageClasses", Shape::list(["on-demand", "spot"])),
        ("supportedRootDeviceTypes", Shape::list(["ebs"])),
        ("supportedVirtualizationTypes", Shape::list(["hvm"])),
        ("bareMetal", false.into()),
        ("hypervisor", "nitro".into()),
        ("processorInfo", Shape::map([("supportedArchitectures", Shape::list([kind.architecture.as_str()]))])),
        (
            "vCpuInfo",
            Shape::map([
                ("defaultVCpus", vcpus.into()),
                ("defaultCores", (vcpus / threads).max(1).into()),
                ("defaultThreadsPerCore", threads.into()),
            ]),
        ),
        ("memoryInfo", Shape::map([("sizeInMiB", kind.memory.into())])),
        ("instanceStorageSupported", false.into()),
        ("hibernationSupported", false.into()),
        ("burstablePerformanceSupported", false.into()),
        ("dedicatedHostsSupported", true.into()),
        ("autoRecoverySupported", true.into()),
    ])
}

pub(super) fn offerings(account: &Account, call: &Call) -> Result<Shape, Refusal> {
    let (region, kinds) = (call.region.as_str(), &account.world.types);
    let by = call.fields.text("LocationType").unwrap_or("region");
    let mut told = Vec::new();
    for kind in kinds.keys() {
        let zones = offered(account, region, kind);
        let locations: Vec<String> = match by {
            "region" => zones.take(1).map(|_| region.to_owned()).collect(),
            "availability-zone" => zones.map(|letter| zone(region, letter)).collect(),
            "availability-zone-id" => zones.map(|letter| zone_id(region, letter)).collect(),
            other => return Err(Refusal::value(format!("Invalid location type '{other}'"))),
        };
        for location in locations {
            let attributes = [("instance-type", kind.clone()), ("location", location.clone())];
            if Seen::new(None, attributes).passes(call)? {
                told.push(Shape::map([
                    ("instanceType", kind.as_str().into()),
                    ("locationType", by.into()),
                    ("location", location.into()),
                ]));
            }
        }
    }
    let (told, token) = page(numbered(told), call, PAGES, account.world.page_size)?;
    Ok(Shape::map([("instanceTypeOfferingSet", Shape::List(told)), ("nextToken", token)]))
}
