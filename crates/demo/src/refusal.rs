//! Every way in which a request is refused, and how that is answered, in one place: clients see
//! the same JSON shape whatever they did wrong.

use std::error::Error;

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::de::DeserializeOwned;
use serde_json::json;
use tokio_tungstenite::tungstenite;

/// Why a request got no ordinary answer. It becomes `{"error": text}` with [`Refusal::status`].
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refusal {
    #[error("the session cookie is missing or unknown: sign in first")]
    NoSession,
    #[error("the sign-in is unknown, over, or not yet authorized")]
    NoSignIn,
    #[error("this session has already voted on this ballot")]
    AlreadyVoted,
    #[error("all instances are full: try again later")]
    Overloaded,
    #[error("the number of instances must be from 1 to {max}")]
    Instances { max: u32 },
    #[error("somebody else has changed the number of instances meanwhile")]
    NotPinned,
    #[error("there is nothing at this path")]
    NotFound,
    #[error("reading the query")]
    Query(#[from] QueryRejection),
    #[error("reading the body")]
    Body(#[source] serde_json::Error),
    #[error("opening the websocket")]
    Handshake(#[source] tungstenite::Error),
}

impl Refusal {
    fn status(&self) -> StatusCode {
        match self {
            Self::NoSession => StatusCode::UNAUTHORIZED,
            Self::AlreadyVoted | Self::NotPinned => StatusCode::CONFLICT,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::Overloaded => StatusCode::SERVICE_UNAVAILABLE,
            Self::NoSignIn | Self::Instances { .. } | Self::Query(_) | Self::Body(_) | Self::Handshake(_) => {
                StatusCode::BAD_REQUEST
            }
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let mut text = self.to_string();
        let mut cause = self.source();
        while let Some(error) = cause {
            text = format!("{text}: {error}");
            cause = error.source();
        }
        (self.status(), Json(json!({ "error": text }))).into_response()
    }
}

/// Reads a JSON body whatever its content type says, as the tools that people try this with
/// often say the wrong one.
pub(crate) fn read_json<T: DeserializeOwned>(body: &[u8]) -> Result<T, Refusal> {
    serde_json::from_slice(body).map_err(Refusal::Body)
}
