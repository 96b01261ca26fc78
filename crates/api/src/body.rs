//! What comes with a request, read so that whoever wrote it learns what is wrong with it.

use axum::body::Bytes;
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::{IntoResponse as _, Response};
use serde::de::DeserializeOwned;
use serde_json::Value;
use utoipa::PartialSchema;
use utoipa::openapi::{RefOr, Schema};

use crate::refusal::refuse;
use crate::{Problem, Refusal};

/// The longest body, in bytes: far more than any request needs.
pub(crate) const LONGEST: usize = 64 * 1024;
/// Who gives a command if nobody says so.
const NOBODY: &str = "api";
/// The header that says who gives a command.
pub(crate) const BY: &str = "x-rehearsal-by";
/// The longest name of who gives a command.
pub(crate) const LONGEST_NAME: usize = 64;

/// A JSON object as the body. An empty body is an empty object.
pub(crate) struct Body<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned + PartialSchema> FromRequest<S> for Body<T> {
    type Rejection = Response;

    async fn from_request(request: Request, state: &S) -> Result<Self, Response> {
        let bytes = Bytes::from_request(request, state).await.map_err(|broken| match broken.status() {
            too_large @ StatusCode::PAYLOAD_TOO_LARGE => {
                refuse(too_large, format!("the body is longer than {LONGEST} bytes: no request needs that"))
            }
            other => refuse(other, "the body broke off: send the request again"),
        })?;
        read(&bytes).map(Self).map_err(Refusal::into_response)
    }
}

fn read<T: DeserializeOwned + PartialSchema>(bytes: &[u8]) -> Result<T, Refusal> {
    let bytes = if bytes.is_empty() { b"{}" } else { bytes };
    let told = |what: &str| Refusal::BadRequest(format!("the body is not a JSON object: {what}"));
    let value: Value = serde_json::from_slice(bytes).map_err(|wrong| told(&wrong.to_string()))?;
    let Value::Object(object) = &value else { return Err(told("it is another kind of value")) };
    let known = fields::<T>();
    let unknown: Vec<Problem> =
        object.keys().filter(|key| !known.contains(key)).map(|key| unknown_field(key, &known)).collect();
    if !unknown.is_empty() {
        return Err(Refusal::Invalid(unknown));
    }
    serde_path_to_error::deserialize(value).map_err(|wrong| {
        let message = match wrong.path().to_string().as_str() {
            "." => wrong.inner().to_string(),
            place => format!("{place}: {}", wrong.inner()),
        };
        Refusal::Invalid(vec![Problem::of_request(message)])
    })
}

/// The names of a type's fields, from its documented schema, so that they are written down once.
fn fields<T: PartialSchema>() -> Vec<String> {
    match T::schema() {
        RefOr::T(Schema::Object(object)) => object.properties.into_keys().collect(),
        _ => Vec::new(),
    }
}

fn unknown_field(name: &str, known: &[String]) -> Problem {
    let told = rehearsal_plan::Problem::new(format!("unknown field `{name}`"));
    let told = told.did_you_mean(name, known.iter().map(String::as_str));
    match told.hint {
        Some(_) => told.into(),
        None => Problem::from(told).hint(format!("the fields are: {}", known.join(", "))),
    }
}

/// What stands in the path.
pub(crate) struct InPath<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for InPath<T> {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refusal> {
        match Path::from_request_parts(parts, state).await {
            Ok(Path(read)) => Ok(Self(read)),
            Err(wrong) => Err(Refusal::BadRequest(format!("reading the path failed: {}", wrong.body_text()))),
        }
    }
}

/// What stands behind the question mark.
pub(crate) struct InQuery<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for InQuery<T> {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refusal> {
        match Query::from_request_parts(parts, state).await {
            Ok(Query(read)) => Ok(Self(read)),
            Err(wrong) => Err(Refusal::BadRequest(format!("reading the query failed: {}", wrong.body_text()))),
        }
    }
}

/// Who gives a command, for the audit log: the header `x-rehearsal-by`, else `api`.
pub(crate) struct By(pub String);

impl<S: Send + Sync> FromRequestParts<S> for By {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Refusal> {
        let Some(name) = parts.headers.get(BY) else { return Ok(Self(NOBODY.to_owned())) };
        match name.to_str() {
            Ok(name) if is_name(name) => Ok(Self(name.to_owned())),
            _ => {
                let told =
                    format!("the header {BY} is not a name: 1 to {LONGEST_NAME} visible ASCII characters, please");
                Err(Refusal::BadRequest(told))
            }
        }
    }
}

fn is_name(text: &str) -> bool {
    (1..=LONGEST_NAME).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::RunRequest;

    #[test]
    fn every_unknown_field_is_named_with_its_nearest() {
        let Err(Refusal::Invalid(problems)) = read::<RunRequest>(br#"{"sceanrio": "a", "zzzzzzzz": 1}"#) else {
            panic!("it was accepted")
        };
        assert_eq!(problems[0].to_string(), "unknown field `sceanrio` (did you mean `scenario`?)");
        assert!(problems[1].to_string().contains("the fields are: "), "{}", problems[1]);
    }

    #[test]
    fn a_wrong_value_is_told_with_its_place() {
        let Err(refusal) = read::<RunRequest>(br#"{"scenario": "a", "set": {"users": 100}}"#) else {
            panic!("it was accepted")
        };
        assert_eq!(refusal.to_string(), "set.users: invalid type: integer `100`, expected a string");
    }

    #[test]
    fn an_empty_body_is_an_empty_object() {
        assert!(!read::<crate::command::StopBody>(b"").unwrap().now);
    }
}
