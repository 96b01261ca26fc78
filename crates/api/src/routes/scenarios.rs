//! What can be started, and what a run would do.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;

use super::Shared;
use crate::body::Body;
use crate::{Desk, Forecast, Problem, Refusal, RefusalBody, RunRequest, ScenarioEntry};

/// Lists the scenarios that can be started.
#[utoipa::path(get, path = "/api/scenarios", tag = "scenarios", responses((status = 200, body = [ScenarioEntry], description = "All scenarios.")))]
pub(crate) async fn scenarios(State(shared): State<Arc<Shared>>) -> Json<Vec<ScenarioEntry>> {
    Json(shared.desk.scenarios())
}

/// Says what a run would do, without starting it.
#[utoipa::path(
    post, path = "/api/forecast", tag = "scenarios", request_body = RunRequest,
    responses(
        (status = 200, body = Forecast, description = "What it would do."),
        (status = 413, body = RefusalBody, description = "The body is too long."),
        Refusal,
    ),
)]
pub(crate) async fn forecast(
    State(shared): State<Arc<Shared>>,
    Body(request): Body<RunRequest>,
) -> Result<Json<Forecast>, Refusal> {
    check(&*shared.desk, &request)?;
    shared.desk.forecast(request).await.map(Json)
}

/// Refuses scenarios and environments that are not on the list: their names become names of files, and a slip of the pen
/// deserves the nearest name.
pub(super) fn check(desk: &dyn Desk, request: &RunRequest) -> Result<(), Refusal> {
    let scenarios = desk.scenarios();
    let Some(scenario) = scenarios.iter().find(|scenario| scenario.name == request.scenario) else {
        let names = scenarios.iter().map(|scenario| scenario.name.as_str());
        return Err(unknown("scenario", &request.scenario, names));
    };
    match &request.environment {
        Some(name) if !scenario.environments.contains(name) => {
            Err(unknown("environment", name, scenario.environments.iter().map(String::as_str)))
        }
        _ if request.agents == Some(0) => {
            let told =
                Problem::of_request("agents: a run needs at least one").hint("leave it out for as many as planned");
            Err(Refusal::Invalid(vec![told]))
        }
        _ => Ok(()),
    }
}

fn unknown<'a>(what: &str, name: &str, known: impl Iterator<Item = &'a str>) -> Refusal {
    let known: Vec<&str> = known.collect();
    let told = rehearsal_plan::Problem::new(format!("there is no {what} `{name}`"));
    let told = told.did_you_mean(name, known.iter().copied());
    let problem = match told.hint {
        Some(_) => told.into(),
        None => Problem::from(told).hint(format!("there is: {}", known.join(", "))),
    };
    Refusal::Invalid(vec![problem])
}
