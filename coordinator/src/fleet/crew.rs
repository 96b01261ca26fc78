//! Whoever launched the agents of a run.

use anyhow::bail;
use rehearsal_fleet::{GuestList, Launched, Launcher as _, Local};
use tokio::sync::watch;

use super::instances::Instances;
use crate::serve::log;

/// Who launched the agents, and who ends them.
pub(crate) enum Crew {
    /// This coordinator, as processes of this machine.
    Local(Local),
    /// This coordinator, as instances for this run.
    Ours(Instances),
    /// `fleet up`, as instances for several runs.
    Standing(Instances),
    /// Somebody else, whom nobody asks. Who may come is a list of this kind.
    Elsewhere(GuestList),
}

impl Crew {
    /// Who may come, as it changes.
    pub(crate) fn guests(&self) -> watch::Receiver<GuestList> {
        match self {
            Crew::Local(local) => local.guests(),
            Crew::Ours(instances) | Crew::Standing(instances) => instances.guests(),
            Crew::Elsewhere(list) => watch::channel(list.clone()).1,
        }
    }

    /// After a coordinator's return: who still runs, if that can be told.
    pub(crate) async fn found(&mut self) -> anyhow::Result<Option<Vec<Launched>>> {
        Ok(match self {
            Crew::Local(local) => Some(local.adopt()?),
            // Who is not in the list may be there all the same; the looking tells of those that have ended.
            Crew::Ours(_) | Crew::Standing(_) | Crew::Elsewhere(_) => None,
        })
    }

    /// Ends what this coordinator launched.
    pub(crate) async fn end(self) -> anyhow::Result<()> {
        match self {
            Crew::Local(local) => end_processes(local).await,
            Crew::Ours(instances) => end_instances(instances).await,
            Crew::Standing(instances) => {
                tell_bill(&instances, " so far");
                log(&format!(
                    "whoever has no use for it any more ends it: `coordinator fleet down {}`",
                    instances.fleet()
                ));
                Ok(())
            }
            Crew::Elsewhere(_) => Ok(()),
        }
    }
}

/// Agents that were told goodbye have ended by themselves.
async fn end_processes(mut local: Local) -> anyhow::Result<()> {
    let left: Vec<_> = local.list().await?.into_iter().map(|launched| launched.instance).collect();
    local.terminate(&left).await?;
    if !local.list().await?.is_empty() {
        bail!("some agents could not be ended");
    }
    Ok(())
}

async fn end_instances(instances: Instances) -> anyhow::Result<()> {
    tell_bill(&instances, "");
    let swept = instances.end().await?;
    if !swept.is_clean() {
        let left: Vec<String> = swept.left.iter().map(|(region, why)| format!("\n  {region}: {why}")).collect();
        bail!("ending the fleet: something may be left; run `coordinator fleet sweep`:{}", left.concat());
    }
    log("the fleet has ended");
    Ok(())
}

/// What the fleet has come to. Where nobody could look nothing is known, and what runs is reckoned at its worst.
fn tell_bill(instances: &Instances, so_far: &str) {
    if let Some((spent, hourly)) = instances.bill() {
        log(&format!(
            "the fleet has cost {spent}{so_far}, at {hourly}: each instance a minute at least, traffic not included"
        ));
    }
}
