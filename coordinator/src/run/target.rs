//! The system under test as a run sees it: somewhere else, or the demo in this process.

use std::net::Ipv4Addr;

use anyhow::Context as _;
use rehearsal_demo::{Demo, Options};
use rehearsal_plan::{self as plan, Environment};
use url::Url;

use crate::demo::scaling;

/// Where relative addresses of a scenario lead.
pub struct Target {
    url: Url,
    demo: Option<Demo>,
}

impl Target {
    /// Reads the environment's target; starts the demo if that is the one, where it was if this run goes on.
    pub async fn open(environment: &Environment, former: Option<&str>) -> anyhow::Result<Self> {
        match &environment.target {
            plan::Target::Url(url) => {
                Ok(Self { url: url.parse().with_context(|| format!("reading the target {url}"))?, demo: None })
            }
            plan::Target::Demo => {
                let former = former.and_then(|url| url.parse::<Url>().ok()?.port());
                let listen = (Ipv4Addr::LOCALHOST, former.unwrap_or(0)).into();
                let autoscaler = environment.demo.as_ref().map(scaling).transpose();
                let autoscaler = autoscaler.map_err(|problem| anyhow::anyhow!("{problem}"))?.flatten();
                let options = Options { listen, autoscaler, ..Options::default() };
                let demo = Demo::start(options).context("starting the demo")?;
                let url = format!("http://{}", demo.address()).parse().context("reading the demo's address")?;
                Ok(Self { url, demo: Some(demo) })
            }
        }
    }

    /// The address.
    pub fn url(&self) -> &Url {
        &self.url
    }

    /// Whether it is the demo in this process.
    pub fn is_demo(&self) -> bool {
        self.demo.is_some()
    }

    /// The environment with the demo's address in place of its name.
    pub fn environment(&self, environment: &Environment) -> Environment {
        Environment { target: plan::Target::Url(self.url.to_string()), ..environment.clone() }
    }

    /// Ends the demo.
    pub async fn close(self) {
        if let Some(demo) = self.demo {
            demo.stop().await;
        }
    }
}
