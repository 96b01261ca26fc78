//! SQS: how many messages a queue has.

use crate::call::Call;
use crate::replay::{ACCOUNT, Answer, Moment, REGION, failed};
use crate::shape::Shape;

pub(crate) fn answer(moment: Moment<'_>, call: &Call) -> Option<Answer> {
    match &*call.operation {
        "GetQueueAttributes" => Some(attributes(moment, call)),
        _ => None,
    }
}

/// Without names of attributes there are none in the answer, as with Amazon.
fn attributes(moment: Moment<'_>, call: &Call) -> Answer {
    let name = call.text("QueueUrl").and_then(|url| url.rsplit('/').next()).unwrap_or_default();
    let Some(queue) = moment.timeline.queues.get(name) else {
        let code = "com.amazonaws.sqs#QueueDoesNotExist";
        return failed(400, code, "The specified queue does not exist.");
    };
    let counts = [
        ("ApproximateNumberOfMessages", &queue.visible),
        ("ApproximateNumberOfMessagesNotVisible", &queue.not_visible),
        ("ApproximateNumberOfMessagesDelayed", &queue.delayed),
    ];
    let counts = counts.map(|(name, steps)| (name, steps.at(moment.second).copied().unwrap_or(0).to_string()));
    let arn = ("QueueArn", format!("arn:aws:sqs:{REGION}:{ACCOUNT}:{name}"));
    let wanted = call.texts("AttributeNames");
    let is_wanted = |name: &str| wanted.contains(&"All") || wanted.contains(&name);
    let told: Vec<(String, Shape)> = (counts.into_iter().chain([arn]))
        .filter(|(name, _)| is_wanted(name))
        .map(|(name, value)| (name.to_owned(), value.into()))
        .collect();
    Answer::Told(if told.is_empty() { Shape::map([]) } else { Shape::map([("Attributes", Shape::Map(told))]) })
}
