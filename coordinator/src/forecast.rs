//! `coordinator forecast`, and the same for dashboards: what a scenario would do, without doing it.

use std::io::Write as _;

use anyhow::Context as _;
use rehearsal_api::{AgentsForecast, CueForecast, CurvePoint, Forecast};
use rehearsal_plan::{Launch, Target};
use rehearsal_report::view::when;

use crate::cli;
use crate::desk::problem;
use crate::exit::ExitCode;
use crate::fleet;
use crate::prepare::{Prepared, prepared_or_told};
use crate::start::wanted;

/// Width of the bars of the curve, in characters.
const BAR: usize = 40;
/// Lines of the curve.
const LINES: usize = 16;

/// Prints what a scenario would do.
pub fn forecast(options: &cli::Forecast) -> anyhow::Result<ExitCode> {
    let Some(prepared) = prepared_or_told(&options.place)? else { return Ok(ExitCode::Usage) };
    let mut forecast = told(&prepared);
    let fleet = match prepared.environment.agents.launch {
        Launch::Ec2 => Some(fleet_of(&prepared)?),
        Launch::Local | Launch::Join => None,
    };
    forecast.price_usd_per_h = fleet.as_ref().map(|fleet| fleet.hourly.0);
    let text = match options.json {
        true => serde_json::to_string_pretty(&forecast).context("writing the forecast as JSON")? + "\n",
        false => {
            let price = fleet.map(|fleet| format!("\n{fleet}\n")).unwrap_or_default();
            text(&forecast) + price.as_str()
        }
    };
    write!(std::io::stdout(), "{text}").context("printing the forecast")?;
    Ok(ExitCode::Pass)
}

/// What the instances would be and cost that the environment wants.
fn fleet_of(prepared: &Prepared) -> anyhow::Result<rehearsal_ec2::forecast::Forecast> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.context("starting a runtime")?.block_on(fleet::forecast(wanted(prepared)))
}

/// What a scenario would do.
pub(crate) fn told(prepared: &Prepared) -> Forecast {
    let Prepared { plan, environment, warnings, .. } = prepared;
    let planned = rehearsal_plan::Forecast::of(plan);
    let launch = match environment.agents.launch {
        Launch::Local => "local",
        Launch::Ec2 => "ec2",
        Launch::Join => "join",
    };
    Forecast {
        users: planned.users,
        peak_live: planned.peak_live,
        peak_arrivals_per_s: planned.peak_arrivals_per_s as f64,
        duration_s: planned.duration.map(|duration| duration.as_secs_f64()),
        agents: AgentsForecast { launch: launch.to_owned(), count: environment.agents.count },
        target: match &environment.target {
            Target::Url(url) => url.clone(),
            Target::Consul(service) => format!("consul://{}, known as {}", service.name, service.url()),
            Target::Demo => "the embedded demo".to_owned(),
        },
        allow: environment.allow.clone(),
        cues: plan.cues.iter().map(|cue| CueForecast { name: cue.name.clone(), when: when(cue.when) }).collect(),
        thresholds: plan.thresholds.iter().map(ToString::to_string).collect(),
        curve: planned.curve.iter().map(|point| CurvePoint(point.second as f64, point.arrived, point.live)).collect(),
        warnings: warnings.iter().map(problem).collect(),
        price_usd_per_h: None, // local agents cost nothing, and asking Amazon takes too long for a page
    }
}

fn text(forecast: &Forecast) -> String {
    let known = |value: Option<String>| value.unwrap_or_else(|| "not known: users decide when they leave".to_owned());
    let mut lines = vec![
        format!("target      {}", forecast.target),
        format!("agents      {} {}", forecast.agents.count, forecast.agents.launch),
        format!("users       {}", forecast.users),
        format!("most live   {}", known(forecast.peak_live.map(|users| users.to_string()))),
        format!("arrivals    up to {:.1} a second", forecast.peak_arrivals_per_s),
        format!("lasts       {}", known(forecast.duration_s.map(|seconds| format!("{seconds:.0} s")))),
    ];
    if !forecast.allow.is_empty() {
        lines.push(format!("may reach   {}", forecast.allow.join(", ")));
    }
    lines.extend(forecast.cues.iter().map(|cue| format!("cue         {}: {}", cue.name, cue.when)));
    lines.extend(forecast.thresholds.iter().map(|threshold| format!("threshold   {threshold}")));
    lines.push(String::new());
    lines.extend(bars(&forecast.curve));
    lines.join("\n") + "\n"
}

/// The curve as bars: users live, or those that have arrived where nobody can tell who is left.
fn bars(curve: &[CurvePoint]) -> Vec<String> {
    let users = |point: &CurvePoint| point.2.unwrap_or(point.1);
    let most = curve.iter().map(users).max().unwrap_or(0).max(1);
    let step = curve.len().div_ceil(LINES).max(1);
    let line = |point: &CurvePoint| {
        let length = (users(point) as f64 / most as f64 * BAR as f64).round() as usize;
        format!("{:>8.0} s  {:<BAR$}  {}", point.0, "█".repeat(length), users(point))
    };
    curve.iter().step_by(step).map(line).collect()
}
