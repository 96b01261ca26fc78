//! Where an answer sends the caller next, and what of the request goes along.

use http::header::{
    AUTHORIZATION, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, COOKIE, HeaderMap, LOCATION, PROXY_AUTHORIZATION,
};
use http::{Method, StatusCode};
use url::Url;

use super::Request;
use crate::failure::{Failure, FailureKind};

/// Returns the URL that an answer redirects to, or `None` if it is the final one.
///
/// # Errors
/// When the answer redirects to what is not an HTTP URL.
pub(super) fn target(status: StatusCode, headers: &HeaderMap, from: &Url) -> Result<Option<Url>, Failure> {
    if !matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308) {
        return Ok(None);
    }
    let Some(location) = headers.get(LOCATION) else {
        return Ok(None);
    };
    let location = String::from_utf8_lossy(location.as_bytes());
    let refuse =
        |why: &str| Failure::new(FailureKind::Url, format!("following the redirect of {from} to {location:?}: {why}"));
    let url = from.join(&location).map_err(|error| refuse(&error.to_string()))?;
    match url.scheme() {
        "http" | "https" => Ok(Some(url)),
        _ => Err(refuse("its scheme is neither http nor https")),
    }
}

/// Turns `request` into the one that follows the redirect to `url`, as browsers do.
pub(super) fn follow(request: &mut Request, status: StatusCode, url: Url) {
    let keeps_method = matches!(status.as_u16(), 307 | 308) || request.method == Method::HEAD;
    if !keeps_method {
        request.method = Method::GET;
        request.body.clear();
        for name in [CONTENT_TYPE, CONTENT_ENCODING, CONTENT_LENGTH] {
            request.headers.remove(name);
        }
    }
    // What proves who the user is to one server is none of another's business.
    if request.url.origin() != url.origin() {
        request.auth = None;
        for name in [AUTHORIZATION, PROXY_AUTHORIZATION, COOKIE] {
            request.headers.remove(name);
        }
    }
    request.url = url;
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;

    fn post() -> Request {
        let mut request = Request::new(Method::POST, Url::parse("https://a.example/sign-in?x=1").unwrap());
        request.body = Bytes::from_static(b"{}");
        request.auth = Some(("user".into(), "password".into()));
        request.headers.insert(CONTENT_TYPE, "application/json".parse().unwrap());
        request.headers.insert(AUTHORIZATION, "Bearer secret".parse().unwrap());
        request
    }

    fn followed(method: Method, status: u16, to: &str) -> Request {
        let mut request = Request { method, ..post() };
        follow(&mut request, StatusCode::from_u16(status).unwrap(), Url::parse(to).unwrap());
        request
    }

    #[test]
    fn methods_change_as_in_a_browser() {
        let check = |method, status, expected: Method, body: usize| {
            let request = followed(method, status, "https://a.example/next");
            assert_eq!((request.method, request.body.len()), (expected, body), "{status}");
        };
        check(Method::POST, 301, Method::GET, 0);
        check(Method::POST, 302, Method::GET, 0);
        check(Method::PUT, 303, Method::GET, 0);
        check(Method::HEAD, 302, Method::HEAD, 2);
        check(Method::POST, 307, Method::POST, 2);
        check(Method::PATCH, 308, Method::PATCH, 2);
    }

    #[test]
    fn secrets_stay_with_their_origin() {
        let same = followed(Method::POST, 307, "https://a.example/next");
        assert!(same.auth.is_some() && same.headers.contains_key(AUTHORIZATION));
        for other in ["https://b.example/", "http://a.example/", "https://a.example:8443/"] {
            let request = followed(Method::POST, 307, other);
            assert!(request.auth.is_none() && !request.headers.contains_key(AUTHORIZATION), "{other}");
            assert!(request.headers.contains_key(CONTENT_TYPE), "{other}");
        }
    }

    #[test]
    fn targets_are_resolved_against_the_url_that_sent_them() {
        let from = Url::parse("http://a.example/deep/page?q=1").unwrap();
        let check = |status: u16, location: Option<&'static str>, expected: Result<Option<&str>, FailureKind>| {
            let mut headers = HeaderMap::new();
            headers.extend(location.map(|location| (LOCATION, location.parse().unwrap())));
            let found = target(StatusCode::from_u16(status).unwrap(), &headers, &from);
            let found = found.map_err(|failure| failure.kind).map(|url| url.map(String::from));
            assert_eq!(found, expected.map(|url| url.map(String::from)), "{status} {location:?}");
        };
        check(302, Some("/next"), Ok(Some("http://a.example/next")));
        check(303, Some("next?x=2"), Ok(Some("http://a.example/deep/next?x=2")));
        check(307, Some("//b.example/"), Ok(Some("http://b.example/")));
        check(302, None, Ok(None));
        check(304, Some("/next"), Ok(None));
        check(200, Some("/next"), Ok(None));
        check(302, Some("javascript:alert(1)"), Err(FailureKind::Url));
        check(302, Some("http://[broken"), Err(FailureKind::Url));
    }
}
