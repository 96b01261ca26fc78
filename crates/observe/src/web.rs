//! HTTP for observers: a connection for each call, a bounded answer, no redirects, errors in the words of this crate.
//!
//! Each call opens its own connection: an idle one that the server has just closed would look like an error of the
//! source. The TLS provider is named here and not taken from the process, which may have installed none.

use std::error::Error;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use percent_encoding::percent_decode_str;
use rehearsal_plan::Problem;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use serde_json::Value;
use url::Url;

use crate::json::quoted;
use crate::observation::{ErrorKind, Failure};
use crate::secret::Secret;
use crate::settings::{self, Settings};

/// The longest answer that is read, in bytes.
pub const LONGEST_ANSWER: usize = 1 << 20;

/// One HTTP server that is read.
#[derive(Clone, Debug)]
pub struct Web {
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    base: Url,
    headers: HeaderMap,
    /// The longest answer that is read, in bytes.
    longest: usize,
}

/// An answer with a status that is one.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The headers.
    pub headers: HeaderMap,
    /// The whole body.
    pub body: Bytes,
}

impl Answer {
    /// Reads the body as JSON.
    ///
    /// # Errors
    /// When it is something else.
    pub fn json(&self) -> Result<Value, Failure> {
        serde_json::from_slice(&self.body).map_err(|error| Failure::format(format!("the answer is not JSON: {error}")))
    }
}

impl Web {
    /// Speaks to a server that no table of `autoscaler` names. `ca` is the PEM file of a certification authority to trust
    /// besides the public ones. User and password within the URL are taken out of it, and sent in a header.
    ///
    /// # Errors
    /// When `ca` cannot be read; the message goes on where the name of its key ends.
    pub fn new(mut base: Url, ca: Option<&str>) -> Result<Web, Problem> {
        let roots = ca.map(read_roots).transpose()?.unwrap_or_default();
        let mut headers = accepting();
        if let Some((user, password)) = take_user(&mut base) {
            set_secret(&mut headers, AUTHORIZATION, format!("Basic {}", encoded(&user, &password)));
        }
        Ok(Web::over(base, headers, tls(roots)))
    }

    /// Takes the keys of [`Web::anonymous`], and besides either `token` or `user` and `password`.
    pub fn from_settings(settings: &mut Settings<'_>, base: Option<Url>) -> Option<Web> {
        let mut web = Web::anonymous(settings, base);
        let token = settings.secret("token");
        let user = settings.take("user", settings::text);
        let password = settings.secret("password");
        let credentials = match (token, user, password) {
            (None, None, None) => None,
            (Some(token), None, None) => Some(format!("Bearer {}", token.reveal())),
            (None, Some(user), password) => Some(basic(settings, &user, password)),
            _ => {
                settings.complain(Problem::new("has both a token and a user, or a password without a user"));
                None
            }
        };
        match credentials.map(HeaderValue::try_from) {
            Some(Ok(value)) => web.iter_mut().for_each(|web| web.set_header(AUTHORIZATION, value.clone())),
            Some(Err(_)) => settings.complain_of("token", Problem::new("has characters that no header may have")),
            None => {}
        }
        web
    }

    /// Takes the keys that all servers have: `headers`, and `ca`, the PEM file of a certification authority to
    /// trust besides the public ones. User and password within the URL are taken out of it, and sent in a header.
    pub fn anonymous(settings: &mut Settings<'_>, base: Option<Url>) -> Option<Web> {
        let roots = settings.take("ca", roots).unwrap_or_default();
        Web::trusting(settings, base, tls(roots))
    }

    /// Does the same with other rules of trust.
    pub(crate) fn trusting(settings: &mut Settings<'_>, base: Option<Url>, tls: ClientConfig) -> Option<Web> {
        let mut headers = accepting();
        for (name, value) in settings.secrets_by_name("headers") {
            match (HeaderName::try_from(&name), HeaderValue::try_from(value.reveal())) {
                (Ok(name), Ok(mut value)) => {
                    value.set_sensitive(true);
                    headers.insert(name, value);
                }
                _ => settings.complain_of("headers", Problem::new(format!("has `{name}`, which is not a header"))),
            }
        }
        Some(Web::open(settings, base?, tls, headers))
    }

    /// Reads a second server, which gets none of the credentials and headers that are meant for the first.
    pub(crate) fn beside(settings: &mut Settings<'_>, base: Url) -> Web {
        Web::open(settings, base, tls(Vec::new()), accepting())
    }

    fn open(settings: &mut Settings<'_>, mut base: Url, tls: ClientConfig, mut headers: HeaderMap) -> Web {
        if let Some((user, password)) = take_user(&mut base) {
            set_secret(&mut headers, AUTHORIZATION, basic(settings, &user, Some(password)));
        }
        Web::over(base, headers, tls)
    }

    fn over(base: Url, headers: HeaderMap, tls: ClientConfig) -> Web {
        let connector = HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http().enable_http1().build();
        let client = Client::builder(TokioExecutor::new()).pool_max_idle_per_host(0).build(connector);
        Web { client, base, headers, longest: LONGEST_ANSWER }
    }

    /// Sets a header for all calls, whose value is not shown.
    pub(crate) fn set_header(&mut self, name: HeaderName, mut value: HeaderValue) {
        value.set_sensitive(true);
        self.headers.insert(name, value);
    }

    /// Reads longer answers than others do, in bytes.
    pub(crate) fn set_longest(&mut self, longest: usize) {
        self.longest = longest;
    }

    /// Takes another URL for the server.
    pub(crate) fn set_base(&mut self, base: Url) {
        self.base = base;
    }

    /// Gives the server's own URL.
    #[must_use]
    pub fn base(&self) -> &Url {
        &self.base
    }

    /// Gives the URL below the server's own: each segment is escaped, the query kept.
    #[must_use]
    pub fn url(&self, segments: &[&str]) -> Url {
        let mut url = self.base.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().extend(segments);
        }
        url
    }

    /// Gets a document.
    ///
    /// # Errors
    /// When there is no answer, one that is too long, or a status other than 2xx.
    pub async fn get(&self, url: &Url) -> Result<Answer, Failure> {
        self.get_with(url, HeaderMap::new()).await
    }

    /// Gets a document with headers that are those of this call alone.
    ///
    /// # Errors
    /// As for [`Web::get`].
    pub async fn get_with(&self, url: &Url, headers: HeaderMap) -> Result<Answer, Failure> {
        self.call(Method::GET, url, headers, None).await
    }

    /// Gets a document that may not be there: status 404 is then an answer, too.
    ///
    /// # Errors
    /// As for [`Web::get`], but for that status.
    pub async fn get_if_there(&self, url: &Url, headers: HeaderMap) -> Result<Option<Answer>, Failure> {
        let (status, answer) = self.exchange(Method::GET, url, headers, None).await?;
        if status == StatusCode::NOT_FOUND {
            return Ok(None);
        }
        judge(status, &answer)?;
        Ok(Some(answer))
    }

    /// Posts a JSON document.
    ///
    /// # Errors
    /// As for [`Web::get`].
    pub async fn post(&self, url: &Url, headers: HeaderMap, document: &Value) -> Result<Answer, Failure> {
        self.call(Method::POST, url, headers, Some(document)).await
    }

    async fn call(
        &self,
        method: Method,
        url: &Url,
        headers: HeaderMap,
        document: Option<&Value>,
    ) -> Result<Answer, Failure> {
        let (status, answer) = self.exchange(method, url, headers, document).await?;
        judge(status, &answer)?;
        Ok(answer)
    }

    async fn exchange(
        &self,
        method: Method,
        url: &Url,
        headers: HeaderMap,
        document: Option<&Value>,
    ) -> Result<(StatusCode, Answer), Failure> {
        let mut request = Request::new(Full::default());
        *request.method_mut() = method;
        *request.uri_mut() = url.as_str().parse().map_err(|_| Failure::format("the URL is not one that HTTP has"))?;
        *request.headers_mut() = self.headers.clone();
        if let Some(document) = document {
            request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
            *request.body_mut() = Full::from(document.to_string());
        }
        request.headers_mut().extend(headers);
        let broken = |error: &dyn Error| Failure::Error(ErrorKind::Connection, chain(error));
        let (head, body) = self.client.request(request).await.map_err(|error| broken(&error))?.into_parts();
        let body =
            Limited::new(body, self.longest).collect().await.map_err(|error| match error.is::<LengthLimitError>() {
                true => {
                    Failure::Error(ErrorKind::TooLarge, format!("the answer is longer than {} bytes", self.longest))
                }
                false => broken(&*error),
            })?;
        Ok((head.status, Answer { headers: head.headers, body: body.to_bytes() }))
    }
}

/// Tells answers from statuses that are none.
fn judge(status: StatusCode, answer: &Answer) -> Result<(), Failure> {
    if status.is_success() {
        return Ok(());
    }
    let kind = match status {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => ErrorKind::Denied,
        _ => ErrorKind::Status,
    };
    let said = quoted(&String::from_utf8_lossy(&answer.body));
    let redirect = if status.is_redirection() { ", and redirects are not followed" } else { "" };
    Err(Failure::Error(kind, format!("status {}{redirect}: {said}", status.as_u16())))
}

/// Takes user and password out of a URL, so that no message can have them.
fn take_user(url: &mut Url) -> Option<(String, Secret)> {
    let decoded = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
    let user = decoded(url.username());
    let password = url.password().map(decoded);
    if user.is_empty() && password.is_none() {
        return None;
    }
    // Neither can fail for a URL with a host.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    Some((user, Secret::new(password.unwrap_or_default())))
}

fn accepting() -> HeaderMap {
    HeaderMap::from_iter([(ACCEPT, HeaderValue::from_static("application/json, */*;q=0.5"))])
}

/// Sets a header that is not shown, if its value can be one.
fn set_secret(headers: &mut HeaderMap, name: HeaderName, value: String) {
    if let Ok(mut value) = HeaderValue::try_from(value) {
        value.set_sensitive(true);
        headers.insert(name, value);
    }
}

fn encoded(user: &str, password: &Secret) -> String {
    STANDARD.encode(format!("{user}:{}", password.reveal()))
}

/// Writes what goes into `Authorization`, and keeps it out of all messages.
pub(crate) fn basic(settings: &mut Settings<'_>, user: &str, password: Option<Secret>) -> String {
    let password = password.unwrap_or_else(|| Secret::new(""));
    let encoded = encoded(user, &password);
    settings.hide(password);
    settings.hide(Secret::new(encoded.clone()));
    format!("Basic {encoded}")
}

/// Reads the certificates of a PEM file.
fn roots(value: &Value) -> Result<Vec<CertificateDer<'static>>, Problem> {
    read_roots(&settings::text(value)?)
}

fn read_roots(path: &str) -> Result<Vec<CertificateDer<'static>>, Problem> {
    let certificates = CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let certificates = certificates.map_err(|error| Problem::new(format!("cannot be read: {error}")))?;
    match certificates.is_empty() {
        true => Err(Problem::new("has no certificate in it")),
        false => Ok(certificates),
    }
}

fn tls(roots: Vec<CertificateDer<'static>>) -> ClientConfig {
    let mut trusted = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    trusted.add_parsable_certificates(roots);
    ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .expect("the provider has ciphers for all versions of TLS that are compiled in")
        .with_root_certificates(trusted)
        .with_no_client_auth()
}

/// The cryptography of all our connections.
pub(crate) fn provider() -> Arc<rustls::crypto::CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

/// Writes an error with its causes, each once.
#[must_use]
pub fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let next = error.to_string();
        // Some errors repeat their cause in their own words.
        if !text.contains(&next) {
            text = format!("{text}: {next}");
        }
        cause = error.source();
    }
    text
}
