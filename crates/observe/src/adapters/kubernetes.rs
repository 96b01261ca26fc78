//! Kubernetes: a HorizontalPodAutoscaler, the Deployment that it scales, its pods and its events.
//!
//! The interface leaves out numbers that are zero, so what is absent is a zero here, but only where a controller has
//! looked at the object at all: before that nobody has counted anything.

mod quantity;

use std::time::SystemTime;

use futures_util::future::BoxFuture;
use http::header::{ACCEPT, AUTHORIZATION, HeaderMap, HeaderValue};
use rehearsal_plan::Problem;
use serde_json::Value;

use crate::json::{count, instant, number, quoted};
use crate::observation::{Activity, ErrorKind, Failure, Reading, Role, Sample, Supply};
use crate::observer::Observer;
use crate::secret::Secret;
use crate::settings::{self, Settings};
use crate::web::Web;

/// Where a pod finds its own credentials. The token is replaced every hour or so.
const TOKEN_FILE: &str = "/var/run/secrets/kubernetes.io/serviceaccount/token";
/// How many pods are asked for at once: with only their metadata they fit an answer.
const PODS_AT_ONCE: &str = "100";
/// Asks for metadata alone; whole pods of a large deployment would not fit an answer.
const METADATA: &str = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1";

struct Kubernetes {
    web: Web,
    token: Token,
    namespace: String,
    asks: Asks,
}

enum Token {
    Given(Secret),
    File(String),
}

enum Asks {
    Supply { autoscaler: Option<String>, deployment: Option<String>, pods: Option<String> },
    Metric { autoscaler: String, metric: String },
    Activities { autoscaler: String },
}

/// Takes `url`, `ca`, `headers`, `token` or `token_file`, `namespace`; for a supply `autoscaler`, `deployment` and `pods`;
/// for a metric `autoscaler` and `metric`; for activities `autoscaler`.
pub fn make(settings: &mut Settings<'_>, role: Role) -> Option<Box<dyn Observer>> {
    let url = settings.require("url", settings::url);
    let web = Web::anonymous(settings, url);
    let token = match (settings.secret("token"), settings.take("token_file", settings::text)) {
        (Some(_), Some(_)) => {
            settings.complain(Problem::new("has both a `token` and a `token_file`"));
            None
        }
        (Some(token), None) => Some(Token::Given(token)),
        (None, path) => Some(Token::File(path.unwrap_or_else(|| TOKEN_FILE.into()))),
    };
    let namespace = settings.take("namespace", settings::text).unwrap_or_else(|| "default".into());
    let asks = match role {
        Role::Supply => {
            let [autoscaler, deployment, pods] =
                ["autoscaler", "deployment", "pods"].map(|key| settings.take(key, settings::text));
            if !["autoscaler", "deployment", "pods"].iter().any(|key| settings.has(key)) {
                settings.complain(Problem::new("has none of the keys `autoscaler`, `deployment` and `pods`"));
            }
            Some(Asks::Supply { autoscaler, deployment, pods })
        }
        Role::Metric => {
            let autoscaler = settings.require("autoscaler", settings::text);
            let metric = settings.take("metric", settings::text).unwrap_or_else(|| settings.name().into());
            autoscaler.map(|autoscaler| Asks::Metric { autoscaler, metric })
        }
        Role::Activities => {
            settings.require("autoscaler", settings::text).map(|autoscaler| Asks::Activities { autoscaler })
        }
    };
    Some(Box::new(Kubernetes { web: web?, token: token?, namespace, asks: asks? }))
}

impl Observer for Kubernetes {
    fn read(&mut self, _now: SystemTime) -> BoxFuture<'_, Result<Sample, Failure>> {
        Box::pin(async {
            let reading = match &self.asks {
                Asks::Supply { autoscaler, deployment, pods } => {
                    Reading::Supply(self.supply(autoscaler.as_deref(), deployment.as_deref(), pods.as_deref()).await?)
                }
                Asks::Metric { autoscaler, metric } => {
                    Reading::Metric(current_metric(&self.autoscaler(autoscaler).await?, metric)?)
                }
                Asks::Activities { autoscaler } => Reading::Activities(self.rescales(autoscaler).await?),
            };
            Ok(reading.into())
        })
    }
}

impl Kubernetes {
    /// The autoscaler says what is wanted and allowed, the deployment what is there, the pods who is leaving.
    async fn supply(
        &self,
        autoscaler: Option<&str>,
        deployment: Option<&str>,
        pods: Option<&str>,
    ) -> Result<Supply, Failure> {
        let mut supply = Supply::default();
        if let Some(name) = deployment {
            let deployment = self.get("apis/apps/v1", "deployments", name).await?;
            supply.desired = count(&deployment["spec"]["replicas"])?;
            let status = &deployment["status"];
            if !status["observedGeneration"].is_null() {
                supply.running = Some(count(&status["replicas"])?.unwrap_or(0));
                supply.ready = Some(count(&status["readyReplicas"])?.unwrap_or(0));
            }
        }
        if let Some(name) = autoscaler {
            let autoscaler = self.autoscaler(name).await?;
            let (spec, status) = (&autoscaler["spec"], &autoscaler["status"]);
            // Without conditions it has not decided anything yet, and its zero is nobody's wish.
            let has_decided = status["conditions"].as_array().is_some_and(|conditions| !conditions.is_empty());
            supply.desired = if has_decided { Some(count(&status["desiredReplicas"])?.unwrap_or(0)) } else { None };
            supply.min = Some(count(&spec["minReplicas"])?.unwrap_or(1));
            supply.max = count(&spec["maxReplicas"])?;
            if has_decided && supply.running.is_none() {
                supply.running = Some(count(&status["currentReplicas"])?.unwrap_or(0));
            }
        }
        if let Some(selector) = pods {
            supply.draining = Some(self.leaving(selector).await?);
        }
        match supply.is_empty() {
            true => Err(Failure::missing("no controller has looked at it yet")),
            false => Ok(supply),
        }
    }

    async fn autoscaler(&self, name: &str) -> Result<Value, Failure> {
        self.get("apis/autoscaling/v2", "horizontalpodautoscalers", name).await
    }

    /// Counts the pods that have been told to end and are still there.
    async fn leaving(&self, selector: &str) -> Result<u64, Failure> {
        let mut leaving = 0;
        let mut next = String::new();
        loop {
            let mut query = vec![("labelSelector", selector), ("limit", PODS_AT_ONCE)];
            if !next.is_empty() {
                query.push(("continue", &next));
            }
            let page = self.list("pods", &query, METADATA).await?;
            let pods = items(&page)?;
            leaving += pods.iter().filter(|pod| !pod["metadata"]["deletionTimestamp"].is_null()).count() as u64;
            match page["metadata"]["continue"].as_str() {
                Some(token) if !token.is_empty() && !pods.is_empty() => next = token.into(),
                _ => return Ok(leaving),
            }
        }
    }

    async fn rescales(&self, autoscaler: &str) -> Result<Vec<Activity>, Failure> {
        let selector = format!(
            "involvedObject.kind=HorizontalPodAutoscaler,involvedObject.name={autoscaler},reason=SuccessfulRescale"
        );
        let events = self.list("events", &[("fieldSelector", &selector)], "application/json").await?;
        let mut found = Vec::new();
        for event in items(&events)? {
            let why = event["message"].as_str().unwrap_or_default();
            // The same words said again are one event with its first and last time; those between are lost.
            let times = ["firstTimestamp", "lastTimestamp"].map(|key| &event[key]).into_iter();
            let mut times: Vec<&Value> = times.filter(|time| !time.is_null()).collect();
            if times.is_empty() {
                times.push(&event["eventTime"]);
            }
            for time in times {
                found.push(Activity { at: instant(time)?, change: None, to: new_size(why), why: why.into() });
            }
        }
        found.sort();
        found.dedup();
        Ok(found)
    }

    async fn get(&self, group: &str, kind: &str, name: &str) -> Result<Value, Failure> {
        let segments = group.split('/').chain(["namespaces", &self.namespace, kind, name]);
        let url = self.web.url(&segments.collect::<Vec<_>>());
        self.web.get_with(&url, self.headers("application/json")?).await?.json()
    }

    async fn list(&self, kind: &str, query: &[(&str, &str)], accept: &'static str) -> Result<Value, Failure> {
        let mut url = self.web.url(&["api", "v1", "namespaces", &self.namespace, kind]);
        url.query_pairs_mut().extend_pairs(query);
        self.web.get_with(&url, self.headers(accept)?).await?.json()
    }

    /// Gives the headers of a call; a token in a file is read anew, since it is replaced while we run.
    fn headers(&self, accept: &'static str) -> Result<HeaderMap, Failure> {
        let denied = |text: String| Failure::Error(ErrorKind::Denied, text);
        let token = match &self.token {
            Token::Given(token) => token.clone(),
            Token::File(path) => {
                let read = std::fs::read_to_string(path);
                Secret::new(read.map_err(|error| denied(format!("reading the token in {path}: {error}")))?.trim())
            }
        };
        let value = HeaderValue::try_from(format!("Bearer {}", token.reveal()));
        let mut value = value.map_err(|_| denied("the token is not one that a header may have".into()))?;
        value.set_sensitive(true);
        Ok([(AUTHORIZATION, value), (ACCEPT, HeaderValue::from_static(accept))].into_iter().collect())
    }
}

fn items(list: &Value) -> Result<&Vec<Value>, Failure> {
    list["items"].as_array().ok_or_else(|| Failure::format("the answer is not a list"))
}

/// Reads the new size out of an event's words, `New size: 4; reason: …`.
fn new_size(message: &str) -> Option<u64> {
    message.strip_prefix("New size: ")?.split(';').next()?.trim().parse().ok()
}

/// Finds what the autoscaler last saw of a metric: its share of the request in percent, else its average, else its value.
fn current_metric(autoscaler: &Value, wanted: &str) -> Result<f64, Failure> {
    let metrics = autoscaler["status"]["currentMetrics"].as_array();
    let metrics = metrics.ok_or_else(|| Failure::missing("the autoscaler sees no metrics"))?;
    let current = metrics.iter().find_map(|metric| {
        let kinds = ["resource", "containerResource", "pods", "object", "external"];
        let metric = kinds.iter().map(|kind| &metric[kind]).find(|metric| !metric.is_null())?;
        let name = metric["name"].as_str().or_else(|| metric["metric"]["name"].as_str())?;
        (name == wanted).then_some(&metric["current"])
    });
    let current = current.ok_or_else(|| Failure::missing(format!("the autoscaler sees no {}", quoted(wanted))))?;
    if let Some(share) = number(&current["averageUtilization"])? {
        return Ok(share);
    }
    let amount = ["averageValue", "value"].iter().find_map(|key| current[key].as_str());
    let amount = amount.ok_or_else(|| Failure::missing(format!("{} has no current value", quoted(wanted))))?;
    quantity::parse(amount).ok_or_else(|| Failure::format(format!("not a quantity: {}", quoted(amount))))
}
