//! Resident memory for each user that has signed in, holds a WebSocket and waits for an event.
//!
//! The slope between two sizes, so that what the process costs without users falls out. Once as bare as such a user is, once
//! with an idle kept HTTP connection, as a browser has, and once with a page of JSON kept in the script's state.

use std::process::Stdio;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::client::{self, Client};
use super::process::{Server, allow_many_files, free_address, pinned};
use super::{Bench, SERVER_CPU};
use crate::command::succeed;

/// Users that come in a second: slow enough that none of them has to wait for another.
const ARRIVALS: u64 = 400;
/// How long all of them may take to be there.
const GATHER_WITHIN: Duration = Duration::from_secs(180);
/// Memory is steady when it moved by less than a hundredth for this long.
const STEADY_FOR: Duration = Duration::from_secs(2);
const STEADY_WITHIN: Duration = Duration::from_secs(60);

/// What users hold while they wait.
struct Case {
    name: &'static str,
    /// How long they keep the HTTP connection on which they signed in.
    keep_alive: &'static str,
    /// Whether they keep the demo's programme, 1 KiB of JSON, as a value of the script.
    keep_programme: bool,
}

const CASES: [Case; 3] = [
    Case { name: "cookie and socket", keep_alive: "0s", keep_programme: false },
    Case { name: "+ idle HTTP connection", keep_alive: "10m", keep_programme: false },
    Case { name: "+ 1 KiB of JSON kept", keep_alive: "0s", keep_programme: true },
];

/// What the kernel says about the load generator while everybody waits.
struct Held {
    resident_bytes: u64,
    open_files: u64,
}

pub fn run(bench: &Bench) -> Result<()> {
    let [few, many] = bench.users;
    println!("── memory: waiting users, {few} and {many}");
    allow_many_files()?;
    client::build(bench)?;
    succeed(bench.cargo(&["build", "-p", "rehearsal-coordinator"]))?;
    println!("{:<22}  {few:>8} users  {many:>8} users  {:>10}  {:>12}", "a user holds", "KiB a user", "files a user");
    let mut rows = Vec::new();
    for case in &CASES {
        let held = [measure(bench, few, case)?, measure(bench, many, case)?];
        rows.push(row(case.name, bench.users, &held));
    }
    bench.save("memory", &json!({ "case": "memory", "profile": bench.profile.0, "rows": rows }))
}

/// Prints and returns the slope between the two sizes. A waiting user has one open file for the WebSocket, and one more for each
/// HTTP connection that is really still there.
fn row(name: &str, users: [u64; 2], held: &[Held; 2]) -> Value {
    let more_users = (users[1] - users[0]) as f64;
    let a_user = |of: fn(&Held) -> u64| (of(&held[1]) as f64 - of(&held[0]) as f64) / more_users;
    let (bytes, files) = (a_user(|held| held.resident_bytes), a_user(|held| held.open_files));
    let [few, many] = held.each_ref().map(|held| held.resident_bytes as f64 / f64::from(1 << 20));
    println!("{name:<22}  {few:>10.1} MiB  {many:>10.1} MiB  {:>10.1}  {files:>12.2}", bytes / 1024.0);
    let resident = held.each_ref().map(|held| held.resident_bytes);
    json!({
        "holds": name, "users": users, "resident_bytes": resident,
        "bytes_a_user": bytes, "files_a_user": files,
    })
}

/// Measures the load generator with so many waiting users.
fn measure(bench: &Bench, users: u64, case: &Case) -> Result<Held> {
    let address = free_address()?;
    let mut demo = pinned(SERVER_CPU, bench.built("coordinator"));
    demo.args(["demo", "--listen", &address.to_string()]).stdout(Stdio::null());
    let _demo = Server::start(demo, address).context("starting the demo system")?;
    let seconds = users.div_ceil(ARRIVALS);
    let environment = format!(
        "target = \"http://{address}\"\nusers = {users}\narrive_over = \"{seconds}s\"\n\
         keep_programme = {}\n[http]\nkeep_alive = \"{}\"\n",
        case.keep_programme, case.keep_alive
    );
    let mut client = Client::start(bench, "waiting_viewers.rhai", &environment)?;
    gather(&mut client, users)?;
    let held = Held { resident_bytes: steady(&client)?, open_files: client.open_files()? };
    let totals = client.stop()?;
    ensure!(totals["errors"] == json!({}), "our users met errors: {totals:#}");
    Ok(held)
}

/// Waits until all users wait.
fn gather(client: &mut Client, users: u64) -> Result<()> {
    let deadline = Instant::now() + GATHER_WITHIN;
    loop {
        let counted = client.counted()?;
        if counted["counts"]["custom.waiting"] == json!(users) {
            return Ok(());
        }
        ensure!(Instant::now() < deadline, "not all {users} users wait: {counted:#}");
        sleep(Duration::from_millis(500));
    }
}

/// Waits until memory has settled: buffers are given back, stacks returned.
fn steady(client: &Client) -> Result<u64> {
    let deadline = Instant::now() + STEADY_WITHIN;
    let mut before = client.resident()?;
    loop {
        sleep(STEADY_FOR);
        let now = client.resident()?;
        if now.abs_diff(before) < before / 100 {
            return Ok(now);
        }
        ensure!(Instant::now() < deadline, "memory does not settle: {before}, then {now} bytes");
        before = now;
    }
}
