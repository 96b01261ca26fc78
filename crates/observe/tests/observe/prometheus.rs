//! The `prometheus` adapter against a real Prometheus that scrapes this test.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::Router;
use axum::routing::get;

use crate::harness::{observe, outcome, serve, source, until};
use crate::real::{Program, free_port};

#[tokio::test]
async fn a_real_prometheus_tells_nothing_from_zero() {
    let folder = tempfile::tempdir().unwrap();
    let busy = Arc::new(AtomicU64::new(40));
    let value = busy.clone();
    let page = move || async move {
        format!("cpu_busy{{host=\"a\"}} {0}\ncpu_busy{{host=\"b\"}} {0}\nup_hosts 2\n", value.load(Ordering::Relaxed))
    };
    let target = serve(Router::new().route("/metrics", get(page))).await.replace("http://", "");
    let config = folder.path().join("prometheus.yml");
    let text = format!(
        "global: {{ scrape_interval: 200ms, scrape_timeout: 200ms }}\n\
         scrape_configs: [{{ job_name: web, static_configs: [{{ targets: [\"{target}\"] }}] }}]\n"
    );
    std::fs::write(&config, text).unwrap();
    let address = format!("127.0.0.1:{}", free_port());
    let arguments = [
        format!("--config.file={}", config.display()),
        format!("--storage.tsdb.path={}", folder.path().join("data").display()),
        format!("--web.listen-address={address}"),
    ];
    let arguments = arguments.each_ref().map(String::as_str);
    let Some(_prometheus) = Program::start("prometheus", "prometheus", &arguments) else { return };

    let read = async |keys: &str| {
        let keys = format!("[autoscaler.metrics.cpu]\nobserve = \"prometheus\"\nurl = \"http://{address}\"\n{keys}");
        outcome(&keys).await
    };
    let average = "query = 'avg(cpu_busy)'";
    until("the average is 40", async || (read(average).await == "40").then_some(())).await;
    busy.store(0, Ordering::Relaxed);
    until("the average is a zero", async || (read(average).await == "0").then_some(())).await;
    assert_eq!(read("query = 'avg(cpu_bsy)'").await, "missing: the result is empty");
    assert_eq!(
        read("query = 'scalar(cpu_bsy)'").await,
        "missing: the result is not a number, as after dividing by zero"
    );
    assert_eq!(read("query = '1 / 0'").await, "format: the number is infinite");
    let two = read("query = 'cpu_busy'").await;
    assert_eq!(two, "format: the result has 2 series: aggregate them into one, as with sum()");
    let wrong = read("query = 'avg('").await;
    assert!(wrong.starts_with("status: status 400: `{\"status\":\"error\",\"errorType\":\"bad_data\""), "{wrong}");

    let fresh = "freshness = 'min(timestamp(cpu_busy))'\nstale_after = '100s'";
    assert_eq!(read(&format!("{average}\n{fresh}")).await, "0");
    let old = read(&format!("{average}\n{}", fresh.replace("cpu_busy))", "cpu_busy)) - 200"))).await;
    assert!(old.starts_with("missing: stale: the value is 20"), "{old}");
    let unknown = read(&format!("{average}\n{}", fresh.replace("busy", "bsy"))).await;
    assert_eq!(unknown, "missing: stale: the source does not say how old its value is");

    let toml = format!(
        "[autoscaler.supply]\nobserve = \"prometheus\"\nurl = \"http://{address}/\"\n\
         ready = 'up_hosts'\nrunning = 'count(cpu_busy)'\ndraining = 'nothing_at_all'"
    );
    assert_eq!(outcome(&toml).await, "running 2 ready 2");
    let toml = toml.replace("'up_hosts'", "'up_hosts / 4'");
    assert_eq!(outcome(&toml).await, "format: ready: 0.5 is no number of instances");
    let mut source = source(&toml.replace("'up_hosts / 4'", "'up_hosts'"));
    assert_eq!(observe(&mut source).await.source_time, None, "the time of the question is not that of the value");
}
