//! Sources from TOML, and servers that answer what a test tells them.

use std::collections::BTreeSet;
use std::fs::read_to_string;
use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::Router;
use rehearsal_observe::{Activity, Context, Observation, Outcome, Reading, Registry, Secret, Source, Supply};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

/// What every test's environment has.
pub fn context() -> Context {
    let secrets = [("key", "hush-hush")].map(|(name, value)| (name.to_string(), Secret::new(value)));
    Context { secrets: secrets.into(), admin: None }
}

/// Makes the sources of an environment's `autoscaler`, or tells its mistakes.
pub fn sources_in(context: &Context, toml: &str) -> Result<Vec<Source>, Vec<String>> {
    let table: toml::Table = toml.parse().unwrap();
    let value = serde_json::to_value(table).unwrap();
    let sources = Registry::default().sources(&value["autoscaler"], context);
    sources.map_err(|problems| problems.iter().map(ToString::to_string).collect())
}

/// Makes the only source of a table such as `[autoscaler.supply]`.
pub fn source(toml: &str) -> Source {
    let mut sources = sources_in(&context(), toml).unwrap();
    assert_eq!(sources.len(), 1);
    sources.remove(0)
}

/// Reads once.
pub async fn observe(source: &mut Source) -> Observation {
    source.observe(SystemTime::now()).await
}

/// Reads the only source of a table once, and prints what came of it in one line: a value, or which kind of none.
pub async fn outcome(toml: &str) -> String {
    shown(&observe(&mut source(toml)).await.outcome)
}

/// Prints an outcome in one line.
pub fn shown(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Ok(Reading::Supply(supply)) => counts(supply),
        Outcome::Ok(Reading::Metric(number)) => number.to_string(),
        Outcome::Ok(Reading::Activities(list)) => list.iter().map(activity).collect::<Vec<_>>().join("; "),
        Outcome::Missing(reason) => format!("missing: {reason}"),
        Outcome::Error(kind, text) => format!("{kind}: {text}"),
    }
}

fn counts(supply: &Supply) -> String {
    let Supply { desired, running, ready, draining, min, max } = supply;
    let counts = Supply::NAMES.into_iter().zip([desired, running, ready, draining, min, max]);
    let given: Vec<String> = counts.filter_map(|(name, count)| Some(format!("{name} {}", (*count)?))).collect();
    given.join(" ")
}

fn activity(activity: &Activity) -> String {
    let Activity { at, change, to, why } = activity;
    let at = at.duration_since(UNIX_EPOCH).unwrap().as_secs_f64();
    let change = change.map_or("?".into(), |change| format!("{change:+}"));
    let to = to.map_or("?".into(), |to| to.to_string());
    format!("{at} {change} to {to} {why}").trim_end().into()
}

/// Serves routes on a free port for as long as the runtime of the test lives, and gives its URL.
pub async fn serve(routes: Router) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, routes).await });
    format!("http://{address}")
}

/// Serves whoever connects the same bytes, whatever is asked, then closes. Gives its address.
pub async fn speak(bytes: impl Into<Vec<u8>>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let bytes = bytes.into();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let bytes = bytes.clone();
            tokio::spawn(async move {
                let _ = stream.read(&mut [0; 4_096]).await;
                let _ = stream.write_all(&bytes).await;
                let _ = stream.shutdown().await;
            });
        }
    });
    address
}

/// Waits until `holds` gives something, ten seconds at the most.
pub async fn until<T>(what: &str, mut holds: impl AsyncFnMut() -> Option<T>) -> T {
    let patience = tokio::time::timeout(Duration::from_secs(10), async {
        loop {
            if let Some(found) = holds().await {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    patience.await.unwrap_or_else(|_| panic!("waited in vain until {what}"))
}

/// Sees that an observer has its reference page and its row in the overview, that its example is understood, and that it
/// takes the roles that the overview says and no others.
pub fn check_page(name: &str, sources: impl Fn(&str) -> Result<Vec<Source>, Vec<String>>) {
    let pages = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs/observers");
    let overview = read_to_string(pages.join("README.md")).unwrap();
    let page = read_to_string(pages.join(format!("{name}.md"))).unwrap();
    assert!(overview.contains(&format!("| [{name}]({name}.md) |")), "{name} is not in the overview");
    let example = page.split("```toml\n").nth(1).unwrap().split("```").next().unwrap();
    let mut used = BTreeSet::new();
    used.extend(example.lines().filter(|line| line.starts_with("observe = ")));
    assert_eq!(used, BTreeSet::from([&*format!("observe = \"{name}\"")]), "{name}");
    if let Err(told) = sources(example) {
        panic!("{name}: {told:?}");
    }
    // What the overview says that it tells, and no other role, is what it takes.
    let row = overview.lines().find(|line| line.contains(&format!("]({name}.md)"))).unwrap();
    let cells: Vec<&str> = row.split('|').map(str::trim).collect();
    for (role, cell) in ["supply", "metrics.x", "activities"].into_iter().zip(&cells[2..5]) {
        let told = sources(&format!("[autoscaler.{role}]\nobserve = \"{name}\"")).unwrap_err();
        let is_refused = told.iter().any(|text| text.contains("that does not tell"));
        assert_eq!(*cell == "yes", !is_refused, "{name} {role}: {told:?}");
    }
}
