//! Requests per CPU-second of the client: a scripted `http::get` loop beside wrk, which has no script at all.
//!
//! The server counts the requests, the kernel the CPU time; neither client is asked. Rounds take turns, so that a busy
//! spell of the machine meets both.

use std::process::{Command, Stdio};

use anyhow::{Result, ensure};
use serde_json::{Value, json};

use super::client::{self, Client};
use super::nginx::Nginx;
use super::process::{children_cpu, pinned};
use super::{Bench, CLIENT_CPU};
use crate::command::succeed;
use crate::packages;

/// Connections of wrk, and users of ours with one connection each.
const CONNECTIONS: u32 = 50;

/// What one client did in one round.
struct Round {
    requests: u64,
    cpu_seconds: f64,
}

impl Round {
    fn per_cpu_second(&self) -> f64 {
        self.requests as f64 / self.cpu_seconds
    }

    fn to_json(&self) -> Value {
        json!({ "requests": self.requests, "cpu_s": self.cpu_seconds, "per_cpu_s": self.per_cpu_second() })
    }
}

pub fn run(bench: &Bench) -> Result<()> {
    println!("── throughput: {CONNECTIONS} connections, {} rounds of {:?}", bench.rounds, bench.duration);
    let missing: Vec<&str> = ["wrk", "nginx"].into_iter().filter(|program| !installed(program)).collect();
    if !missing.is_empty() && packages::install(&missing).is_err() {
        println!("SKIPPED: {} cannot be had (as root or by sudo, `apt-get install` is tried)", missing.join(" and "));
        return Ok(());
    }
    client::build(bench)?;
    let nginx = Nginx::start(bench)?;
    let mut rounds = Vec::new();
    for _ in 0..bench.rounds {
        let wrk = measure(&nginx, || run_wrk(bench, &nginx))?;
        let ours = measure(&nginx, || run_ours(bench, &nginx))?;
        rounds.push((wrk, ours));
    }
    bench.save("throughput", &figures(bench, &rounds))
}

fn installed(program: &str) -> bool {
    let shell = Command::new("sh").args(["-c", &format!("command -v {program}")]).stdout(Stdio::null()).status();
    shell.is_ok_and(|status| status.success())
}

fn measure(nginx: &Nginx, work: impl FnOnce() -> Result<()>) -> Result<Round> {
    let (requests, cpu) = (nginx.requests()?, children_cpu()?);
    work()?;
    let cpu_seconds = children_cpu()? - cpu;
    // The second question is counted too.
    let requests = nginx.requests()? - requests - 1;
    ensure!(requests > 0 && cpu_seconds > 0.0, "nothing was done");
    Ok(Round { requests, cpu_seconds })
}

fn run_wrk(bench: &Bench, nginx: &Nginx) -> Result<()> {
    let mut wrk = pinned(CLIENT_CPU, "wrk");
    let (connections, duration) = (format!("-c{CONNECTIONS}"), format!("-d{}s", bench.duration.as_secs()));
    wrk.args(["-t1", &connections, &duration, &format!("http://{}/", nginx.address)]);
    wrk.stdout(Stdio::null());
    succeed(wrk)
}

fn run_ours(bench: &Bench, nginx: &Nginx) -> Result<()> {
    let environment = format!(
        "target = \"http://{}\"\nusers = {CONNECTIONS}\nduration = \"{}s\"\n",
        nginx.address,
        bench.duration.as_secs()
    );
    let totals = Client::start(bench, "get_loop.rhai", &environment)?.finish()?;
    ensure!(totals["errors"] == json!({}), "our users met errors: {totals:#}");
    Ok(())
}

fn figures(bench: &Bench, rounds: &[(Round, Round)]) -> Value {
    println!("{:>5}  {:>16}  {:>16}  {:>10}", "round", "wrk req/CPU-s", "ours req/CPU-s", "ours / wrk");
    let mut ratios = Vec::new();
    for (at, (wrk, ours)) in rounds.iter().enumerate() {
        let (wrk, ours) = (wrk.per_cpu_second(), ours.per_cpu_second());
        println!("{:>5}  {wrk:>16.0}  {ours:>16.0}  {:>10.2}", at + 1, ours / wrk);
        ratios.push(ours / wrk);
    }
    ratios.sort_by(f64::total_cmp);
    let (least, median, most) = (ratios[0], ratios[ratios.len() / 2], ratios[ratios.len() - 1]);
    println!("ours / wrk: min {least:.2}, median {median:.2}, max {most:.2}");
    let rounds: Vec<Value> =
        rounds.iter().map(|(wrk, ours)| json!({ "wrk": wrk.to_json(), "ours": ours.to_json() })).collect();
    let ratio = json!({ "min": least, "median": median, "max": most });
    json!({ "case": "throughput", "profile": bench.profile.0, "connections": CONNECTIONS, "rounds": rounds, "ours_to_wrk": ratio })
}
