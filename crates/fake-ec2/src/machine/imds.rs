//! The metadata service of one instance, version 2 only: a token first, then what the instance may know of itself.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use axum::Router;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, put};
use rehearsal_fake_aws::printed;
use serde_json::json;
use tokio::net::TcpListener;

use crate::desk::Desk;
use crate::instance::{Instance, Lifecycle};

const TTL: &str = "x-aws-ec2-metadata-token-ttl-seconds";
const TOKEN: &str = "x-aws-ec2-metadata-token";

/// How long tokens may live at the most, in seconds: six hours, as Amazon says.
const LONGEST: u64 = 21_600;

#[derive(Clone)]
struct Service {
    desk: Desk,
    id: Arc<str>,
    tokens: Arc<Mutex<BTreeMap<String, Instant>>>,
}

/// Takes an address of its own, and gives it with the service there.
pub(super) async fn open(desk: Desk, id: &str) -> std::io::Result<(String, impl Future<Output = ()> + Send + 'static)> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let address = format!("http://{}", listener.local_addr()?);
    let service = Service { desk, id: id.into(), tokens: Arc::default() };
    let routes =
        Router::new().route("/latest/api/token", put(token)).route("/latest/{*path}", get(told)).with_state(service);
    let serve = async move {
        // It goes on after a connection that could not be accepted.
        let _ = axum::serve(listener, routes).await;
    };
    Ok((address, serve))
}

async fn token(State(service): State<Service>, headers: HeaderMap) -> Response {
    // Somebody passes on what was not asked by the instance itself.
    if headers.contains_key("x-forwarded-for") {
        return StatusCode::FORBIDDEN.into_response();
    }
    let seconds = headers.get(TTL).and_then(|ttl| ttl.to_str().ok()?.parse::<u64>().ok());
    let Some(seconds) = seconds.filter(|seconds| (1..=LONGEST).contains(seconds)) else {
        return StatusCode::BAD_REQUEST.into_response();
    };
    let token = service.desk.with(|account| account.id("token"));
    let (now, mut tokens) = (Instant::now(), service.tokens.lock().unwrap_or_else(PoisonError::into_inner));
    tokens.retain(|_, expiry| *expiry > now);
    tokens.insert(token.clone(), now + Duration::from_secs(seconds));
    drop(tokens);
    ([(TTL, seconds.to_string())], token).into_response()
}

async fn told(State(service): State<Service>, Path(path): Path<String>, headers: HeaderMap) -> Response {
    let token = headers.get(TOKEN).and_then(|token| token.to_str().ok()).unwrap_or_default();
    let expiry = service.tokens.lock().unwrap_or_else(PoisonError::into_inner).get(token).copied();
    if expiry.is_none_or(|expiry| expiry <= Instant::now()) {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    let instance = service.desk.with(|account| account.instance(&service.id).cloned());
    match instance.and_then(|instance| value(&instance, path.trim_end_matches('/'))) {
        Some(value) => value.into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

/// What an instance may know of itself; `None` if there is nothing of that name, or nothing yet.
fn value(instance: &Instance, path: &str) -> Option<String> {
    let notice = || Some((instance.deadline?, instance.lifecycle == Lifecycle::Spot));
    let text = match path {
        "user-data" => String::from_utf8_lossy(&instance.user_data).into_owned(),
        "meta-data/ami-id" => instance.image.clone(),
        "meta-data/instance-id" => instance.id.clone(),
        "meta-data/instance-life-cycle" => instance.lifecycle.name().to_owned(),
        "meta-data/instance-type" => instance.kind.clone(),
        "meta-data/local-ipv4" => instance.private_address.clone(),
        "meta-data/public-ipv4" => instance.public_address.clone(),
        "meta-data/reservation-id" => instance.reservation.clone(),
        "meta-data/placement/availability-zone" => instance.zone.clone(),
        "meta-data/placement/availability-zone-id" => instance.zone_id.clone(),
        "meta-data/placement/region" => instance.region.clone(),
        "meta-data/spot/instance-action" => match notice()? {
            (deadline, true) => json!({ "action": "terminate", "time": to_the_second(deadline) }).to_string(),
            _ => return None,
        },
        "meta-data/spot/termination-time" => to_the_second(notice()?.0),
        "meta-data/events/recommendations/rebalance" => {
            json!({ "noticeTime": to_the_second(instance.recommended?) }).to_string()
        }
        "dynamic/instance-identity/document" => identity(instance),
        _ => return None,
    };
    Some(text)
}

/// Who the instance is. Amazon signs it; here nobody does.
fn identity(instance: &Instance) -> String {
    let document = json!({
        "architecture": instance.architecture, "availabilityZone": instance.zone, "imageId": instance.image,
        "instanceId": instance.id, "instanceType": instance.kind, "privateIp": instance.private_address,
        "region": instance.region, "pendingTime": to_the_second(instance.launched()), "version": "2017-09-30",
    });
    document.to_string()
}

fn to_the_second(instant: SystemTime) -> String {
    let seconds = instant.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    printed(UNIX_EPOCH + Duration::from_secs(seconds))
}
