//! Mistakes in the `autoscaler` table of an environment: all of them at once, and nothing secret in them.

use crate::harness::{context, sources_in};

fn mistakes(toml: &str) -> Vec<String> {
    sources_in(&context(), toml).unwrap_err()
}

#[test]
fn the_table_of_the_contract_is_understood() {
    let toml = r#"
        [autoscaler]
        every = "2s"
        [autoscaler.supply]
        observe = "http"
        url = "http://scaler.example.com:9000/supply"
        desired = "/desired"
        ready = "/ready"
        draining = "/draining"
        [autoscaler.metrics.cpu]
        observe = "prometheus"
        url = "http://prometheus.example.com:9090"
        query = "avg(cpu_busy)"
        every = "5s"
        [autoscaler.activities]
        observe = "http"
        url = "http://scaler.example.com:9000/activities"
        list = ""
        at = "/at"
        change = "/change"
    "#;
    let sources = sources_in(&context(), toml).unwrap();
    let told: Vec<String> = sources.iter().map(|it| format!("{} {} {:?}", it.place, it.name, it.every)).collect();
    assert_eq!(
        told,
        ["autoscaler.supply supply 2s", "autoscaler.activities activities 2s", "autoscaler.metrics.cpu cpu 5s"]
    );
}

#[test]
fn a_role_may_have_several_sources() {
    let toml = r#"
        [[autoscaler.supply]]
        observe = "command"
        command = "echo 3"
        count = "desired"
        [[autoscaler.supply]]
        observe = "command"
        command = "echo 3"
        count = "ready"
    "#;
    let sources = sources_in(&context(), toml).unwrap();
    let places: Vec<&str> = sources.iter().map(|it| it.place.as_str()).collect();
    assert_eq!(places, ["autoscaler.supply.1", "autoscaler.supply.2"]);
}

#[test]
fn all_mistakes_are_told_at_once() {
    let toml = r#"
        [autoscaler]
        evry = "2s"
        every = "1ms"
        [autoscaler.supply]
        observe = "http"
        ulr = "http://x"
        desired = "desired"
        ready = 5
        timeout = "soon"
        [autoscaler.metrics.cpu]
        observe = "promtheus"
        [autoscaler.metrics.queue]
        url = "http://x"
        [autoscaler.metrics.busy]
        observe = "http"
        url = "scaler/busy"
        value = "/busy"
        token = { secret = "kye" }
        headers = { x-key = 5 }
        [autoscaler.activities]
        observe = "redis"
    "#;
    assert_eq!(
        mistakes(toml),
        [
            "`autoscaler.every` is not between 100ms and 1h",
            "unknown key `autoscaler.evry` (hint: did you mean `every`?)",
            "`autoscaler.supply.timeout` is not a duration (hint: write it as in `500ms`, `2s` or `1m30s`)",
            "`autoscaler.supply` lacks the key `url`",
            "`autoscaler.supply.desired` is not a JSON pointer (hint: write it as in `/desired`)",
            "`autoscaler.supply.ready` is not a text",
            "unknown key `autoscaler.supply.ulr` (hint: did you mean `url`?)",
            "`autoscaler.activities.observe` names an observer that does not tell activities (hint: it tells metrics)",
            "`autoscaler.metrics.busy.url` is not a URL (hint: write it as in `http://scaler.example.com:9000`)",
            "`autoscaler.metrics.busy.headers` has `x-key`, which is not a text (hint: name a secret of the environment: { secret = \"name\" })",
            "`autoscaler.metrics.busy.token` names the secret `kye`, which the environment does not have (hint: did you mean `key`?)",
            "`autoscaler.metrics.cpu.observe` names no observer: `promtheus` (hint: did you mean `prometheus`?)",
            "`autoscaler.metrics.queue` lacks the key `observe`",
        ]
    );
}

#[test]
fn an_age_that_nobody_tells_and_a_name_that_is_taken_are_mistakes() {
    let toml = r#"
        [autoscaler.supply]
        observe = "http"
        url = "http://x"
        ready = "/ready"
        time = "/at"
        stale_after = "9s"
        [autoscaler.metrics.cpu]
        observe = "command"
        command = "uptime"
        stale_after = "9s"
        [autoscaler.metrics.ready]
        observe = "command"
        command = "uptime"
    "#;
    assert_eq!(
        mistakes(toml),
        [
            "`autoscaler.metrics.ready` has the name of a number of instances (hint: call it something else than `ready`)",
            "`autoscaler.metrics.cpu.stale_after` makes every value missing: nothing here says how old a value is \
             (hint: http and command say it with `time`, prometheus with `freshness`, zabbix and cloudwatch of items and metrics)",
        ]
    );
}

#[test]
fn the_name_of_a_metric_may_have_dots() {
    let toml = "[autoscaler.metrics.\"db.connections\"]\nobserve = \"command\"\ncommand = \"uptime\"";
    assert_eq!(sources_in(&context(), toml).unwrap()[0].name, "db.connections");
}

#[test]
fn what_is_no_table_is_told() {
    assert_eq!(mistakes("autoscaler = 5"), ["`autoscaler` is not a table"]);
    assert_eq!(
        mistakes("[autoscaler]\nsupply = 1\nmetrics = { cpu = 2 }\nactivities = [3]"),
        [
            "`autoscaler.supply` is not a table, nor a list of tables",
            "`autoscaler.activities` is not a table, nor a list of tables",
            "`autoscaler.metrics` has `cpu`, which is not a table",
        ]
    );
}

#[test]
fn no_message_has_a_secret_in_it() {
    let toml = r#"
        [autoscaler.metrics.cpu]
        observe = "http"
        url = "ftp://me:hush-hush@x"
        token = "hush-hush\n"
        user = "me"
        headers = { authorization = "hush-hush\n" }
        value = "/cpu"
        [autoscaler.metrics.queue]
        observe = "redis"
        url = "rediss://:hush-hush@x"
        keys = []
    "#;
    let told = mistakes(toml);
    assert!(!told.iter().any(|text| text.contains("hush")), "{told:?}");
    assert_eq!(told.len(), 5, "{told:?}");
    let good = "[autoscaler.supply]\nobserve = \"http\"\nurl = \"http://me:hush-hush@x\"\nready = \"/r\"";
    let sources = sources_in(&context(), good).unwrap();
    assert!(!format!("{sources:?} {:?}", context()).contains("hush"));
}
