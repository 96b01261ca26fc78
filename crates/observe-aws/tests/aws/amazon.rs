//! A fake Amazon whose clock a test moves, and sources that ask it.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rehearsal_fake_aws::{Clock, Replay, Timeline, serve};
use rehearsal_observe::{Context, Observation, Registry, Source};
use tokio::net::TcpListener;

use crate::harness::shown;

/// Second 0 of every timeline here, in seconds since 1970; a whole minute, so that periods of CloudWatch begin with it.
const EPOCH: u64 = 1_800_000_000;

/// The instant of a second.
pub fn at(second: f64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(EPOCH) + Duration::from_secs_f64(second)
}

/// A fake that plays a timeline for as long as the runtime of the test lives.
pub struct Amazon {
    pub url: String,
    clock: Clock,
}

impl Amazon {
    /// Plays a timeline.
    pub async fn playing(timeline: &str) -> Amazon {
        let timeline = Timeline::parse(timeline).unwrap_or_else(|error| panic!("{error}"));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let clock = Clock::held(0.0);
        tokio::spawn(serve(listener, Replay::new(timeline, at(0.0)), clock.clone()));
        Amazon { url, clock }
    }

    /// Makes the sources of an environment that asks this fake.
    pub fn sources(&self, environment: &str) -> Vec<Source> {
        sources(&self.url, environment).unwrap_or_else(|told| panic!("{told:#?}"))
    }

    /// Moves the clock.
    pub fn hold_at(&self, second: f64) {
        self.clock.set(second);
    }

    /// Reads a source as of a second.
    pub async fn observe(&self, source: &mut Source, second: f64) -> Observation {
        self.hold_at(second);
        source.observe(at(second)).await
    }

    /// Reads the only source of a table as of some seconds, and prints what came of it.
    pub async fn outcomes(&self, table: &str, seconds: &[f64]) -> Vec<String> {
        let mut sources = self.sources(table);
        let mut outcomes = Vec::new();
        for second in seconds {
            outcomes.push(shown(&self.observe(&mut sources[0], *second).await.outcome));
        }
        outcomes
    }
}

/// Makes the sources of an environment's tables, each of which asks an endpoint.
pub fn sources(url: &str, environment: &str) -> Result<Vec<Source>, Vec<String>> {
    let reached = format!(
        "endpoint = \"{url}\"\nregion = \"ap-northeast-1\"\naccess_key = \"observer\"\nsecret_key = \"hush-hush\""
    );
    // Whatever says by what it is observed says also whom to ask.
    let lines = environment.lines().map(|line| match line.trim_start().starts_with("observe = ") {
        true => format!("{line}\n{reached}\n"),
        false => format!("{line}\n"),
    });
    sources_of(&lines.collect::<String>())
}

/// Makes the sources of an environment as it stands.
pub fn sources_of(environment: &str) -> Result<Vec<Source>, Vec<String>> {
    let table: toml::Table = environment.parse().unwrap();
    let value = serde_json::to_value(table).unwrap();
    let registry = rehearsal_observe_aws::register(Registry::default());
    let sources = registry.sources(&value["autoscaler"], &Context::default());
    sources.map_err(|problems| problems.iter().map(ToString::to_string).collect())
}
