//! Who sends a request: the agent and the user that its headers name, when the environment of a
//! run asks agents for these headers.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use axum::extract::FromRequestParts;
use axum::http::HeaderMap;
use axum::http::request::Parts;

use crate::counters::{LONGEST_NAME, OTHER};

/// The header in which requests carry their agent's id.
const AGENT_HEADER: &str = "x-rehearsal-agent";

/// The header in which requests carry their user's number.
const USER_HEADER: &str = "x-rehearsal-user";

/// What a request says of its sender.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Caller {
    pub(crate) agent: Option<Arc<str>>,
    pub(crate) user: Option<u64>,
}

impl Caller {
    /// Reads what the headers name. The text is copied: a header kept for the life of a socket
    /// would keep the whole buffer of its request.
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
        let agent = text(AGENT_HEADER).map(|id| if id.len() <= LONGEST_NAME { id } else { OTHER });
        let user = text(USER_HEADER).and_then(|number| number.parse().ok());
        Self { agent: agent.map(Arc::from), user }
    }

    pub(crate) fn agent(&self) -> Option<&str> {
        self.agent.as_deref()
    }
}

impl<S: Sync> FromRequestParts<S> for Caller {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        Ok(Self::of(&parts.headers))
    }
}

/// Returns the time of the system's clock in microseconds since 1970.
pub(crate) fn unix_us() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
}

/// Returns the second of Unix time that this instant is in.
pub(crate) fn unix_second() -> i64 {
    unix_us() / 1_000_000
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(agent: &str, user: &str, expected: (Option<&str>, Option<u64>)) {
        let mut headers = HeaderMap::new();
        headers.insert(AGENT_HEADER, agent.parse().unwrap());
        headers.insert(USER_HEADER, user.parse().unwrap());
        let caller = Caller::of(&headers);
        assert_eq!((caller.agent(), caller.user), expected);
    }

    #[test]
    fn headers_name_the_caller_as_far_as_they_can_be_read() {
        assert_eq!(Caller::of(&HeaderMap::new()), Caller::default());
        check("agent-1", "0", (Some("agent-1"), Some(0)));
        check("agent-1", "-1", (Some("agent-1"), None));
        check("agent-1", "seven", (Some("agent-1"), None));
        check(&"x".repeat(LONGEST_NAME + 1), "7", (Some(OTHER), Some(7)));
    }
}
