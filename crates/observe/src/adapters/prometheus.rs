//! Prometheus, and what speaks its API: instant queries that give one number each.
//!
//! A query looks back five minutes for its samples, and the time in its answer is that of the question. So a series
//! whose exporter died without a trace goes on for minutes; `freshness` asks for the age of what lies beneath.

use std::time::SystemTime;

use futures_util::future::{BoxFuture, try_join_all};
use serde_json::Value;

use super::tells;
use crate::json::{count, instant, number, quoted, supply_keys};
use crate::observation::{ErrorKind, Failure, Reading, Role, Sample, Supply};
use crate::observer::Observer;
use crate::settings::{self, Settings};
use crate::web::Web;

struct Prometheus {
    web: Web,
    asks: Asks,
    freshness: Option<String>,
}

enum Asks {
    Metric(String),
    Supply([Option<String>; 6]),
}

/// Takes `url`, the keys of [`Web`], `query` or one query for each number of the supply, and `freshness`.
pub fn make(settings: &mut Settings<'_>, role: Role) -> Option<Box<dyn Observer>> {
    if !tells(settings, role, &[Role::Supply, Role::Metric]) {
        return None;
    }
    let url = settings.require("url", settings::url);
    let web = Web::from_settings(settings, url);
    let freshness = settings.take("freshness", settings::text);
    let asks = match role {
        Role::Supply => supply_keys(settings, settings::text).map(Asks::Supply),
        _ => settings.require("query", settings::text).map(Asks::Metric),
    };
    Some(Box::new(Prometheus { web: web?, asks: asks?, freshness }))
}

impl Observer for Prometheus {
    fn read(&mut self, _now: SystemTime) -> BoxFuture<'_, Result<Sample, Failure>> {
        Box::pin(async {
            let value = async {
                match &self.asks {
                    Asks::Metric(query) => self.metric(query).await,
                    Asks::Supply(queries) => self.supply(queries).await,
                }
            };
            let (reading, source_time) = tokio::try_join!(value, self.time())?;
            Ok(Sample { source_time, reading })
        })
    }

    fn is_dated(&self) -> bool {
        self.freshness.is_some()
    }
}

impl Prometheus {
    async fn metric(&self, query: &str) -> Result<Reading, Failure> {
        let value = number(&self.ask(query).await?)?;
        value
            .map(Reading::Metric)
            .ok_or_else(|| Failure::missing("the result is not a number, as after dividing by zero"))
    }

    /// Asks all queries at once, so that their numbers are of nearly one instant.
    async fn supply(&self, queries: &[Option<String>; 6]) -> Result<Reading, Failure> {
        let counts = queries.iter().zip(Supply::NAMES).map(|(query, name)| async move {
            let Some(query) = query else { return Ok(None) };
            match self.ask(query).await.and_then(|value| count(&value)) {
                Err(Failure::Missing(_)) => Ok(None),
                counted => counted.map_err(|failure| failure.within(name)),
            }
        });
        let counts = try_join_all(counts).await?;
        let mut supply = [None; 6];
        supply.copy_from_slice(&counts);
        match Supply::from_counts(supply) {
            supply if supply.is_empty() => Err(Failure::missing("all results are empty")),
            supply => Ok(Reading::Supply(supply)),
        }
    }

    async fn time(&self) -> Result<Option<SystemTime>, Failure> {
        let Some(query) = &self.freshness else { return Ok(None) };
        match self.ask(query).await {
            Ok(value) => instant(&value).map(Some).map_err(|failure| failure.within("freshness")),
            Err(Failure::Missing(_)) => Ok(None),
            Err(failure) => Err(failure.within("freshness")),
        }
    }

    async fn ask(&self, query: &str) -> Result<Value, Failure> {
        let mut url = self.web.url(&["api", "v1", "query"]);
        url.query_pairs_mut().append_pair("query", query);
        result(&self.web.get(&url).await?.json()?)
    }
}

/// Takes the one value out of an answer. It is a text, as Prometheus writes numbers.
fn result(answer: &Value) -> Result<Value, Failure> {
    let refused = |text: &str| Failure::Error(ErrorKind::Refused, text.into());
    if answer["status"] != "success" {
        return Err(refused(&format!("the query failed: {}", quoted(answer["error"].as_str().unwrap_or_default()))));
    }
    // Servers that ask others warn when one of them did not answer: the number would be of a part only.
    if let Some(warning) = answer["warnings"].get(0) {
        return Err(refused(&format!("the result may be incomplete: {}", quoted(&warning.to_string()))));
    }
    let data = &answer["data"];
    let found = match (data["resultType"].as_str(), data["result"].as_array().map(Vec::as_slice)) {
        (Some("vector"), Some([])) => return Err(Failure::missing("the result is empty")),
        (Some("vector"), Some([one])) => &one["value"][1],
        (Some("vector"), Some(many)) => {
            let text = format!("the result has {} series: aggregate them into one, as with sum()", many.len());
            return Err(Failure::format(text));
        }
        (Some("scalar"), Some([_, value])) => value,
        (kind, _) => {
            return Err(Failure::format(format!(
                "the result is not one number but {}",
                quoted(kind.unwrap_or("nothing"))
            )));
        }
    };
    match found {
        Value::String(_) => Ok(found.clone()),
        _ => Err(Failure::format("the result has no value, as that of a native histogram")),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(answer: Value, expected: Result<&str, &str>) {
        let found = result(&answer).map_err(|failure| failure.to_string());
        assert_eq!(found, expected.map(Value::from).map_err(String::from), "{answer}");
    }

    #[test]
    fn answers_are_one_number_or_none() {
        let success = |data: Value| json!({ "status": "success", "data": data });
        let vector = |items: Value| success(json!({ "resultType": "vector", "result": items }));
        check(vector(json!([{ "metric": {}, "value": [1.5, "0"] }])), Ok("0"));
        check(success(json!({ "resultType": "scalar", "result": [1.5, "NaN"] })), Ok("NaN"));
        check(vector(json!([])), Err("missing: the result is empty"));
        let series = json!({ "metric": {}, "value": [1, "2"] });
        let two = "format: the result has 2 series: aggregate them into one, as with sum()";
        check(vector(json!([series, series])), Err(two));
        check(
            vector(json!([{ "histogram": [1, {}] }])),
            Err("format: the result has no value, as that of a native histogram"),
        );
        check(
            success(json!({ "resultType": "matrix", "result": [] })),
            Err("format: the result is not one number but `matrix`"),
        );
        check(json!({ "status": "error", "error": "bad" }), Err("refused: the query failed: `bad`"));
        check(json!([]), Err("refused: the query failed: ``"));
        let mut partial = vector(json!([series]));
        partial["warnings"] = json!(["store is down"]);
        check(partial, Err("refused: the result may be incomplete: `\"store is down\"`"));
    }
}
