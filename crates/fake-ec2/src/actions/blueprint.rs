//! What an instance is to be like: the same fields in a launch template, in an override of it, and in `RunInstances`.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::Value;

use crate::account::Account;
use crate::actions::groups;
use crate::call::{Fields, Tags, tags_for};
use crate::geography::{self, SubnetPlace};
use crate::instance::OnShutdown;
use crate::refusal::Refusal;
use crate::world::World;

/// The longest user data, before it is encoded, in bytes.
const MOST_USER_DATA: usize = 16_384;

/// What is said about an instance; what is not said is up to somebody else.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Blueprint {
    pub kind: Option<String>,
    pub image: Option<String>,
    pub user_data: Option<Vec<u8>>,
    pub on_shutdown: Option<OnShutdown>,
    pub groups: Vec<String>,
    pub subnet: Option<String>,
    /// The name of a zone.
    pub zone: Option<String>,
    pub is_spot: bool,
    pub tags: Tags,
}

impl Blueprint {
    /// Reads what is said in a part of a form.
    pub(super) fn read(fields: &Value) -> Result<Blueprint, Refusal> {
        let interface = fields.list("NetworkInterface").first().unwrap_or(&Value::Null);
        let groups = [fields, interface].map(|place| place.texts("SecurityGroupId")).concat();
        let owned = |text: &str| text.to_owned();
        let on_shutdown = match fields.text("InstanceInitiatedShutdownBehavior") {
            None => None,
            Some("stop") => Some(OnShutdown::Stop),
            Some("terminate") => Some(OnShutdown::Terminate),
            Some(other) => return Err(Refusal::value(format!("Invalid value '{other}' for shutdown behavior"))),
        };
        if fields["InstanceRequirements"].is_object() {
            return Err(Refusal::unknown("InstanceRequirements"));
        }
        let zone = fields["Placement"].text("AvailabilityZone").or_else(|| fields.text("AvailabilityZone"));
        Ok(Blueprint {
            kind: fields.text("InstanceType").map(owned),
            image: fields.text("ImageId").map(owned),
            user_data: fields.text("UserData").map(user_data).transpose()?,
            on_shutdown,
            groups: groups.into_iter().map(owned).collect(),
            subnet: fields.text("SubnetId").or_else(|| interface.text("SubnetId")).map(owned),
            zone: zone.map(owned),
            is_spot: fields["InstanceMarketOptions"].text("MarketType") == Some("spot"),
            tags: tags_for(fields, "instance")?,
        })
    }

    /// Gives what is said here, and elsewhere what is not said here.
    pub(super) fn over(self, base: Blueprint) -> Blueprint {
        let mut tags = base.tags;
        tags.extend(self.tags);
        // A place is said in one piece: a subnet here must not meet a zone from there.
        let says_place = self.subnet.is_some() || self.zone.is_some();
        let (subnet, zone) = if says_place { (self.subnet, self.zone) } else { (base.subnet, base.zone) };
        Blueprint {
            kind: self.kind.or(base.kind),
            image: self.image.or(base.image),
            user_data: self.user_data.or(base.user_data),
            on_shutdown: self.on_shutdown.or(base.on_shutdown),
            groups: if self.groups.is_empty() { base.groups } else { self.groups },
            subnet,
            zone,
            is_spot: self.is_spot || base.is_spot,
            tags,
        }
    }

    /// The subnets that it may be started in: the one that it names, or default ones.
    pub(super) fn subnets(&self, world: &World, region: &str) -> Result<Vec<SubnetPlace>, Refusal> {
        let all = geography::subnets(world, region);
        if let Some(wanted) = &self.subnet {
            let found = all.into_iter().find(|subnet| subnet.id == *wanted);
            return found.map(|subnet| vec![subnet]).ok_or_else(|| {
                Refusal::new("InvalidSubnetID.NotFound", format!("The subnet ID '{wanted}' does not exist"))
            });
        }
        if geography::default_vpc(world, region).is_none() {
            return Err(groups::no_default_vpc());
        }
        let is_wanted = |subnet: &SubnetPlace| {
            let zone = geography::zone(region, &subnet.letter);
            subnet.is_default && self.zone.as_ref().is_none_or(|wanted| *wanted == zone)
        };
        let found: Vec<SubnetPlace> = all.into_iter().filter(is_wanted).collect();
        if found.is_empty() {
            let zone = self.zone.as_deref().unwrap_or_default();
            return Err(Refusal::value(format!("Invalid availability zone: [{zone}]")));
        }
        Ok(found)
    }

    /// Checks what it is made of against a place, and gives the image's id and the groups with their names.
    pub(super) fn parts(
        &self,
        account: &Account,
        region: &str,
        vpc: &str,
    ) -> Result<(String, Vec<(String, String)>), Refusal> {
        let kind = self.kind.as_deref().ok_or_else(|| Refusal::missing("InstanceType"))?;
        let wanted = self.image.as_deref().ok_or_else(|| Refusal::missing("ImageId"))?;
        let image = geography::image(region, wanted)?;
        let architecture = account.world.types.get(kind).map_or("", |kind| kind.architecture.as_str());
        if image.architecture != architecture {
            return Err(Refusal::value(format!(
                "The architecture '{architecture}' of the specified instance type does not match the architecture \
                 '{}' of the specified AMI.",
                image.architecture
            )));
        }
        let known = groups::all(account, region);
        let default = geography::default_group(vpc);
        let wanted = if self.groups.is_empty() { std::slice::from_ref(&default) } else { self.groups.as_slice() };
        let mut named = Vec::new();
        for id in wanted {
            let group = known.iter().find(|group| group.id == *id).ok_or_else(|| groups::not_found(id))?;
            if group.vpc != vpc {
                let message = format!("Security group {id} and VPC {vpc} belong to different networks.");
                return Err(Refusal::new("InvalidParameter", message));
            }
            named.push((group.id.clone(), group.name.clone()));
        }
        Ok((image.id, named))
    }
}

/// Decodes user data.
pub(super) fn user_data(text: &str) -> Result<Vec<u8>, Refusal> {
    let decoded = BASE64_STANDARD
        .decode(text)
        .map_err(|_| Refusal::new("InvalidUserData.Malformed", "Invalid BASE64 encoding of user data."))?;
    if decoded.len() > MOST_USER_DATA {
        let message = format!("User data is limited to {MOST_USER_DATA} bytes");
        return Err(Refusal::value(message));
    }
    Ok(decoded)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_said_later_wins_and_places_are_not_mixed() {
        let base = json!({
            "ImageId": "ami-1", "InstanceType": "c7g.large", "SubnetId": "subnet-1", "UserData": "YQ==",
            "NetworkInterface": [{ "SecurityGroupId": ["sg-1"] }],
            "TagSpecification": [{ "ResourceType": "instance", "Tag": [{ "Key": "a", "Value": "1" }] }],
        });
        let later = json!({ "InstanceType": "c6g.large", "AvailabilityZone": "eu-west-1a" });
        let both = Blueprint::read(&later).unwrap().over(Blueprint::read(&base).unwrap());
        let expected = Blueprint {
            kind: Some("c6g.large".into()),
            image: Some("ami-1".into()),
            user_data: Some(b"a".to_vec()),
            groups: vec!["sg-1".into()],
            zone: Some("eu-west-1a".into()),
            tags: Tags::from([("a".into(), "1".into())]),
            ..Blueprint::default()
        };
        assert_eq!(both, expected);
    }

    #[test]
    fn user_data_is_limited() {
        assert_eq!(user_data("not base64!").unwrap_err().code, "InvalidUserData.Malformed");
        assert!(user_data(&BASE64_STANDARD.encode(vec![b'x'; MOST_USER_DATA])).is_ok());
        assert!(user_data(&BASE64_STANDARD.encode(vec![b'x'; MOST_USER_DATA + 1])).is_err());
    }
}
