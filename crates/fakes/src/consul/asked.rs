//! What a request asks besides its path: how long to wait for a change, of whom the answer may be, and as whom.

use std::time::Duration;

use axum::extract::{FromRequestParts, Query};
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use rand::RngExt;
use rehearsal_plan::duration;

use super::Shared;
use super::catalog::Catalog;
use super::documents::DATACENTER;
use super::status::Refusal;

/// How long a blocking query waits if it does not say, at the most, and which share of that may be added.
const WAIT: Duration = Duration::from_secs(300);
const LONGEST_WAIT: Duration = Duration::from_secs(600);
const JITTER: u32 = 16;

/// The parameters of a request.
#[derive(Debug)]
pub struct Asked {
    parameters: Vec<(String, String)>,
    /// Whether the request comes with the right to read and write.
    pub is_trusted: bool,
}

impl FromRequestParts<Shared> for Asked {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, shared: &Shared) -> Result<Asked, Refusal> {
        let Query(parameters) =
            Query::try_from_uri(&parts.uri).map_err(|error| Refusal::new(400, error.to_string()))?;
        let header = |name: &str| parts.headers.get(name).and_then(|value| value.to_str().ok());
        let bearer = header(AUTHORIZATION.as_str()).and_then(|value| value.strip_prefix("Bearer "));
        let mut asked = Asked { parameters, is_trusted: true };
        let given = header("x-consul-token").or(bearer).or_else(|| asked.get("token")).unwrap_or_default();
        if let Some(token) = &shared.token {
            if !given.is_empty() && given != &**token {
                return Err(Refusal::new(403, "ACL not found"));
            }
            asked.is_trusted = !given.is_empty();
        }
        Ok(asked)
    }
}

impl Asked {
    /// A parameter, which may be empty.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.parameters.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// All values of a parameter.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.parameters.iter().filter(move |(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// A parameter that is a yes or a no; without a value it is a yes.
    pub fn flag(&self, name: &str) -> Result<bool, Refusal> {
        match self.get(name) {
            None => Ok(false),
            Some("" | "1" | "t" | "T" | "true" | "True" | "TRUE") => Ok(true),
            Some("0" | "f" | "F" | "false" | "False" | "FALSE") => Ok(false),
            Some(_) => Err(Refusal::new(400, format!("Invalid value for ?{name}"))),
        }
    }

    /// A parameter that is a whole number.
    pub fn whole(&self, name: &str) -> Result<Option<u64>, Refusal> {
        let read = |text: &str| text.parse().map_err(|_| Refusal::new(400, format!("Invalid {name}")));
        self.get(name).filter(|text| !text.is_empty()).map(read).transpose()
    }

    /// Whether, and how long, the query blocks: the index that has to be exceeded, and the time, a little of it by
    /// chance.
    pub fn blocking(&self) -> Result<Option<(u64, Duration)>, Refusal> {
        let wait = match self.get("wait") {
            None | Some("") => WAIT,
            // Unlike elsewhere here, a number needs its unit.
            Some(text) if text.ends_with(|c: char| c.is_ascii_digit()) => return Err(invalid_wait()),
            Some(text) => duration::parse(text).map_err(|_| invalid_wait())?.min(LONGEST_WAIT),
        };
        let more = rand::rng().random_range(0.0..=1.0);
        let wait = wait + (wait / JITTER).mul_f64(more);
        Ok(self.whole("index")?.filter(|index| *index > 0).map(|index| (index, wait)))
    }

    /// Whether the catalog can answer: there is a leader or the answer may be stale, and the datacenter is ours.
    pub fn can_be_answered(&self, catalog: &Catalog) -> Result<(), Refusal> {
        let (stale, consistent) = (self.flag("stale")?, self.flag("consistent")?);
        if stale && consistent {
            return Err(Refusal::new(400, "Cannot specify ?stale with ?consistent, conflicting semantics."));
        }
        if self.get("dc").is_some_and(|dc| !dc.is_empty() && dc != DATACENTER) {
            return Err(Refusal::new(500, "No path to datacenter"));
        }
        if !catalog.has_leader && !stale {
            return Err(Refusal::new(500, "No cluster leader"));
        }
        Ok(())
    }

    /// Refuses who comes without a right.
    pub fn is_permitted(&self) -> Result<(), Refusal> {
        if self.is_trusted { Ok(()) } else { Err(Refusal::new(403, "Permission denied")) }
    }
}

fn invalid_wait() -> Refusal {
    Refusal::new(400, "Invalid wait time")
}
