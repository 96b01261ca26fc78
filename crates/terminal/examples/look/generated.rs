//! A run that never was: 10,000 users in two minutes, a cue, an agent that falls silent, errors near the end.
//!
//! Everything follows from the run time, so that tests see the same run as whoever looks at the example.

use std::collections::BTreeMap;

use rehearsal_report::view::{
    AgentNow, Band, CallNow, CueNow, ErrorNow, FindingNow, FiringNow, Latency, RunNow, RunState, Second, SocketNow,
    ThresholdNow, UsersNow, bands,
};

/// When the plan ends, in seconds after the start; users leave after it.
pub const END_S: f64 = 120.0;
const USERS: f64 = 10_000.0;
const CUE_S: f64 = 70.0;
/// The agent that falls silent, and until when.
const SILENT_S: std::ops::Range<f64> = 90.0..97.0;

/// The run at an instant, negative while agents gather, with all its seconds.
pub fn at(now: f64) -> (RunNow, Vec<Second>) {
    let state = state(now);
    let settled_s = (now >= 1.5).then(|| settled(now));
    let seconds: Vec<Second> = (0..=settled_s.unwrap_or(-1)).map(second).collect();
    let run = RunNow {
        id: "20260930-210000".to_owned(),
        scenario: "evening".to_owned(),
        environment: "staging".to_owned(),
        state,
        now_s: (now >= 0.0).then_some(now),
        settled_s,
        ends_s: (now >= 0.0).then_some(END_S),
        users: users(now),
        calls: calls(&seconds),
        sockets: sockets(now),
        agents: agents(now),
        cues: cues(now),
        errors: errors(&seconds),
        thresholds: thresholds(&seconds),
        generator: settled_s.map(|_| "good".to_owned()),
        verdict: (state == RunState::Judged).then(|| "fail".to_owned()),
        findings: if state == RunState::Judged { findings() } else { Vec::new() },
        ..RunNow::default()
    };
    (run, seconds)
}

fn state(now: f64) -> RunState {
    match now {
        _ if now < -1.0 => RunState::Gathering,
        _ if now < 0.0 => RunState::Armed,
        _ if now < END_S => RunState::Running,
        _ if now < END_S + 4.0 => RunState::Stopping,
        _ if now < END_S + 7.0 => RunState::Collecting,
        _ => RunState::Judged,
    }
}

fn settled(now: f64) -> i64 {
    let told = if SILENT_S.contains(&now) { SILENT_S.start } else { now };
    (told - 1.5).min(END_S + 4.0) as i64
}

/// Users arrive slower and slower for a minute, stay, and leave at the end.
fn live(s: f64) -> f64 {
    let arrived = USERS * (1.0 - (1.0 - (s / 60.0).clamp(0.0, 1.0)).powi(2));
    arrived * (1.0 - ((s - END_S) / 4.0).clamp(0.0, 1.0))
}

fn users(now: f64) -> UsersNow {
    let arrived = live(now.min(END_S)) as u64;
    let failed = if now > 95.0 { 12 } else { 0 };
    let live = (live(now) as u64).saturating_sub(failed);
    let planned = USERS as u64;
    UsersNow {
        planned,
        waiting: planned - arrived,
        live,
        finished: arrived - live - failed.min(arrived - live),
        failed,
        ..UsersNow::default()
    }
}

/// A wave that looks like noise and is the same each time.
fn wave(s: f64) -> f64 {
    (s * 0.7).sin() * 0.6 + (s * 2.3).cos() * 0.4
}

fn second(s: i64) -> Second {
    let at = s as f64 + 1.0;
    let live_now = live(at);
    let rate = live_now * 0.12 * (1.0 + 0.08 * wave(at)) + if (at - CUE_S - 3.0).abs() < 3.0 { 900.0 } else { 0.0 };
    let p50 = 0.011 + 0.004 * (live_now / USERS) + 0.001 * wave(at);
    let p99 = p50 * 7.0 + if at > 95.0 { 0.22 } else { 0.0 };
    let n = rate as u64;
    let latency = Latency { n, p50, p90: p50 * 3.0, p99, max: p99 * 2.4 };
    let band = |time: f64| bands().iter().position(|upper| time < *upper).unwrap_or(0) as u16;
    let few = n.div_ceil(50);
    let errors = if at > 95.0 {
        BTreeMap::from([("timeout".to_owned(), 2), ("http_503".to_owned(), 5)])
    } else {
        BTreeMap::new()
    };
    Second {
        s,
        settled: true,
        users: BTreeMap::from([("live".to_owned(), (live_now * if at < 60.0 { 0.93 } else { 1.0 }) as u64)]),
        target: Some(live_now as u64),
        response: (n > 0).then_some(latency),
        heat: if n > 0 { vec![Band(band(p50), n - few), Band(band(p99), few)] } else { Vec::new() },
        errors,
        ..Second::default()
    }
}

fn calls(seconds: &[Second]) -> Vec<CallNow> {
    let answered = seconds.iter().filter_map(|second| second.response).map(|response| response.n).sum();
    let failed = errors(seconds).iter().map(|error| error.count).sum();
    let open = if seconds.is_empty() { 0 } else { 31 };
    vec![CallNow {
        name: "vote".to_owned(),
        begun: answered + failed + open,
        answered,
        failed,
        open,
        ..CallNow::default()
    }]
}

fn sockets(now: f64) -> Vec<SocketNow> {
    let open = live(now);
    let of = |transport: &str, share: f64| SocketNow {
        transport: transport.to_owned(),
        open: (open * share) as u64,
        ..SocketNow::default()
    };
    if now < 0.0 { Vec::new() } else { vec![of("websocket", 0.97), of("polling", 0.03)] }
}

fn agents(now: f64) -> Vec<AgentNow> {
    let joined = if now < -1.0 { 2 } else { 4 };
    let agent = |number: usize| AgentNow {
        id: format!("agent-{number}"),
        state: if number == 3 && SILENT_S.contains(&now) { "silent" } else { "connected" }.to_owned(),
        clock_bound_s: (now > 1.0).then_some(0.000_42),
        cpu: (now > 1.0).then_some(0.31 + 0.05 * number as f64),
        ..AgentNow::default()
    };
    (0..joined).map(agent).collect()
}

fn cues(now: f64) -> Vec<CueNow> {
    let heard = (9_994.0 * ((now - CUE_S) / 1.2).clamp(0.0, 1.0)) as u64;
    let firing = FiringNow {
        firing: 1,
        at_s: CUE_S,
        state: if now < CUE_S { "announced" } else { "sent" }.to_owned(),
        by: "plan".to_owned(),
        live: Some(10_000),
        connected: Some(9_998),
        heard,
        p50: (heard > 0).then_some(0.012),
        p99: (heard > 0).then_some(0.088),
        last: (heard > 0).then_some(0.412),
        ..FiringNow::default()
    };
    let vote = CueNow {
        name: "open_vote".to_owned(),
        when: "10 s after the last arrival".to_owned(),
        firings: if now > CUE_S - 2.0 { vec![firing] } else { Vec::new() },
    };
    vec![vote, CueNow { name: "goodbye".to_owned(), when: "by hand".to_owned(), firings: Vec::new() }]
}

fn errors(seconds: &[Second]) -> Vec<ErrorNow> {
    let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
    for (kind, count) in seconds.iter().flat_map(|second| &second.errors) {
        *counts.entry(kind).or_default() += count;
    }
    let sample = |kind: &str| match kind {
        "timeout" => "POST /vote: no answer within 5 s",
        _ => "POST /vote: 503 Service Unavailable, \u{1b}[31mtoo many votes",
    };
    counts
        .iter()
        .map(|(kind, count)| ErrorNow { kind: (*kind).to_owned(), count: *count, sample: sample(kind).to_owned() })
        .collect()
}

fn thresholds(seconds: &[Second]) -> Vec<ThresholdNow> {
    let slow = seconds.last().is_some_and(|second| second.s >= 95);
    let of = |text: &str, shown: Option<&str>, outcome: &str| ThresholdNow {
        text: text.to_owned(),
        value: None,
        shown: shown.map(str::to_owned),
        outcome: outcome.to_owned(),
    };
    let is_cued = seconds.len() as f64 > CUE_S + 2.0;
    let reach = if is_cued { (Some("99.94%"), "pass") } else { (None, "no_data") };
    let p99 = match seconds.is_empty() {
        true => (None, "no_data"),
        false if slow => (Some("311 ms"), "fail"),
        false => (Some("104 ms"), "pass"),
    };
    vec![
        of("http.response{name:vote} p99 < 300ms", p99.0, p99.1),
        of(
            "http.failed rate < 1%",
            Some(if slow { "0.08%" } else { "0%" }).filter(|_| !seconds.is_empty()),
            if seconds.is_empty() { "no_data" } else { "pass" },
        ),
        of("cue.reach{cue:open_vote} rate > 99.9%", reach.0, reach.1),
    ]
}

fn findings() -> Vec<FindingNow> {
    let of = |severity: &str, subject: &str, text: &str| FindingNow {
        severity: severity.to_owned(),
        subject: subject.to_owned(),
        text: text.to_owned(),
        from_s: 95.0,
        to_s: END_S,
    };
    vec![
        of("error", "http.response{name:vote} p99 < 300ms", "was 311 ms over the whole run"),
        of("warning", "agent-3", "did not report for 7 s"),
    ]
}
