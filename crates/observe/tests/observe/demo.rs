//! The `demo` adapter against a fake that answers as the demo does.

use axum::Router;
use axum::routing::get;
use rehearsal_observe::{Context, Source};

use crate::harness::{observe, serve, shown, sources_in};

const SUPPLY: &str = r#"{"desired": 3, "running": 2, "ready": 1, "draining": 0, "instances": [{"id": "i-1"}]}"#;
const ACTIVITIES: &str = r#"[{"at": "2026-11-22T08:00:00.250Z", "change": 1, "to": 3, "why": "cpu above 30"}]"#;

async fn sources(toml: &str) -> Result<Vec<Source>, Vec<String>> {
    let routes = Router::new()
        .route("/admin/autoscaler/supply", get(|| async { SUPPLY }))
        .route("/admin/autoscaler/metrics", get(|| async { r#"{"cpu": 0, "users": null}"# }))
        .route("/admin/autoscaler/activities", get(|| async { ACTIVITIES }));
    let admin = Some(serve(routes).await + "/admin");
    sources_in(&Context { admin, ..Context::default() }, toml)
}

#[tokio::test]
async fn nothing_but_its_name_is_needed() {
    let toml = "[autoscaler]\nsupply = { observe = \"demo\" }\nactivities = { observe = \"demo\" }\n\
                metrics = { cpu = { observe = \"demo\" }, audience = { observe = \"demo\", metric = \"users\" } }";
    let mut found = Vec::new();
    for mut source in sources(toml).await.unwrap() {
        let outcome = observe(&mut source).await.outcome;
        found.push(format!("{}: {}", source.name, shown(&outcome)));
    }
    assert_eq!(
        found,
        [
            "supply: desired 3 running 2 ready 1 draining 0",
            "activities: 1795334400.25 +1 to 3 cpu above 30",
            "audience: missing: there is nothing at `/users`",
            "cpu: 0",
        ]
    );
}

#[test]
fn without_an_admin_it_needs_a_url() {
    let told = sources_in(&Context::default(), "[autoscaler.supply]\nobserve = \"demo\"").unwrap_err();
    assert_eq!(told, ["`autoscaler.supply` lacks the key `url`, and the environment has no `admin` either"]);
    let good = "[autoscaler.supply]\nobserve = \"demo\"\nurl = \"http://127.0.0.1:1/admin\"";
    assert_eq!(sources_in(&Context::default(), good).unwrap().len(), 1);
}
