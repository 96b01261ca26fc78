//! Who has signed in, who is about to, and who has voted on what.
//!
//! One lock guards it all: every operation is a look-up or two, never held across an await. The
//! number of sessions is not bounded; each costs about 60 bytes.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard};

use axum::extract::FromRequestParts;
use axum::http::header::{COOKIE, SET_COOKIE};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName};
use serde::Deserialize;

use crate::Shared;
use crate::refusal::Refusal;

/// Most SNS sign-ins that may be on their way; beyond it the oldest is forgotten.
const MOST_SIGN_INS: usize = 100_000;

const COOKIE_NAME: &str = "session";

/// An unguessable 128-bit number, written as 32 hexadecimal digits: a session, the `state` of a
/// sign-in or its `code`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct Token(u128);

impl Token {
    fn random() -> Self {
        Self(rand::random())
    }

    fn parse(text: &str) -> Option<Self> {
        let is_hexadecimal = text.bytes().all(|byte| byte.is_ascii_hexdigit());
        if text.len() != 32 || !is_hexadecimal {
            return None;
        }
        u128::from_str_radix(text, 16).ok().map(Self)
    }
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl TryFrom<String> for Token {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text).ok_or("expected 32 hexadecimal digits")
    }
}

/// All sessions and sign-ins.
#[derive(Debug, Default)]
pub(crate) struct Sessions(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    /// The ballots that each session has voted on.
    voted: HashMap<Token, BTreeSet<Box<str>>>,
    sign_ins: SignIns,
}

/// SNS sign-ins by their `state`, with the `code` once authorized.
#[derive(Debug, Default)]
struct SignIns {
    codes: HashMap<Token, Option<Token>>,
    /// States in the order in which they began, those of finished sign-ins included.
    begun: VecDeque<Token>,
}

impl Sessions {
    /// Starts a session.
    pub(crate) fn open(&self) -> Token {
        let session = Token::random();
        self.lock().voted.insert(session, BTreeSet::new());
        session
    }

    /// Finds the session that a request's cookie names.
    pub(crate) fn of(&self, headers: &HeaderMap) -> Option<Token> {
        let session = session_cookie(headers)?;
        self.lock().voted.contains_key(&session).then_some(session)
    }

    /// Notes a vote; says whether it is the session's first on that ballot.
    pub(crate) fn vote(&self, session: Token, ballot: &str) -> bool {
        let mut known = self.lock();
        known.voted.entry(session).or_default().insert(ballot.into())
    }

    /// Begins an SNS sign-in and returns its state.
    pub(crate) fn begin_sign_in(&self) -> Token {
        let state = Token::random();
        let sign_ins = &mut self.lock().sign_ins;
        sign_ins.codes.insert(state, None);
        sign_ins.begun.push_back(state);
        if sign_ins.begun.len() > MOST_SIGN_INS
            && let Some(oldest) = sign_ins.begun.pop_front()
        {
            sign_ins.codes.remove(&oldest);
        }
        state
    }

    /// Gives the code for a sign-in that has begun.
    pub(crate) fn authorize(&self, state: Token) -> Option<Token> {
        let mut known = self.lock();
        let code = known.sign_ins.codes.get_mut(&state)?;
        Some(*code.insert(Token::random()))
    }

    /// Ends a sign-in with the code that it was given and starts its session. A code works once.
    pub(crate) fn redeem(&self, state: Token, code: Token) -> Option<Token> {
        let mut known = self.lock();
        let expected = *known.sign_ins.codes.get(&state)?;
        if expected != Some(code) {
            return None;
        }
        known.sign_ins.codes.remove(&state);
        drop(known);
        Some(self.open())
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.0.lock().expect("nothing panics while it holds the sessions")
    }
}

/// Writes the header that gives a client its session.
pub(crate) fn set_cookie(session: Token) -> [(HeaderName, String); 1] {
    [(SET_COOKIE, format!("{COOKIE_NAME}={session}; HttpOnly; Path=/"))]
}

fn session_cookie(headers: &HeaderMap) -> Option<Token> {
    headers
        .get_all(COOKIE)
        .iter()
        .filter_map(|header| header.to_str().ok())
        .flat_map(|header| header.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(name, _)| *name == COOKIE_NAME)
        .and_then(|(_, value)| Token::parse(value))
}

/// The session of a request; asking for it refuses requests that have none.
pub(crate) struct Viewer(pub(crate) Token);

impl FromRequestParts<Arc<Shared>> for Viewer {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, shared: &Arc<Shared>) -> Result<Self, Self::Rejection> {
        let session = shared.sessions.of(&parts.headers);
        session.map(Self).ok_or(Refusal::NoSession)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_read_what_they_write_and_nothing_else() {
        let token = Token::random();
        assert_eq!(Token::parse(&token.to_string()), Some(token));
        for bad in ["", "12", "+0000000000000000000000000000001", &format!("{token}0")] {
            assert_eq!(Token::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn the_session_is_found_among_other_cookies() {
        let token = Token::random();
        let mut headers = HeaderMap::new();
        let cookies = format!("theme=dark; session={token}; xsession=1");
        headers.insert(COOKIE, cookies.parse().unwrap());
        assert_eq!(session_cookie(&headers), Some(token));
    }

    #[test]
    fn sign_ins_beyond_the_bound_push_out_the_oldest() {
        let sessions = Sessions::default();
        let first = sessions.begin_sign_in();
        let second = sessions.begin_sign_in();
        for _ in 1..MOST_SIGN_INS {
            sessions.begin_sign_in();
        }
        assert_eq!(sessions.authorize(first), None);
        assert!(sessions.authorize(second).is_some());
    }

    #[test]
    fn a_code_belongs_to_its_state_and_works_once() {
        let sessions = Sessions::default();
        let (ours, other) = (sessions.begin_sign_in(), sessions.begin_sign_in());
        let code = sessions.authorize(ours).unwrap();
        assert_eq!(sessions.redeem(other, code), None);
        assert!(sessions.redeem(ours, code).is_some());
        assert_eq!(sessions.redeem(ours, code), None);
    }
}
