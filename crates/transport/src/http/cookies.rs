//! A user's cookies, by the rules of RFC 6265 that decide where a cookie goes, in as few bytes as they need: there are 300,000 jars.
//!
//! The jar knows no list of public suffixes: a server of `example.co.uk` could set a cookie for `co.uk`. Only the user's own
//! cookies would be affected, and only by servers that the environment allows.

use cookie::Cookie;
use http::{HeaderMap, HeaderValue, header::SET_COOKIE};
use url::Url;

use crate::network::is_secure;

/// Cookies that one jar keeps; the one that would be sent last makes room. Browsers keep 50 and more for each site.
const MAX_COOKIES: usize = 128;

/// Bytes of one cookie, name and value together, as browsers have it.
const MAX_PAIR: usize = 4096;

/// An `expires` that lies beyond every run.
const SESSION: i64 = i64::MAX;

/// All cookies of one user, those with the longest path first and then in the order of their creation, as they are sent.
#[derive(Debug, Default)]
pub(super) struct Jar {
    cookies: Vec<Stored>,
}

#[derive(Debug)]
struct Stored {
    /// `name=value`, ready to be sent.
    pair: Box<str>,
    name_len: u32,
    secure: bool,
    /// Whether subdomains of `domain` get it too.
    subdomains: bool,
    domain: Box<str>,
    /// Empty for the root, so that most cookies need no allocation for it.
    path: Box<str>,
    /// Unix time in seconds.
    expires: i64,
}

impl Jar {
    /// Keeps the cookies that `url`'s answer sets, at Unix time `now` in seconds. What breaks the rules is ignored, as browsers do.
    pub fn keep(&mut self, url: &Url, headers: &HeaderMap, now: i64) {
        for value in headers.get_all(SET_COOKIE) {
            let text = value.to_str().ok();
            if let Some(cookie) = text.and_then(|text| Stored::parse(text, url, now)) {
                self.insert(cookie, now);
            }
        }
    }

    /// Returns the value of the `Cookie` header for `url` at Unix time `now` in seconds.
    pub fn header(&self, url: &Url, now: i64) -> Option<HeaderValue> {
        let host = url.host_str()?;
        let secure = is_secure(url)?;
        let mut line = String::new();
        for cookie in self.cookies.iter().filter(|cookie| cookie.goes_to(host, url.path(), secure, now)) {
            if !line.is_empty() {
                line.push_str("; ");
            }
            line.push_str(&cookie.pair);
        }
        if line.is_empty() { None } else { HeaderValue::try_from(line).ok() }
    }

    fn insert(&mut self, cookie: Stored, now: i64) {
        let known = self.cookies.iter().position(|known| known.is_same_as(&cookie));
        match known {
            Some(place) if cookie.expires <= now => drop(self.cookies.remove(place)),
            Some(place) => self.cookies[place] = cookie,
            None if cookie.expires <= now => {}
            None => self.add(cookie, now),
        }
    }

    fn add(&mut self, cookie: Stored, now: i64) {
        if self.cookies.len() >= MAX_COOKIES {
            self.cookies.retain(|known| known.expires > now);
            self.cookies.truncate(MAX_COOKIES - 1);
        }
        // One at a time: most users have one or two cookies, and a vector would start with room for four.
        self.cookies.reserve_exact(1);
        let place = self.cookies.partition_point(|known| known.path.len() >= cookie.path.len());
        self.cookies.insert(place, cookie);
    }
}

impl Stored {
    fn parse(text: &str, url: &Url, now: i64) -> Option<Self> {
        let cookie = Cookie::parse(text).ok()?;
        let (name, value) = cookie.name_value();
        if name.len() + value.len() > MAX_PAIR {
            return None;
        }
        let secure = cookie.secure() == Some(true);
        if secure && !is_secure(url)? {
            return None;
        }
        let (domain, subdomains) = domain_of(cookie.domain(), url)?;
        let path = match cookie.path() {
            Some(path) if path.starts_with('/') => path,
            _ => default_path(url.path()),
        };
        Some(Self {
            pair: format!("{name}={value}").into(),
            name_len: u32::try_from(name.len()).ok()?,
            secure,
            subdomains,
            domain: domain.into(),
            path: if path == "/" { Box::default() } else { path.into() },
            expires: expiry(&cookie, now),
        })
    }

    fn name(&self) -> &str {
        &self.pair[..self.name_len as usize]
    }

    fn is_same_as(&self, other: &Self) -> bool {
        self.name() == other.name() && self.domain == other.domain && self.path == other.path
    }

    fn goes_to(&self, host: &str, path: &str, secure: bool, now: i64) -> bool {
        let host_fits = host == &*self.domain || (self.subdomains && is_subdomain(host, &self.domain));
        host_fits && path_fits(path, &self.path) && (secure || !self.secure) && now < self.expires
    }
}

/// Returns the domain that the cookie belongs to and whether subdomains get it, or `None` if the server may not set it.
fn domain_of(wanted: Option<&str>, url: &Url) -> Option<(String, bool)> {
    let host = url.host_str()?;
    let wanted = wanted.unwrap_or_default().trim_start_matches('.').to_ascii_lowercase();
    if wanted.is_empty() || wanted == host {
        let is_name = matches!(url.host(), Some(url::Host::Domain(_)));
        return Some((host.to_owned(), !wanted.is_empty() && is_name));
    }
    let is_top_level = !wanted.contains('.');
    (!is_top_level && url.domain().is_some() && is_subdomain(host, &wanted)).then_some((wanted, true))
}

fn is_subdomain(host: &str, domain: &str) -> bool {
    host.strip_suffix(domain).is_some_and(|rest| rest.ends_with('.'))
}

/// The directory of the request's path (RFC 6265, 5.1.4).
fn default_path(path: &str) -> &str {
    match path.rfind('/') {
        Some(0) | None => "/",
        Some(end) => &path[..end],
    }
}

/// Whether a cookie's path covers a request's (RFC 6265, 5.1.4); an empty one covers all.
fn path_fits(path: &str, cookie: &str) -> bool {
    path.strip_prefix(cookie).is_some_and(|rest| cookie.ends_with('/') || rest.is_empty() || rest.starts_with('/'))
}

fn expiry(cookie: &Cookie<'_>, now: i64) -> i64 {
    if let Some(age) = cookie.max_age() {
        return now.saturating_add(age.whole_seconds());
    }
    cookie.expires_datetime().map_or(SESSION, |at| at.unix_timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const NOW: i64 = 1_700_000_000;

    fn url(text: &str) -> Url {
        Url::parse(text).unwrap()
    }

    fn jar(set: &[(&str, &str)]) -> Jar {
        let mut jar = Jar::default();
        for (from, cookie) in set {
            let headers = HeaderMap::from_iter([(SET_COOKIE, HeaderValue::from_str(cookie).unwrap())]);
            jar.keep(&url(from), &headers, NOW);
        }
        jar
    }

    fn sent(jar: &Jar, to: &str) -> String {
        jar.header(&url(to), NOW).map_or(String::new(), |value| value.to_str().unwrap().to_owned())
    }

    #[test]
    fn cookies_go_where_they_belong() {
        let check = |from, cookie, to, expected: &str| {
            assert_eq!(sent(&jar(&[(from, cookie)]), to), expected, "{cookie} of {from} to {to}");
        };
        check("http://a.example/x", "s=1", "http://a.example/other", "s=1");
        check("http://a.example/", "s=1", "http://b.a.example/", "");
        check("http://a.example/", "s=1; Domain=a.example", "http://b.a.example/", "s=1");
        check("http://b.a.example/", "s=1; Domain=.A.example", "http://a.example/", "s=1");
        check("http://a.example/", "s=1; Domain=b.example", "http://b.example/", "");
        check("http://a.example/", "s=1; Domain=example", "http://b.example/", "");
        check("http://127.0.0.1/", "s=1; Domain=0.0.1", "http://127.0.0.1/", "");
        check("http://bad-a.example/", "s=1; Domain=a.example", "http://a.example/", "");
        check("http://a.example/", "s=1; Path=/shop", "http://a.example/shop/cart", "s=1");
        check("http://a.example/", "s=1; Path=/shop", "http://a.example/shopping", "");
        check("http://a.example/shop/cart", "s=1", "http://a.example/", "");
        check("http://a.example/shop/cart", "s=1", "http://a.example/shop", "s=1");
        check("https://a.example/", "s=1; Secure", "http://a.example/", "");
        check("https://a.example/", "s=1; Secure", "wss://a.example/socket", "s=1");
        check("http://a.example/", "s=1; Secure", "https://a.example/", "");
        check("http://a.example:8080/", "s=1", "http://a.example:9090/", "s=1");
        check("http://a.example/", "no pair", "http://a.example/", "");
    }

    #[test]
    fn cookies_expire_and_are_replaced() {
        let a = "http://a.example/";
        assert_eq!(sent(&jar(&[(a, "s=1; Max-Age=0")]), a), "");
        assert_eq!(sent(&jar(&[(a, "s=1; Expires=Thu, 01 Jan 1970 00:00:00 GMT")]), a), "");
        assert_eq!(sent(&jar(&[(a, "s=1; Max-Age=10")]), a), "s=1");
        assert_eq!(jar(&[(a, "s=1; Max-Age=10")]).header(&url(a), NOW + 10), None);
        assert_eq!(sent(&jar(&[(a, "s=1"), (a, "t=2"), (a, "s=3")]), a), "s=3; t=2");
        assert_eq!(sent(&jar(&[(a, "s=1"), (a, "s=; Max-Age=-1")]), a), "");
    }

    #[test]
    fn longer_paths_are_sent_first() {
        let a = "http://a.example/";
        let jar = jar(&[(a, "one=1"), (a, "two=2; Path=/deep"), (a, "three=3")]);
        assert_eq!(sent(&jar, "http://a.example/deep"), "two=2; one=1; three=3");
    }

    #[test]
    fn a_jar_with_one_session_costs_less_than_300_bytes() {
        let jar = jar(&[("http://stress.example.com/", "session=6f1c2b52-9d0e-4d0b-8f4e-2f3a1b0c9d8e; HttpOnly")]);
        let text: usize = jar.cookies.iter().map(|c| c.pair.len() + c.domain.len() + c.path.len()).sum();
        assert!(size_of::<Jar>() + jar.cookies.capacity() * size_of::<Stored>() + text < 300);
    }

    #[test]
    fn a_server_cannot_fill_the_memory() {
        let mut jar = Jar::default();
        for number in 0..10 * MAX_COOKIES {
            let cookie = format!("c{number}=1");
            let headers = HeaderMap::from_iter([(SET_COOKIE, HeaderValue::from_str(&cookie).unwrap())]);
            jar.keep(&url("http://a.example/"), &headers, NOW);
        }
        assert_eq!(jar.cookies.len(), MAX_COOKIES);
        assert!(Stored::parse(&format!("big={}", "x".repeat(MAX_PAIR)), &url("http://a.example/"), NOW).is_none());
    }

    proptest! {
        #[test]
        fn arbitrary_cookies_never_panic(cookie in "[ -~\\t]{0,80}", domain in "[a-z.;=]{0,20}") {
            let both = format!("{cookie}; Domain={domain}");
            let jar = jar(&[("https://a.example/x/y", &cookie), ("https://a.example/x/y", &both)]);
            let _ = jar.header(&url("https://b.a.example/x"), NOW);
        }
    }
}
