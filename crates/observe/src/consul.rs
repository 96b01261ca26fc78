//! The client of Consul that observers and targets share: the instances of one service, with blocking queries.
//!
//! The service is asked for without a filter and sorted here: among the passing ones alone, an instance that is drained
//! and one that died would look the same.

use std::time::Duration;

use http::header::{HeaderName, HeaderValue};
use rehearsal_plan::{Endpoint, Instances, Problem, Standing};
use serde_json::Value;

use crate::observation::Failure;
use crate::secret::Secret;
use crate::web::{Answer, Web};

/// The longest that Consul lets a query wait.
pub const LONGEST_WAIT: Duration = Duration::from_secs(600);
/// The longest answer that is read, in bytes: an instance with its node and its checks takes about 2 KiB, and there may be
/// thousands.
const LONGEST_ANSWER: usize = 16 << 20;
/// Consul adds up to a sixteenth to what it is asked to wait, so that queries do not return all at once.
const MOST_JITTER: u32 = 16;
/// Where instances and nodes in maintenance have a check of their own.
const NODE_MAINTENANCE: &str = "_node_maintenance";
const SERVICE_MAINTENANCE: &str = "_service_maintenance:";

/// One service of one Consul.
#[derive(Clone, Debug)]
pub struct Consul {
    web: Web,
    service: String,
    tag: Option<String>,
    datacenter: Option<String>,
    wait: Duration,
    /// What the last answer was as of; none makes the next query return at once.
    index: Option<u64>,
}

/// The worst that the checks of an instance say. Maintenance is critical to Consul, but somebody meant it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Health {
    /// All is well, or nothing is checked.
    Passing,
    /// Something may go wrong.
    Warning,
    /// Something has gone wrong.
    Critical,
    /// The instance or its node is being drained.
    Maintenance,
}

impl Consul {
    /// Asks for a service, of all tags and in the datacenter of whoever is asked; `wait` is how long a query lasts at the
    /// most when nothing changes.
    #[must_use]
    pub fn new(mut web: Web, service: impl Into<String>, wait: Duration) -> Consul {
        web.set_longest(LONGEST_ANSWER);
        let wait = wait.min(LONGEST_WAIT);
        Consul { web, service: service.into(), tag: None, datacenter: None, wait, index: None }
    }

    /// Narrows it to the instances with a tag, and to another datacenter.
    #[must_use]
    pub fn within(self, tag: Option<String>, datacenter: Option<String>) -> Consul {
        Consul { tag, datacenter, ..self }
    }

    /// Shows a token with every query.
    ///
    /// # Errors
    /// When it has characters that no header may have.
    pub fn with_token(mut self, token: &Secret) -> Result<Consul, Problem> {
        let value = HeaderValue::try_from(token.reveal());
        let value = value.map_err(|_| Problem::new("the token of Consul has characters that no header may have"))?;
        self.web.set_header(HeaderName::from_static("x-consul-token"), value);
        Ok(self)
    }

    /// Gives how long Consul may take until it answers that nothing has changed.
    #[must_use]
    pub fn longest(&self) -> Duration {
        self.wait + self.wait / MOST_JITTER
    }

    /// Gives the URL that is asked, without `/v1`.
    #[must_use]
    pub fn base(&self) -> &url::Url {
        self.web.base()
    }

    /// Asks once: the first time at once, then for as long as nothing changes and at most for [`Consul::longest`].
    ///
    /// # Errors
    /// When there is no answer, or one that `read` cannot read; the next query then returns at once. Nobody else bounds
    /// the time of the call.
    pub async fn ask<T>(&mut self, read: impl Fn(&Value) -> Result<T, Failure>) -> Result<T, Failure> {
        let asked = self.index.take();
        let mut url = self.web.url(&["v1", "health", "service", &self.service]);
        self.narrow(&mut url, true);
        if let Some(index) = asked {
            let mut query = url.query_pairs_mut();
            query.append_pair("index", &index.to_string());
            query.append_pair("wait", &format!("{}ms", self.wait.as_millis()));
        }
        let answer = self.web.get(&url).await?;
        let found = read(&answer.json()?)?;
        // Kept only now: an answer that could not be read must not make the next query wait for another.
        self.index = next_index(asked, &answer);
        Ok(found)
    }

    /// Gives the names of all services that this Consul shows us.
    ///
    /// # Errors
    /// As for [`Consul::ask`].
    pub async fn services(&self) -> Result<Vec<String>, Failure> {
        let mut url = self.web.url(&["v1", "catalog", "services"]);
        self.narrow(&mut url, false);
        let answer = self.web.get(&url).await?.json()?;
        let services = answer.as_object().ok_or_else(|| Failure::format("the answer is not a map of services"))?;
        Ok(services.keys().cloned().collect())
    }

    fn narrow(&self, url: &mut url::Url, by_tag: bool) {
        for (key, value) in [("tag", self.tag.as_ref().filter(|_| by_tag)), ("dc", self.datacenter.as_ref())] {
            if let Some(value) = value {
                url.query_pairs_mut().append_pair(key, value);
            }
        }
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
///
/// # Errors
/// When an entry is none.
pub fn healths(answer: &Value) -> Result<Vec<Health>, Failure> {
    entries(answer)?.iter().map(health).collect()
}

/// Reads where the instances are: the passing ones take new connections.
///
/// # Errors
/// When an entry is none, or says neither for itself nor for its node where it is.
pub fn instances(answer: &Value) -> Result<Instances, Failure> {
    let instance = |entry: &Value| {
        let standing = match health(entry)? {
            Health::Passing => Standing::Serving,
            Health::Warning | Health::Critical | Health::Maintenance => Standing::Draining,
        };
        Ok((endpoint(entry)?, standing))
    };
    entries(answer)?.iter().map(instance).collect()
}

fn entries(answer: &Value) -> Result<&Vec<Value>, Failure> {
    answer.as_array().ok_or_else(|| Failure::format("the answer is not a list of instances"))
}

/// An instance that does not say where it is can be found at its node.
fn endpoint(entry: &Value) -> Result<Endpoint, Failure> {
    let hosts = [&entry["Service"]["Address"], &entry["Node"]["Address"]];
    let host = hosts.into_iter().filter_map(Value::as_str).find(|host| !host.is_empty());
    let host = host.ok_or_else(|| Failure::format("an instance has no address"))?;
    let port = entry["Service"]["Port"].as_u64().and_then(|port| u16::try_from(port).ok()).filter(|port| *port > 0);
    let port = port.ok_or_else(|| Failure::format(format!("the instance at {host} has no port")))?;
    Ok(Endpoint { host: host.trim_matches(['[', ']']).to_ascii_lowercase(), port })
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

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn entry(address: &str, port: Value, status: &str) -> Value {
        json!({
            "Node": { "Node": "n", "Address": "10.1.0.9" },
            "Service": { "ID": "web", "Service": "web", "Address": address, "Port": port },
            "Checks": [{ "CheckID": "serfHealth", "Status": "passing" }, { "CheckID": "service:web", "Status": status }],
        })
    }

    #[test]
    fn passing_instances_serve_and_the_others_that_are_listed_drain() {
        let answer = json!([
            entry("10.1.0.1", 80.into(), "passing"),
            entry("10.1.0.2", 80.into(), "warning"),
            entry("", 81.into(), "critical"),
            entry("WEB-4.internal", 80.into(), "passing"),
            entry("fd00::5", 80.into(), "passing"),
        ]);
        let found = instances(&answer).unwrap();
        let told: Vec<String> = found.iter().map(|(endpoint, standing)| format!("{endpoint} {standing:?}")).collect();
        assert_eq!(
            told,
            [
                "10.1.0.1:80 Serving",
                "10.1.0.2:80 Draining",
                "10.1.0.9:81 Draining",
                "[fd00::5]:80 Serving",
                "web-4.internal:80 Serving"
            ]
        );
    }

    #[test]
    fn maintenance_of_the_instance_or_its_node_takes_new_connections_away() {
        for id in ["_node_maintenance", "_service_maintenance:web"] {
            let mut held = entry("10.1.0.1", 80.into(), "passing");
            held["Checks"].as_array_mut().unwrap().push(json!({ "CheckID": id, "Status": "critical" }));
            assert_eq!(instances(&json!([held])).unwrap().serving().count(), 0, "{id}");
        }
    }

    /// One that cannot be read is not left out: a set with holes in it would be taken for the whole.
    #[test]
    fn an_answer_is_read_whole_or_not_at_all() {
        let good = entry("10.1.0.1", 80.into(), "passing");
        for broken in [
            entry("10.1.0.2", 0.into(), "passing"),
            entry("10.1.0.2", 70_000.into(), "passing"),
            entry("10.1.0.2", Value::Null, "passing"),
            entry("10.1.0.2", 80.into(), "unheard-of"),
            json!({ "Service": { "Port": 80 }, "Checks": [] }),
            json!({}),
        ] {
            assert!(instances(&json!([good, broken])).is_err(), "{broken}");
        }
        assert!(instances(&json!({})).is_err());
        assert_eq!(instances(&json!([])).unwrap(), Instances::default());
    }
}
