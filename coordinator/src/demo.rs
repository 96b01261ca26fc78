//! `coordinator demo`: the demo system under test by itself, until Ctrl-C.

use std::io::Write as _;

use anyhow::Context as _;
use rehearsal_demo::{Behaviour, Options, Scaling};

use crate::cli;
use crate::exit::ExitCode;

/// Serves until it is interrupted.
pub fn demo(options: &cli::Demo) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().context("starting a runtime")?;
    runtime.block_on(async {
        let autoscaler = options.autoscaler.map(|behaviour| scaling(behaviour, &options.instances));
        let settings = Options { listen: options.listen, autoscaler, ..Options::default() };
        let starting = || format!("starting the demo on {}", options.listen);
        let demo = rehearsal_demo::Demo::start(settings).with_context(starting)?;
        writeln!(std::io::stdout(), "http://{}", demo.address()).context("printing the address")?;
        tokio::signal::ctrl_c().await.context("waiting for Ctrl-C")?;
        demo.stop().await;
        Ok(ExitCode::Pass)
    })
}

fn scaling(behaviour: Behaviour, instances: &cli::Instances) -> Scaling {
    let usual = Scaling::default();
    Scaling {
        behaviour,
        capacity_per_instance: instances.capacity.unwrap_or(usual.capacity_per_instance),
        min: instances.min.unwrap_or(usual.min),
        max: instances.max.unwrap_or(usual.max),
        boot: instances.boot.unwrap_or(usual.boot),
        drain: instances.drain.unwrap_or(usual.drain),
        every: instances.every.unwrap_or(usual.every),
        ..usual
    }
}
