//! One number, wherever it is read: summary.json, the page, JUnit, CSV, the interval log, the database.

use std::path::Path;

use rehearsal_demo::{Demo, Options};
use rehearsal_tests::{Outcome, Rehearsal, Show, assert_log_equals_summary, quick_show};
use serde_json::Value;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_file_of_a_run_tells_the_same() {
    let demo = Demo::start(Options::default()).unwrap();
    let show = Show::short(demo.address(), 60);
    let outcome = Rehearsal::of(&quick_show()).environment(&show.toml()).run().await;
    outcome.assert_exit(0, "everything held");
    let folder = outcome.run_folder.clone().unwrap();
    assert_log_equals_summary(&outcome);
    database_tells_the_same(&outcome, &folder);
    page_tells_the_same(&outcome, &folder);
    csv_tells_the_same(&outcome).await;
    junit_tells_the_same(&outcome).await;
    let json = outcome.command(&["report", "last", "--format", "json"]).await;
    assert_eq!(serde_json::from_str::<Value>(&json.stdout).unwrap(), outcome.summary);
    demo.stop().await;
}

/// Read as any program with SQLite would.
fn database_tells_the_same(outcome: &Outcome, folder: &Path) {
    let database = rusqlite::Connection::open(folder.join("run.db")).unwrap();
    let mut rows = database.prepare("SELECT name, tags, count, p99 FROM summary_metric").unwrap();
    let rows =
        rows.query_map([], |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?, row.get(2)?, row.get(3)?)));
    let rows: Vec<(String, String, i64, Option<f64>)> = rows.unwrap().map(Result::unwrap).collect();
    let metrics = outcome.summary["metrics"].as_array().unwrap();
    assert_eq!(rows.len(), metrics.len());
    for (metric, (name, tags, count, p99)) in metrics.iter().zip(&rows) {
        assert_eq!((&metric["name"], metric["count"].as_i64()), (&Value::from(name.as_str()), Some(*count)));
        assert_eq!(metric["tags"], serde_json::from_str::<Value>(tags).unwrap());
        assert_eq!(metric["p99"].as_f64(), *p99, "{name} {tags}");
    }
    let by_second: i64 =
        database.query_row("SELECT sum(requests) FROM requests_per_second", [], |row| row.get(0)).unwrap();
    assert_eq!(by_second.unsigned_abs(), outcome.count("http.response", &[]));
}

fn page_tells_the_same(outcome: &Outcome, folder: &Path) {
    let page = std::fs::read_to_string(folder.join("report.html")).unwrap();
    let data = page.split("id=\"rehearsal-data\">").nth(1).expect("the page has its data");
    let data: Value = serde_json::from_str(data.split("</script>").next().unwrap()).unwrap();
    assert_eq!(data["report"], outcome.summary);
    let answers: u64 =
        data["seconds"].as_array().unwrap().iter().filter_map(|second| second["response"]["n"].as_u64()).sum();
    assert_eq!(answers, outcome.count("http.response", &[]));
    assert_eq!(data["run"]["users"], outcome.summary["users"]);
    assert_eq!(data["run"]["state"], "judged");
    for call in data["run"]["calls"].as_array().unwrap() {
        let same = outcome.entry("calls", "name", call["name"].as_str().unwrap());
        for count in ["begun", "answered", "failed", "cut"] {
            assert_eq!(call[count], same[count], "{call}");
        }
    }
    for (shown, judged) in data["run"]["thresholds"].as_array().unwrap().iter().zip(outcome.list("thresholds")) {
        assert_eq!((&shown["value"], &shown["outcome"]), (&judged["value"], &judged["outcome"]));
    }
    let outside = ["http://", "https://", "src=\"/", "href=\"/"];
    let markup = page.split("<script type=\"application/json\"").next().unwrap();
    let head = markup.split("<script").next().unwrap();
    assert!(!outside.iter().any(|part| head.contains(part)), "the page asks for nothing from outside");
}

async fn csv_tells_the_same(outcome: &Outcome) {
    let csv = outcome.command(&["report", "last", "--format", "csv"]).await;
    let mut lines = csv::Reader::from_reader(csv.stdout.as_bytes());
    let headers = lines.headers().unwrap().clone();
    let column = |name: &str| headers.iter().position(|header| header == name).unwrap();
    let rows: Vec<csv::StringRecord> = lines.records().map(Result::unwrap).collect();
    let metrics = outcome.summary["metrics"].as_array().unwrap();
    assert_eq!(rows.len(), metrics.len());
    for (metric, row) in metrics.iter().zip(&rows) {
        assert_eq!(metric["name"], row[column("name")]);
        for figure in ["count", "rate", "mean", "min", "max", "p50", "p90", "p95", "p99", "p999"] {
            assert_eq!(metric[figure].as_f64(), row[column(figure)].parse().ok(), "{figure} of {row:?}");
        }
    }
}

async fn junit_tells_the_same(outcome: &Outcome) {
    let junit = outcome.command(&["report", "last", "--format", "junit"]).await.stdout;
    for threshold in outcome.list("thresholds") {
        let text = threshold["text"].as_str().unwrap().replace('<', "&lt;").replace('>', "&gt;");
        assert!(junit.contains(&text), "{text} is not in\n{junit}");
    }
    assert!(junit.contains("failures=\"0\""), "{junit}");
}
