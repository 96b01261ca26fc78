//! The instance types of a world that names none: what fleets of load agents are made of.

use std::collections::BTreeMap;

use crate::world::InstanceType;

/// Families with their architecture, GiB for each virtual processor, and a spot price per virtual processor and hour:
/// on-demand prices of us-east-1 in July 2026 less the savings of the spot advisor in June 2025.
const FAMILIES: [(&str, &str, u64, f64); 8] = [
    ("c6a", "x86_64", 2, 0.0157),
    ("c6g", "arm64", 2, 0.0133),
    ("c6i", "x86_64", 2, 0.0170),
    ("c7a", "x86_64", 2, 0.0216),
    ("c7g", "arm64", 2, 0.0138),
    ("c7i", "x86_64", 2, 0.0174),
    ("c8g", "arm64", 2, 0.0136),
    ("m7g", "arm64", 4, 0.0155),
];

const SIZES: [(&str, u32); 3] = [("large", 2), ("xlarge", 4), ("2xlarge", 8)];

pub(crate) fn types() -> BTreeMap<String, InstanceType> {
    let all = FAMILIES.iter().flat_map(|family| SIZES.iter().map(move |size| (family, size)));
    let made = all.map(|((family, architecture, gib, price), (size, vcpus))| {
        let kind = InstanceType {
            vcpus: *vcpus,
            memory: gib * 1024 * u64::from(*vcpus),
            architecture: (*architecture).into(),
            spot: price * f64::from(*vcpus),
        };
        (format!("{family}.{size}"), kind)
    });
    made.collect()
}
