//! The fake Flynn over its wires: who is let in, lists and streams of events, and jobs that boot and drain.
#![allow(clippy::unwrap_used, reason = "clippy's leave for tests does not reach their shared functions")]

use std::sync::Arc;
use std::time::Duration;

use rehearsal_fakes::FakeFlynn;
use rehearsal_fakes::flynn::{Options, State};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// What a test waits at the most for what has to come.
const PATIENCE: Duration = Duration::from_secs(20);
/// `:cluster-key` in base64.
const KEY: &str = "authorization: Basic OmNsdXN0ZXIta2V5";
const JSON: &str = "accept: application/json";

trait Wire: AsyncRead + AsyncWrite + Unpin {}
impl<T: AsyncRead + AsyncWrite + Unpin> Wire for T {}

/// A request whose answer is read as it comes.
struct Call {
    wire: Box<dyn Wire>,
    read: String,
}

impl Call {
    /// Reads until the text is there, and gives all that came.
    async fn until(&mut self, text: &str) -> String {
        let reading = async {
            while !self.read.contains(text) {
                let mut bytes = [0; 4_096];
                let count = self.wire.read(&mut bytes).await.unwrap();
                assert!(count > 0, "{text} does not come: {}", self.read);
                self.read += &String::from_utf8_lossy(&bytes[..count]);
            }
        };
        let is_there = tokio::time::timeout(PATIENCE, reading).await;
        assert!(is_there.is_ok(), "{text} does not come: {}", self.read);
        self.read.clone()
    }

    /// Reads to the end, and gives status and body.
    async fn whole(mut self) -> (u16, String) {
        let mut rest = Vec::new();
        // A server that closes TLS without a farewell has said all the same.
        let _ = tokio::time::timeout(PATIENCE, self.wire.read_to_end(&mut rest)).await.expect("it has to end");
        let text = self.read + &String::from_utf8_lossy(&rest);
        let status = text.split(' ').nth(1).unwrap().parse().unwrap();
        (status, text.split_once("\r\n\r\n").unwrap().1.to_owned())
    }
}

async fn call(url: &str, trusted: Option<&str>, line: &str, headers: &[&str], body: &str) -> Call {
    let address = url.split_once("://").unwrap().1;
    let stream = TcpStream::connect(address).await.unwrap();
    let mut wire: Box<dyn Wire> = match trusted {
        None => Box::new(stream),
        Some(pem) => {
            let mut roots = RootCertStore::empty();
            roots.add(CertificateDer::from_pem_slice(pem.as_bytes()).unwrap()).unwrap();
            let provider = Arc::new(rustls::crypto::ring::default_provider());
            let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
            let connector = TlsConnector::from(Arc::new(config.with_root_certificates(roots).with_no_client_auth()));
            Box::new(connector.connect(ServerName::try_from("localhost").unwrap(), stream).await.unwrap())
        }
    };
    let headers = headers.iter().map(|header| format!("{header}\r\n")).collect::<String>();
    let length = body.len();
    let request = format!(
        "{line} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-length: {length}\r\n{headers}\r\n{body}"
    );
    wire.write_all(request.as_bytes()).await.unwrap();
    wire.flush().await.unwrap();
    Call { wire, read: String::new() }
}

async fn ask(flynn: &FakeFlynn, line: &str, headers: &[&str], body: &str) -> (u16, String) {
    call(&flynn.url(), Some(flynn.certificate()), line, headers, body).await.whole().await
}

async fn json(flynn: &FakeFlynn, line: &str) -> Value {
    let (status, body) = ask(flynn, line, &[KEY, JSON], "").await;
    assert_eq!(status, 200, "{line}: {body}");
    serde_json::from_str(&body).unwrap()
}

#[tokio::test]
async fn the_door_opens_to_key_and_token() {
    let flynn = FakeFlynn::start_with(Options { token: Some("token".into()), ..Options::default() }).unwrap();
    let me = "authorization: Basic bWU6Y2x1c3Rlci1rZXk=";
    let bearer = ["authorization: Bearer token", "authorization: Basic QmVhcmVyOnRva2Vu"];
    for (header, expected) in [(KEY, 200), (me, 200), (bearer[0], 200), (bearer[1], 200), ("x-none: 1", 401)] {
        assert_eq!(ask(&flynn, "GET /apps/shop", &[header], "").await.0, expected, "{header}");
    }
    for wrong in ["authorization: Bearer cluster-key", "authorization: Basic Og==", "authorization: Basic ???"] {
        assert_eq!(ask(&flynn, "GET /active-jobs", &[wrong], "").await, (401, String::new()), "{wrong}");
    }
    assert_eq!(ask(&flynn, "GET /ping", &[], "").await.0, 200);
    assert_eq!(ask(&flynn, "GET /ca-cert", &[], "").await.1, flynn.certificate());
}

#[tokio::test]
async fn scaling_over_the_wire_makes_formation_jobs_and_events() {
    let flynn = FakeFlynn::start().unwrap();
    let release = flynn.release();
    let put = format!("PUT /apps/shop/formations/{release}");
    let (status, formation) = ask(&flynn, &put, &[KEY], "{\"processes\": {\"web\": 2}}").await;
    assert_eq!(status, 200, "{formation}");
    assert_eq!(json(&flynn, &format!("GET /apps/shop/formations/{release}")).await["processes"]["web"], 2);
    let jobs = json(&flynn, "GET /active-jobs").await;
    assert_eq!(jobs.as_array().unwrap().iter().filter(|job| job["state"] == "pending").count(), 2);
    let put = format!("PUT /apps/shop/scale/{release}");
    let (status, request) = ask(&flynn, &put, &[KEY], "{\"new_processes\": {\"web\": 1}}").await;
    assert!(status == 200 && request.contains("\"old_processes\":{\"web\":2}"), "{request}");
    let kinds = |events: &Value| {
        let kind = |event: &Value| event["object_type"].as_str().unwrap().to_owned();
        events.as_array().unwrap().iter().map(kind).collect::<Vec<_>>()
    };
    let scalings = "GET /events?app_id=shop&object_types=scale,scale_request,scale_request_cancelation";
    let all = json(&flynn, scalings).await;
    let newest_first = ["scale", "scale_request_cancelation", "scale_request", "scale", "scale_request"];
    assert_eq!(kinds(&all), newest_first);
    assert_eq!(kinds(&json(&flynn, &format!("{scalings}&count=2")).await), newest_first[..2]);
    let since = format!("{scalings}&since_id={}", all[3]["id"]);
    assert_eq!(kinds(&json(&flynn, &since).await), newest_first[..3]);
    for (line, status) in [
        ("GET /apps/sohp/formations", 404),
        ("GET /events?app_id=sohp", 404),
        ("GET /events?count=x", 400),
        ("GET /formations", 400),
    ] {
        assert_eq!(ask(&flynn, line, &[KEY, JSON], "").await.0, status, "{line}");
    }
}

/// Anything but `application/json` alone is answered with a stream.
#[tokio::test]
async fn events_are_streamed_to_who_does_not_ask_for_a_list() {
    let flynn = FakeFlynn::start().unwrap();
    flynn.scale("web", 1);
    let line = "GET /events?object_types=scale&past=true";
    let accept = "accept: application/json, */*";
    let mut stream = call(&flynn.url(), Some(flynn.certificate()), line, &[KEY, accept], "").await;
    let past = stream.until("\"processes\":{\"web\":1}").await;
    assert!(past.contains("text/event-stream") && past.contains("data: {\"id\":"), "{past}");
    flynn.scale("web", 3);
    stream.until("\"processes\":{\"web\":3}").await;
    let line = "GET /services/shop-web/instances";
    let mut stream = call(&flynn.discoverd(), None, line, &["accept: text/event-stream"], "").await;
    stream.until("\"kind\":\"current\"").await;
    let job = flynn.jobs()[0].uuid.clone();
    assert!(flynn.set_job(&job, State::Up));
    stream.until(&format!("\"kind\":\"up\",\"instance\":{{\"id\":\"{job}\"")).await;
    assert!(flynn.set_job(&job, State::Stopping));
    stream.until("\"kind\":\"down\"").await;
}

#[tokio::test]
async fn jobs_boot_and_drain_by_themselves() {
    let soon = Duration::from_millis(50);
    let flynn = FakeFlynn::start_with(Options { pace: Some((soon, soon)), ..Options::default() }).unwrap();
    let reach = async |up: usize| {
        let reached = async {
            while flynn.jobs().iter().map(|job| job.state).collect::<Vec<_>>() != vec![State::Up; up] {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        assert!(tokio::time::timeout(PATIENCE, reached).await.is_ok(), "{:?}", flynn.jobs());
    };
    flynn.scale("web", 3);
    reach(3).await;
    flynn.scale("web", 1);
    reach(1).await;
    let jobs = json(&flynn, "GET /events?object_types=job").await;
    assert_eq!(jobs.as_array().unwrap().iter().filter(|it| it["data"]["state"] == "stopping").count(), 2);
    let done = json(&flynn, "GET /events?object_types=scale_request").await;
    let states: Vec<&str> = done.as_array().unwrap().iter().map(|it| it["data"]["state"].as_str().unwrap()).collect();
    assert_eq!(states, ["complete", "pending", "complete", "pending"]);
    let known = call(&flynn.discoverd(), None, "GET /services/shop-web/instances", &[], "").await.whole().await;
    assert_eq!((known.0, known.1.matches("\"addr\"").count()), (200, 1));
}
