//! `coordinator fleet list | down | sweep`: what runs, and its end, by tags alone. The other commands have files of their
//! own.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Context as _;
use rehearsal_ec2::cloud::{Access, Cloud, Instance, Purchase, State};
use rehearsal_ec2::names::Region;
use rehearsal_ec2::policy::policy;
use rehearsal_ec2::sweep::sweep;
use rehearsal_ec2::tags::{self, Scope, is_expired};
use rehearsal_terminal::clean;
use rehearsal_verdict::amounts::counted;
use serde::Serialize;

use super::cloud::{account, asked, unreached};
use super::home::Home;
use super::options::{Down, Fleet, List, Sweep};
use super::quote::confirmed;
use super::table::Progress;
use super::{doctor, up};
use crate::exit::ExitCode;
use crate::run::authority::now_unix;
use crate::serve::log;

/// Does what was asked for.
pub(crate) fn obey(command: &Fleet) -> anyhow::Result<ExitCode> {
    if let Fleet::Doctor(options) = command
        && options.policy
    {
        let text = serde_json::to_string_pretty(&policy()).context("writing the policy as JSON")?;
        writeln!(std::io::stdout(), "{text}").context("printing the policy")?;
        return Ok(ExitCode::Pass);
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    runtime.context("starting a runtime")?.block_on(async {
        match command {
            Fleet::Doctor(options) => doctor::examine(options).await,
            Fleet::Up(options) => up::up(options).await,
            Fleet::List(options) => list(options).await,
            Fleet::Down(options) => down(options).await,
            Fleet::Sweep(options) => swept_all(options).await,
        }
    })
}

/// One instance in a list.
#[derive(Serialize)]
struct Row {
    region: String,
    instance: String,
    machine: String,
    /// `agent`, or `relay`.
    part: &'static str,
    fleet: String,
    run: Option<String>,
    owner: String,
    purchase: &'static str,
    state: &'static str,
    minutes: u64,
    /// Minutes until it must be gone; negative if it should be already, none if nothing says so.
    ends_in_min: Option<i64>,
}

async fn list(options: &List) -> anyhow::Result<ExitCode> {
    let cloud = account(options.profile.as_deref()).await?;
    let (found, blind) = ours(&*cloud).await?;
    let rows: Vec<Row> = found.iter().map(|(region, instance)| row(region, instance)).collect();
    let text = match options.json {
        true => serde_json::to_string_pretty(&rows).context("writing the list as JSON")? + "\n",
        false => rows.iter().map(shown).collect(),
    };
    write!(std::io::stdout(), "{text}").context("printing the list")?;
    log(&format!("{} of ours", counted(rows.len() as u64, "instance")));
    for (region, why) in &blind {
        log(&format!("warning: {region} was not looked at: {}", clean(why)));
    }
    Ok(if blind.is_empty() { ExitCode::Pass } else { ExitCode::Internal })
}

/// What is alive of ours in every region, and which regions did not answer, and why.
async fn ours(cloud: &dyn Cloud) -> anyhow::Result<(Vec<(Region, Instance)>, Vec<(Region, String)>)> {
    log(&format!("asking {} what there is", asked()));
    let regions = cloud.regions().await.map_err(unreached)?;
    let enabled = regions.into_iter().filter(|(_, access)| *access == Access::Enabled).map(|(region, _)| region);
    let filter = &Scope::All.filter();
    let look = async |at: Region| (cloud.instances(&at, filter).await, at);
    let looks: Vec<_> = enabled.map(look).collect();
    let (mut found, mut blind) = (Vec::new(), Vec::new());
    for (answer, at) in futures_util::future::join_all(looks).await {
        match answer {
            Ok(instances) => {
                found.extend(instances.into_iter().filter(|one| one.state.is_alive()).map(|one| (at.clone(), one)));
            }
            Err(error) => blind.push((at, error.to_string())),
        }
    }
    Ok((found, blind))
}

fn row(region: &Region, instance: &Instance) -> Row {
    let tag = |key: &str| instance.tags.get(key).cloned();
    let expires: Option<i64> = tag(tags::EXPIRES).and_then(|text| text.parse().ok());
    let now = i64::try_from(now_unix()).unwrap_or(i64::MAX);
    Row {
        region: region.to_string(),
        instance: instance.id.to_string(),
        machine: instance.of.machine.clone(),
        part: if tags::is_agent(&instance.tags) { "agent" } else { "relay" },
        fleet: tag(tags::FLEET).unwrap_or_default(),
        run: tag(tags::RUN),
        owner: tag(tags::OWNER).unwrap_or_default(),
        purchase: match instance.purchase {
            Purchase::Spot => "spot",
            Purchase::OnDemand => "on-demand",
        },
        state: match instance.state {
            State::Pending => "boots",
            State::Running => "runs",
            State::ShuttingDown | State::Terminated => "ends",
            State::Stopping | State::Stopped => "stopped",
        },
        minutes: SystemTime::now().duration_since(instance.since.max(UNIX_EPOCH)).unwrap_or_default().as_secs() / 60,
        ends_in_min: expires.map(|expires| (expires - now) / 60),
    }
}

fn shown(row: &Row) -> String {
    let Row { region, instance, machine, part, fleet, owner, purchase, state, minutes, .. } = row;
    let ends = match row.ends_in_min {
        Some(minutes) if minutes > 0 => format!("ends itself within {minutes} min"),
        Some(minutes) => format!("SHOULD HAVE ENDED {} min ago", -minutes),
        None => "DOES NOT SAY when it ends".to_owned(),
    };
    let (fleet, owner) = (clean(fleet), clean(owner));
    format!(
        "{region:<16} {instance:<20} {machine:<12} {part:<5} {purchase:<9} {state:<7} {minutes:>4} min  {fleet} of {owner}, {ends}\n"
    )
}

async fn down(options: &Down) -> anyhow::Result<ExitCode> {
    let home = Home::named(&options.fleets.fleets, &options.name);
    let said = home.as_ref().and_then(|home| home.record().ok()?.wanted.ec2.profile);
    let cloud = account(options.profile.clone().or(said).as_deref()).await?;
    let scope = Scope::Fleet(options.name.clone());
    let (found, _) = ours(&*cloud).await?;
    if !found.iter().any(|(_, one)| scope.means(&one.tags)) {
        let fleets: BTreeSet<&str> =
            found.iter().filter_map(|(_, one)| one.tags.get(tags::FLEET)).map(String::as_str).collect();
        let others =
            if fleets.is_empty() { "none".to_owned() } else { fleets.into_iter().collect::<Vec<_>>().join(", ") };
        log(&format!("nothing of a fleet {} is to be seen; there are: {}", options.name, clean(&others)));
    }
    let code = end(&*cloud, &scope).await?;
    // Of regions that did not answer the tags know; this folder would be of no use any more.
    if let Some(home) = home {
        home.remove()?;
    }
    Ok(code)
}

async fn swept_all(options: &Sweep) -> anyhow::Result<ExitCode> {
    let cloud = account(options.profile.as_deref()).await?;
    let scope = if options.expired { Scope::Expired(now_unix()) } else { Scope::All };
    let (found, _) = ours(&*cloud).await?;
    let meant: Vec<_> = found.iter().filter(|(_, one)| scope.means(&one.tags)).collect();
    meant.iter().for_each(|(region, instance)| log(shown(&row(region, instance)).trim_end()));
    let alive = meant.iter().filter(|(_, one)| !is_expired(&one.tags, now_unix())).count() as u64;
    let question = format!("end {}, of which {alive} may still be in use?", counted(meant.len() as u64, "instance"));
    if !options.yes && alive > 0 && !confirmed(&question).await? {
        return Ok(ExitCode::Usage);
    }
    end(&*cloud, &scope).await
}

/// Ends what is meant, and looks until it is certain that nothing of it is left.
async fn end(cloud: &dyn Cloud, scope: &Scope) -> anyhow::Result<ExitCode> {
    log("looking in every region until nothing has been found for a minute and a half");
    let progress = Progress::new();
    let swept = sweep(cloud, scope, &move |event| progress.tell(&event)).await;
    let swept = swept.map_err(unreached)?;
    let ended: usize = swept.ended.values().sum();
    log(&format!("ended {}", counted(ended as u64, "instance")));
    for (region, why) in &swept.left {
        log(&format!("error: {region} may have something left: {}", clean(why)));
    }
    Ok(if swept.is_clean() { ExitCode::Pass } else { ExitCode::Internal })
}
