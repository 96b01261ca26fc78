//! One HTTP call as a scenario describes it, and the reply it gets.

use std::time::Duration;

use base64::Engine as _;
use bytes::Bytes;
use rhai::{Dynamic, ImmutableString, Map};

use crate::options::{Expect, HTTP, Options};
use crate::value::{plain_text_of, text_of, to_json};

/// A method that scenarios can use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs)] // the names are the methods
pub enum Method {
    Get,
    Post,
    Put,
    Patch,
    Delete,
    Head,
}

impl Method {
    /// All of them, with the names of their functions.
    pub const ALL: [(Self, &str); 6] = [
        (Self::Get, "get"),
        (Self::Post, "post"),
        (Self::Put, "put"),
        (Self::Patch, "patch"),
        (Self::Delete, "delete"),
        (Self::Head, "head"),
    ];

    /// The name on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
            Self::Head => "HEAD",
        }
    }
}

/// One request to be made.
#[derive(Clone, Debug)]
pub struct HttpCall {
    /// The method.
    pub method: Method,
    /// Absolute, or relative to the environment's target.
    pub url: ImmutableString,
    /// What was asked for beyond method and address; none on the plain path.
    pub options: Option<Box<HttpOptions>>,
}

/// The options of a call, checked.
#[derive(Clone, Debug, Default)]
pub struct HttpOptions {
    /// Body and its content type.
    pub body: Option<(String, Bytes)>,
    /// Request headers, in order.
    pub headers: Vec<(String, String)>,
    /// Added to the address.
    pub query: Vec<(String, String)>,
    /// For the whole exchange, redirects included.
    pub timeout: Option<Duration>,
    /// Names the first hop in all metrics.
    pub name: Option<String>,
    /// Tags of this call's samples only.
    pub tags: Vec<(String, String)>,
    /// The greatest number of redirects to follow; none is the default of 10, 0 follows none.
    pub follow: Option<u32>,
    /// Statuses at or above 400 that are no failure.
    pub expect: Expect,
}

impl HttpOptions {
    pub(crate) fn read(map: Map) -> Result<Self, String> {
        let mut options = Options::new("http calls", map, HTTP)?;
        let mut read = Self {
            body: body(&mut options)?,
            headers: options.pairs("headers")?,
            query: options.pairs("query")?,
            timeout: options.duration("timeout")?,
            name: options.text("name")?,
            tags: options.pairs("tags")?,
            follow: follow(&mut options)?,
            expect: Expect::default(),
        };
        if let Some(expect) = options.take("expect") {
            read.expect = Expect::read(&expect)?;
        }
        if let Some(auth) = options.take("auth") {
            read.headers.push(("authorization".into(), authorization(&auth)?));
        }
        Ok(read)
    }
}

/// `follow: false` follows none, `follow: true` the usual ten, a number that many.
fn follow(options: &mut Options) -> Result<Option<u32>, String> {
    match options.take("follow") {
        None => Ok(None),
        Some(value) if value.as_bool() == Ok(true) => Ok(None),
        Some(value) if value.as_bool() == Ok(false) => Ok(Some(0)),
        Some(value) => match value.as_int().ok().and_then(|n| u32::try_from(n).ok()) {
            Some(hops) => Ok(Some(hops)),
            None => Err("option `follow` of http calls must be true, false or a number of redirects".into()),
        },
    }
}

/// `["user", "password"]` or `#{user, password}` is basic authentication, a text is a bearer token.
fn authorization(value: &Dynamic) -> Result<String, String> {
    let basic = |user: String, password: String| {
        format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(format!("{user}:{password}")))
    };
    if let Some(token) = text_of(value) {
        return Ok(format!("Bearer {token}"));
    }
    if let Some(pair) = value.read_lock::<rhai::Array>()
        && let [user, password] = pair.as_slice()
        && let (Some(user), Some(password)) = (text_of(user), text_of(password))
    {
        return Ok(basic(user, password));
    }
    if let Some(map) = value.read_lock::<Map>()
        && let (Some(user), Some(password)) = (map.get("user").and_then(text_of), map.get("password").and_then(text_of))
    {
        return Ok(basic(user, password));
    }
    Err("option `auth` of http calls must be a bearer token or [\"user\", \"password\"]".into())
}

fn body(options: &mut Options) -> Result<Option<(String, Bytes)>, String> {
    let mut bodies = Vec::new();
    if let Some(value) = options.take("json") {
        let json = to_json(&value).map_err(|error| format!("option `json` of http calls: {error}"))?;
        bodies.push(("application/json".to_owned(), Bytes::from(json.to_string())));
    }
    if let Some(value) = options.take("body") {
        let text = plain_text_of(&value)
            .map(Bytes::from)
            .or_else(|| value.read_lock::<rhai::Blob>().map(|b| b.clone().into()));
        let bytes = text.ok_or("option `body` of http calls must be a text or a blob")?;
        bodies.push(("text/plain; charset=utf-8".to_owned(), bytes));
    }
    let form = options.pairs("form")?;
    if !form.is_empty() {
        bodies.push(("application/x-www-form-urlencoded".to_owned(), encode_form(&form).into()));
    }
    if let Some(parts) = options.map("multipart")? {
        bodies.push(multipart(parts)?);
    }
    match bodies.len() {
        0 | 1 => Ok(bodies.pop()),
        _ => Err("a call has one body: give only one of `json`, `form`, `body` and `multipart`".into()),
    }
}

/// The pairs as `application/x-www-form-urlencoded`.
#[must_use]
pub fn encode_form(pairs: &[(String, String)]) -> String {
    url::form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish()
}

/// Fields are texts; files are `#{ filename, type, content }`.
fn multipart(parts: Map) -> Result<(String, Bytes), String> {
    const BOUNDARY: &str = "rehearsal-part-boundary-5d1f0c7a";
    let quoted = |text: &str| text.replace(['"', '\r', '\n'], "_");
    let mut body = Vec::new();
    for (field, value) in parts {
        let mut head = format!("--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"{}\"", quoted(&field));
        let content = match value.read_lock::<Map>() {
            None => plain_text_of(&value).map(String::into_bytes),
            Some(file) => {
                let text =
                    |key: &str, default: &str| file.get(key).and_then(text_of).unwrap_or_else(|| default.to_owned());
                let filename = quoted(&text("filename", &field));
                head += &format!(
                    "; filename=\"{filename}\"\r\nContent-Type: {}",
                    quoted(&text("type", "application/octet-stream"))
                );
                let content = file.get("content");
                content.and_then(|c| {
                    plain_text_of(c).map(String::into_bytes).or_else(|| c.read_lock::<rhai::Blob>().map(|b| b.clone()))
                })
            }
        };
        let content = content.ok_or_else(|| {
            format!("part `{field}` of option `multipart` must be a text or #{{ filename, type, content }}")
        })?;
        body.extend_from_slice(head.as_bytes());
        body.extend_from_slice(b"\r\n\r\n");
        body.extend_from_slice(&content);
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(format!("--{BOUNDARY}--\r\n").as_bytes());
    Ok((format!("multipart/form-data; boundary={BOUNDARY}"), body.into()))
}

/// What came back.
#[derive(Clone, Debug, Default)]
pub struct Reply {
    /// The status of the last hop; 0 when there was no answer.
    pub status: u16,
    /// Why there was no answer.
    pub error: Option<String>,
    /// Response headers with lower-case names; repeated ones joined by a comma.
    pub headers: Vec<(String, String)>,
    /// The decoded body.
    pub body: Bytes,
    /// Response time of the whole exchange.
    pub duration: Duration,
}
