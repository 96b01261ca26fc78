//! The system under test as a run sees it: somewhere else, the demo in this process, or the instances of a service.

use std::net::Ipv4Addr;
use std::sync::Arc;

use anyhow::{Context as _, anyhow};
use rehearsal_demo::{Demo, Options};
use rehearsal_plan::{self as plan, Environment, Instances, Problem};
use tokio::sync::watch;
use tokio::time::Instant;
use url::Url;

use super::consul::Registry;
use super::following::{Following, Known};
use crate::demo::scaling;

/// Where relative addresses of a scenario lead.
pub struct Target {
    url: Url,
    behind: Behind,
}

/// What answers there.
enum Behind {
    Elsewhere,
    Demo(Demo),
    Service(Following),
}

/// Finds out whether a target that is followed can be, and has anybody to load. Other targets are not asked anything: of
/// those the run itself will tell.
pub async fn look(environment: &Environment) -> Result<(), Problem> {
    match &environment.target {
        plan::Target::Consul(service) => registry(service, environment)?.look().await.map(|_| ()),
        plan::Target::Url(_) | plan::Target::Demo => Ok(()),
    }
}

impl Target {
    /// Reads the environment's target; starts the demo if that is the one, where it was if this run goes on. A run that
    /// begins needs somebody to load; one that goes on does not wait for Consul.
    pub async fn open(environment: &Environment, former: Option<&str>) -> anyhow::Result<Self> {
        let read = |url: String| url.parse::<Url>().with_context(|| format!("reading the target {url}"));
        match &environment.target {
            plan::Target::Url(url) => Ok(Self { url: read(url.clone())?, behind: Behind::Elsewhere }),
            plan::Target::Demo => {
                let former = former.and_then(|url| url.parse::<Url>().ok()?.port());
                let listen = (Ipv4Addr::LOCALHOST, former.unwrap_or(0)).into();
                let autoscaler = environment.demo.as_ref().map(scaling).transpose();
                let autoscaler = autoscaler.map_err(|problem| anyhow!("{problem}"))?.flatten();
                let options = Options { listen, autoscaler, ..Options::default() };
                let demo = Demo::start(options).context("starting the demo")?;
                Ok(Self { url: read(format!("http://{}", demo.address()))?, behind: Behind::Demo(demo) })
            }
            plan::Target::Consul(service) => {
                let mut registry = registry(service, environment).map_err(|problem| anyhow!("{problem}"))?;
                let found = match former {
                    None => Some(registry.look().await.map_err(|problem| anyhow!("{problem}"))?),
                    Some(_) => None, // the leases of its agents run out meanwhile
                };
                let following = Following::start(registry, Known::of(found, Instant::now()));
                Ok(Self { url: read(service.url())?, behind: Behind::Service(following) })
            }
        }
    }

    /// The address.
    pub fn url(&self) -> &Url {
        &self.url
    }

    /// Whether it is the demo in this process.
    pub fn is_demo(&self) -> bool {
        matches!(self.behind, Behind::Demo(_))
    }

    /// The service that is followed, if it is one.
    pub(crate) fn following(&self) -> Option<&Following> {
        match &self.behind {
            Behind::Service(following) => Some(following),
            Behind::Elsewhere | Behind::Demo(_) => None,
        }
    }

    /// Its instances as they stand, if it is a service that is followed.
    pub fn instances(&self) -> Option<watch::Receiver<Arc<Instances>>> {
        self.following().map(Following::instances)
    }

    /// The environment as agents get it: with the demo's address in place of its name, and without Consul's.
    pub fn environment(&self, environment: &Environment) -> Environment {
        let target = match &environment.target {
            plan::Target::Consul(service) => plan::Target::Consul(service.for_agents()),
            plan::Target::Url(_) | plan::Target::Demo => plan::Target::Url(self.url.to_string()),
        };
        Environment { target, ..environment.clone() }
    }

    /// Ends the demo, and the following.
    pub async fn close(self) {
        if let Behind::Demo(demo) = self.behind {
            demo.stop().await;
        }
    }
}

fn registry(service: &plan::Service, environment: &Environment) -> Result<Registry, Problem> {
    Registry::new(service, environment, &|name| std::env::var(name).ok())
}
