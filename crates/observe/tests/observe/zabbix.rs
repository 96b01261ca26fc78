//! The `zabbix` adapter against a fake that answers as 5.2, 6.0 and 7.0 do: how one logs in and where the token goes
//! depends on the version.

use std::sync::{Arc, Mutex};

use axum::extract::State;
use axum::http::HeaderMap;
use axum::routing::post;
use axum::{Json, Router};
use serde_json::{Value, json};

use crate::harness::{observe, outcome, serve, shown, source, sources_in};

#[derive(Clone)]
struct Fake {
    version: &'static str,
    /// Sessions that are good; whoever comes with another is refused.
    session: Arc<Mutex<&'static str>>,
}

async fn start(version: &'static str) -> (Fake, String) {
    let fake = Fake { version, session: Arc::new(Mutex::new("session-1")) };
    let url = serve(Router::new().route("/api_jsonrpc.php", post(answer)).with_state(fake.clone())).await;
    (fake, url + "/api_jsonrpc.php")
}

async fn answer(State(fake): State<Fake>, headers: HeaderMap, Json(call): Json<Value>) -> Json<Value> {
    let answer = match result(&fake, &headers, &call) {
        Ok(result) => json!({ "jsonrpc": "2.0", "result": result, "id": call["id"] }),
        Err(data) => {
            let error = json!({ "code": -32602, "message": "Invalid params.", "data": data });
            json!({ "jsonrpc": "2.0", "error": error, "id": call["id"] })
        }
    };
    Json(answer)
}

fn result(fake: &Fake, headers: &HeaderMap, call: &Value) -> Result<Value, &'static str> {
    let parameters = &call["params"];
    let header = headers.get("authorization").map(|value| value.to_str().unwrap());
    let is_new = !fake.version.starts_with(['5', '6']);
    match call["method"].as_str().unwrap() {
        "apiinfo.version" => {
            return if header.is_none() { Ok(fake.version.into()) } else { Err("called with a token") };
        }
        "user.login" => {
            let name = if fake.version.starts_with('5') { "user" } else { "username" };
            let is_known = *parameters == json!({ name: "Admin", "password": "hush-hush" });
            return if is_known {
                Ok((*fake.session.lock().unwrap()).into())
            } else {
                Err("Login name or password is incorrect.")
            };
        }
        _ => {}
    }
    if is_new && call.get("auth").is_some() {
        return Err("Invalid parameter \"/\": unexpected parameter \"auth\".");
    }
    let session = *fake.session.lock().unwrap();
    let is_known = match is_new {
        true => header == Some(&format!("Bearer {session}")) || header == Some("Bearer hush-hush"),
        false => call["auth"] == session || call["auth"] == "hush-hush",
    };
    if !is_known {
        return Err("Session terminated, re-login, please.");
    }
    match call["method"].as_str().unwrap() {
        "hostgroup.get" if parameters["filter"]["name"] == json!(["flynn web"]) => Ok(json!([{ "groupid": "9" }])),
        "host.get" if parameters["groupids"] == json!(["9"]) && parameters["countOutput"] == true => Ok("4".into()),
        "item.get" => Ok(items(parameters)),
        "trigger.get" => Ok(json!([
            { "triggerid": "31", "description": "cpu high" },
            { "triggerid": "32", "description": "cpu low" },
        ])),
        "event.get" if parameters["objectids"] == json!(["31", "32"]) => Ok(json!([
            { "eventid": "502", "objectid": "32", "clock": "300", "name": "cpu is low" },
            { "eventid": "501", "objectid": "31", "clock": "100", "name": "cpu is high" },
        ])),
        "alert.get" if parameters["eventids"] == json!(["501", "502"]) => Ok(json!([
            alert("502", "302", "1", "1", "scalein.sh"),
            alert("501", "162", "1", "1", "scaleout.sh"),
            alert("501", "102", "1", "1", "scaleout.sh"),
            alert("501", "103", "0", "1", "mail to the admin"),
            alert("501", "222", "1", "2", "scaleout.sh"),
            alert("501", "282", "1", "0", "scaleout.sh"),
        ])),
        _ => Ok(json!([])),
    }
}

fn alert(event: &str, clock: &str, kind: &str, status: &str, message: &str) -> Value {
    let error = if status == "2" { "timeout" } else { "" };
    json!({ "eventid": event, "clock": clock, "alerttype": kind, "status": status, "message": message, "error": error })
}

fn items(parameters: &Value) -> Value {
    let item = |key: &str, value: &str, clock: &str, state: &str, status: &str| {
        let error = if state == "1" { "no such metric" } else { "" };
        json!({ "key_": key, "lastvalue": value, "lastclock": clock, "state": state, "status": status, "error": error })
    };
    let all = [
        item("avg_cpu", "12.5", "1000", "0", "0"),
        item("idle", "0", "1000", "0", "0"),
        item("node_num", "3", "990", "0", "0"),
        item("new", "0", "0", "0", "0"),
        item("broken", "0", "1000", "1", "0"),
        item("off", "7", "1000", "0", "1"),
        item("text", "many", "1000", "0", "0"),
    ];
    let wanted = parameters["filter"]["key_"].as_array().unwrap();
    let is_here = parameters["host"] == "flynn_global_host";
    all.into_iter().filter(|item| is_here && wanted.contains(&item["key_"])).collect()
}

fn keys(url: &str, role: &str, more: &str) -> String {
    let login = "user = \"Admin\"\npassword = { secret = \"key\" }";
    format!("[autoscaler.{role}]\nobserve = \"zabbix\"\nurl = \"{url}\"\n{login}\n{more}")
}

#[tokio::test]
async fn every_version_is_logged_in_to_in_its_own_way() {
    for version in ["5.2.7", "6.0.14", "7.0.3"] {
        let (fake, url) = start(version).await;
        let mut source = source(&keys(&url, "supply", "group = \"flynn web\""));
        for _ in 0..2 {
            assert_eq!(shown(&observe(&mut source).await.outcome), "running 4", "{version}");
        }
        *fake.session.lock().unwrap() = "session-2";
        let ended = "denied: hostgroup.get: `Invalid params. Session terminated, re-login, please.`";
        assert_eq!(shown(&observe(&mut source).await.outcome), ended, "{version}");
        assert_eq!(shown(&observe(&mut source).await.outcome), "running 4", "{version}: it logs in again");
        let wrong = keys(&url, "supply", "group = \"flynn web\"").replace("Admin", "Nobody");
        let denied = "denied: user.login: `Invalid params. Login name or password is incorrect.`";
        assert_eq!(outcome(&wrong).await, denied, "{version}");
    }
    let (_, url) = start("7.0.3").await;
    let token = format!(
        "[autoscaler.supply]\nobserve = \"zabbix\"\nurl = \"{url}\"\ntoken = {{ secret = \"key\" }}\ngroup = \"flynn web\""
    );
    assert_eq!(outcome(&token).await, "running 4");
}

#[tokio::test]
async fn items_tell_what_was_measured_and_when() {
    let (_, url) = start("6.0.14").await;
    let read = async |host: &str, item: &str| {
        outcome(&keys(&url, "metrics.cpu", &format!("host = \"{host}\"\nitem = \"{item}\""))).await
    };
    let here = "flynn_global_host";
    assert_eq!(read(here, "avg_cpu").await, "12.5");
    assert_eq!(read(here, "idle").await, "0");
    assert_eq!(read(here, "new").await, "missing: the item has no value yet");
    assert_eq!(read(here, "broken").await, "missing: the item is not supported: `no such metric`");
    assert_eq!(read(here, "off").await, "missing: the item is disabled");
    assert_eq!(read(here, "text").await, "format: not a number: `\"many\"`");
    assert_eq!(read(here, "gone").await, "missing: there is no item `gone` of `flynn_global_host` that we may see");
    assert_eq!(read("elsewhere", "idle").await, "missing: there is no item `idle` of `elsewhere` that we may see");
    let old =
        outcome(&keys(&url, "metrics.cpu", "host = \"flynn_global_host\"\nitem = \"idle\"\nstale_after = \"1m\""))
            .await;
    assert!(old.starts_with("missing: stale: "), "{old}");
}

#[tokio::test]
async fn a_supply_is_hosts_or_items_or_both() {
    let (_, url) = start("6.0.14").await;
    let read = async |more: &str| outcome(&keys(&url, "supply", more)).await;
    let items = "host = \"flynn_global_host\"\ndesired = \"node_num\"\nready = \"new\"";
    assert_eq!(read(items).await, "desired 3");
    assert_eq!(read(&format!("{items}\ngroup = \"flynn web\"")).await, "desired 3 running 4");
    assert_eq!(read("host = \"flynn_global_host\"\nready = \"new\"").await, "missing: no item has a value");
    assert_eq!(
        read("host = \"flynn_global_host\"\nready = \"avg_cpu\"").await,
        "format: 12.5 is no number of instances"
    );
    assert_eq!(read("group = \"flynn wbe\"").await, "format: there is no group of hosts `flynn wbe` that we may see");
    let told = sources_in(&crate::harness::context(), &keys(&url, "supply", "host = \"h\"")).unwrap_err();
    assert_eq!(told.len(), 1, "{told:?}");
}

/// A trigger that stays on ran its script twice: two steps, where its event is one. Mails and scripts yet to run are none.
#[tokio::test]
async fn what_actions_ran_are_the_decisions() {
    let (_, url) = start("6.0.14").await;
    let read = async |more: &str| {
        outcome(&keys(&url, "activities", &format!("scale_out = \"cpu high\"\nscale_in = \"cpu low\"\n{more}"))).await
    };
    assert_eq!(
        read("step = 2").await,
        "102 +2 to ? cpu is high: `scaleout.sh`; 162 +2 to ? cpu is high: `scaleout.sh`; \
         222 +0 to ? cpu is high: `scaleout.sh`, which failed: `timeout`; 302 -2 to ? cpu is low: `scalein.sh`"
    );
    assert_eq!(read("by = \"message\"").await, "103 +1 to ? cpu is high: `mail to the admin`");
    assert_eq!(read("by = \"event\"").await, "100 +1 to ? cpu is high; 300 -1 to ? cpu is low");
    let wrong = keys(&url, "activities", "scale_out = \"cpu high\"\nscale_in = \"cpu lwo\"");
    assert_eq!(outcome(&wrong).await, "format: 1 of 2 triggers are there");
}
