//! The metadata service of an EC2 instance, version 2: a token first, then what the instance may know of itself.
//!
//! A few requests a minute to an address of the machine's own: each has its connection, and none keeps anybody waiting.

use std::time::Duration;

use anyhow::{Context as _, anyhow, bail};
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1::handshake;
use hyper::header::HOST;
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::timeout;
use url::Url;

/// Where it is found on every instance, and the variable by which Amazon's own libraries let it be elsewhere.
const ENDPOINT: &str = "http://169.254.169.254";
const ENDPOINT_VARIABLE: &str = "AWS_EC2_METADATA_SERVICE_ENDPOINT";

/// The longest that an answer takes; a container that may not reach it gets none.
const LONGEST: Duration = Duration::from_secs(2);
/// What is asked for here has less than a hundred bytes.
const LARGEST: usize = 16 * 1024;

const TOKEN: &str = "x-aws-ec2-metadata-token";
const TTL: &str = "x-aws-ec2-metadata-token-ttl-seconds";
/// Tokens live for six hours at the most.
const LONGEST_TTL: &str = "21600";

/// The metadata service of this machine.
pub(crate) struct Imds {
    /// Host and port.
    address: String,
    token: Option<String>,
}

impl Imds {
    /// Finds it, if the instance's name is that of one of EC2.
    ///
    /// # Errors
    /// When the variable that says where it is makes no sense.
    pub(crate) fn find(instance: &str) -> anyhow::Result<Option<Self>> {
        if !is_of_ec2(instance) {
            return Ok(None);
        }
        let endpoint = std::env::var(ENDPOINT_VARIABLE).unwrap_or_else(|_| ENDPOINT.to_owned());
        Self::at(&endpoint).with_context(|| format!("reading {ENDPOINT_VARIABLE}")).map(Some)
    }

    fn at(endpoint: &str) -> anyhow::Result<Self> {
        let url: Url = endpoint.parse().with_context(|| format!("reading the URL {endpoint:?}"))?;
        match (url.scheme(), url.host_str(), url.port_or_known_default()) {
            ("http", Some(host), Some(port)) => Ok(Self { address: format!("{host}:{port}"), token: None }),
            _ => bail!("{endpoint:?} should look like http://host:port"),
        }
    }

    /// What stands at a path, if anything does.
    pub(crate) async fn read(&mut self, path: &str) -> anyhow::Result<Option<String>> {
        let asked = timeout(LONGEST, self.ask(path)).await.context("waiting for the answer").flatten();
        asked.with_context(|| format!("asking the metadata service at {} for {path}", self.address))
    }

    async fn ask(&mut self, path: &str) -> anyhow::Result<Option<String>> {
        // The second time with a new token, if the first one was old.
        for _ in 0..2 {
            let token = match &self.token {
                Some(token) => token.clone(),
                None => self.fetch_token().await?,
            };
            match self.exchange(Method::GET, path, (TOKEN, &token)).await? {
                (StatusCode::OK, text) => return Ok(Some(text)),
                (StatusCode::NOT_FOUND, _) => return Ok(None),
                (StatusCode::UNAUTHORIZED, _) => self.token = None,
                (status, _) => bail!("it answered {status}"),
            }
        }
        bail!("it does not take the token that it has just given")
    }

    async fn fetch_token(&mut self) -> anyhow::Result<String> {
        match self.exchange(Method::PUT, "/latest/api/token", (TTL, LONGEST_TTL)).await? {
            (StatusCode::OK, token) => Ok(self.token.insert(token).clone()),
            (status, _) => bail!("it answered {status} when asked for a token"),
        }
    }

    async fn exchange(
        &self,
        method: Method,
        path: &str,
        (name, value): (&str, &str),
    ) -> anyhow::Result<(StatusCode, String)> {
        let stream = TcpStream::connect(&self.address).await.context("connecting")?;
        let (mut sender, connection) = handshake(TokioIo::new(stream)).await?;
        // It moves the bytes, and ends with this function.
        let mut moving = JoinSet::new();
        moving.spawn(connection);
        let request = Request::builder().method(method).uri(path).header(HOST, &self.address).header(name, value);
        let answer = sender.send_request(request.body(Empty::<Bytes>::new())?).await?;
        let status = answer.status();
        let body = Limited::new(answer.into_body(), LARGEST).collect().await.map_err(|error| anyhow!(error))?;
        Ok((status, String::from_utf8(body.to_bytes().into())?))
    }
}

/// `i-` and hexadecimal digits: 17 of them, or 8 if the account is very old.
fn is_of_ec2(instance: &str) -> bool {
    let digits = instance.strip_prefix("i-").unwrap_or_default();
    matches!(digits.len(), 8 | 17) && digits.bytes().all(|digit| digit.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_instances_of_ec2_have_one() {
        let check = |instance, expected| assert_eq!(is_of_ec2(instance), expected, "{instance}");
        check("i-0123456789abcdef0", true);
        check("i-01234567", true);
        check("local:4711", false);
        check("i-am-a-host", false);
        check("i-", false);
        check("", false);
    }

    #[test]
    fn it_is_where_the_variable_says() {
        let at = |endpoint| Imds::at(endpoint).map(|imds| imds.address).ok();
        assert_eq!(at(ENDPOINT).as_deref(), Some("169.254.169.254:80"));
        assert_eq!(at("http://127.0.0.1:4711/").as_deref(), Some("127.0.0.1:4711"));
        assert_eq!(at("http://[fd00:ec2::254]").as_deref(), Some("[fd00:ec2::254]:80"));
        assert_eq!(at("127.0.0.1:4711"), None);
        assert_eq!(at("https://example.com"), None);
    }
}
