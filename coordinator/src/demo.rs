//! `coordinator demo`: the demo system under test by itself, until Ctrl-C.

use std::io::Write as _;

use anyhow::Context as _;

use crate::cli;
use crate::exit::ExitCode;

/// Serves until it is interrupted.
pub fn demo(options: &cli::Demo) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().context("starting a runtime")?;
    runtime.block_on(async {
        let settings = rehearsal_demo::Options { listen: options.listen, ..rehearsal_demo::Options::default() };
        let demo = rehearsal_demo::Demo::start(settings).with_context(|| format!("listening on {}", options.listen))?;
        writeln!(std::io::stdout(), "http://{}", demo.address()).context("printing the address")?;
        tokio::signal::ctrl_c().await.context("waiting for Ctrl-C")?;
        demo.stop().await;
        Ok(ExitCode::Pass)
    })
}
