//! Writes answers as EC2 does: XML of its own kind, in which lists have items and errors come in a list.

use rehearsal_fake_aws::{Shape, xml};

use crate::refusal::Refusal;

/// Tells calls apart in logs; nobody here needs more than that it is there.
const REQUEST_ID: &str = "00000000-0000-4000-8000-000000000000";

/// What stands above each answer. Some clients read the id here, and others in the body.
pub(crate) const HEADERS: [(&str, &str); 2] =
    [("content-type", "text/xml;charset=UTF-8"), ("x-amzn-requestid", REQUEST_ID)];

/// Writes what was asked for.
pub(crate) fn answer(action: &str, shape: &Shape) -> String {
    let mut body = format!("<{action}Response xmlns=\"http://ec2.amazonaws.com/doc/2016-11-15/\">");
    body += &format!("<requestId>{REQUEST_ID}</requestId>");
    xml::write(shape, "item", &mut body);
    body + &format!("</{action}Response>")
}

/// Writes why a call was refused.
pub(crate) fn refusal(refusal: &Refusal) -> String {
    let parts = [("Code", refusal.code.as_str().into()), ("Message", refusal.message.as_str().into())];
    let mut body = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Response><Errors><Error>".to_owned();
    xml::write(&Shape::map(parts), "item", &mut body);
    body + &format!("</Error></Errors><RequestID>{REQUEST_ID}</RequestID></Response>")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_and_refusals_are_written_as_ec2_does() {
        let told = answer("DescribeX", &Shape::map([("xSet", Shape::list(["a"]))]));
        let expected = "<DescribeXResponse xmlns=\"http://ec2.amazonaws.com/doc/2016-11-15/\"><requestId>00000000-0000-4000-8000-000000000000</requestId><xSet><item>a</item></xSet></DescribeXResponse>";
        assert_eq!(told, expected);
        let refused = refusal(&Refusal::new("InvalidGroup.NotFound", "no <group>"));
        let expected =
            "<Errors><Error><Code>InvalidGroup.NotFound</Code><Message>no &lt;group&gt;</Message></Error></Errors>";
        assert!(refused.contains(expected), "{refused}");
    }
}
