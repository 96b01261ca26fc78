//! Writes answers as Amazon's clients expect them: XML to a form, JSON to JSON.

use std::time::UNIX_EPOCH;

use serde_json::{Map, Value};

use crate::call::{Call, Format, Service};
use crate::shape::Shape;
use crate::xml;

/// An answer on its way out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// The HTTP status.
    pub status: u16,
    /// What is in the body.
    pub content_type: &'static str,
    /// The body.
    pub body: String,
}

/// Tells calls apart in logs; nobody here needs more than that it is there.
const REQUEST_ID: &str = "00000000-0000-4000-8000-000000000000";

/// Writes what was asked for.
pub fn answer(call: &Call, answer: &Shape) -> Written {
    let body = match call.format {
        Format::Json => json(answer).to_string(),
        Format::Query => {
            let (operation, namespace) = (&call.operation, namespace(call.service));
            let mut body = format!("<{operation}Response xmlns=\"{namespace}\"><{operation}Result>");
            xml::write(answer, "member", &mut body);
            body + &format!(
                "</{operation}Result><ResponseMetadata><RequestId>{REQUEST_ID}</RequestId></ResponseMetadata></{operation}Response>"
            )
        }
    };
    Written { status: 200, content_type: content_type(call), body }
}

/// Writes that a call failed, with Amazon's code and words.
pub fn error(call: &Call, status: u16, code: &str, message: &str) -> Written {
    let body = match call.format {
        Format::Json => serde_json::json!({ "__type": code, "message": message }).to_string(),
        Format::Query => {
            let fault = if status < 500 { "Sender" } else { "Receiver" };
            let parts = [("Type", fault), ("Code", code), ("Message", message)];
            let mut body = format!("<ErrorResponse xmlns=\"{}\"><Error>", namespace(call.service));
            xml::write(&Shape::map(parts.map(|(name, text)| (name, text.into()))), "member", &mut body);
            body + &format!("</Error><RequestId>{REQUEST_ID}</RequestId></ErrorResponse>")
        }
    };
    Written { status, content_type: content_type(call), body }
}

fn content_type(call: &Call) -> &'static str {
    match (call.format, call.service) {
        (Format::Query, _) => "text/xml",
        (_, Service::Sqs | Service::CloudWatch) => "application/x-amz-json-1.0",
        _ => "application/x-amz-json-1.1",
    }
}

fn namespace(service: Service) -> &'static str {
    match service {
        Service::AutoScaling => "http://autoscaling.amazonaws.com/doc/2011-01-01/",
        _ => "http://monitoring.amazonaws.com/doc/2010-08-01/",
    }
}

/// Writes a shape as JSON, in which instants are seconds.
#[must_use]
pub fn json(shape: &Shape) -> Value {
    match shape {
        Shape::Nothing => Value::Null,
        Shape::Text(text) => text.as_str().into(),
        Shape::Whole(number) => (*number).into(),
        Shape::Number(number) => (*number).into(),
        Shape::Bool(yes) => (*yes).into(),
        Shape::Time(instant) => instant.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64().into(),
        Shape::List(parts) => parts.iter().map(json).collect(),
        Shape::Map(parts) => {
            let there = parts.iter().filter(|(_, part)| *part != Shape::Nothing);
            Value::Object(there.map(|(name, part)| (name.clone(), json(part))).collect::<Map<_, _>>())
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::json;

    use super::*;

    fn call(format: Format) -> Call {
        Call { service: Service::CloudWatch, operation: "Tell".into(), fields: Value::Null, format }
    }

    fn said() -> Shape {
        Shape::map([
            ("At", Shape::Time(UNIX_EPOCH + Duration::from_secs(75))),
            ("Names", Shape::list(["a<b", "c"])),
            ("Gone", Shape::Nothing),
            ("Size", 2_u64.into()),
        ])
    }

    #[test]
    fn forms_are_answered_in_xml() {
        let written = answer(&call(Format::Query), &said());
        let expected = "<TellResponse xmlns=\"http://monitoring.amazonaws.com/doc/2010-08-01/\"><TellResult>\
                        <At>1970-01-01T00:01:15Z</At><Names><member>a&lt;b</member><member>c</member></Names><Size>2</Size></TellResult>";
        assert!(written.body.starts_with(expected), "{}", written.body);
        let failed = error(&call(Format::Query), 400, "Throttling", "Rate exceeded");
        assert!(failed.body.contains("<Code>Throttling</Code><Message>Rate exceeded</Message>"), "{}", failed.body);
    }

    #[test]
    fn json_is_answered_in_json() {
        let written = answer(&call(Format::Json), &said());
        let body: Value = serde_json::from_str(&written.body).unwrap();
        assert_eq!(body, json!({ "At": 75.0, "Names": ["a<b", "c"], "Size": 2 }));
    }
}
