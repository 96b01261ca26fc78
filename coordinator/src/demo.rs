//! `coordinator demo`: the demo system under test by itself, until Ctrl-C.

use std::io::Write as _;

use anyhow::Context as _;
use rehearsal_demo::{Band, Behaviour, Options, Scaling};
use rehearsal_plan::{DemoInstances, Problem};

use crate::cli;
use crate::exit::ExitCode;

/// Serves until it is interrupted.
pub fn demo(options: &cli::Demo) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().context("starting a runtime")?;
    runtime.block_on(async {
        let autoscaler = scaling(&options.instances()).map_err(|problem| anyhow::anyhow!("{problem}"))?;
        let settings = Options { listen: options.listen, autoscaler, ..Options::default() };
        let starting = || format!("starting the demo on {}", options.listen);
        let demo = rehearsal_demo::Demo::start(settings).with_context(starting)?;
        writeln!(std::io::stdout(), "http://{}", demo.address()).context("printing the address")?;
        tokio::signal::ctrl_c().await.context("waiting for Ctrl-C")?;
        demo.stop().await;
        Ok(ExitCode::Pass)
    })
}

/// The demo's instances as an environment or the command line describes them; nothing without an autoscaler.
///
/// # Errors
/// Everything that makes no sense.
pub fn scaling(instances: &DemoInstances) -> Result<Option<Scaling>, Problem> {
    let Some(name) = &instances.autoscaler else { return Ok(None) };
    let behaviour = name.parse::<Behaviour>().map_err(|error| {
        let names = Behaviour::ALL.map(Behaviour::name);
        Problem::new(format!("`demo.autoscaler` is \"{name}\": {error}")).did_you_mean(name, names)
    })?;
    let usual = Scaling::default();
    let scaling = Scaling {
        behaviour,
        capacity_per_instance: instances.capacity.unwrap_or(usual.capacity_per_instance),
        shared_capacity: instances.shared_capacity,
        min: instances.min.unwrap_or(usual.min),
        max: instances.max.unwrap_or(usual.max),
        boot: instances.boot.unwrap_or(usual.boot),
        drain: instances.drain.unwrap_or(usual.drain),
        every: instances.every.unwrap_or(usual.every),
        band: instances.band.map_or(usual.band, |[low, high]| Band { low, high }),
        ..usual
    };
    scaling.check().map_err(|error| Problem::new(format!("`demo`: {error}")))?;
    Ok(Some(scaling))
}
