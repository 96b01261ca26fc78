//! Writes answers as each service does. EC2 has XML of its own kind, in which lists have items and errors come in a list.

use rehearsal_fake_aws::{Shape, json, xml};

use crate::refusal::Refusal;
use crate::service::Service;

/// Tells calls apart in logs; nobody here needs more than that it is there.
const REQUEST_ID: &str = "00000000-0000-4000-8000-000000000000";

/// What IAM's answers are written in.
const IAM: &str = "https://iam.amazonaws.com/doc/2010-05-08/";

/// What stands above each answer. Some clients read the id here, and others in the body.
pub(crate) fn headers(service: Service) -> [(&'static str, &'static str); 2] {
    let kind = match service {
        Service::Ec2 | Service::Iam => "text/xml;charset=UTF-8",
        Service::ServiceQuotas => "application/x-amz-json-1.1",
    };
    [("content-type", kind), ("x-amzn-requestid", REQUEST_ID)]
}

/// Writes what was asked for.
pub(crate) fn answer(service: Service, action: &str, shape: &Shape) -> String {
    match service {
        Service::Ec2 => {
            let mut body = format!("<{action}Response xmlns=\"http://ec2.amazonaws.com/doc/2016-11-15/\">");
            body += &format!("<requestId>{REQUEST_ID}</requestId>");
            xml::write(shape, "item", &mut body);
            body + &format!("</{action}Response>")
        }
        Service::Iam => {
            let mut body = format!("<{action}Response xmlns=\"{IAM}\"><{action}Result>");
            xml::write(shape, "member", &mut body);
            let rest = format!("<ResponseMetadata><RequestId>{REQUEST_ID}</RequestId></ResponseMetadata>");
            body + &format!("</{action}Result>{rest}</{action}Response>")
        }
        Service::ServiceQuotas => json(shape).to_string(),
    }
}

/// Writes why a call was refused.
pub(crate) fn refusal(service: Service, refusal: &Refusal) -> String {
    let Refusal { code, message, status } = refusal;
    let parts = Shape::map([("Code", code.as_str().into()), ("Message", message.as_str().into())]);
    match service {
        Service::Ec2 => {
            let mut body = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Response><Errors><Error>".to_owned();
            xml::write(&parts, "item", &mut body);
            body + &format!("</Error></Errors><RequestID>{REQUEST_ID}</RequestID></Response>")
        }
        Service::Iam => {
            let fault = if *status < 500 { "Sender" } else { "Receiver" };
            let mut body = format!("<ErrorResponse xmlns=\"{IAM}\"><Error><Type>{fault}</Type>");
            xml::write(&parts, "member", &mut body);
            body + &format!("</Error><RequestId>{REQUEST_ID}</RequestId></ErrorResponse>")
        }
        Service::ServiceQuotas => serde_json::json!({ "__type": code, "message": message }).to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_and_refusals_are_written_as_ec2_does() {
        let told = answer(Service::Ec2, "DescribeX", &Shape::map([("xSet", Shape::list(["a"]))]));
        let expected = "<DescribeXResponse xmlns=\"http://ec2.amazonaws.com/doc/2016-11-15/\"><requestId>00000000-0000-4000-8000-000000000000</requestId><xSet><item>a</item></xSet></DescribeXResponse>";
        assert_eq!(told, expected);
        let refused = refusal(Service::Ec2, &Refusal::new("InvalidGroup.NotFound", "no <group>"));
        let expected =
            "<Errors><Error><Code>InvalidGroup.NotFound</Code><Message>no &lt;group&gt;</Message></Error></Errors>";
        assert!(refused.contains(expected), "{refused}");
    }

    #[test]
    fn the_others_have_their_own_ways() {
        let shape = Shape::map([("Value", 5.0.into())]);
        assert_eq!(answer(Service::ServiceQuotas, "GetX", &shape), "{\"Value\":5.0}");
        let told = answer(Service::Iam, "GetX", &shape);
        assert!(told.contains("<GetXResult><Value>5</Value></GetXResult><ResponseMetadata>"), "{told}");
        let refused = Refusal::new("NoSuchEntity", "no role");
        assert_eq!(refusal(Service::ServiceQuotas, &refused), "{\"__type\":\"NoSuchEntity\",\"message\":\"no role\"}");
        let told = refusal(Service::Iam, &refused);
        assert!(told.contains("<Type>Sender</Type><Code>NoSuchEntity</Code><Message>no role</Message>"), "{told}");
    }
}
