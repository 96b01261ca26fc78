//! Flynn: what its controller wants and runs of one process type, who takes part by its service discovery, and how it
//! was scaled.
//!
//! The two are separate sources: the controller knows which jobs are up, discoverd which of them the router sends
//! requests to. They are read in one reading, and when one fails the reading has failed.

mod pin;
mod steps;

use std::time::SystemTime;

use futures_util::future::{BoxFuture, try_join3};
use http::header::{ACCEPT, AUTHORIZATION, HeaderMap, HeaderValue};
use rehearsal_plan::Problem;
use serde_json::Value;

use self::pin::Pin;
use super::tells;
use crate::json::{count, quoted};
use crate::observation::{Activity, Failure, Reading, Role, Sample, Supply};
use crate::observer::Observer;
use crate::settings::{self, Settings};
use crate::web::{Web, basic};

/// How many of the newest events are asked for. A scaling makes three at the most.
const MOST_EVENTS: &str = "300";

struct Flynn {
    web: Web,
    app: String,
    process: String,
    asks: Asks,
}

enum Asks {
    Supply { jobs: Jobs, discoverd: Option<Box<Web>>, service: Option<String> },
    Activities,
}

/// Where jobs are listed.
#[derive(Clone, Copy, Debug)]
enum Jobs {
    /// Those of all apps that are on their way, up or leaving; clusters have it since the end of 2015.
    Active,
    /// Those of the app, with all that are long gone.
    App,
}

/// Takes `url`, `headers`, `pin` or `ca`, `key` or `token`, `app` and `process`; for a supply `jobs`, `discoverd` and
/// `service`.
pub fn make(settings: &mut Settings<'_>, role: Role) -> Option<Box<dyn Observer>> {
    if !tells(settings, role, &[Role::Supply, Role::Activities]) {
        return None;
    }
    let web = controller(settings);
    let app = settings.require("app", settings::text);
    let process = settings.take("process", settings::text).unwrap_or_else(|| "web".into());
    let asks = match role {
        Role::Supply => {
            let jobs = settings.choice("jobs", &[("active", Jobs::Active), ("app", Jobs::App)]);
            let discoverd = settings.take("discoverd", settings::url).map(|url| Box::new(Web::beside(settings, url)));
            let service = settings.take("service", settings::text);
            if service.is_some() && !settings.has("discoverd") {
                settings.complain(Problem::new("has a `service`, but no `discoverd` to ask for it"));
            }
            jobs.map(|jobs| Asks::Supply { jobs, discoverd, service })
        }
        _ => Some(Asks::Activities),
    };
    Some(Box::new(Flynn { web: web?, app: app?, process, asks: asks? }))
}

/// Makes the client of the controller: whom it trusts, and as whom it comes.
fn controller(settings: &mut Settings<'_>) -> Option<Web> {
    let url = settings.require("url", settings::url);
    let pin = settings.take("pin", Pin::read);
    if settings.has("pin") && settings.has("ca") {
        settings.complain(Problem::new("has both a `pin` and a `ca`").hint("a pinned certificate needs no authority"));
    }
    let mut web = match pin {
        Some(pin) => {
            let _ = settings.take("ca", settings::text);
            Web::trusting(settings, url, pin.trusted_alone())
        }
        None => Web::anonymous(settings, url),
    };
    let credentials = match (settings.secret("key"), settings.secret("token")) {
        (Some(key), None) => basic(settings, "", Some(key)),
        (None, Some(token)) => format!("Bearer {}", token.reveal()),
        _ => {
            settings.complain(Problem::new("has neither a `key` of the cluster nor a `token`, or has both"));
            return None;
        }
    };
    match HeaderValue::try_from(credentials) {
        Ok(value) => web.iter_mut().for_each(|web| web.set_header(AUTHORIZATION, value.clone())),
        Err(_) => settings.complain_of("token", Problem::new("has characters that no header may have")),
    }
    web
}

impl Observer for Flynn {
    fn read(&mut self, _now: SystemTime) -> BoxFuture<'_, Result<Sample, Failure>> {
        Box::pin(async {
            let reading = match &self.asks {
                Asks::Supply { jobs, discoverd, service } => {
                    Reading::Supply(self.supply(*jobs, discoverd.as_deref(), service.as_deref()).await?)
                }
                Asks::Activities => Reading::Activities(self.activities().await?),
            };
            Ok(reading.into())
        })
    }
}

impl Flynn {
    async fn supply(&self, jobs: Jobs, discoverd: Option<&Web>, service: Option<&str>) -> Result<Supply, Failure> {
        let app = self.of_app(self.web.url(&["apps", &self.app])).await?;
        let text = |key: &str| {
            let text = app[key].as_str().ok_or_else(|| Failure::format(format!("the app has no {key}")));
            text.map(String::from)
        };
        let (id, name) = (text("id")?, text("name")?);
        let service = service.map_or_else(|| format!("{name}-{}", self.process), String::from);
        let jobs = match jobs {
            Jobs::Active => self.web.url(&["active-jobs"]),
            Jobs::App => self.web.url(&["apps", &self.app, "jobs"]),
        };
        let (formations, jobs, instances) = try_join3(
            self.of_app(self.web.url(&["apps", &self.app, "formations"])),
            async { self.web.get(&jobs).await?.json() },
            instances(discoverd, &service),
        )
        .await?;
        let desired = desired(&formations, &self.process)?;
        let jobs = Counted::of(&jobs, &id, &self.process)?;
        if desired.is_none() && jobs == Counted::default() {
            let reason = format!("nobody has scaled {}, and it has no jobs", quoted(&self.process));
            return Err(Failure::missing(reason));
        }
        let ready = match instances {
            Instances::NotAsked => Some(jobs.up),
            Instances::Some(count) => Some(count),
            // Discoverd says the same of a service without instances and of one that it never heard of. Only if no job
            // is up either, we know which.
            Instances::NoneOrUnknown => (jobs.up == 0).then_some(0),
        };
        let running = Some(jobs.starting + jobs.up + jobs.stopping);
        Ok(Supply { desired, running, ready, draining: Some(jobs.stopping), ..Supply::default() })
    }

    async fn activities(&self) -> Result<Vec<Activity>, Failure> {
        let mut url = self.web.url(&["events"]);
        let types = steps::TYPES.join(",");
        let query = [("app_id", self.app.as_str()), ("object_types", &types), ("count", MOST_EVENTS)];
        url.query_pairs_mut().extend_pairs(query);
        steps::read(&self.of_app(url).await?, &self.process)
    }

    /// Gets a document of the app, which has to be there. Anything but this one `Accept` would begin a stream of events.
    async fn of_app(&self, url: url::Url) -> Result<Value, Failure> {
        let accept = HeaderMap::from_iter([(ACCEPT, HeaderValue::from_static("application/json"))]);
        let answer = self.web.get_if_there(&url, accept).await?;
        let unknown = || Failure::format(format!("there is no app {}", quoted(&self.app)));
        answer.ok_or_else(unknown)?.json()
    }
}

/// What discoverd says.
enum Instances {
    NotAsked,
    Some(u64),
    NoneOrUnknown,
}

async fn instances(discoverd: Option<&Web>, service: &str) -> Result<Instances, Failure> {
    let Some(web) = discoverd else { return Ok(Instances::NotAsked) };
    let read = async {
        let Some(answer) = web.get_if_there(&web.url(&["services", service, "instances"]), HeaderMap::new()).await?
        else {
            return Ok(Instances::NoneOrUnknown);
        };
        Ok(Instances::Some(list(&answer.json()?)?.len() as u64))
    };
    read.await.map_err(|failure: Failure| failure.within("discoverd"))
}

/// Adds up what is wanted of a process type in all releases; none when no release says anything about it.
fn desired(formations: &Value, process: &str) -> Result<Option<u64>, Failure> {
    let mut desired = None;
    for formation in list(formations)? {
        if let Some(wanted) = count(&formation["processes"][process])? {
            desired = Some(desired.unwrap_or(0) + wanted);
        }
    }
    Ok(desired)
}

/// The jobs of a process type by state.
#[derive(Debug, Default, PartialEq, Eq)]
struct Counted {
    /// Wanted, and not on any host yet.
    pending: u64,
    starting: u64,
    up: u64,
    stopping: u64,
}

impl Counted {
    fn of(jobs: &Value, app: &str, process: &str) -> Result<Counted, Failure> {
        let mut counted = Counted::default();
        for job in list(jobs)?.iter().filter(|job| job["app"] == app && job["type"] == process) {
            match job["state"].as_str() {
                Some("pending" | "blocked") => counted.pending += 1,
                Some("starting") => counted.starting += 1,
                Some("up") => counted.up += 1,
                Some("stopping") => counted.stopping += 1,
                // The last two are what older clusters say.
                Some("down" | "crashed" | "failed") => {}
                _ => return Err(Failure::format(format!("no state of a job: {}", quoted(&job["state"].to_string())))),
            }
        }
        Ok(counted)
    }
}

/// A list; Go writes one without elements as null.
fn list(value: &Value) -> Result<&[Value], Failure> {
    match value {
        Value::Null => Ok(&[]),
        Value::Array(items) => Ok(items),
        _ => Err(Failure::format("the answer is not a list")),
    }
}
