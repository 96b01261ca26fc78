//! How the API says no: a status, one sentence, and what to do next.

use std::collections::BTreeMap;
use std::fmt;

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use utoipa::openapi::{ContentBuilder, Ref, RefOr, ResponseBuilder};
use utoipa::{IntoResponses, ToSchema};

/// The place that is named for what stands in the request itself and not in a file.
const REQUEST: &str = "request";

/// Why something that was asked for is not done. Texts say what is wrong and what to do next.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// There is no such run, scenario or file.
    #[error("{0}")]
    NotFound(String),
    /// It does not go with the run's present state, such as stopping what is stopping already.
    #[error("{0}")]
    Conflict(String),
    /// It was understood and cannot be done as written: all mistakes at once.
    #[error("{}", summed_up(.0))]
    Invalid(Vec<Problem>),
    /// It was not understood.
    #[error("{0}")]
    BadRequest(String),
    /// It should have worked.
    #[error("{0}")]
    Internal(String),
}

impl Refusal {
    fn status(&self) -> StatusCode {
        match self {
            Self::NotFound(_) => StatusCode::NOT_FOUND,
            Self::Conflict(_) => StatusCode::CONFLICT,
            Self::Invalid(_) => StatusCode::UNPROCESSABLE_ENTITY,
            Self::BadRequest(_) => StatusCode::BAD_REQUEST,
            Self::Internal(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }
}

fn summed_up(problems: &[Problem]) -> String {
    match problems {
        [] => "it cannot be done as written".to_owned(),
        [only] => only.to_string(),
        [first, others @ ..] => format!("{first}, and {} more", others.len()),
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let (status, error) = (self.status(), self.to_string());
        let problems = if let Self::Invalid(problems) = self { problems } else { Vec::new() };
        (status, Json(RefusalBody { error, problems })).into_response()
    }
}

/// Answers with a refusal of the server's own, which no desk gives.
pub(crate) fn refuse(status: StatusCode, error: impl Into<String>) -> Response {
    (status, Json(RefusalBody { error: error.into(), problems: Vec::new() })).into_response()
}

/// The documented form of a refusal.
pub(crate) fn documented(meaning: &str) -> RefOr<utoipa::openapi::Response> {
    let body = ContentBuilder::new().schema(Some(Ref::from_schema_name("RefusalBody"))).build();
    RefOr::T(ResponseBuilder::new().description(meaning).content("application/json", body).build())
}

impl IntoResponses for Refusal {
    fn responses() -> BTreeMap<String, RefOr<utoipa::openapi::Response>> {
        let meanings = [
            ("400", "It was not understood."),
            ("404", "There is no such run, scenario or file."),
            ("409", "It does not go with the run's present state."),
            ("422", "It cannot be done as written; every mistake is listed."),
            ("500", "It should have worked, and failed on the coordinator's side."),
        ];
        meanings.into_iter().map(|(status, meaning)| (status.to_owned(), documented(meaning))).collect()
    }
}

/// The body of every answer that says no.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RefusalBody {
    /// What is wrong and what to do next, in one sentence.
    pub error: String,
    /// Each mistake by itself, with its place; empty where `error` says it all.
    pub problems: Vec<Problem>,
}

/// One mistake in a scenario, an environment or a request; the same as in `validate --json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Problem {
    /// The file; `request` for what stands in the request itself.
    pub file: String,
    /// Line, counting from 1; 0 when the mistake is not in one place.
    pub line: usize,
    /// Column in characters, counting from 1; 0 when unknown.
    pub column: usize,
    /// Whether the run can start.
    pub severity: Severity,
    /// What is wrong.
    pub message: String,
    /// What to do, if we know.
    pub hint: Option<String>,
}

/// How bad a problem is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The run cannot start.
    Error,
    /// It can, and may not do what is meant.
    Warning,
}

impl Problem {
    /// States a mistake in the request itself.
    pub fn of_request(message: impl Into<String>) -> Self {
        rehearsal_plan::Problem::new(message).into()
    }

    /// Adds what to do.
    #[must_use]
    pub fn hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }
}

/// Takes a problem without a place as one of the request.
impl From<rehearsal_plan::Problem> for Problem {
    fn from(problem: rehearsal_plan::Problem) -> Self {
        let rehearsal_plan::Problem { message, hint } = problem;
        Self { file: REQUEST.to_owned(), line: 0, column: 0, severity: Severity::Error, message, hint }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.file.as_str(), self.line) {
            (REQUEST, _) => {}
            (file, 0) => write!(out, "{file}: ")?,
            (file, line) => write!(out, "{file}:{line}: ")?,
        }
        out.write_str(&self.message)?;
        self.hint.iter().try_for_each(|hint| write!(out, " ({hint})"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_names_its_first_mistake_and_counts_the_others() {
        let problem =
            Problem { file: "show.rhai".into(), line: 3, ..Problem::of_request("no `user()`").hint("write one") };
        let one = Refusal::Invalid(vec![problem.clone()]);
        assert_eq!(one.to_string(), "show.rhai:3: no `user()` (write one)");
        let three = Refusal::Invalid(vec![Problem::of_request("first"), problem.clone(), problem]);
        assert_eq!(three.to_string(), "first, and 2 more");
    }
}
