//! The `kubernetes` adapter against a fake that answers as the published interface does.

use std::collections::BTreeMap;

use axum::extract::Query;
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::{Json, Router};
use serde_json::{Value, json};

use crate::harness::{observe, outcome, serve, shown, source};

async fn answer(
    uri: Uri,
    Query(query): Query<BTreeMap<String, String>>,
    headers: HeaderMap,
) -> Result<Json<Value>, (StatusCode, Json<Value>)> {
    let refuse =
        |status: StatusCode, message: &str| Err((status, Json(json!({ "kind": "Status", "message": message }))));
    if headers["authorization"] != "Bearer hush-hush" {
        return refuse(StatusCode::UNAUTHORIZED, "Unauthorized");
    }
    let metric = |name: &str, current: Value| json!({ "type": "Pods", "pods": { "metric": { "name": name }, "current": current } });
    let document = match uri.path() {
        "/apis/autoscaling/v2/namespaces/shop/horizontalpodautoscalers/web" => json!({
            "spec": { "minReplicas": 2, "maxReplicas": 40 },
            "status": {
                "currentReplicas": 3, "desiredReplicas": 5, "conditions": [{ "type": "ScalingActive", "status": "True" }],
                "currentMetrics": [
                    { "type": "Resource", "resource": { "name": "cpu", "current": { "averageUtilization": 0, "averageValue": "0" } } },
                    metric("queue", json!({ "averageValue": "1500m" })),
                    metric("odd", json!({ "averageValue": "lots" })),
                    metric("none", json!({})),
                ],
            },
        }),
        "/apis/autoscaling/v2/namespaces/shop/horizontalpodautoscalers/new" => {
            json!({ "spec": { "maxReplicas": 9 }, "status": { "desiredReplicas": 0, "currentMetrics": null } })
        }
        "/apis/apps/v1/namespaces/shop/deployments/web" => json!({
            "spec": { "replicas": 4 }, "status": { "observedGeneration": 7, "replicas": 4, "readyReplicas": 3 },
        }),
        "/apis/apps/v1/namespaces/shop/deployments/zero" => {
            json!({ "spec": { "replicas": 0 }, "status": { "observedGeneration": 1 } })
        }
        "/apis/apps/v1/namespaces/shop/deployments/new" => json!({ "spec": { "replicas": 2 }, "status": {} }),
        "/api/v1/namespaces/shop/pods" if query["labelSelector"] == "app=web,tier in (front)" => {
            let asks_metadata = headers["accept"].to_str().unwrap().contains("PartialObjectMetadataList");
            assert!(asks_metadata, "whole pods would not fit");
            let leaves = json!({ "metadata": { "deletionTimestamp": "2026-11-22T08:00:00Z" } });
            let stays = json!({ "metadata": {} });
            match query.get("continue").map(String::as_str) {
                None => json!({ "metadata": { "continue": "page 2" }, "items": [leaves, stays, leaves] }),
                Some("page 2") => json!({ "metadata": { "continue": "" }, "items": [stays, leaves] }),
                Some(_) => return refuse(StatusCode::GONE, "Expired"),
            }
        }
        "/api/v1/namespaces/shop/events" => {
            let of_web = "involvedObject.kind=HorizontalPodAutoscaler,involvedObject.name=web,reason=SuccessfulRescale";
            assert_eq!(query["fieldSelector"], of_web);
            json!({ "items": [
                { "message": "New size: 5; reason: cpu above target",
                  "firstTimestamp": "1970-01-01T00:05:00Z", "lastTimestamp": "1970-01-01T00:10:00Z", "count": 2 },
                { "message": "New size: 3; reason: All metrics below target", "eventTime": "1970-01-01T00:01:00.500000Z" },
            ] })
        }
        _ => return refuse(StatusCode::NOT_FOUND, "not found"),
    };
    Ok(Json(document))
}

async fn keys(role: &str, more: &str) -> String {
    let url = serve(Router::new().fallback(answer)).await;
    format!("[autoscaler.{role}]\nobserve = \"kubernetes\"\nurl = \"{url}\"\nnamespace = \"shop\"\n{more}")
}

async fn read(role: &str, more: &str) -> String {
    outcome(&keys(role, &format!("token = {{ secret = \"key\" }}\n{more}")).await).await
}

#[tokio::test]
async fn wanted_allowed_there_and_leaving_make_a_supply() {
    let scaler = "autoscaler = \"web\"";
    assert_eq!(read("supply", scaler).await, "desired 5 running 3 min 2 max 40");
    assert_eq!(read("supply", "deployment = \"web\"").await, "desired 4 running 4 ready 3");
    let all = format!("{scaler}\ndeployment = \"web\"\npods = \"app=web,tier in (front)\"");
    assert_eq!(read("supply", &all).await, "desired 5 running 4 ready 3 draining 3 min 2 max 40");
}

/// Zeros are left out by the interface, and so is what nobody has counted yet.
#[tokio::test]
async fn zero_is_told_from_not_yet() {
    assert_eq!(read("supply", "deployment = \"zero\"").await, "desired 0 running 0 ready 0");
    assert_eq!(read("supply", "deployment = \"new\"").await, "desired 2");
    assert_eq!(read("supply", "autoscaler = \"new\"").await, "min 1 max 9");
    let gone = "status: status 404: `{\"kind\":\"Status\",\"message\":\"not found\"}`";
    assert_eq!(read("supply", "deployment = \"gone\"").await, gone);
}

#[tokio::test]
async fn metrics_are_those_that_the_scaler_sees() {
    assert_eq!(read("metrics.cpu", "autoscaler = \"web\"").await, "0");
    assert_eq!(read("metrics.x", "autoscaler = \"web\"\nmetric = \"queue\"").await, "1.5");
    assert_eq!(read("metrics.odd", "autoscaler = \"web\"").await, "format: not a quantity: `lots`");
    assert_eq!(read("metrics.none", "autoscaler = \"web\"").await, "missing: `none` has no current value");
    assert_eq!(read("metrics.gone", "autoscaler = \"web\"").await, "missing: the autoscaler sees no `gone`");
    assert_eq!(read("metrics.cpu", "autoscaler = \"new\"").await, "missing: the autoscaler sees no metrics");
}

#[tokio::test]
async fn events_are_the_decisions() {
    let expected = "60.5 ? to 3 New size: 3; reason: All metrics below target; \
                    300 ? to 5 New size: 5; reason: cpu above target; 600 ? to 5 New size: 5; reason: cpu above target";
    assert_eq!(read("activities", "autoscaler = \"web\"").await, expected);
}

#[tokio::test]
async fn a_token_in_a_file_may_be_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("token");
    std::fs::write(&path, "old\n").unwrap();
    let more = format!("token_file = \"{}\"\ndeployment = \"web\"", path.display());
    let mut source = source(&keys("supply", &more).await);
    let denied = "denied: status 401: `{\"kind\":\"Status\",\"message\":\"Unauthorized\"}`";
    assert_eq!(shown(&observe(&mut source).await.outcome), denied);
    std::fs::write(&path, "hush-hush\n").unwrap();
    assert_eq!(shown(&observe(&mut source).await.outcome), "desired 4 running 4 ready 3");
    std::fs::remove_file(&path).unwrap();
    let unread = shown(&observe(&mut source).await.outcome);
    assert!(unread.starts_with("denied: reading the token in "), "{unread}");
}
