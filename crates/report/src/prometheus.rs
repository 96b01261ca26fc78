//! The live figures in the text format of OpenMetrics, which Prometheus reads.
//!
//! Counters and histograms count from the start of the run, so `rate()` works; another run begins at zero, as after a restart.
//! Units are seconds and fractions of 1. What is not known is left out: Prometheus shows it as a gap and not as a zero.

use std::collections::BTreeMap;
use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric, MetricEncoder, NoLabelSet, text};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Registry;
use rehearsal_metrics::Bins;

use crate::view::{AgentNow, FiringNow, RunNow, SocketNow};

const PREFIX: &str = "rehearsal";

/// Upper bounds of the histogram's buckets in seconds: 1, 2 and 5 of each decade, and then the time-outs that people set.
const BUCKETS: [f64; 16] =
    [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 30.0, 60.0];

/// Writes a run as it stands, with its response times so far by the name of the call
/// ([`Screen::responses`](crate::view::Screen::responses)); without a run nothing but the end of the text.
pub fn prometheus(run: Option<&RunNow>, responses: &BTreeMap<String, Bins>) -> String {
    let mut registry = Registry::with_prefix(PREFIX);
    if let Some(run) = run {
        registry.register_collector(Box::new(Exposition { run: run.clone(), responses: responses.clone() }));
    }
    let mut out = String::new();
    text::encode(&mut out, &registry).expect("writing to a string cannot fail");
    out
}

/// What is written at one scrape.
#[derive(Debug)]
struct Exposition {
    run: RunNow,
    responses: BTreeMap<String, Bins>,
}

impl Collector for Exposition {
    fn encode(&self, mut encoder: DescriptorEncoder) -> fmt::Result {
        let families = [about_run(&self.run), traffic(&self.run), show(&self.run), fleet(&self.run)];
        for family in families.iter().flatten() {
            family.write(&mut encoder)?;
        }
        self.write_responses(&mut encoder)
    }
}

impl Exposition {
    fn write_responses(&self, encoder: &mut DescriptorEncoder) -> fmt::Result {
        if self.responses.is_empty() {
            return Ok(());
        }
        let help = "Response times of HTTP calls from their intended start";
        let mut family = encoder.encode_descriptor("http_response_seconds", help, None, MetricType::Histogram)?;
        for (name, bins) in &self.responses {
            Histogram(bins).encode(family.encode_family(&[("name", name.as_str())])?)?;
        }
        Ok(())
    }
}

/// A distribution as a classic histogram. A bin counts where it begins: it is a thousandth wide at most.
struct Histogram<'a>(&'a Bins);

impl EncodeMetric for Histogram<'_> {
    fn encode(&self, mut encoder: MetricEncoder) -> fmt::Result {
        let bounds = BUCKETS.into_iter().chain([f64::INFINITY]);
        let mut buckets: Vec<(f64, u64)> = bounds.map(|bound| (bound, 0)).collect();
        for (micros, count) in self.0.starts() {
            let seconds = micros as f64 / 1e6;
            let bucket = buckets.partition_point(|(bound, _)| *bound < seconds);
            buckets[bucket].1 += count;
        }
        let sum = if self.0.is_empty() { 0.0 } else { self.0.extent().sum as f64 / 1e6 };
        encoder.encode_histogram::<NoLabelSet>(sum, self.0.count(), &buckets, None)
    }

    fn metric_type(&self) -> MetricType {
        MetricType::Histogram
    }
}

/// Samples of one name.
struct Family {
    name: &'static str,
    help: &'static str,
    kind: MetricType,
    rows: Vec<(Vec<(&'static str, String)>, f64)>,
}

impl Family {
    fn gauge(name: &'static str, help: &'static str) -> Family {
        Family { name, help, kind: MetricType::Gauge, rows: Vec::new() }
    }

    fn counter(name: &'static str, help: &'static str) -> Family {
        Family { name, help, kind: MetricType::Counter, rows: Vec::new() }
    }

    /// Adds a sample.
    fn with<const N: usize>(mut self, labels: [(&'static str, &str); N], value: f64) -> Family {
        self.rows.push((labels.map(|(key, value)| (key, value.to_owned())).to_vec(), value));
        self
    }

    /// Adds a sample for each item.
    fn each<T>(self, items: impl IntoIterator<Item = T>, add: impl Fn(Family, T) -> Family) -> Family {
        items.into_iter().fold(self, add)
    }

    fn write(&self, encoder: &mut DescriptorEncoder) -> fmt::Result {
        if self.rows.is_empty() {
            return Ok(());
        }
        let mut family = encoder.encode_descriptor(self.name, self.help, None, self.kind)?;
        for (labels, value) in &self.rows {
            let labels = labels.as_slice();
            match self.kind {
                MetricType::Info => family.encode_info(&labels)?,
                MetricType::Counter => {
                    family.encode_family(&labels)?.encode_counter::<NoLabelSet, _, u64>(value, None)?;
                }
                _ if labels.is_empty() => family.encode_gauge(value)?,
                _ => family.encode_family(&labels)?.encode_gauge(value)?,
            }
        }
        Ok(())
    }
}

/// The run itself, its users, and what was said of it.
fn about_run(run: &RunNow) -> Vec<Family> {
    let about = Family { name: "run", help: "The run that goes on", kind: MetricType::Info, rows: Vec::new() };
    let labels = [("run", run.id.as_str()), ("scenario", &run.scenario), ("environment", &run.environment)];
    let state = format!("{:?}", run.state).to_lowercase();
    let one = |family: Family, value: Option<f64>| family.each(value, |family, value| family.with([], value));
    let settled = run.settled_s.map(|settled| settled as f64);
    vec![
        about.with(labels, 1.0),
        Family::gauge("run_state", "1 for the state that the run is in").with([("state", &state)], 1.0),
        one(Family::gauge("run_time_seconds", "Time since the start of the run"), run.now_s),
        one(Family::gauge("settled_seconds", "Last second of run time that all agents have told of"), settled),
        Family::gauge("paused", "1 while arrivals are paused").with([], f64::from(u8::from(run.paused))),
        Family::gauge("users", "Users by state")
            .each(run.users.by_state(), |family, (state, users)| family.with([("state", state)], users as f64)),
        Family::gauge("users_planned", "Users that the plan has").with([], run.users.planned as f64),
        Family::gauge("generator_grade", "1 for the grade of the load generator so far")
            .each(&run.generator, |family, grade| family.with([("grade", grade)], 1.0)),
    ]
}

/// Calls, sockets, errors.
fn traffic(run: &RunNow) -> Vec<Family> {
    let by_transport = |family: Family, read: fn(&SocketNow) -> u64| {
        family.each(&run.sockets, |family, row| family.with([("transport", &row.transport)], read(row) as f64))
    };
    vec![
        Family::counter("calls", "HTTP calls that ended, by outcome").each(&run.calls, |family, call| {
            let outcomes = [("answered", call.answered), ("failed", call.failed), ("cut", call.cut)];
            family.each(outcomes, |family, (outcome, calls)| {
                family.with([("name", &call.name), ("outcome", outcome)], calls as f64)
            })
        }),
        Family::counter("calls_begun", "HTTP calls made")
            .each(&run.calls, |family, call| family.with([("name", &call.name)], call.begun as f64)),
        Family::gauge("calls_open", "HTTP calls under way")
            .each(&run.calls, |family, call| family.with([("name", &call.name)], call.open as f64)),
        by_transport(Family::gauge("sockets_open", "Open sockets"), |row| row.open),
        by_transport(Family::counter("sockets_opened", "Sockets that opened"), |row| row.opened),
        by_transport(Family::counter("sockets_failed", "Sockets and polls that failed"), |row| row.failed),
        by_transport(Family::counter("sockets_closed", "Sockets that closed"), |row| row.closed),
        by_transport(Family::counter("messages_sent", "Messages sent over sockets"), |row| row.sent),
        by_transport(Family::counter("messages_received", "Messages received over sockets"), |row| row.received),
        Family::counter("errors", "Errors by kind")
            .each(&run.errors, |family, error| family.with([("kind", &error.kind)], error.count as f64)),
    ]
}

/// Cues, checks, thresholds.
fn show(run: &RunNow) -> Vec<Family> {
    let firings = || run.cues.iter().flat_map(|cue| cue.firings.iter().map(|firing| (cue.name.as_str(), firing)));
    let of_firings = |family: Family, read: fn(&FiringNow) -> Option<f64>| {
        family.each(firings(), |family, (cue, firing)| {
            let number = firing.firing.to_string();
            family.each(read(firing), |family, value| family.with([("cue", cue), ("firing", &number)], value))
        })
    };
    let reach = |firing: &FiringNow| {
        let live = firing.live.filter(|live| *live > 0)?;
        Some(firing.heard as f64 / live as f64)
    };
    vec![
        of_firings(Family::gauge("cue_reach_ratio", "Users that heard a cue, of those that were there"), reach),
        of_firings(Family::gauge("cue_heard_users", "Users that heard a cue"), |firing| Some(firing.heard as f64)),
        of_firings(Family::gauge("cue_delay_p50_seconds", "Median time from a cue to its hearing"), |f| f.p50),
        of_firings(Family::gauge("cue_delay_p99_seconds", "99th percentile of that time"), |f| f.p99),
        of_firings(Family::gauge("cue_delay_last_seconds", "Time until the last user heard a cue"), |f| f.last),
        Family::counter("checks", "Checks by outcome").each(&run.checks, |family, check| {
            let outcomes = [("passed", check.passed), ("failed", check.failed)];
            family.each(outcomes, |family, (outcome, times)| {
                family.with([("name", &check.name), ("outcome", outcome)], times as f64)
            })
        }),
        Family::gauge("threshold_ok", "1 where a rule holds, 0 where it is broken").each(
            run.thresholds.iter().filter(|threshold| threshold.outcome != "no_data"),
            |family, threshold| {
                let holds = f64::from(u8::from(threshold.outcome == "pass"));
                family.with([("threshold", &threshold.text)], holds)
            },
        ),
    ]
}

/// Agents: how many, and the worst of them.
fn fleet(run: &RunNow) -> Vec<Family> {
    let mut by_state: BTreeMap<&str, u64> = BTreeMap::new();
    run.agents.iter().for_each(|agent| *by_state.entry(&agent.state).or_default() += 1);
    let worst = |family: Family, read: fn(&AgentNow) -> Option<f64>| {
        let worst = run.agents.iter().filter_map(read).max_by(f64::total_cmp);
        family.each(worst, |family, value| family.with([], value))
    };
    vec![
        Family::gauge("agents", "Agents by state")
            .each(by_state, |family, (state, agents)| family.with([("state", state)], agents as f64)),
        worst(Family::gauge("agent_clock_bound_seconds", "How far a clock may be off, at the worst"), |a| {
            a.clock_bound_s
        }),
        worst(Family::gauge("agent_cpu_ratio", "CPU of the busiest agent"), |agent| agent.cpu),
        worst(Family::gauge("agent_lag_seconds", "How late a timer fired, at the worst"), |agent| agent.lag_s),
    ]
}

#[cfg(test)]
mod tests;
