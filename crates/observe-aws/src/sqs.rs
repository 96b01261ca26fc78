//! SQS: how many messages a queue has, as Amazon's approximate counts.

use std::time::SystemTime;

use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::QueueAttributeName;
use futures_util::future::BoxFuture;
use rehearsal_observe::{Failure, Observer, Reading, Role, Sample, Settings, settings, tells};
use rehearsal_plan::Problem;
use serde_json::Value;

use crate::account::{Account, Lazy};
use crate::failure::of_call;

/// What may be counted, by the names that environments use.
const COUNTS: [(&str, QueueAttributeName); 3] = [
    ("visible", QueueAttributeName::ApproximateNumberOfMessages),
    ("not_visible", QueueAttributeName::ApproximateNumberOfMessagesNotVisible),
    ("delayed", QueueAttributeName::ApproximateNumberOfMessagesDelayed),
];

struct Sqs {
    client: Lazy<Client>,
    queue: String,
    counts: Vec<QueueAttributeName>,
}

/// Takes the keys of [`Account`], `queue` and `counts`.
pub fn make(settings: &mut Settings<'_>, role: Role) -> Option<Box<dyn Observer>> {
    if !tells(settings, role, &[Role::Metric]) {
        return None;
    }
    let account = Account::from_settings(settings);
    let queue = settings.require("queue", settings::url);
    let counts = match settings.has("counts") {
        true => settings.take("counts", counts),
        false => Some(vec![QueueAttributeName::ApproximateNumberOfMessages]),
    };
    let client = Lazy::new(account, Client::new);
    Some(Box::new(Sqs { client, queue: queue?.to_string(), counts: counts? }))
}

fn counts(value: &Value) -> Result<Vec<QueueAttributeName>, Problem> {
    let attribute = |word: String| {
        let found = COUNTS.into_iter().find(|(name, _)| *name == word).map(|(_, attribute)| attribute);
        let names = COUNTS.map(|(name, _)| name);
        found.ok_or_else(|| {
            let problem = Problem::new(format!("has `{word}`, which is not one of {}", names.join(", ")));
            problem.did_you_mean(&word, names)
        })
    };
    settings::texts(value)?.into_iter().map(attribute).collect()
}

impl Observer for Sqs {
    fn read(&mut self, _now: SystemTime) -> BoxFuture<'_, Result<Sample, Failure>> {
        Box::pin(async {
            let call = self.client.get().await?.get_queue_attributes().queue_url(&self.queue);
            let call = call.set_attribute_names(Some(self.counts.clone()));
            let answer = call.send().await.map_err(|error| of_call("GetQueueAttributes", error))?;
            let attributes = answer.attributes().ok_or_else(|| Failure::missing("the queue has no attributes"))?;
            let mut sum = 0;
            for attribute in &self.counts {
                let count = attributes.get(attribute);
                let count = count.ok_or_else(|| Failure::missing(format!("the queue has no {attribute}")))?;
                let count = count.parse::<u64>().map_err(|_| Failure::format(format!("{attribute} is no count")))?;
                sum += count;
            }
            Ok(Reading::Metric(sum as f64).into())
        })
    }
}
