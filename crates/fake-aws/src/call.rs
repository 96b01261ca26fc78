//! One call, out of either of the two ways in which Amazon's clients write them.
//!
//! Auto Scaling takes forms, in which `Names.member.2=b` is the second of a list; ECS, SQS and Application Auto
//! Scaling take JSON with the operation in a header; CloudWatch takes both, depending on the client's age.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::Value;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::form::{self, Lists};

/// How a call was written, and its answer has to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// A form, answered in XML.
    Query,
    /// JSON.
    Json,
}

/// Whose operation it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Service {
    /// EC2 Auto Scaling.
    AutoScaling,
    /// Application Auto Scaling.
    ApplicationAutoScaling,
    /// CloudWatch.
    CloudWatch,
    /// ECS.
    Ecs,
    /// SQS.
    Sqs,
}

/// The services by what their clients send: the version in a form, the first part of the header with JSON.
const SERVICES: [(&str, Service); 6] = [
    ("2011-01-01", Service::AutoScaling),
    ("2010-08-01", Service::CloudWatch),
    ("GraniteServiceVersion20100801", Service::CloudWatch),
    ("AmazonEC2ContainerServiceV20141113", Service::Ecs),
    ("AnyScaleFrontendService", Service::ApplicationAutoScaling),
    ("AmazonSQS", Service::Sqs),
];

/// One call.
#[derive(Clone, Debug, PartialEq)]
pub struct Call {
    /// Whose operation it is.
    pub service: Service,
    /// What is asked, such as `DescribeServices`.
    pub operation: String,
    /// With what. Numbers out of a form are texts.
    pub fields: Value,
    /// How it was written.
    pub format: Format,
}

impl Call {
    /// Reads a call out of the header `X-Amz-Target`, if there was one, and the body; `None` if it is no call.
    #[must_use]
    pub fn read(target: Option<&str>, body: &[u8]) -> Option<Call> {
        match target {
            Some(target) => {
                let (service, operation) = target.split_once('.')?;
                let fields = if body.is_empty() { Value::Null } else { serde_json::from_slice(body).ok()? };
                Some(Call { service: named(service)?, operation: operation.into(), fields, format: Format::Json })
            }
            None => {
                let fields = form::read(body, Lists::Member);
                let (service, operation) = (named(fields["Version"].as_str()?)?, fields["Action"].as_str()?.into());
                Some(Call { service, operation, fields, format: Format::Query })
            }
        }
    }

    /// Gives a text.
    #[must_use]
    pub fn text(&self, key: &str) -> Option<&str> {
        self.fields[key].as_str()
    }

    /// Gives a list of texts, empty if there is none.
    #[must_use]
    pub fn texts(&self, key: &str) -> Vec<&str> {
        self.list(key).iter().filter_map(Value::as_str).collect()
    }

    /// Gives a list, empty if there is none.
    #[must_use]
    pub fn list(&self, key: &str) -> &[Value] {
        self.fields[key].as_array().map(Vec::as_slice).unwrap_or_default()
    }

    /// Gives a whole number.
    #[must_use]
    pub fn whole(&self, key: &str) -> Option<usize> {
        number(&self.fields[key]).map(|number| number as usize)
    }

    /// Gives whether something is asked for; `None` if nothing is said of it.
    #[must_use]
    pub fn flag(&self, key: &str) -> Option<bool> {
        self.fields[key].as_bool().or_else(|| self.text(key).map(|text| text == "true"))
    }

    /// Gives an instant.
    #[must_use]
    pub fn instant(&self, key: &str) -> Option<SystemTime> {
        instant(&self.fields[key])
    }
}

/// Reads a number, which a form has as a text.
pub(crate) fn number(value: &Value) -> Option<f64> {
    value.as_f64().or_else(|| value.as_str()?.parse().ok())
}

/// Reads an instant: seconds since 1970 in JSON, a date and time in a form.
pub(crate) fn instant(value: &Value) -> Option<SystemTime> {
    let since_1970 = |seconds: f64| UNIX_EPOCH.checked_add(Duration::try_from_secs_f64(seconds).ok()?);
    match value.as_str() {
        Some(text) => OffsetDateTime::parse(text, &Rfc3339).ok().map(SystemTime::from),
        None => value.as_f64().and_then(since_1970),
    }
}

fn named(service: &str) -> Option<Service> {
    SERVICES.iter().find(|(name, _)| *name == service).map(|(_, service)| *service)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn forms_have_lists_in_them() {
        let body = b"Action=DescribeX&Version=2011-01-01&Names.member.2=b&Names.member.1=a%20c\
                     &Filters.member.1.Name=n&Filters.member.1.Values.member.1=v&Max=5";
        let call = Call::read(None, body).unwrap();
        assert_eq!((call.service, &*call.operation), (Service::AutoScaling, "DescribeX"));
        assert_eq!(call.texts("Names"), ["a c", "b"]);
        assert_eq!(call.list("Filters"), [json!({ "Name": "n", "Values": ["v"] })]);
        assert_eq!(call.whole("Max"), Some(5));
    }

    #[test]
    fn json_has_its_operation_in_a_header() {
        let call = Call::read(Some("AmazonSQS.GetQueueAttributes"), b"{\"QueueUrl\": \"x\"}").unwrap();
        assert_eq!((call.service, call.text("QueueUrl")), (Service::Sqs, Some("x")));
        assert_eq!(Call::read(Some("Other.Do"), b"{}"), None);
        assert_eq!(Call::read(Some("AmazonSQS.Do"), b"{"), None);
        assert_eq!(Call::read(None, b"a.member.1=x&a=y&a.member.2=z"), None);
    }

    #[test]
    fn instants_come_in_two_ways() {
        let wanted = Some(UNIX_EPOCH + Duration::from_millis(75_500));
        assert_eq!(instant(&json!("1970-01-01T00:01:15.5Z")), wanted);
        assert_eq!(instant(&json!(75.5)), wanted);
        assert_eq!(instant(&json!("soon")), None);
    }
}
