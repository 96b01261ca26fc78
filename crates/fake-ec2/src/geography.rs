//! What regions have without anybody making it: zones, default networks, images. Their ids come from their names, so
//! they are the same in every world.

use rehearsal_fake_aws::Shape;

use crate::refusal::Refusal;
use crate::world::World;

/// A subnet and where it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SubnetPlace {
    pub id: String,
    pub vpc: String,
    /// The letter of its zone.
    pub letter: String,
    pub is_default: bool,
}

/// An image that everybody can start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Image {
    pub id: String,
    pub name: String,
    pub architecture: &'static str,
}

pub(crate) const ARCHITECTURES: [&str; 2] = ["arm64", "x86_64"];

/// The name of a zone.
pub(crate) fn zone(region: &str, letter: &str) -> String {
    format!("{region}{letter}")
}

/// The id of a zone, such as `euc1-az2`. Amazon shuffles the letters for each account; here `a` is always 1.
pub(crate) fn zone_id(region: &str, letter: &str) -> String {
    let mut parts = region.split('-');
    let (area, side, number) = (parts.next(), parts.next(), parts.next());
    let side: String = ["north", "south", "central", "east", "west"]
        .iter()
        .filter(|name| side.is_some_and(|side| side.contains(**name)))
        .filter_map(|name| name.chars().next())
        .collect();
    let place = letter.bytes().next().map_or(0, |byte| u32::from(byte.saturating_sub(b'a')) + 1);
    format!("{}{side}{}-az{place}", area.unwrap_or_default(), number.unwrap_or_default())
}

/// An id that is the same for the same names: FNV-1a, whose constants these are.
pub(crate) fn fixed_id(kind: &str, names: &[&str]) -> String {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for byte in names.iter().flat_map(|name| name.bytes().chain([0])).chain(kind.bytes()) {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    }
    format!("{kind}-0{hash:016x}")
}

pub(crate) fn default_vpc(world: &World, region: &str) -> Option<String> {
    let has_one = world.regions.get(region).is_some_and(|region| region.default_vpc);
    has_one.then(|| fixed_id("vpc", &[region]))
}

/// All VPCs of a region, the default one first.
pub(crate) fn vpcs(world: &World, region: &str) -> Vec<String> {
    let mut all: Vec<String> = default_vpc(world, region).into_iter().collect();
    for subnet in world.regions.get(region).into_iter().flat_map(|region| region.subnets.values()) {
        if !all.contains(&subnet.vpc) {
            all.push(subnet.vpc.clone());
        }
    }
    all
}

/// All subnets of a region, the default ones first.
pub(crate) fn subnets(world: &World, region: &str) -> Vec<SubnetPlace> {
    let Some(place) = world.regions.get(region) else { return Vec::new() };
    let defaults = default_vpc(world, region).into_iter().flat_map(|vpc| {
        place.zones.iter().map(move |letter| SubnetPlace {
            id: fixed_id("subnet", &[region, letter]),
            vpc: vpc.clone(),
            letter: letter.clone(),
            is_default: true,
        })
    });
    let own = place.subnets.iter().map(|(id, subnet)| SubnetPlace {
        id: id.clone(),
        vpc: subnet.vpc.clone(),
        letter: subnet.zone.clone(),
        is_default: false,
    });
    defaults.chain(own).collect()
}

/// The id of the group that every VPC has.
pub(crate) fn default_group(vpc: &str) -> String {
    fixed_id("sg", &[vpc])
}

pub(crate) fn images(region: &str) -> Vec<Image> {
    let image = |architecture| Image {
        id: fixed_id("ami", &[region, architecture]),
        name: format!("al2023-ami-2023.9.20251105.0-kernel-6.1-{architecture}"),
        architecture,
    };
    ARCHITECTURES.map(image).into()
}

/// Where the newest images are told of.
const PARAMETERS: &str = "/aws/service/ami-amazon-linux-latest/";

/// Finds an image by its id, or by `resolve:ssm:` and the name of a public parameter.
pub(crate) fn image(region: &str, wanted: &str) -> Result<Image, Refusal> {
    let mut all = images(region).into_iter();
    let found = match wanted.strip_prefix("resolve:ssm:") {
        Some(parameter) if parameter.starts_with(PARAMETERS) => {
            all.find(|image| parameter.ends_with(image.architecture))
        }
        Some(_) => None,
        None => all.find(|image| image.id == wanted),
    };
    found.ok_or_else(|| Refusal::new("InvalidAMIID.NotFound", format!("The image id '[{wanted}]' does not exist")))
}

impl Image {
    pub(crate) fn shape(&self) -> Shape {
        Shape::map([
            ("imageId", self.id.as_str().into()),
            ("imageLocation", format!("amazon/{}", self.name).into()),
            ("imageState", "available".into()),
            ("imageOwnerId", "137112412989".into()), // Amazon Linux's own
            ("creationDate", "2025-11-05T00:00:00.000Z".into()),
            ("isPublic", true.into()),
            ("architecture", self.architecture.into()),
            ("imageType", "machine".into()),
            ("imageOwnerAlias", "amazon".into()),
            ("name", self.name.as_str().into()),
            ("rootDeviceType", "ebs".into()),
            ("rootDeviceName", "/dev/xvda".into()),
            ("virtualizationType", "hvm".into()),
            ("hypervisor", "xen".into()),
            ("enaSupport", true.into()),
            ("platformDetails", "Linux/UNIX".into()),
            ("imdsSupport", "v2.0".into()),
        ])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zones_have_ids() {
        for (region, letter, expected) in [
            ("us-east-1", "a", "use1-az1"),
            ("ap-northeast-1", "c", "apne1-az3"),
            ("eu-central-1", "b", "euc1-az2"),
            ("ap-southeast-2", "a", "apse2-az1"),
            ("sa-east-1", "a", "sae1-az1"),
        ] {
            assert_eq!(zone_id(region, letter), expected);
        }
    }

    #[test]
    fn images_are_found_by_parameters() {
        let resolved =
            image("eu-west-1", "resolve:ssm:/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-arm64");
        let resolved = resolved.unwrap();
        assert_eq!(resolved.architecture, "arm64");
        assert_eq!(image("eu-west-1", &resolved.id).unwrap(), resolved);
        for unknown in ["ami-0", "resolve:ssm:/my/image-arm64", &images("us-east-1")[0].id] {
            assert_eq!(image("eu-west-1", unknown).unwrap_err().code, "InvalidAMIID.NotFound", "{unknown}");
        }
    }

    #[test]
    fn ids_differ_by_all_names() {
        let ids = [&["a", "b"][..], &["ab"], &["a"], &["b", "a"]].map(|names| fixed_id("vpc", names));
        assert_eq!(ids.iter().collect::<std::collections::BTreeSet<_>>().len(), ids.len());
        assert_eq!(ids[0].len(), "vpc-".len() + 17);
    }
}
