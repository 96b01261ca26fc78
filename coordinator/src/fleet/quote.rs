//! What a fleet would be and cost now, and whether somebody wants it so. Until then nothing was asked for.

use std::io::{IsTerminal as _, Write as _};
use std::sync::Arc;

use anyhow::{Context as _, anyhow, bail};
use rehearsal_ec2::cloud::{Cloud, Instance};
use rehearsal_ec2::forecast::Forecast;
use rehearsal_ec2::market::Market;
use rehearsal_ec2::plan::{PlanError, plan};
use rehearsal_ec2::survey::survey;
use rehearsal_ec2::tags;
use rehearsal_verdict::amounts::counted;

use super::cloud::{account, asked, unreached};
use super::deploy::Deploy;
use super::home::Record;
use super::table::Progress;
use super::wanted::Wanted;
use crate::cli::MOST_AGENTS;
use crate::exit::misuse;
use crate::serve::log;

/// As long as join blobs of fleets with a long name and two addresses are, so that what does not fit is told before
/// anybody agrees.
const LONGEST_BLOB: usize = 900;

/// A fleet that somebody agreed to.
pub(crate) struct Agreed {
    pub(super) cloud: Arc<dyn Cloud>,
    pub(super) market: Arc<Market>,
    pub(super) wanted: Wanted,
    pub(super) deploy: Deploy,
    pub(super) progress: Progress,
}

impl std::fmt::Debug for Agreed {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Agreed").field("wanted", &self.wanted).finish_non_exhaustive()
    }
}

/// Looks at the market, shows what the fleet would be and cost, and asks whether it is wanted so. None if it is not.
pub(crate) async fn agree(wanted: Wanted, fleet: &str, yes: bool) -> anyhow::Result<Option<Agreed>> {
    let deploy = Deploy::read(&wanted.ec2).map_err(misuse)?;
    let (agreed, forecast) = quoted(wanted, deploy, fleet).await?;
    log(&format!("{forecast}\n"));
    Ok((yes || confirmed("launch it?").await?).then_some(agreed))
}

/// What a fleet would be and cost, of which nobody has to agree to anything.
pub(crate) async fn forecast(wanted: Wanted) -> anyhow::Result<Forecast> {
    Ok(quoted(wanted, Deploy::Nowhere, "forecast/").await?.1)
}

async fn quoted(wanted: Wanted, deploy: Deploy, fleet: &str) -> anyhow::Result<(Agreed, Forecast)> {
    let cloud = account(wanted.ec2.profile.as_deref()).await?;
    let boot = deploy.boot("x".repeat(LONGEST_BLOB), Some("https://255.255.255.255:65535"));
    let order = wanted.order(fleet, None, boot);
    let progress = Progress::new();
    let tell = progress.clone();
    let mut problems: Vec<String> = order.problems().iter().map(ToString::to_string).collect();
    if wanted.instances() > MOST_AGENTS {
        problems.push(format!("ordering {} instances: a coordinator serves {MOST_AGENTS}", wanted.instances()));
    }
    if !problems.is_empty() {
        return Err(misuse(anyhow!("{}", problems.join("; "))));
    }
    log(&format!("asking {} what its regions have, and for how much", asked()));
    let market = survey(&*cloud, &order, &move |event| tell.tell(&event)).await.map_err(unreached)?;
    let there: Vec<&Instance> = market.present.values().flatten().collect();
    if let Some(one) = there.first() {
        let owner = one.tags.get(tags::OWNER).map_or("somebody", String::as_str);
        bail!(
            "launching the fleet {fleet}: {} of {owner} under this name already; choose another --name, or end them with \
             `coordinator fleet down {fleet}`",
            counted(there.len() as u64, "instance") + if there.len() == 1 { " runs" } else { " run" }
        );
    }
    let planned = plan(&order, &market).map_err(|error| match error {
        PlanError::Budget(_) => misuse(error),
        _ => error.into(),
    })?;
    let agreed = Agreed { cloud, market: Arc::new(market), wanted, deploy, progress };
    Ok((agreed, planned.forecast))
}

/// What was agreed to once, for a fleet that runs. Nothing can be launched with it.
pub(super) async fn again(record: &Record) -> anyhow::Result<Agreed> {
    let (wanted, deploy) = (record.wanted.clone(), Deploy::Nowhere);
    let cloud = account(wanted.ec2.profile.as_deref()).await?;
    let order = wanted.order(&record.name, record.run.as_deref(), deploy.boot(String::new(), None));
    let market = survey(&*cloud, &order, &|_| ()).await.map_err(unreached)?;
    Ok(Agreed { cloud, market: Arc::new(market), wanted, deploy, progress: Progress::new() })
}

/// Asks whoever sits at the terminal. Where nobody does, nothing is agreed to.
pub(super) async fn confirmed(question: &str) -> anyhow::Result<bool> {
    if !std::io::stdin().is_terminal() {
        log(&format!("error: {question} Nobody can be asked here: say --yes if you mean it"));
        return Ok(false);
    }
    let _ = write!(std::io::stderr(), "{question} [y/N] ");
    let read = || {
        let mut answer = String::new();
        std::io::stdin().read_line(&mut answer).map(|_| answer)
    };
    let answer = tokio::task::spawn_blocking(read).await.context("asking")?.context("reading the answer")?;
    Ok(matches!(answer.trim().to_lowercase().as_str(), "y" | "yes"))
}
