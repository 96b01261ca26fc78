//! The door: who may ask at all, and what browsers are told of every answer.
//!
//! Three things are asked, in this order. `Host` must be an address, `localhost` or a name that we were given: a foreign
//! name that resolves to us is a page of someone else in the operator's browser (DNS rebinding). `Origin`, if there is one,
//! must be our own. And whoever wants more than the empty page needs the token.

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::http::header::{
    AUTHORIZATION, CACHE_CONTROL, CONTENT_SECURITY_POLICY, HOST, HeaderMap, HeaderName, HeaderValue, ORIGIN,
    REFERRER_POLICY, WWW_AUTHENTICATE, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::uri::Authority;
use axum::middleware::Next;
use axum::response::Response;

use crate::refusal::refuse;
use crate::routes::Shared;

/// What the page may load: only what comes from here, and nobody may frame it.
const POLICY: &str = "default-src 'self'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; \
                      connect-src 'self'; frame-ancestors 'none'; base-uri 'none'";

/// Lets a request in or refuses it, and puts the security headers on the answer.
pub(crate) async fn guard(State(shared): State<Arc<Shared>>, request: Request, next: Next) -> Response {
    let is_page = is_page(request.uri().path());
    let mut response = match refused(&shared, request.headers(), is_page) {
        Some(refusal) => refusal,
        None => next.run(request).await,
    };
    // A page that a proxy or browser kept would speak to another version of the API; what is told of runs is secret.
    let keep = if is_page { "no-cache" } else { "no-store" };
    let headers: [(HeaderName, &str); 4] = [
        (CONTENT_SECURITY_POLICY, POLICY),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (REFERRER_POLICY, "no-referrer"),
        (CACHE_CONTROL, keep),
    ];
    for (name, value) in headers {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}

/// Whether a path leads to the dashboard's files, which hold no data.
fn is_page(path: &str) -> bool {
    path == "/" || path.starts_with("/assets/")
}

fn refused(shared: &Shared, headers: &HeaderMap, is_page: bool) -> Option<Response> {
    let Some(host) = host(headers).filter(|host| is_ours(host, &shared.names)) else {
        let told = "this server does not answer to that name: use its IP address or localhost in the address";
        return Some(refuse(StatusCode::MISDIRECTED_REQUEST, told));
    };
    if !headers.get_all(ORIGIN).iter().all(|origin| is_own_origin(origin, &host)) {
        let told = "requests from other pages are refused: open this server's own page";
        return Some(refuse(StatusCode::FORBIDDEN, told));
    }
    if is_page {
        return None;
    }
    let place = "it stands in control.json in the run's folder and in the address that the coordinator printed";
    let told = match shown_token(headers) {
        Some(shown) if shared.token.is(shown) => return None,
        Some(_) => format!("this is not the token of this server: {place}"),
        None => format!("a token is needed, as `Authorization: Bearer TOKEN`: {place}"),
    };
    let mut response = refuse(StatusCode::UNAUTHORIZED, told);
    response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    Some(response)
}

/// The one `Host` of a request; none or several name nobody.
fn host(headers: &HeaderMap) -> Option<Authority> {
    let mut all = headers.get_all(HOST).iter();
    let (Some(host), None) = (all.next(), all.next()) else { return None };
    Authority::try_from(host.as_bytes()).ok()
}

fn is_ours(host: &Authority, names: &[String]) -> bool {
    let name = host.host();
    let address = name.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(name);
    let is_plain = !host.as_str().contains('@');
    let is_known =
        || names.iter().map(String::as_str).chain(["localhost"]).any(|known| known.eq_ignore_ascii_case(name));
    is_plain && (address.parse::<IpAddr>().is_ok() || is_known())
}

/// Whether a page comes from the host that it now asks. The scheme is free: TLS may end ahead of us.
fn is_own_origin(origin: &HeaderValue, host: &Authority) -> bool {
    let Ok(origin) = origin.to_str() else { return false };
    let authority = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"));
    authority.is_some_and(|authority| authority.eq_ignore_ascii_case(host.as_str()))
}

fn shown_token(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token.trim())
}
