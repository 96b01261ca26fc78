//! The triple that decides which connections and headers may be reused: scheme, host and port.

use http::HeaderValue;
use url::Url;

use crate::failure::{Failure, FailureKind};

/// A scheme, host and port that a connection can be opened to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Origin {
    pub secure: bool,
    /// As the URL has it: lower case, punycode, IPv6 in brackets.
    pub host: Box<str>,
    pub port: u16,
    /// The value of the `Host` header, made once per connection pool instead of once per request.
    pub header: HeaderValue,
}

impl Origin {
    /// Reads the origin of a URL, which may be `http`, `https`, `ws` or `wss`.
    pub fn of(url: &Url) -> Result<Self, Failure> {
        let refuse = |why: &str| Failure::new(FailureKind::Url, format!("reading the url {url}: {why}"));
        let secure = is_secure(url).ok_or_else(|| refuse("its scheme is not http, https, ws or wss"))?;
        let host = url.host_str().ok_or_else(|| refuse("it has no host"))?;
        let port = url.port_or_known_default().ok_or_else(|| refuse("it has no port"))?;
        let header = match url.port() {
            Some(port) => HeaderValue::try_from(format!("{host}:{port}")),
            None => HeaderValue::try_from(host),
        };
        let header = header.map_err(|_| refuse("its host cannot be written in a header"))?;
        Ok(Self { secure, host: host.into(), port, header })
    }

    /// Whether `url` leads to this origin; costs no allocation.
    pub fn is_of(&self, url: &Url) -> bool {
        url.port_or_known_default() == Some(self.port)
            && url.host_str() == Some(&*self.host)
            && is_secure(url) == Some(self.secure)
    }
}

/// Whether a URL's scheme asks for TLS, or `None` if the scheme is none of ours.
pub(crate) fn is_secure(url: &Url) -> Option<bool> {
    match url.scheme() {
        "http" | "ws" => Some(false),
        "https" | "wss" => Some(true),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(url: &str) -> Result<Origin, Failure> {
        Origin::of(&Url::parse(url).unwrap())
    }

    #[test]
    fn the_host_header_names_only_unusual_ports() {
        let check = |url, header: &str| assert_eq!(origin(url).unwrap().header, header);
        check("http://Example.com:80/x", "example.com");
        check("http://example.com:8080/", "example.com:8080");
        check("https://[::1]/", "[::1]");
        check("wss://example.com:80/", "example.com:80");
    }

    #[test]
    fn a_socket_and_a_page_of_one_server_share_an_origin() {
        let page = origin("https://example.com/").unwrap();
        assert!(page.is_of(&Url::parse("wss://example.com/socket").unwrap()));
        assert!(!page.is_of(&Url::parse("http://example.com:443/").unwrap()));
        assert!(!page.is_of(&Url::parse("https://example.org/").unwrap()));
    }

    #[test]
    fn other_schemes_are_refused() {
        for url in ["ftp://example.com/", "data:text/plain,x", "file:///etc/passwd"] {
            assert_eq!(origin(url).unwrap_err().kind, FailureKind::Url, "{url}");
        }
    }
}
