//! What in a world makes no sense, all of it at once.

use crate::world::World;

const OPT_INS: [&str; 3] = ["opt-in-not-required", "opted-in", "not-opted-in"];

pub(crate) fn find(world: &World) -> Vec<String> {
    let mut found = Vec::new();
    if world.regions.is_empty() {
        found.push("regions: there is none".into());
    }
    for (place, seconds) in [
        ("forget", world.forget),
        ("lag.describe", world.lag.describe),
        ("lag.ids", world.lag.ids),
        ("machines.boot", world.machines.boot),
        ("machines.grace", world.machines.grace),
        ("machines.minute", world.machines.minute),
    ] {
        if !is_time(seconds) {
            found.push(format!("{place}: {seconds} is no number of seconds"));
        }
    }
    for name in world.machines.commands.keys().filter(|name| name.is_empty() || name.contains('/')) {
        found.push(format!("machines.commands: `{name}` is no name of a command"));
    }
    for (name, kind) in &world.types {
        if kind.vcpus == 0 || !is_price(kind.spot) {
            found.push(format!("types.{name}: needs vcpus and a price"));
        }
    }
    for (action, throttle) in &world.throttle {
        if throttle.burst < 1.0 || !is_time(throttle.per_second) {
            found.push(format!("throttle.{action}: lets nothing in"));
        }
    }
    faults(world, &mut found);
    regions(world, &mut found);
    found
}

fn faults(world: &World, found: &mut Vec<String>) {
    for (i, fault) in world.faults.iter().enumerate() {
        if fault.code.is_none() && fault.delay == 0.0 && !fault.silent {
            found.push(format!("faults.{i}: needs a code or a delay, or to be silent"));
        }
        if !(0.0..=1.0).contains(&fault.probability) || !is_time(fault.delay) {
            found.push(format!("faults.{i}: its probability is from 0 to 1, its delay in seconds"));
        }
    }
}

fn regions(world: &World, found: &mut Vec<String>) {
    for (name, region) in &world.regions {
        let mut wrong = |what: String| found.push(format!("regions.{name}.{what}"));
        if !OPT_INS.contains(&region.opt_in.as_str()) {
            wrong(format!("opt_in: `{}` is none of {}", region.opt_in, OPT_INS.join(", ")));
        }
        if region.zones.is_empty() {
            wrong("zones: there is none".into());
        }
        if !is_price(region.price) {
            wrong(format!("price: {} multiplies no price", region.price));
        }
        if !(1..=10).contains(&region.score) {
            wrong(format!("score: {} is not from 1 to 10", region.score));
        }
        for (id, subnet) in region.subnets.iter().filter(|(_, subnet)| !region.zones.contains(&subnet.zone)) {
            wrong(format!("subnets.{id}: there is no zone `{}`", subnet.zone));
        }
        for (kind, zones) in &region.pools {
            if !world.types.contains_key(kind) {
                wrong(format!("pools.{kind}: there is no such type"));
            }
            for (zone, pool) in zones {
                if !region.zones.contains(zone) {
                    wrong(format!("pools.{kind}.{zone}: there is no such zone"));
                }
                if pool.price.is_some_and(|price| !is_price(price)) {
                    wrong(format!("pools.{kind}.{zone}: its price is none"));
                }
            }
        }
    }
}

/// Whether something can be waited for, or happen in a second.
fn is_time(seconds: f64) -> bool {
    (0.0..=1e9).contains(&seconds)
}

fn is_price(dollars: f64) -> bool {
    dollars > 0.0 && dollars.is_finite()
}

#[cfg(test)]
mod tests {
    use crate::world::World;

    #[test]
    fn all_mistakes_are_told_at_once() {
        let text = "forget = -1.0\nfaults = [{ action = \"CreateFleet\" }]\n[regions.mars-1]\nopt_in = \"perhaps\"\n\
                    score = 0\nprice = 0.0\n[regions.mars-1.pools.\"x.y\"]\nq = {}";
        let told = World::parse(text).unwrap_err().to_string();
        let expected = [
            "forget: -1 is no number of seconds",
            "faults.0: needs a code or a delay, or to be silent",
            "regions.mars-1.opt_in: `perhaps` is none of opt-in-not-required, opted-in, not-opted-in",
            "regions.mars-1.price: 0 multiplies no price",
            "regions.mars-1.score: 0 is not from 1 to 10",
            "regions.mars-1.pools.x.y: there is no such type",
            "regions.mars-1.pools.x.y.q: there is no such zone",
        ];
        assert_eq!(told, expected.join("; "));
    }
}
