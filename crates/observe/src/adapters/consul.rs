//! Consul: the instances of a service by their health, with blocking queries, so that a change is seen as it happens.
//!
//! The service is asked for without a filter and sorted here: among the passing ones alone, an instance that is drained
//! and one that died would look the same. A blocking query waits as long as one would wait between two polls; thus a
//! source that has nothing new still says so at the rate at which others are read.

use std::time::{Duration, SystemTime};

use futures_util::future::BoxFuture;
use serde_json::Value;

use super::tells;
use crate::observation::{Failure, Reading, Role, Sample, Supply};
use crate::observer::{Observer, Pace};
use crate::settings::{self, Settings};
use crate::web::{Answer, Web};

/// The longest that Consul lets a query wait.
const LONGEST_WAIT: Duration = Duration::from_secs(600);
/// Consul adds up to a sixteenth to what it is asked to wait, so that queries do not return all at once.
const MOST_JITTER: u32 = 16;
/// Where instances and nodes in maintenance have a check of their own.
const NODE_MAINTENANCE: &str = "_node_maintenance";
const SERVICE_MAINTENANCE: &str = "_service_maintenance:";

struct Consul {
    web: Web,
    service: String,
    tag: Option<String>,
    datacenter: Option<String>,
    wait: Duration,
    /// What the last answer was as of; none makes the next query return at once.
    index: Option<u64>,
    tells: Tells,
}

#[derive(Clone, Copy)]
enum Tells {
    Supply(Ready),
    Count(Health),
}

#[derive(Clone, Copy, Debug)]
enum Ready {
    Passing,
    Warning,
}

/// The worst that the checks of an instance say. Maintenance is critical to Consul, but somebody meant it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Health {
    Passing,
    Warning,
    Critical,
    Maintenance,
}

const HEALTHS: [(&str, Health); 4] = [
    ("passing", Health::Passing),
    ("warning", Health::Warning),
    ("critical", Health::Critical),
    ("maintenance", Health::Maintenance),
];

/// Takes `url`, the keys of [`Web`], `service`, `tag`, `datacenter`; for a supply `ready`; for a metric `health`.
pub fn make(settings: &mut Settings<'_>, role: Role) -> Option<Box<dyn Observer>> {
    if !tells(settings, role, &[Role::Supply, Role::Metric]) {
        return None;
    }
    let url = settings.require("url", settings::url);
    let web = Web::from_settings(settings, url);
    let service = settings.require("service", settings::text);
    let tag = settings.take("tag", settings::text);
    let datacenter = settings.take("datacenter", settings::text);
    let tells = match role {
        Role::Supply => {
            let words = [("passing", Ready::Passing), ("warning", Ready::Warning)];
            settings.choice("ready", &words).map(Tells::Supply)
        }
        _ => settings.choice("health", &HEALTHS).map(Tells::Count),
    };
    let wait = settings.every().min(LONGEST_WAIT);
    Some(Box::new(Consul { web: web?, service: service?, tag, datacenter, wait, index: None, tells: tells? }))
}

impl Observer for Consul {
    fn read(&mut self, _now: SystemTime) -> BoxFuture<'_, Result<Sample, Failure>> {
        Box::pin(async {
            let asked = self.index.take();
            let answer = self.ask(asked).await?;
            let healths = healths(&answer.json()?)?;
            // Kept only now: an answer that could not be read must not make the next query wait for another.
            self.index = next_index(asked, &answer);
            Ok(self.tells.count(&healths).into())
        })
    }

    fn pace(&self) -> Pace {
        Pace::Blocking(self.wait + self.wait / MOST_JITTER)
    }
}

impl Consul {
    async fn ask(&self, index: Option<u64>) -> Result<Answer, Failure> {
        let mut url = self.web.url(&["v1", "health", "service", &self.service]);
        {
            let mut query = url.query_pairs_mut();
            for (key, value) in [("tag", &self.tag), ("dc", &self.datacenter)] {
                if let Some(value) = value {
                    query.append_pair(key, value);
                }
            }
            if let Some(index) = index {
                query.append_pair("index", &index.to_string());
                query.append_pair("wait", &format!("{}ms", self.wait.as_millis()));
            }
        }
        self.web.get(&url).await
    }
}

/// Gives what to ask for next. An index that went backwards, as after the servers were restored, would make a query
/// wait for what may never come; so would one of zero never wait at all.
fn next_index(asked: Option<u64>, answer: &Answer) -> Option<u64> {
    let index = answer.headers.get("x-consul-index")?.to_str().ok()?.parse().ok()?;
    let is_usable = index > 0 && asked.is_none_or(|asked| index >= asked);
    is_usable.then_some(index)
}

/// Reads the health of every instance.
fn healths(answer: &Value) -> Result<Vec<Health>, Failure> {
    let entries = answer.as_array().ok_or_else(|| Failure::format("the answer is not a list of instances"))?;
    entries.iter().map(health).collect()
}

fn health(entry: &Value) -> Result<Health, Failure> {
    let checks = entry["Checks"].as_array().ok_or_else(|| Failure::format("an instance has no list of checks"))?;
    checks.iter().try_fold(Health::Passing, |worst, check| {
        let id = check["CheckID"].as_str().unwrap_or_default();
        let is_maintenance = id == NODE_MAINTENANCE || id.starts_with(SERVICE_MAINTENANCE);
        let health = match check["Status"].as_str() {
            Some("critical") if is_maintenance => Health::Maintenance,
            Some("passing") => Health::Passing,
            Some("warning") => Health::Warning,
            Some("critical") => Health::Critical,
            _ => return Err(Failure::format("a check has no status that we know")),
        };
        Ok(worst.max(health))
    })
}

impl Tells {
    fn count(self, healths: &[Health]) -> Reading {
        let of = |wanted: &[Health]| healths.iter().filter(|health| wanted.contains(health)).count() as u64;
        match self {
            Tells::Count(health) => Reading::Metric(of(&[health]) as f64),
            Tells::Supply(ready) => Reading::Supply(Supply {
                running: Some(healths.len() as u64),
                ready: Some(match ready {
                    Ready::Passing => of(&[Health::Passing]),
                    Ready::Warning => of(&[Health::Passing, Health::Warning]),
                }),
                draining: Some(of(&[Health::Maintenance])),
                ..Supply::default()
            }),
        }
    }
}
