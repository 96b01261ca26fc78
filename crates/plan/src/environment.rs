//! One place where a run can happen: endpoints, sizes, and where its secrets come from.
//!
//! An environment is laid over others: built-in defaults, `base.toml`, its own file, `REHEARSAL_*`
//! variables, `--set`. The last word wins, tables merge, and every mistake of all layers is told at once.

mod demo;
mod ec2;
mod layers;
mod reader;
mod service;

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use url::Url;

use crate::duration;
use crate::problem::Problem;

pub use demo::DemoInstances;
pub use ec2::Ec2;
pub use layers::Layer;
pub use service::{Consul, Scheme, Service};

/// What stands in files and pages where a secret was.
const MASK: &str = "***";

/// Keys whose values are masked, found anywhere in a key's name.
const SECRET_WORDS: [&str; 6] = ["password", "passwd", "secret", "token", "api_key", "authorization"];

/// An environment with all layers applied.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Environment {
    /// The system under test.
    pub target: Target,
    /// Where cues are fired; without it, the target's `/admin`.
    pub admin: Option<String>,
    /// The hosts that may be loaded, besides loopback: those of target and admin unless the author names others.
    pub allow: Vec<String>,
    /// How users speak HTTP.
    pub http: Http,
    /// Who generates the load.
    pub agents: Agents,
    /// For each secret, the name of the process variable that holds it. The value itself stands nowhere.
    pub secrets: BTreeMap<String, String>,
    /// The embedded demo as a system of instances, if it is to be one.
    #[serde(default)]
    pub demo: Option<DemoInstances>,
    /// How the autoscaler under test is observed; understood by the observers alone.
    pub autoscaler: Option<Value>,
    /// Everything else: the script's `env`.
    pub values: Map<String, Value>,
}

/// The system under test.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Target {
    /// The embedded demo system, started with the run.
    #[default]
    Demo,
    /// A system at a URL.
    Url(String),
    /// The instances of a service, as Consul lists them.
    Consul(Service),
}

/// How users speak HTTP.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Http {
    /// How long an idle connection is kept.
    #[serde(with = "duration::text")]
    pub keep_alive: Duration,
    /// The header that carries the user's number, if any.
    pub user_header: Option<String>,
    /// The header that carries the agent's id, if any.
    pub agent_header: Option<String>,
    /// How long a call waits for its answer unless it says otherwise.
    #[serde(with = "duration::text")]
    pub timeout: Duration,
    /// The longest body that a user reads, in bytes after decompression.
    pub max_body: u64,
}

/// Who generates the load.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Agents {
    /// How they come to be.
    pub launch: Launch,
    /// How many there are.
    pub count: u32,
    /// Their shares of the load, one weight each; without them, equal ones.
    pub weights: Option<Vec<u32>>,
    /// How long an agent may start users after it last reached the coordinator.
    #[serde(with = "duration::text")]
    pub lease: Duration,
    /// How long after that its users have left.
    #[serde(with = "duration::text")]
    pub drain: Duration,
    /// The instances, if they are to be launched on EC2.
    #[serde(default)]
    pub ec2: Ec2,
}

/// How agents come to be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Launch {
    /// As processes of this machine.
    #[default]
    Local,
    /// As EC2 instances.
    Ec2,
    /// By themselves; the run waits for them.
    Join,
}

impl Default for Http {
    fn default() -> Http {
        Http {
            keep_alive: Duration::from_secs(60),
            user_header: None,
            agent_header: None,
            timeout: Duration::from_secs(30),
            max_body: 16 << 20, // far beyond a programme page, and a thousand of them fit a small agent
        }
    }
}

impl Default for Agents {
    fn default() -> Agents {
        Agents {
            launch: Launch::Local,
            count: 2,
            weights: None,
            lease: Duration::from_secs(20), // outlasts a redial and most network trouble
            drain: Duration::from_secs(12), // holds the 5 s of grace for calls in flight
            ec2: Ec2::default(),
        }
    }
}

impl Environment {
    /// Lays the layers over the defaults, then the `REHEARSAL_*` variables, then the `--set` pairs. The name of a
    /// variable is a key in capitals, with two underscores where a dot would stand: `REHEARSAL_HTTP__KEEP_ALIVE`.
    /// Texts of variables and pairs are TOML values, or else plain strings.
    ///
    /// # Errors
    /// All problems of all layers, with file and line where they stand in a file.
    pub fn from_layers(
        layers: &[Layer],
        variables: &BTreeMap<String, String>,
        sets: &[(String, String)],
    ) -> Result<Environment, Vec<Problem>> {
        let mut problems = Vec::new();
        let tree = layers::merged(layers, variables, sets, &mut problems);
        let mut environment = reader::environment(tree, &mut problems);
        if !problems.is_empty() {
            return Err(problems);
        }
        if environment.allow.is_empty() {
            environment.allow = environment.own_hosts();
        }
        Ok(environment)
    }

    /// Gives the URL under which cues are fired, for a target that answers at `target`.
    #[must_use]
    pub fn admin_url(&self, target: &str) -> String {
        self.admin.clone().unwrap_or_else(|| format!("{}/admin", target.trim_end_matches('/')))
    }

    /// Gives the environment as it may be written to disk: secrets by their names only, and masked whatever else
    /// looks like one, as values of keys named `token` and passwords in URLs do.
    #[must_use]
    pub fn masked(&self) -> Environment {
        let mut masked = self.clone();
        match &mut masked.target {
            Target::Demo => {}
            Target::Url(url) => mask_url(url),
            Target::Consul(service) => service.consul.url.iter_mut().for_each(mask_url),
        }
        masked.admin.iter_mut().for_each(mask_url);
        masked.autoscaler.iter_mut().for_each(mask);
        mask_map(&mut masked.values);
        masked
    }

    /// The hosts of target and admin.
    fn own_hosts(&self) -> Vec<String> {
        let target = match &self.target {
            Target::Demo => None,
            Target::Url(url) => Some(url.clone()),
            Target::Consul(service) => Some(service.url()),
        };
        let mut hosts: Vec<String> = target
            .iter()
            .chain(&self.admin)
            .filter_map(|url| Url::parse(url).ok()?.host_str().map(str::to_string))
            .collect();
        hosts.dedup();
        hosts
    }
}

fn mask(value: &mut Value) {
    match value {
        Value::String(text) => mask_url(text),
        Value::Array(items) => items.iter_mut().for_each(mask),
        Value::Object(map) => mask_map(map),
        _ => {}
    }
}

fn mask_map(map: &mut Map<String, Value>) {
    for (key, value) in map {
        let key = key.to_lowercase();
        if SECRET_WORDS.iter().any(|word| key.contains(word)) {
            *value = MASK.into();
        } else {
            mask(value);
        }
    }
}

/// Masks the password in a URL; leaves any other text alone.
fn mask_url(text: &mut String) {
    if let Ok(mut url) = Url::parse(text)
        && url.password().is_some()
        && url.set_password(Some(MASK)).is_ok()
    {
        *text = url.into();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layer(name: &str, toml: &str) -> Layer {
        Layer { name: name.into(), toml: toml.into() }
    }

    fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect()
    }

    #[test]
    fn without_layers_there_is_a_laptop_run() {
        let environment = Environment::from_layers(&[], &BTreeMap::new(), &[]).unwrap();
        assert_eq!(environment.target, Target::Demo);
        assert_eq!(environment.agents, Agents::default());
        assert_eq!(environment.http, Http::default());
        assert_eq!(environment.admin_url("http://127.0.0.1:9/"), "http://127.0.0.1:9/admin");
        let text = serde_json::to_string(&environment).unwrap();
        assert_eq!(serde_json::from_str::<Environment>(&text).unwrap(), environment);
    }

    #[test]
    fn the_last_layer_wins_and_tables_merge() {
        let base = layer(
            "base.toml",
            "users = 10\nstay = \"25s\"\n[http]\nkeep_alive = \"5s\"\ntimeout = 7\n[limits]\nlow = 1\nhigh = 2",
        );
        let stress = layer(
            "stress.toml",
            "target = \"https://stress.example.com\"\nadmin = \"https://admin.example.com/x\"\n[http]\nkeep_alive = \"9s\"\n\
             [agents]\nlaunch = \"join\"\ncount = 3\nweights = [1, 2, 3]\n[secrets]\napi_key = { env = \"STRESS_API_KEY\" }\n\
             [autoscaler.supply]\nobserve = \"http\"",
        );
        let variables = pairs(&[("REHEARSAL_USERS", "5"), ("REHEARSAL_HTTP__KEEP_ALIVE", "11s"), ("HOME", "/x")]);
        let sets = pairs(&[("limits.high", "3"), ("stay", "1m"), ("names", "[\"a\"]")]);
        let environment = Environment::from_layers(&[base, stress], &variables.into_iter().collect(), &sets).unwrap();
        assert_eq!(environment.target, Target::Url("https://stress.example.com".into()));
        assert_eq!(environment.allow, ["stress.example.com", "admin.example.com"]);
        assert_eq!(environment.http.keep_alive, Duration::from_secs(11));
        assert_eq!(environment.http.timeout, Duration::from_secs(7));
        let agents = Agents { launch: Launch::Join, count: 3, weights: Some(vec![1, 2, 3]), ..Agents::default() };
        assert_eq!(environment.agents, agents);
        assert_eq!(environment.secrets["api_key"], "STRESS_API_KEY");
        assert_eq!(environment.autoscaler, Some(serde_json::json!({ "supply": { "observe": "http" } })));
        let values = serde_json::json!({ "limits": { "high": 3, "low": 1 }, "names": ["a"], "stay": "1m", "users": 5 });
        assert_eq!(Value::Object(environment.values), values);
    }

    #[test]
    fn all_problems_are_told_at_once() {
        let broken = layer("base.toml", "users = \n");
        let wrong = layer(
            "dev.toml",
            "target = 5\nallow = \"x\"\nscore = nan\n[http]\nkeepalive = \"5s\"\ntimeout = \"soon\"\nmax_body = -1\n\
             [agents]\nlaunch = \"locl\"\ncount = 2\n\n[secrets]\napi_key = \"abc\"",
        );
        let sets = pairs(&[("agents.count", "many"), ("a..b", "1"), ("target.x", "1")]);
        let problems = Environment::from_layers(&[broken, wrong], &BTreeMap::new(), &sets).unwrap_err();
        let found: Vec<String> = problems.iter().map(Problem::to_string).collect();
        let (syntax, rest) = found.split_first().unwrap();
        assert!(syntax.starts_with("base.toml:1: "), "{syntax}");
        assert_eq!(
            rest,
            [
                "--set a..b: a key has an empty part",
                "--set target.x: `target` is not a text",
                "dev.toml:2: `allow` is not a list of texts",
                "dev.toml:6: `http.timeout` is not a duration (hint: write it as in `500ms`, `2s` or `1m30s`)",
                "dev.toml:7: `http.max_body` is not a whole number from 0 to 9223372036854775807",
                "dev.toml:5: unknown key `http.keepalive` (hint: did you mean `keep_alive`?)",
                "dev.toml:9: `agents.launch` is not one of local, ec2 and join (hint: did you mean `local`?)",
                "--set agents.count: `agents.count` is not a whole number from 1 to 100000",
                "dev.toml:13: the secret `api_key` must not stand here (hint: name the process variable that holds it: api_key = { env = \"API_KEY\" })",
                "dev.toml:3: `score` is not a number that scripts know",
            ]
        );
    }

    #[test]
    fn weights_need_an_agent_each_and_targets_a_host() {
        let wrong = layer("dev.toml", "target = \"stress.example.com\"\n[agents]\nweights = [1]");
        let problems = Environment::from_layers(&[wrong], &BTreeMap::new(), &[]).unwrap_err();
        let found: Vec<String> = problems.iter().map(Problem::to_string).collect();
        assert_eq!(
            found,
            [
                "dev.toml:1: `target` is not a URL (hint: write it as in `https://stress.example.com`, `demo` or `consul://web`)",
                "dev.toml:3: `agents.weights` has 1 weight for 2 agents",
            ]
        );
    }

    #[test]
    fn nothing_secret_is_written_down() {
        let toml = "target = \"https://me:hush@stress.example.com\"\nAccess_Token = \"hush\"\nurls = [\"http://a:hush@b/\"]\n\
                    [autoscaler.supply]\npassword = \"hush\"\nurl = \"http://scaler\"\n[secrets]\nkey = { env = \"KEY\" }";
        let environment = Environment::from_layers(&[layer("a.toml", toml)], &BTreeMap::new(), &[]).unwrap();
        let text = serde_json::to_string(&environment.masked()).unwrap();
        assert!(!text.contains("hush"), "{text}");
        assert!(text.contains("KEY") && text.contains("http://scaler"), "{text}");
    }
}
