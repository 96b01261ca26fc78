//! The machines that agents may run on: an explicit list, because what is offered, priced and ranked must be the same
//! list, and because a list can be read.

use std::collections::BTreeSet;

/// What a processor understands, which decides which build of the agent runs on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Arch {
    /// Intel and AMD.
    X86_64,
    /// Graviton.
    Aarch64,
}

impl Arch {
    /// As `uname -m` says it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Arch::X86_64 => "x86_64",
            Arch::Aarch64 => "aarch64",
        }
    }
}

/// An instance type.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Machine {
    /// As Amazon calls it, such as `c7g.large`.
    pub name: String,
    /// Its virtual CPUs: what quotas count, and its weight in a request.
    pub vcpus: u32,
    /// Its processors' kind.
    pub arch: Arch,
}

/// Families with dedicated processors; those that save up credits (`t3`) would measure their own throttling. The Graviton
/// ones are the cheapest per vCPU and the least often taken back.
const FAMILIES: [(Arch, &[&str]); 2] = [
    (Arch::Aarch64, &["c6g", "c7g", "c8g", "m6g", "m7g", "m8g"]),
    (Arch::X86_64, &["c5", "c6a", "c6i", "c7a", "c7i", "m5", "m6a", "m6i", "m7a", "m7i"]),
];

/// Sizes by their virtual CPUs, the same in all of these families.
const SIZES: [(u32, &str); 4] = [(2, "large"), (4, "xlarge"), (8, "2xlarge"), (16, "4xlarge")];

/// The numbers of virtual CPUs that an agent may have.
#[must_use]
pub fn sizes() -> Vec<u32> {
    SIZES.iter().map(|(vcpus, _)| *vcpus).collect()
}

/// Lists the machines of one size.
///
/// Of one, because users are dealt to agents in equal shares: the smallest agent would limit all.
#[must_use]
pub fn of_size(vcpus: u32, arches: &BTreeSet<Arch>) -> Vec<Machine> {
    let Some((_, size)) = SIZES.iter().find(|(of, _)| *of == vcpus) else { return Vec::new() };
    let families = FAMILIES.iter().filter(|(arch, _)| arches.contains(arch));
    let names = families.flat_map(|(arch, families)| families.iter().map(move |family| (*arch, *family)));
    names.map(|(arch, family)| Machine { name: format!("{family}.{size}"), vcpus, arch }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_enough_machines_of_each_size_for_a_flexible_request() {
        for vcpus in sizes() {
            for arch in [Arch::X86_64, Arch::Aarch64] {
                let machines = of_size(vcpus, &BTreeSet::from([arch]));
                assert!(machines.len() >= 5, "fewer than 5 types are soon exhausted: {machines:?}");
                assert!(machines.iter().all(|machine| machine.vcpus == vcpus && machine.arch == arch));
            }
        }
        assert!(of_size(3, &BTreeSet::from([Arch::X86_64])).is_empty());
        assert!(of_size(2, &BTreeSet::new()).is_empty());
    }
}
