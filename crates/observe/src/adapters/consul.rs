//! Consul: the instances of a service by their health, with blocking queries, so that a change is seen as it happens.
//!
//! A blocking query waits as long as one would wait between two polls; thus a source that has nothing new still says so
//! at the rate at which others are read.

use std::time::SystemTime;

use futures_util::future::BoxFuture;

use super::tells;
use crate::consul::{Consul, Health, healths};
use crate::observation::{Failure, Reading, Role, Sample, Supply};
use crate::observer::{Observer, Pace};
use crate::settings::{self, Settings};
use crate::web::Web;

struct Watched {
    consul: Consul,
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
    let consul = Consul::new(web?, service?, settings.every()).within(tag, datacenter);
    Some(Box::new(Watched { consul, tells: tells? }))
}

impl Observer for Watched {
    fn read(&mut self, _now: SystemTime) -> BoxFuture<'_, Result<Sample, Failure>> {
        Box::pin(async { Ok(self.tells.count(&self.consul.ask(healths).await?).into()) })
    }

    fn pace(&self) -> Pace {
        Pace::Blocking(self.consul.longest())
    }
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
