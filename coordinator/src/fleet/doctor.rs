//! `coordinator fleet doctor`: what would keep a fleet from being launched, or its agents from reaching this coordinator.

use std::io::Write as _;
use std::time::{Duration, SystemTime};

use anyhow::Context as _;
use rehearsal_ec2::doctor::{Finding, Weight, examine as examined};
use rehearsal_plan::Ec2;
use rehearsal_terminal::clean;

use super::cloud::{account, asked, unreached};
use super::deploy::Deploy;
use super::options::Doctor;
use super::quote::forecast;
use super::up::{raise, wanted};
use super::wanted::Wanted;
use crate::exit::{ExitCode, Misuse};
use crate::run::authority::now_unix;
use crate::run::folder::new_id;
use crate::serve::log;

/// Examines account and address; every finding is told with what to do about it.
pub(super) async fn examine(options: &Doctor) -> anyhow::Result<ExitCode> {
    let Some(wanted) = wanted(&options.ordered)? else { return Ok(ExitCode::Usage) };
    // Without a binary nothing can be launched, but everything else can be found out.
    let (deploy, lacks) = match Deploy::read(&wanted.ec2) {
        Ok(deploy) => (deploy, None),
        Err(error) => (Deploy::Nowhere, Some(format!("{error:#}"))),
    };
    let order = wanted.order("doctor", None, deploy.boot(String::new(), None));
    let cloud = account(wanted.ec2.profile.as_deref()).await?;
    log(&format!("asking {} what its regions have, and what may be done there", asked()));
    let examination = examined(&*cloud, &order, now_unix()).await.map_err(unreached)?;
    let mut findings = examination.findings.clone();
    let told = |weight, text| Finding { region: None, weight, text };
    findings.extend(order.problems().iter().map(|problem| told(Weight::Blocks, problem.to_string())));
    findings.extend(lacks.map(|text| told(Weight::Blocks, text)));
    // Whatever else is wrong was found above.
    if wanted.ec2.budget.is_some() && order.problems().is_empty() {
        let refused = forecast(wanted.clone()).await.err().filter(|error| error.is::<Misuse>());
        findings.extend(refused.map(|error| told(Weight::Blocks, format!("{error:#}"))));
    }
    if let Some(advertised) = &options.advertise {
        findings.extend(advertised.unreachable().map(|text| told(Weight::Limits, text)));
        findings.extend(advertised.resolve().await.err().map(|error| told(Weight::Blocks, format!("{error:#}"))));
    }
    findings.sort_by_key(|finding| std::cmp::Reverse(finding.weight));
    let mut out = std::io::stdout().lock();
    for finding in &findings {
        writeln!(out, "{}", line(finding)).context("printing what was found")?;
    }
    let is_fit =
        examination.is_fit(&order) && !findings.iter().any(|one| one.weight == Weight::Blocks && one.region.is_none());
    let verdict = if is_fit { "a launch would succeed" } else { "a launch would fail" };
    writeln!(out, "{verdict}: there is room for {} of {} agents", examination.room, order.agents)
        .context("printing")?;
    drop(out);
    log("`coordinator fleet doctor --policy` prints the rights that it takes");
    if is_fit && options.probe {
        return probe(options, wanted).await;
    }
    Ok(if is_fit { ExitCode::Pass } else { ExitCode::Failed })
}

fn line(finding: &Finding) -> String {
    let mark = match finding.weight {
        // A launch goes on without it.
        Weight::Blocks if finding.region.is_some() => "without",
        Weight::Blocks => "blocks",
        Weight::Limits => "limits",
        Weight::Note => "note",
    };
    let place = finding.region.as_ref().map_or("everywhere", |region| region.0.as_str());
    format!("{mark:<7} {place:<16} {}", clean(&finding.text))
}

/// Launches one instance as a fleet of its own: when its agent has joined, agents reach this coordinator from outside.
async fn probe(options: &Doctor, wanted: Wanted) -> anyhow::Result<ExitCode> {
    let Some(advertise) = options.advertise.clone() else { return Ok(ExitCode::Usage) };
    let folder = std::env::temp_dir().join(format!("rehearsal-probe-{}", std::process::id()));
    let one = Wanted {
        agents: 1,
        lasts: Duration::from_secs(5 * 60),
        is_relayed: false,
        ec2: Ec2 { min: Some(1), spares: None, ttl: Some(Duration::from_secs(10 * 60)), ..wanted.ec2 },
    };
    let name = format!("probe-{}", new_id(SystemTime::now().into(), rand::random()));
    let raised = raise(one, &name, Some(&advertise), &folder, options.yes).await;
    let code = match raised? {
        Ok(raised) => {
            log(&format!("an agent outside has reached this coordinator at {}", advertise.host));
            raised.instances.end().await?;
            ExitCode::Pass
        }
        Err(code) => code,
    };
    let _ = std::fs::remove_dir_all(&folder); // what it held has ended
    Ok(code)
}
