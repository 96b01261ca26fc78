//! One call, out of a form or JSON and the header that says for which service and region it was signed.

use std::collections::BTreeMap;

use rehearsal_fake_aws::form::{self, Lists};
use serde_json::Value;

use crate::refusal::Refusal;
use crate::service::Service;

/// Tags of a thing, by key.
pub type Tags = BTreeMap<String, String>;

/// One call.
#[derive(Clone, Debug, PartialEq)]
pub struct Call {
    /// Whose action it is.
    pub service: Service,
    /// The region whose server it was meant for.
    pub region: String,
    /// The access key that signed it. The signature is not checked.
    pub access_key: String,
    /// What is asked, such as `CreateFleet`.
    pub action: String,
    /// With what. Numbers out of a form are texts.
    pub fields: Value,
}

impl Call {
    /// Reads a call out of the headers `Authorization` and `X-Amz-Target`, which goes with JSON, and the body.
    ///
    /// # Errors
    /// When it was not signed for a service that is played, or names no action.
    pub fn read(authorization: Option<&str>, target: Option<&str>, body: &[u8]) -> Result<Call, Refusal> {
        let (access_key, region, service) = authorization.and_then(scope).ok_or_else(|| {
            Refusal::new("AuthFailure", "AWS was not able to validate the provided access credentials")
        })?;
        let fields = match service {
            Service::Ec2 => form::read(body, Lists::Numbered),
            Service::Iam => form::read(body, Lists::Member),
            Service::ServiceQuotas => serde_json::from_slice(body).unwrap_or_default(),
        };
        let named = match service {
            Service::ServiceQuotas => target.and_then(|target| Some(target.split_once('.')?.1)),
            Service::Ec2 | Service::Iam => fields.text("Action"),
        };
        let missing = || Refusal::new(service.code("MissingParameter"), "the request names no action");
        let action = named.ok_or_else(missing)?.to_owned();
        Ok(Call { service, region, access_key, action, fields })
    }

    /// Whether it only asks whether it would be allowed.
    #[must_use]
    pub fn is_dry_run(&self) -> bool {
        self.fields.flag("DryRun") == Some(true)
    }

    /// The tags that the call gives to what it creates of one type, such as `instance`.
    pub(crate) fn tags_for(&self, resource: &str) -> Result<Tags, Refusal> {
        tags_for(&self.fields, resource)
    }
}

/// The access key, the region and the service of a signature: `Credential=KEY/DATE/REGION/ec2/aws4_request`.
fn scope(authorization: &str) -> Option<(String, String, Service)> {
    let (_, rest) = authorization.split_once("Credential=")?;
    let mut parts = rest.split(',').next()?.trim().split('/');
    let (key, _date, region, service) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    Some((key.to_owned(), region.to_owned(), Service::named(service)?))
}

/// Reads parts of a form, in which everything is a text.
pub(crate) trait Fields {
    fn text(&self, key: &str) -> Option<&str>;
    fn list(&self, key: &str) -> &[Value];

    fn texts(&self, key: &str) -> Vec<&str> {
        self.list(key).iter().filter_map(Value::as_str).collect()
    }

    fn flag(&self, key: &str) -> Option<bool> {
        self.text(key).map(|text| text.eq_ignore_ascii_case("true"))
    }

    /// Reads a number; what is none is refused.
    fn number(&self, key: &str) -> Result<Option<f64>, Refusal> {
        let Some(text) = self.text(key) else { return Ok(None) };
        let number: Option<f64> = text.parse().ok().filter(|number: &f64| number.is_finite());
        number.map(Some).ok_or_else(|| Refusal::value(format!("Invalid value '{text}' for {key}. It must be a number")))
    }

    /// Reads a number from 0 up; what is none is refused.
    fn count(&self, key: &str) -> Result<Option<usize>, Refusal> {
        let Some(text) = self.text(key) else { return Ok(None) };
        let refused = |_| Refusal::value(format!("Invalid value '{text}' for {key}. It must be a whole number"));
        text.parse().map(Some).map_err(refused)
    }
}

impl Fields for Value {
    fn text(&self, key: &str) -> Option<&str> {
        self[key].as_str()
    }

    fn list(&self, key: &str) -> &[Value] {
        self[key].as_array().map(Vec::as_slice).unwrap_or_default()
    }
}

/// The most tags that one thing can have.
const MOST_TAGS: usize = 50;

pub(crate) fn tags_for(fields: &Value, resource: &str) -> Result<Tags, Refusal> {
    let specifications = fields.list("TagSpecification").iter();
    let mut tags = Tags::new();
    for specification in specifications.filter(|specification| specification.text("ResourceType") == Some(resource)) {
        tags.extend(self::tags(specification)?);
    }
    Ok(tags)
}

/// The tags that stand in a part of a form.
pub(crate) fn tags(fields: &Value) -> Result<Tags, Refusal> {
    let mut tags = Tags::new();
    for tag in fields.list("Tag") {
        let key = tag.text("Key").ok_or_else(|| Refusal::missing("Tag.Key"))?;
        if key.starts_with("aws:") {
            let message = "Tag keys starting with 'aws:' are reserved for internal use";
            return Err(Refusal::value(message));
        }
        if tags.insert(key.to_owned(), tag.text("Value").unwrap_or_default().to_owned()).is_some() {
            return Err(Refusal::value(format!("Duplicate tag key '{key}' specified.")));
        }
    }
    if tags.len() > MOST_TAGS {
        return Err(Refusal::new("TagLimitExceeded", "The maximum number of Tags for a resource has been reached."));
    }
    Ok(tags)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIGNED: &str = "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20261122/eu-west-1/ec2/aws4_request, \
                          SignedHeaders=host, Signature=00";

    #[test]
    fn the_signature_says_which_service_and_region_are_meant() {
        let call = Call::read(Some(SIGNED), None, b"Action=DescribeVpcs&DryRun=true&VpcId.1=a&VpcId.2=b").unwrap();
        assert_eq!((&*call.region, &*call.access_key, &*call.action), ("eu-west-1", "AKIDEXAMPLE", "DescribeVpcs"));
        assert_eq!((call.is_dry_run(), call.fields.texts("VpcId")), (true, vec!["a", "b"]));
        for other in [None, Some("Bearer x"), Some("AWS4-HMAC-SHA256 Credential=A/20261122/eu-west-1/sqs/aws4_request")]
        {
            assert_eq!(Call::read(other, None, b"Action=DescribeVpcs").unwrap_err().code, "AuthFailure", "{other:?}");
        }
        assert_eq!(Call::read(Some(SIGNED), None, b"Version=1").unwrap_err().code, "MissingParameter");
        let signed = "AWS4-HMAC-SHA256 Credential=A/20261122/eu-west-1/servicequotas/aws4_request";
        let quota =
            Call::read(Some(signed), Some("ServiceQuotasV20190624.GetServiceQuota"), b"{\"QuotaCode\": \"L-1\"}");
        let quota = quota.unwrap();
        assert_eq!((quota.service, &*quota.action), (Service::ServiceQuotas, "GetServiceQuota"));
        assert_eq!(quota.fields.text("QuotaCode"), Some("L-1"));
        assert_eq!(Call::read(Some(signed), None, b"{").unwrap_err().code, "IllegalArgumentException");
    }

    #[test]
    fn tags_belong_to_types() {
        let body = b"Action=X&TagSpecification.1.ResourceType=fleet&TagSpecification.1.Tag.1.Key=a\
                     &TagSpecification.2.ResourceType=instance&TagSpecification.2.Tag.1.Key=b&TagSpecification.2.Tag.1.Value=c";
        let call = Call::read(Some(SIGNED), None, body).unwrap();
        assert_eq!(call.tags_for("instance").unwrap(), Tags::from([("b".into(), "c".into())]));
        assert_eq!(call.tags_for("fleet").unwrap(), Tags::from([("a".into(), String::new())]));
        let reserved = Call::read(Some(SIGNED), None, b"Action=X&Tag.1.Key=aws:x").unwrap();
        assert_eq!(tags(&reserved.fields).unwrap_err().code, "InvalidParameterValue");
    }
}
