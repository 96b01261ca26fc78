//! A target whose instances are followed in Consul, and how its keys are read.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use url::{Host, Url};

use super::reader::{Read, Table, choice, text, web_url};
use crate::problem::Problem;

/// What a target begins with whose instances are followed.
pub(super) const PREFIX: &str = "consul://";

/// How the instances of a service are spoken to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scheme {
    /// In plain text.
    #[default]
    Http,
    /// Over TLS, with a certificate for the name by which users know the service.
    Https,
}

const SCHEMES: [(&str, Scheme); 2] = [("http", Scheme::Http), ("https", Scheme::Https)];

/// A service that users know by one name while its instances come and go.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Service {
    /// Its name in Consul.
    pub name: String,
    /// The host that users see in addresses, cookies and certificates, and that instances get as `Host`.
    pub host: String,
    /// How its instances are spoken to.
    pub scheme: Scheme,
    /// Where it is looked up; the coordinator's own business, so that agents get an empty one.
    pub consul: Consul,
}

/// Where and how Consul is asked.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Consul {
    /// The URL of an agent or server, without `/v1`; without it, what Consul's own variables say.
    pub url: Option<String>,
    /// The name of the environment's secret that holds the token; without it, what Consul's own variable says.
    pub token: Option<String>,
    /// Only instances with this tag.
    pub tag: Option<String>,
    /// Another datacenter than that of the agent that is asked.
    pub datacenter: Option<String>,
    /// The PEM file of an authority to trust besides the public ones.
    pub ca: Option<String>,
}

impl Service {
    /// Gives the URL by which users know the service.
    #[must_use]
    pub fn url(&self) -> String {
        let (scheme, _) = SCHEMES.into_iter().find(|(_, scheme)| *scheme == self.scheme).unwrap_or(SCHEMES[0]);
        format!("{scheme}://{}", self.host)
    }

    /// Gives what agents need to know: what users see, and nothing of where Consul is.
    #[must_use]
    pub fn for_agents(&self) -> Service {
        Service { consul: Consul::default(), ..self.clone() }
    }
}

/// Reads what follows after `consul://`.
pub(super) fn service(name: &str) -> Read<Service> {
    let is_name = |name: &str| !name.is_empty() && !name.contains(['/', '?', '#', '@', ':', ' ']);
    match is_name(name) {
        true => Ok(Service { name: name.into(), host: name.into(), ..Service::default() }),
        false => {
            let problem = Problem::new("names no service of Consul");
            Err(problem.hint("write it as in `consul://web`; tag, datacenter and the like go into [consul]"))
        }
    }
}

/// Takes the keys of `[consul]`.
pub(super) fn consul(mut table: Table<'_>, service: &mut Service, secrets: &BTreeMap<String, String>) {
    service.host = table.take("host", host).unwrap_or(std::mem::take(&mut service.host));
    service.scheme = table.take("scheme", choice(&SCHEMES)).unwrap_or_default();
    service.consul = Consul {
        url: table.take("url", web_url),
        token: table.secret("token", secrets),
        tag: table.take("tag", text),
        datacenter: table.take("datacenter", text),
        ca: table.take("ca", text),
    };
    table.refuse_the_rest();
}

/// Settles the host by which users know the service, in the form that URLs have.
///
/// # Errors
/// When the service is called what no host can be, and nothing else was said.
pub(super) fn settle_host(service: &mut Service) -> Result<(), Problem> {
    service.host = host(&service.host.clone().into()).map_err(|_| {
        let problem = Problem::new(format!("`consul://{}` has a name that no host can have", service.name));
        problem.hint("say in `consul.host` by which name users know it")
    })?;
    Ok(())
}

/// A host's name as it stands in URLs, without port. Digits alone would be read as an address.
fn host(value: &toml::Value) -> Read<String> {
    let name = text(value)?;
    let alone = !name.contains([':', '@', '/', '\\', '?', '#']);
    let url = Url::parse(&format!("http://{name}")).ok().filter(|_| alone);
    match url.as_ref().and_then(Url::host) {
        Some(Host::Domain(host)) => Ok(host.to_owned()),
        _ => Err(Problem::new("is not the name of a host").hint("write it as in `show.example.com`, without a port")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Environment, Layer, Target};

    fn read(toml: &str) -> Result<Environment, Vec<String>> {
        let layer = Layer { name: "dev.toml".into(), toml: toml.into() };
        let read = Environment::from_layers(&[layer], &BTreeMap::new(), &[]);
        read.map_err(|problems| problems.iter().map(Problem::to_string).collect())
    }

    #[test]
    fn a_service_is_known_by_its_own_name_unless_another_is_given() {
        let environment = read("target = \"consul://Web\"").unwrap();
        let Target::Consul(service) = &environment.target else { panic!("{environment:?}") };
        assert_eq!((service.name.as_str(), service.url().as_str()), ("Web", "http://web"));
        assert_eq!(environment.allow, ["web"]);
        assert_eq!(environment.admin_url(&service.url()), "http://web/admin");

        let environment = read(
            "target = \"consul://web\"\n[consul]\nurl = \"https://consul.example.com:8501\"\nscheme = \"https\"\n\
             host = \"show.example.com\"\ntag = \"v2\"\ndatacenter = \"eu\"\nca = \"ca.pem\"\ntoken = { secret = \"key\" }\n\
             [secrets]\nkey = { env = \"KEY\" }",
        )
        .unwrap();
        let Target::Consul(service) = &environment.target else { panic!("{environment:?}") };
        let text = |text: &str| Some(text.to_owned());
        let consul = Consul {
            url: text("https://consul.example.com:8501"),
            token: text("key"),
            tag: text("v2"),
            datacenter: text("eu"),
            ca: text("ca.pem"),
        };
        assert_eq!((service.url().as_str(), &service.consul), ("https://show.example.com", &consul));
        assert_eq!(environment.allow, ["show.example.com"]);
        assert_eq!(service.for_agents(), Service { consul: Consul::default(), ..service.clone() });
        assert!(environment.values.is_empty());
    }

    #[test]
    fn every_mistake_in_the_keys_of_consul_is_told_with_its_place() {
        let problems = read(
            "target = \"consul://web\"\n[consul]\nurl = \"127.0.0.1:8500\"\nschema = \"http\"\nscheme = \"htps\"\n\
             host = \"a:80\"\ntag = 5\ntoken = \"abc\"\n",
        );
        assert_eq!(
            problems.unwrap_err(),
            [
                "dev.toml:6: `consul.host` is not the name of a host (hint: write it as in `show.example.com`, without a port)",
                "dev.toml:5: `consul.scheme` is not one of http and https (hint: did you mean `https`?)",
                "dev.toml:3: `consul.url` is not a URL of http or https (hint: write it as in `http://127.0.0.1:8500`)",
                "dev.toml:8: `consul.token` must not stand here (hint: name a secret of the environment: token = { secret = \"name\" })",
                "dev.toml:7: `consul.tag` is not a text",
                "dev.toml:4: unknown key `consul.schema` (hint: did you mean `scheme`?)",
            ]
        );
        let unknown =
            "target = \"consul://web\"\n[consul]\ntoken = { secret = \"kee\" }\n[secrets]\nkey = { env = \"K\" }";
        assert_eq!(
            read(unknown).unwrap_err(),
            [
                "dev.toml:3: `consul.token` names the secret `kee`, which the environment does not have (hint: did you mean `key`?)"
            ]
        );
    }

    #[test]
    fn names_that_no_host_can_have_need_one() {
        for name in ["", "web/path", "web:80", "a@b"] {
            let problems = read(&format!("target = \"consul://{name}\"")).unwrap_err();
            assert!(problems[0].starts_with("dev.toml:1: `target` names no service of Consul (hint: "), "{problems:?}");
        }
        let problems = read("target = \"consul://7\"").unwrap_err();
        assert_eq!(
            problems,
            ["`consul://7` has a name that no host can have (hint: say in `consul.host` by which name users know it)"]
        );
        assert!(read("target = \"consul://7\"\n[consul]\nhost = \"web\"").is_ok());
    }

    /// Without such a target the table is the script's, as any other that we do not know.
    #[test]
    fn the_table_belongs_to_the_script_when_no_service_is_followed() {
        let environment = read("target = \"demo\"\n[consul]\nanything = 1").unwrap();
        assert_eq!(environment.values["consul"], serde_json::json!({ "anything": 1 }));
    }

    #[test]
    fn no_password_is_written_down() {
        let environment = read("target = \"consul://web\"\n[consul]\nurl = \"http://me:hush@127.0.0.1:8500\"").unwrap();
        let text = serde_json::to_string(&environment.masked()).unwrap();
        assert!(!text.contains("hush") && text.contains("127.0.0.1:8500"), "{text}");
    }
}
