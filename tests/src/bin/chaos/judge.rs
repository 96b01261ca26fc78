//! Holds what a run says of itself against what the system under test has counted.

use std::collections::BTreeMap;

use rehearsal_demo::{Counters, Users};
use rehearsal_tests::{Outcome, compare_outside_spans, live_twice_outside};
use rusqlite::Connection;
use serde_json::Value;

use crate::agents::{Agent, Fate};

/// Exit codes of a run that went to its verdict, whichever that was.
const JUDGED: [i32; 3] = [0, 98, 99];

/// One statement about the run.
pub struct Finding {
    pub what: String,
    pub found: String,
    pub holds: bool,
}

impl Finding {
    fn new(what: impl Into<String>, found: impl Into<String>, holds: bool) -> Self {
        Self { what: what.into(), found: found.into(), holds }
    }
}

/// What the system under test knows.
pub struct Truth {
    pub counters: Counters,
    pub users: Users,
}

/// Lists all that must hold. `seconds` is the report with a row for each second.
pub fn judge(outcome: &Outcome, agents: &mut [Agent], truth: &Truth, seconds: &str) -> Vec<Finding> {
    let code = outcome.exit_code;
    let mut findings = vec![Finding::new(
        "the run came to its verdict",
        format!("exit code {code:?}, {}", outcome.summary["verdict"]),
        code.is_some_and(|code| JUDGED.contains(&code)),
    )];
    if outcome.summary.is_null() {
        findings.push(Finding::new("a summary", "none", false));
        return findings;
    }
    findings.extend(compare_outside_spans(outcome, &truth.counters).into_iter().map(|compared| {
        let (counted, reported, spared) = (compared.counted, compared.reported, compared.spared);
        let found = format!("demo {counted}, report {reported}, {spared} may be missing");
        Finding::new(compared.what.clone(), found, !compared.is_wrong())
    }));
    findings.extend([nobody_twice(outcome, &truth.users), users(outcome), settled_seconds(outcome, seconds)]);
    findings.extend([calls(outcome), cues(outcome), restored(outcome)]);
    findings.extend([in_order(agents), unobserved(outcome, agents)]);
    findings
}

fn nobody_twice(outcome: &Outcome, users: &Users) -> Finding {
    let twice = live_twice_outside(users, outcome, &[]);
    let found = format!("{} followed, {} not, {} twice: {twice:?}", users.followed, users.not_followed, twice.len());
    Finding::new("nobody was live twice", found, twice.is_empty() && users.followed > 0 && users.not_followed == 0)
}

fn users(outcome: &Outcome) -> Finding {
    let states = ["waiting", "live", "finished", "failed", "dropped", "cancelled", "lost"];
    let sum: u64 = states.iter().map(|state| outcome.users(state)).sum();
    let holds = sum == outcome.users("planned") && outcome.users("waiting") + outcome.users("live") == 0;
    Finding::new("users sum to planned, none is left", outcome.summary["users"].to_string(), holds)
}

fn settled_seconds(outcome: &Outcome, seconds: &str) -> Finding {
    let mut table = csv::Reader::from_reader(seconds.as_bytes());
    let heading = table.headers().cloned().unwrap_or_default();
    let is_state = |name: &str| name.starts_with("users.") && name != "users.target";
    let (mut settled, mut wrong) = (0, Vec::new());
    for row in table.into_records().flatten() {
        let row: BTreeMap<&str, &str> = heading.iter().zip(&row).collect();
        if row.get("settled") != Some(&"true") {
            continue;
        }
        settled += 1;
        let sum: u64 =
            row.iter().filter(|(name, _)| is_state(name)).filter_map(|(_, users)| users.parse::<u64>().ok()).sum();
        if sum != outcome.users("planned") {
            wrong.push(row.get("second").map_or("?", |second| second).to_owned());
        }
    }
    let found = format!("{settled} settled, wrong: {wrong:?}");
    Finding::new("users sum to planned in every settled second", found, settled > 0 && wrong.is_empty())
}

fn calls(outcome: &Outcome) -> Finding {
    let number = |call: &Value, key: &str| call[key].as_u64().unwrap_or_default();
    let ended = |call: &Value| ["answered", "failed", "cut"].map(|key| number(call, key)).iter().sum::<u64>();
    let wrong: Vec<&Value> = outcome.list("calls").iter().filter(|call| ended(call) > number(call, "begun")).collect();
    let open: u64 = outcome.list("calls").iter().map(|call| number(call, "begun").saturating_sub(ended(call))).sum();
    Finding::new(
        "no call ended more often than it began",
        format!("{open} unknown, wrong: {wrong:?}"),
        wrong.is_empty(),
    )
}

/// Everybody hears a firing once, and each cue of the plan fires once.
fn cues(outcome: &Outcome) -> Finding {
    let cues = outcome.list("cues");
    let holds = |cue: &Value| cue["duplicates"] == 0 && cue["number"] == 1;
    let told = cues
        .iter()
        .map(|cue| format!("{} #{}: {} heard, {} twice", cue["name"], cue["number"], cue["heard"], cue["duplicates"]));
    Finding::new("each cue fired once", told.collect::<Vec<_>>().join("; "), cues.len() == 2 && cues.iter().all(holds))
}

/// The script counts viewers who came once more; readers do so, too.
fn restored(outcome: &Outcome) -> Finding {
    let (came, planned) = (outcome.count("custom.restored", &[]), outcome.users("restored"));
    Finding::new("nobody was restored who was not to be", format!("{came} viewers of {planned} users"), came <= planned)
}

fn in_order(agents: &mut [Agent]) -> Finding {
    let spared = agents.iter_mut().filter(|agent| agent.fate != Fate::Killed);
    let ended: Vec<(String, Option<i32>)> =
        spared.map(|agent| (agent.name.clone(), agent.ended().and_then(|status| status.code()))).collect();
    let wrong: Vec<_> = ended.iter().filter(|(_, code)| *code != Some(0)).collect();
    let found = format!("{} agents, otherwise: {wrong:?}", ended.len());
    Finding::new("all that were not killed ended in order", found, wrong.is_empty())
}

/// What an agent has measured is missing only if it was killed.
fn unobserved(outcome: &Outcome, agents: &[Agent]) -> Finding {
    let killed: Vec<&str> =
        agents.iter().filter(|agent| agent.fate == Fate::Killed).map(|agent| agent.name.as_str()).collect();
    let instances = instances(outcome).unwrap_or_default();
    let (mut stretches, mut wrong) = (Vec::new(), Vec::new());
    for agent in outcome.list("agents") {
        let id = agent["id"].as_str().unwrap_or_default();
        let spans = agent["unobserved"].as_array().map_or(&[][..], Vec::as_slice);
        let instance = instances.get(id).map_or("?", String::as_str);
        stretches.extend(spans.iter().map(|span| format!("{instance} {}–{} s", span["from_s"], span["to_s"])));
        if !spans.is_empty() && !killed.contains(&instance) {
            wrong.push(instance.to_owned());
        }
    }
    let found = format!("{}; without a reason: {wrong:?}", stretches.join(", "));
    Finding::new("only what was killed is unobserved", found, wrong.is_empty())
}

/// What runs each agent, by the agent's id.
fn instances(outcome: &Outcome) -> rusqlite::Result<BTreeMap<String, String>> {
    let folder = outcome.run_folder.clone().unwrap_or_default();
    let database = Connection::open(folder.join("run.db"))?;
    let mut members = database.prepare("SELECT id, instance FROM member")?;
    let rows = members.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    rows.collect()
}
