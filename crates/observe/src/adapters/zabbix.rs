//! Zabbix: hosts of a group, values of items, and the scripts that triggers ran, over JSON-RPC.
//!
//! Every number of the interface is a text. An item that never had a value has a `lastclock` of zero, and its
//! `lastvalue` is then a zero that nobody measured. What the scaler decided is what its actions ran: a trigger
//! that stays on runs its script again and again, so its events alone would show one step where there were many.

mod rpc;

use std::collections::BTreeMap;
use std::time::SystemTime;

use futures_util::future::BoxFuture;
use rehearsal_plan::Problem;
use serde_json::{Value, json};

use self::rpc::Rpc;
use crate::json::{count, instant, number, quoted};
use crate::observation::{Activity, Failure, Reading, Role, Sample, Supply};
use crate::observer::Observer;
use crate::settings::{self, Settings};

/// How many of the newest events are asked for. A step a minute fills an hour and a half.
const MOST_EVENTS: u32 = 100;
/// The largest step of a scaler that anybody means.
const LARGEST_STEP: u64 = 1_000;
/// An alert that is a command run by the server, and one that is a message.
const COMMAND: &str = "1";
const MESSAGE: &str = "0";
/// The states of an alert: done, and given up.
const DONE: &str = "1";
const FAILED: &str = "2";

struct Zabbix {
    rpc: Rpc,
    asks: Asks,
}

enum Asks {
    Supply { group: Option<String>, host: Option<String>, items: [Option<String>; 6] },
    Metric { host: String, item: String },
    Activities { steps: BTreeMap<String, i64>, by: By },
}

/// What counts as a decision.
#[derive(Clone, Copy, Debug)]
enum By {
    Command,
    Message,
    Event,
}

/// Takes the keys of [`Rpc`]; for a supply `group`, and `host` with an item for each number; for a metric `host` and
/// `item`; for activities the triggers `scale_out` and `scale_in`, `step` and `by`.
pub fn make(settings: &mut Settings<'_>, role: Role) -> Option<Box<dyn Observer>> {
    let rpc = Rpc::from_settings(settings);
    let asks = match role {
        Role::Supply => {
            let group = settings.take("group", settings::text);
            let host = settings.take("host", settings::text);
            let items = Supply::NAMES.map(|name| settings.take(name, settings::text));
            let has_items = items.iter().any(Option::is_some);
            if has_items != host.is_some() || !(has_items || settings.has("group")) {
                let problem = Problem::new("lacks a `group` of hosts to count, or a `host` and at least one item");
                settings.complain(problem.hint("name an item by its key, as in `desired = \"web.desired\"`"));
            }
            Some(Asks::Supply { group, host, items })
        }
        Role::Metric => {
            let (host, item) = (settings.require("host", settings::text), settings.require("item", settings::text));
            host.zip(item).map(|(host, item)| Asks::Metric { host, item })
        }
        Role::Activities => {
            let step = settings.take("step", step).unwrap_or(1);
            let triggers = [("scale_out", step), ("scale_in", -step)];
            let steps = triggers.map(|(key, step)| settings.require(key, settings::text).map(|name| (name, step)));
            let words = [("command", By::Command), ("message", By::Message), ("event", By::Event)];
            let by = settings.choice("by", &words);
            by.map(|by| Asks::Activities { steps: steps.into_iter().flatten().collect(), by })
        }
    };
    Some(Box::new(Zabbix { rpc: rpc?, asks: asks? }))
}

fn step(value: &Value) -> Result<i64, Problem> {
    let step = value.as_u64().filter(|step| (1..=LARGEST_STEP).contains(step));
    step.map(|step| step as i64).ok_or_else(|| Problem::new(format!("is not a whole number from 1 to {LARGEST_STEP}")))
}

impl Observer for Zabbix {
    fn read(&mut self, _now: SystemTime) -> BoxFuture<'_, Result<Sample, Failure>> {
        Box::pin(async {
            let Zabbix { rpc, asks } = self;
            match asks {
                Asks::Supply { group, host, items } => supply(rpc, group.as_deref(), host.as_deref(), items).await,
                Asks::Metric { host, item } => metric(rpc, host, item).await,
                Asks::Activities { steps, by } => Ok(Reading::Activities(activities(rpc, steps, *by).await?).into()),
            }
        })
    }

    fn is_dated(&self) -> bool {
        match &self.asks {
            Asks::Supply { host, .. } => host.is_some(),
            Asks::Metric { .. } => true,
            Asks::Activities { .. } => false,
        }
    }
}

/// Counts the monitored hosts of the group as running; an item that tells the same number has the last word.
async fn supply(
    rpc: &mut Rpc,
    group: Option<&str>,
    host: Option<&str>,
    items: &[Option<String>; 6],
) -> Result<Sample, Failure> {
    let mut supply = Supply::default();
    if let Some(group) = group {
        supply.running = Some(hosts(rpc, group).await?);
    }
    let Some(host) = host else { return Ok(Reading::Supply(supply).into()) };
    let keys: Vec<&str> = items.iter().flatten().map(String::as_str).collect();
    let found = self::items(rpc, host, &keys).await?;
    let mut counts = [None; 6];
    let mut source_time: Option<SystemTime> = None;
    for (count_of, key) in counts.iter_mut().zip(items) {
        let Some(item) = key.as_ref().and_then(|key| found.get(key)) else { continue };
        let Ok((value, time)) = item else { continue };
        *count_of = count(value)?;
        source_time = Some(source_time.map_or(*time, |oldest| oldest.min(*time)));
    }
    let counted = supply.running;
    supply = Supply::from_counts(counts);
    supply.running = supply.running.or(counted);
    match supply.is_empty() {
        true => Err(Failure::missing("no item has a value")),
        false => Ok(Sample { source_time, reading: Reading::Supply(supply) }),
    }
}

async fn hosts(rpc: &mut Rpc, group: &str) -> Result<u64, Failure> {
    let groups = rpc.call("hostgroup.get", json!({ "output": ["groupid"], "filter": { "name": [group] } })).await?;
    let Some(id) = groups[0]["groupid"].as_str() else {
        return Err(Failure::format(format!("there is no group of hosts {} that we may see", quoted(group))));
    };
    let hosts = json!({ "groupids": [id], "filter": { "status": 0 }, "countOutput": true });
    let hosts = rpc.call("host.get", hosts).await?;
    count(&hosts)?.ok_or_else(|| Failure::format("the hosts were not counted"))
}

async fn metric(rpc: &mut Rpc, host: &str, item: &str) -> Result<Sample, Failure> {
    let mut found = items(rpc, host, &[item]).await?;
    let none = || Failure::missing(format!("there is no item {} of {} that we may see", quoted(item), quoted(host)));
    let (value, time) = found.remove(item).ok_or_else(none)??;
    let number = number(&value)?.ok_or_else(|| Failure::missing("the item's value is empty"))?;
    Ok(Sample { source_time: Some(time), reading: Reading::Metric(number) })
}

/// What items last had, with its time, by their keys.
type Items = BTreeMap<String, Result<(Value, SystemTime), Failure>>;

async fn items(rpc: &mut Rpc, host: &str, keys: &[&str]) -> Result<Items, Failure> {
    let output = ["key_", "lastvalue", "lastclock", "state", "status", "error"];
    let found = rpc.call("item.get", json!({ "host": host, "filter": { "key_": keys }, "output": output })).await?;
    let found = found.as_array().ok_or_else(|| Failure::format("the items are not a list"))?;
    found.iter().map(|item| Ok((item["key_"].as_str().unwrap_or_default().into(), last(item)?))).collect()
}

/// Tells what was measured from what stands there instead of it.
fn last(item: &Value) -> Result<Result<(Value, SystemTime), Failure>, Failure> {
    if item["status"] == "1" {
        return Ok(Err(Failure::missing("the item is disabled")));
    }
    if item["state"] == "1" {
        let why = quoted(item["error"].as_str().unwrap_or_default());
        return Ok(Err(Failure::missing(format!("the item is not supported: {why}"))));
    }
    if item["lastclock"] == "0" {
        return Ok(Err(Failure::missing("the item has no value yet")));
    }
    Ok(Ok((item["lastvalue"].clone(), instant(&item["lastclock"])?)))
}

async fn activities(rpc: &mut Rpc, steps: &BTreeMap<String, i64>, by: By) -> Result<Vec<Activity>, Failure> {
    let names: Vec<&String> = steps.keys().collect();
    let triggers = json!({ "filter": { "description": names }, "output": ["triggerid", "description"] });
    let triggers = rpc.call("trigger.get", triggers).await?;
    let triggers: BTreeMap<&str, i64> = list(&triggers)?
        .iter()
        .filter_map(|it| Some((it["triggerid"].as_str()?, *steps.get(it["description"].as_str()?)?)))
        .collect();
    if triggers.len() < steps.len() {
        return Err(Failure::format(format!("{} of {} triggers are there", triggers.len(), steps.len())));
    }
    let ids: Vec<&&str> = triggers.keys().collect();
    let events = rpc
        .call(
            "event.get",
            json!({
                "source": 0, "object": 0, "objectids": ids, "value": 1, "sortfield": ["eventid"], "sortorder": "DESC",
                "limit": MOST_EVENTS, "output": ["eventid", "objectid", "clock", "name"],
            }),
        )
        .await?;
    let events: BTreeMap<&str, &Value> =
        list(&events)?.iter().filter_map(|event| Some((event["eventid"].as_str()?, event))).collect();
    let step = |event: &Value| event["objectid"].as_str().and_then(|id| triggers.get(id)).copied();
    let name = |event: &Value| event["name"].as_str().unwrap_or_default().to_string();
    let kind = match by {
        By::Event => {
            let decided = |event: &&Value| {
                Ok(Activity { at: instant(&event["clock"])?, change: step(event), to: None, why: name(event) })
            };
            let decided: Result<Vec<Activity>, Failure> = events.values().map(decided).collect();
            return decided.map(in_order);
        }
        By::Command => COMMAND,
        By::Message => MESSAGE,
    };
    if events.is_empty() {
        // Without a filter by events all alerts would come.
        return Ok(Vec::new());
    }
    let ids: Vec<&&str> = events.keys().collect();
    let output = ["eventid", "clock", "alerttype", "status", "message", "error"];
    let alerts = rpc.call("alert.get", json!({ "eventids": ids, "output": output })).await?;
    let mut found = Vec::new();
    for alert in list(&alerts)?.iter().filter(|alert| alert["alerttype"] == kind) {
        let Some(event) = alert["eventid"].as_str().and_then(|id| events.get(id)) else { continue };
        let (change, end) = match alert["status"].as_str() {
            Some(DONE) => (step(event), String::new()),
            Some(FAILED) => {
                (Some(0), format!(", which failed: {}", quoted(alert["error"].as_str().unwrap_or_default())))
            }
            // Not run yet; a later reading will tell.
            _ => continue,
        };
        let why = format!("{}: {}{end}", name(event), quoted(alert["message"].as_str().unwrap_or_default()));
        found.push(Activity { at: instant(&alert["clock"])?, change, to: None, why });
    }
    Ok(in_order(found))
}

fn in_order(mut activities: Vec<Activity>) -> Vec<Activity> {
    activities.sort();
    activities
}

fn list(value: &Value) -> Result<&Vec<Value>, Failure> {
    value.as_array().ok_or_else(|| Failure::format("the answer is not a list"))
}
