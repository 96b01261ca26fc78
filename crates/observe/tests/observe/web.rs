//! The `http` adapter, and with it how all that speak HTTP treat answers that are none.

use std::time::Duration;

use axum::Router;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::Redirect;
use axum::routing::get;
use rehearsal_observe::Outcome;

use crate::harness::{observe, outcome, serve, shown, source, speak};

/// Serves one body and reads it with the keys.
async fn read(body: &'static str, keys: &str) -> String {
    let url = serve(Router::new().route("/x", get(move || async move { body }))).await;
    outcome(&keys.replacen("URL", &format!("observe = \"http\"\nurl = \"{url}/x\""), 1)).await
}

#[tokio::test]
async fn a_supply_is_read_by_pointers() {
    let keys = "[autoscaler.supply]\nURL\ndesired = \"/a/0\"\nready = \"/r\"\nmax = \"/max\"";
    let check = async |body, expected: &str| assert_eq!(read(body, keys).await, expected, "{body}");
    check(r#"{"a": [4], "r": 3, "max": "9"}"#, "desired 4 ready 3 max 9").await;
    check(r#"{"a": [0], "r": null}"#, "desired 0").await;
    check(r#"{"a": [], "r": null}"#, "missing: there is nothing at `/a/0` or `/r` or `/max`").await;
    check(r#"{"a": [4], "r": -1}"#, "format: `/r`: -1 is no number of instances").await;
    check(r#"{"a": [4], "r": {}}"#, "format: `/r`: not a number: `{}`").await;
    check("", "format: the answer is not JSON: EOF while parsing a value at line 1 column 0").await;
}

#[tokio::test]
async fn a_metric_is_read_by_a_pointer_and_knows_its_time() {
    let keys = "[autoscaler.metrics.cpu]\nURL\nvalue = \"/cpu\"\ntime = \"/at\"\nstale_after = \"1h\"";
    let check = async |body, expected: &str| assert_eq!(read(body, keys).await, expected, "{body}");
    check(r#"{"cpu": 0, "at": 99999999999}"#, "0").await;
    check(r#"{"cpu": null, "at": 99999999999}"#, "missing: there is nothing at `/cpu`").await;
    check(r#"{"at": 99999999999}"#, "missing: there is nothing at `/cpu`").await;
    check(r#"{"cpu": 5}"#, "missing: stale: the source does not say how old its value is").await;
    check(r#"{"cpu": 5, "at": "noon"}"#, "format: not a time: `\"noon\"`").await;
    let old = read(r#"{"cpu": 5, "at": "2020-01-01T00:00:00Z"}"#, keys).await;
    assert!(old.starts_with("missing: stale: the value is "), "{old}");
}

#[tokio::test]
async fn activities_are_a_list() {
    let keys = "[autoscaler.activities]\nURL\nlist = \"/l\"\nat = \"/t\"\nchange = \"/c\"";
    let check = async |body, expected: &str| assert_eq!(read(body, keys).await, expected, "{body}");
    let two = r#"{"l": [{"t": 100, "c": "+2", "to": 5, "why": "cpu"}, {"t": "1970-01-01T00:03:20Z", "c": -1}]}"#;
    check(two, "100 +2 to 5 cpu; 200 -1 to ?").await;
    check(r#"{"l": []}"#, "").await;
    check(r#"{"l": null}"#, "missing: there is nothing at `/l`").await;
    check(r#"{"l": {}}"#, "format: the activities are not a list").await;
    check(r#"{"l": [{"t": 1}, {"c": 1}]}"#, "format: activity 2: it has no time").await;
    check(r#"{"l": [{"t": 1, "c": 0.5}]}"#, "format: activity 1: 0.5 is no change of instances").await;
}

#[tokio::test]
async fn a_status_that_is_no_answer_is_an_error_and_never_a_number() {
    let routes = Router::new()
        .route("/moved", get(|| async { Redirect::temporary("/cpu") }))
        .route("/cpu", get(|| async { r#"{"cpu": 1}"# }))
        .route("/busy", get(|| async { (StatusCode::SERVICE_UNAVAILABLE, "{\"cpu\": 1}\n") }))
        .route("/secret", get(|| async { (StatusCode::FORBIDDEN, "who is hush-hush?") }));
    let url = serve(routes).await;
    let check = async |path: &str, expected: &str| {
        let toml = format!(
            "[autoscaler.metrics.cpu]\nobserve = \"http\"\nurl = \"{url}{path}\"\nvalue = \"/cpu\"\ntoken = {{ secret = \"key\" }}"
        );
        assert_eq!(outcome(&toml).await, expected, "{path}");
    };
    check("/cpu", "1").await;
    check("/moved", "status: status 307, and redirects are not followed: ``").await;
    check("/busy", "status: status 503: `{\"cpu\": 1}`").await;
    check("/secret", "denied: status 403: `who is ***?`").await;
    check("/none", "status: status 404: ``").await;
}

#[tokio::test]
async fn who_we_are_travels_in_headers() {
    let echo = |headers: HeaderMap| async move {
        let of = |name| headers.get(name).map_or("-", |value| value.to_str().unwrap()).to_string();
        let is_known = of(header::AUTHORIZATION.as_str()) + " " + &of("x-key");
        format!("{{\"known\": {}}}", u8::from(["Bearer hush-hush v", "Basic bWU6aCY= -"].contains(&&*is_known)))
    };
    let url = serve(Router::new().route("/", get(echo))).await;
    let with_user = url.replace("http://", "http://me:h%26@");
    for keys in [
        format!("url = \"{url}\"\ntoken = {{ secret = \"key\" }}\nheaders = {{ x-key = \"v\" }}"),
        format!("url = \"{url}\"\nuser = \"me\"\npassword = \"h&\""),
        format!("url = \"{with_user}\""),
    ] {
        let toml = format!("[autoscaler.metrics.known]\nobserve = \"http\"\nvalue = \"/known\"\n{keys}");
        assert_eq!(outcome(&toml).await, "1", "{keys}");
    }
}

#[tokio::test]
async fn hostile_servers_are_errors_within_bounds() {
    let endless = Router::new().route("/x", get(|| async { vec![b'['; 2 << 20] }));
    let check = async |url: &str, expected: &str| {
        let toml =
            format!("[autoscaler.metrics.x]\nobserve = \"http\"\nurl = \"{url}\"\nvalue = \"/x\"\ntimeout = \"2s\"");
        let mut source = source(&toml);
        let seen = observe(&mut source).await;
        let found = shown(&seen.outcome);
        assert!(found.starts_with(expected), "{url}: {found}");
        assert!(matches!(seen.outcome, Outcome::Error(..)) && seen.took < Duration::from_secs(10));
    };
    let raw = async |bytes: &[u8]| format!("http://{}/x", speak(bytes).await);
    check(&format!("{}/x", serve(endless).await), "too_large: the answer is longer than 1048576 bytes").await;
    check(&raw(&[&b"HTTP/1.1 200 OK\r\ncontent-length: 3000\r\n\r\n"[..], &[b'['; 3_000]].concat()).await, "format: ")
        .await;
    check(&raw(b"HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\n{\"x\": 1").await, "connection: ").await;
    check(&raw(b"\0\xff not http").await, "connection: ").await;
    check(&raw(b"").await, "connection: ").await;
    check(&raw(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n\xff\xfe").await, "format: ").await;
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    check(&format!("http://{}/x", silent.local_addr().unwrap()), "timeout: no answer within 2s").await;
    let closed = silent.local_addr().unwrap();
    drop(silent);
    check(&format!("http://{closed}/x"), "connection: ").await;
    check(&format!("https://{}/x", speak(b"no tls").await), "connection: ").await;
}
