//! Alarms: whether one is raised, and what it makes of missing data, which decides what a scaler does in an outage.

use std::time::SystemTime;

use aws_sdk_cloudwatch::Client;
use aws_sdk_cloudwatch::types::{MetricAlarm, StateValue};
use futures_util::future::BoxFuture;
use rehearsal_observe::{Activity, Failure, Observer, Reading, Sample};

use crate::account::Lazy;
use crate::failure::{instant, of_call};

/// Tells of one alarm 1 while it is raised and 0 while it is not.
pub struct State {
    pub client: Lazy<Client>,
    pub name: String,
}

/// Tells of alarms when they last changed, why, and what they make of missing data.
pub struct Transitions {
    pub client: Lazy<Client>,
    pub names: Vec<String>,
}

impl Observer for State {
    fn read(&mut self, _now: SystemTime) -> BoxFuture<'_, Result<Sample, Failure>> {
        Box::pin(async {
            let alarms = describe(&self.client.get().await?, std::slice::from_ref(&self.name)).await?;
            let alarm = alarms.first().ok_or_else(|| missing(&self.name))?;
            match alarm.state_value() {
                Some(StateValue::Ok) => Ok(Reading::Metric(0.0).into()),
                Some(StateValue::Alarm) => Ok(Reading::Metric(1.0).into()),
                Some(StateValue::InsufficientData) => {
                    Err(Failure::missing(format!("INSUFFICIENT_DATA, with {}", treatment(alarm))))
                }
                other => Err(Failure::format(format!("a state that no alarm has: {other:?}"))),
            }
        })
    }
}

impl Observer for Transitions {
    fn read(&mut self, _now: SystemTime) -> BoxFuture<'_, Result<Sample, Failure>> {
        Box::pin(async {
            let alarms = describe(&self.client.get().await?, &self.names).await?;
            if let Some(name) =
                self.names.iter().find(|name| !alarms.iter().any(|alarm| alarm.alarm_name() == Some(name)))
            {
                return Err(missing(name));
            }
            let mut found = alarms.iter().map(transition).collect::<Result<Vec<_>, _>>()?;
            found.sort();
            Ok(Reading::Activities(found).into())
        })
    }
}

async fn describe(client: &Client, names: &[String]) -> Result<Vec<MetricAlarm>, Failure> {
    let call = client.describe_alarms().set_alarm_names(Some(names.to_vec()));
    let mut pages = call.into_paginator().send();
    let mut alarms = Vec::new();
    while let Some(page) = pages.next().await {
        let page = page.map_err(|error| of_call("DescribeAlarms", error))?;
        alarms.extend(page.metric_alarms.unwrap_or_default());
    }
    Ok(alarms)
}

fn missing(name: &str) -> Failure {
    Failure::missing(format!("there is no alarm `{name}`"))
}

fn transition(alarm: &MetricAlarm) -> Result<Activity, Failure> {
    // The second is touched also when only the reason changes.
    let at = alarm.state_transitioned_timestamp().or(alarm.state_updated_timestamp());
    let at = instant(at.ok_or_else(|| Failure::format("an alarm without StateUpdatedTimestamp"))?)?;
    let state = alarm.state_value().map(StateValue::as_str).unwrap_or_default();
    let (name, reason) = (alarm.alarm_name().unwrap_or_default(), alarm.state_reason().unwrap_or_default());
    let why = format!("{name}: {state}, with {}: {reason}", treatment(alarm));
    Ok(Activity { at, change: None, to: None, why: why.trim_end_matches([':', ' ']).into() })
}

/// Without a word an alarm keeps its state as long as some data is there, and then has too little.
fn treatment(alarm: &MetricAlarm) -> String {
    format!("missing data as {}", alarm.treat_missing_data().unwrap_or("missing"))
}
