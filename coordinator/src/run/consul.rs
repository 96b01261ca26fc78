//! Where a target's Consul is, and a first look at the service: what is wrong there is told before anything starts.

use std::time::Duration;

use rehearsal_observe::consul::{Consul, instances};
use rehearsal_observe::web::Web;
use rehearsal_observe::{ErrorKind, Failure, Secret};
use rehearsal_plan::{Environment, Instances, Problem, Service};
use rehearsal_verdict::amounts::counted;
use url::Url;

/// Where an agent of Consul listens on its own machine.
const USUAL: &str = "http://127.0.0.1:8500";
/// How long a query waits for a change. Short, so that a Consul that is silently gone is noticed soon: a query a service in
/// ten seconds is no load for it.
const WAIT: Duration = Duration::from_secs(10);
/// How long an answer may take beyond that.
const PATIENCE: Duration = Duration::from_secs(5);

/// Consul, as a target needs it.
#[derive(Clone, Debug)]
pub(crate) struct Registry {
    consul: Consul,
    service: Service,
    token: Option<Secret>,
}

impl Registry {
    /// Finds out where Consul is and who we are there: by the environment, and where that says nothing by the variables that
    /// Consul's own programs read. `variable` gives a variable of the process.
    pub(crate) fn new(
        service: &Service,
        environment: &Environment,
        variable: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Self, Problem> {
        let settings = &service.consul;
        let variable = |name: &str| variable(name).filter(|value| !value.is_empty());
        let url = match &settings.url {
            Some(url) => url.clone(),
            None => usual_url(variable("CONSUL_HTTP_ADDR"), variable("CONSUL_HTTP_SSL"))?,
        };
        let url: Url = url.parse().map_err(|error| Problem::new(format!("`{url}` is not a URL: {error}")))?;
        let ca = settings.ca.clone().or_else(|| variable("CONSUL_CACERT"));
        let web = Web::new(url, ca.as_deref())
            .map_err(|problem| Problem { message: format!("`consul.ca` {}", problem.message), ..problem })?;
        let token = match &settings.token {
            Some(name) => Some(named_secret(name, environment, &variable)?),
            None => variable("CONSUL_HTTP_TOKEN"),
        };
        let token = token.map(Secret::new);
        let consul = Consul::new(web, &service.name, WAIT);
        let mut consul = consul.within(settings.tag.clone(), settings.datacenter.clone());
        if let Some(token) = &token {
            consul = consul.with_token(token)?;
        }
        Ok(Self { consul, service: service.clone(), token })
    }

    /// The service's name.
    pub(crate) fn name(&self) -> &str {
        &self.service.name
    }

    /// Asks once, and waits for a change unless it is the first time or the last answer was none.
    pub(crate) async fn ask(&mut self) -> Result<Instances, Failure> {
        let limit = self.consul.longest() + PATIENCE;
        let asked = tokio::time::timeout(limit, self.consul.ask(instances)).await;
        let asked = asked.unwrap_or_else(|_| Err(silent(limit)));
        asked.map_err(|failure| self.without_token(failure))
    }

    /// Looks whether there is anybody to load.
    pub(crate) async fn look(&mut self) -> Result<Instances, Problem> {
        // The first query never waits for a change.
        let found = match tokio::time::timeout(PATIENCE, self.ask()).await {
            Ok(Ok(found)) => found,
            Ok(Err(failure)) => return Err(self.unreadable(&failure)),
            Err(_) => return Err(self.unreadable(&silent(PATIENCE))),
        };
        let (listed, name) = (found.iter().count() as u64, &self.service.name);
        match (listed, found.serving().count()) {
            (0, _) => Err(self.absent().await),
            (_, 0) => {
                let problem = Problem::new(format!(
                    "Consul lists {} of `{name}`, and none that is passing: there is nobody to load",
                    counted(listed, "instance")
                ));
                Err(problem.hint("see what its checks say, and whether it is in maintenance"))
            }
            _ => Ok(found),
        }
    }

    /// Consul does not tell a service that is unknown from one without instances, nor from one that a token may not see.
    async fn absent(&self) -> Problem {
        let (name, at) = (&self.service.name, self.consul.base());
        let known = match tokio::time::timeout(PATIENCE, self.consul.services()).await {
            Ok(Ok(known)) => known,
            _ => Vec::new(),
        };
        if known.iter().any(|known| known == name) {
            let tagged =
                self.service.consul.tag.as_ref().map(|tag| format!(" with the tag `{tag}`")).unwrap_or_default();
            let problem = Problem::new(format!("Consul at {at} lists no instance of `{name}`{tagged}"));
            return problem.hint("see `consul.tag` and `consul.datacenter`, and whether an instance is registered");
        }
        let problem = Problem::new(format!("Consul at {at} knows no service `{name}`"));
        let guess = problem.clone().did_you_mean(name, known.iter().map(String::as_str));
        match guess.hint {
            Some(_) => guess,
            None => problem
                .hint("register it first; a token without service:read and node:read is shown no services at all"),
        }
    }

    fn unreadable(&self, failure: &Failure) -> Problem {
        let (name, at) = (&self.service.name, self.consul.base());
        let problem = Problem::new(format!("asking Consul at {at} for the instances of `{name}` failed: {failure}"));
        problem.hint(match failure {
            Failure::Error(ErrorKind::Connection | ErrorKind::Timeout, _) => {
                "say where Consul is: `url` in [consul], or the variable CONSUL_HTTP_ADDR"
            }
            Failure::Error(ErrorKind::Denied, _) => {
                "give a token with service:read and node:read: `token` in [consul], or the variable CONSUL_HTTP_TOKEN"
            }
            Failure::Error(ErrorKind::Format, text) if text.contains("port") || text.contains("address") => {
                "register every instance with its address and its port"
            }
            _ => "see whether this is the HTTP API of an agent of Consul, and whether its cluster has a leader",
        })
    }

    /// A server may repeat what it was sent.
    fn without_token(&self, failure: Failure) -> Failure {
        match (failure, &self.token) {
            (Failure::Error(kind, text), Some(token)) => Failure::Error(kind, token.masked_in(text)),
            (failure, _) => failure,
        }
    }
}

fn silent(limit: Duration) -> Failure {
    Failure::Error(ErrorKind::Timeout, format!("no answer within {}", rehearsal_plan::duration::print(limit)))
}

/// What `CONSUL_HTTP_ADDR` says, which may have a scheme or not.
fn usual_url(address: Option<String>, secure: Option<String>) -> Result<String, Problem> {
    let Some(address) = address else { return Ok(USUAL.to_owned()) };
    match address.split_once("://") {
        Some(("http" | "https", _)) => Ok(address),
        Some((scheme, _)) => {
            let problem = Problem::new(format!("CONSUL_HTTP_ADDR has the scheme {scheme}, which is not spoken here"));
            Err(problem.hint("say in `url` of [consul] where Consul speaks HTTP"))
        }
        None if matches!(secure.as_deref(), Some("1" | "true" | "TRUE" | "True")) => Ok(format!("https://{address}")),
        None => Ok(format!("http://{address}")),
    }
}

fn named_secret(
    name: &str,
    environment: &Environment,
    variable: &dyn Fn(&str) -> Option<String>,
) -> Result<String, Problem> {
    let holder = environment.secrets.get(name).map_or(name, String::as_str);
    variable(holder).ok_or_else(|| {
        let problem = Problem::new(format!("the secret `{name}`, which is Consul's token, is not there"));
        problem.hint(format!("set the variable {holder}"))
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use rehearsal_plan::{Layer, Target};

    use super::*;

    fn registry(toml: &str, variables: &[(&str, &str)]) -> Result<Registry, String> {
        let layer = Layer { name: "dev.toml".into(), toml: format!("target = \"consul://web\"\n{toml}") };
        let environment = Environment::from_layers(&[layer], &BTreeMap::new(), &[]).unwrap();
        let Target::Consul(service) = environment.target.clone() else { panic!("{environment:?}") };
        let variable = |name: &str| Some(variables.iter().find(|(known, _)| *known == name)?.1.to_owned());
        Registry::new(&service, &environment, &variable).map_err(|problem| problem.to_string())
    }

    #[test]
    fn consul_is_where_the_environment_says_and_else_where_its_own_variables_do() {
        let own = "[consul]\nurl = \"http://10.0.0.1:8500\"";
        for (toml, variables, expected) in [
            ("", &[][..], "http://127.0.0.1:8500/"),
            ("", &[("CONSUL_HTTP_ADDR", "")], "http://127.0.0.1:8500/"),
            ("", &[("CONSUL_HTTP_ADDR", "10.0.0.2:8500")], "http://10.0.0.2:8500/"),
            ("", &[("CONSUL_HTTP_ADDR", "10.0.0.2:8501"), ("CONSUL_HTTP_SSL", "true")], "https://10.0.0.2:8501/"),
            ("", &[("CONSUL_HTTP_ADDR", "https://10.0.0.2/consul")], "https://10.0.0.2/consul"),
            (own, &[("CONSUL_HTTP_ADDR", "10.0.0.2:8500")], "http://10.0.0.1:8500/"),
        ] {
            let found = registry(toml, variables).unwrap();
            assert_eq!(found.consul.base().as_str(), expected, "{toml} {variables:?}");
        }
        let refused = registry("", &[("CONSUL_HTTP_ADDR", "unix:///run/consul.sock")]).unwrap_err();
        assert!(refused.contains("the scheme unix") && refused.contains("hint"), "{refused}");
    }

    #[test]
    fn the_token_comes_from_a_variable_and_is_not_shown() {
        let named = "[consul]\ntoken = { secret = \"consul\" }\n[secrets]\nconsul = { env = \"OURS\" }";
        for (toml, variables, expected) in [
            ("", &[][..], None),
            ("", &[("CONSUL_HTTP_TOKEN", "hush")], Some("hush")),
            (named, &[("CONSUL_HTTP_TOKEN", "other"), ("OURS", "hush")], Some("hush")),
        ] {
            let found = registry(toml, variables).unwrap();
            assert_eq!(found.token.as_ref().map(Secret::reveal), expected, "{toml}");
            assert!(!format!("{found:?}").contains("hush"), "{found:?}");
        }
        assert_eq!(
            registry(named, &[("CONSUL_HTTP_TOKEN", "other")]).unwrap_err(),
            "the secret `consul`, which is Consul's token, is not there (hint: set the variable OURS)"
        );
    }
}
