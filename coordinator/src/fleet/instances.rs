//! Agents on EC2 instances: launched, looked at while they run (by [`Eyes`]), paid for, and ended.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rehearsal_ec2::cloud::Cloud;
use rehearsal_ec2::guard::Guard;
use rehearsal_ec2::launch::{Fleet, launch};
use rehearsal_ec2::market::Market;
use rehearsal_ec2::meter::{Due, Meter, Reading};
use rehearsal_ec2::money::{Usd, UsdPerHour};
use rehearsal_ec2::names;
use rehearsal_ec2::order::Order;
use rehearsal_ec2::plan::plan;
use rehearsal_ec2::progress::Event;
use rehearsal_ec2::sweep::{self, Swept, sweep};
use rehearsal_ec2::tags::Scope;
use rehearsal_ec2::user_data::Boot;
use rehearsal_fleet::{Exit, GuestList, InstanceId, LaunchError, Launched};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::eyes::Eyes;
use super::home::Home;
use super::quote::Agreed;
use super::table::Progress;
use crate::serve::log;

/// How long the first ending of what is known may take.
const END_WITHIN: Duration = Duration::from_secs(30);
/// What waits to be heard by a conductor.
const UNHEARD: usize = 1_024;

/// Part of a budget was spent.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Spent {
    /// What has to be done now.
    pub(crate) due: Due,
    /// What it has cost by now.
    pub(crate) reading: Reading,
}

impl fmt::Display for Spent {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Reading { spent, hourly, budget, lasts } = &self.reading;
        let of = budget.map(|budget| format!(" of the {budget} that it may")).unwrap_or_default();
        write!(out, "the fleet has cost {spent}{of}, at {hourly}: ")?;
        match (self.due, lasts) {
            (Due::Warn, Some(lasts)) => write!(out, "in {} min users are sent away", lasts.as_secs() / 60),
            (Due::Warn, None) => write!(out, "soon users are sent away"),
            (Due::Drain, _) => write!(out, "users are sent away, so that it ends in time"),
            (Due::TearDown, _) => write!(out, "its instances are ended now"),
        }
    }
}

/// What an owner of instances hears of them.
pub(crate) struct Heard {
    pub(crate) exits: mpsc::Receiver<Exit>,
    pub(crate) spending: mpsc::Receiver<Spent>,
}

/// The instances of one fleet.
pub(crate) struct Instances {
    cloud: Arc<dyn Cloud>,
    order: Order,
    market: Arc<Market>,
    progress: Progress,
    guests: watch::Receiver<GuestList>,
    cost: watch::Receiver<Option<Meter>>,
    launched: mpsc::Sender<Fleet>,
    watching: JoinHandle<()>,
    /// The launch failed, and what there was of it is known to be gone.
    is_gone: bool,
}

impl Drop for Instances {
    fn drop(&mut self) {
        self.watching.abort();
    }
}

impl Instances {
    /// The instances of a fleet that was agreed to, or is there already. Looking begins at once: those of a former life of
    /// the coordinator are found, and those that boot before the launch has ended.
    pub(crate) fn of(agreed: &Agreed, fleet: &str, run: Option<&str>, home: Home) -> (Instances, Heard) {
        let nothing = Boot { join: String::new(), builds: agreed.deploy.builds(), urls: Vec::new() };
        let order = agreed.wanted.order(fleet, run, nothing);
        let before = home.record().ok().and_then(|record| record.spent);
        let meter = match before {
            Some(spent) => Meter::resume(order.budget, Usd(spent.usd), spent.until()),
            None => Meter::new(order.budget),
        };
        let (exit, exits) = mpsc::channel(UNHEARD);
        let (spend, spending) = mpsc::channel(UNHEARD);
        let (guest, guests) = watch::channel(GuestList::nobody());
        let (reading, cost) = watch::channel(None);
        let (launched, news) = mpsc::channel(1);
        let eyes = Eyes {
            cloud: Arc::clone(&agreed.cloud),
            order: order.clone(),
            market: Arc::clone(&agreed.market),
            progress: agreed.progress.clone(),
            meter,
            home,
            news,
            guests: guest,
            exits: exit,
            spending: spend,
            cost: reading,
            blind: BTreeSet::new(),
            is_launching: agreed.can_launch(),
        };
        let instances = Instances {
            cloud: Arc::clone(&agreed.cloud),
            order,
            market: Arc::clone(&agreed.market),
            progress: agreed.progress.clone(),
            guests,
            cost,
            launched,
            watching: tokio::spawn(eyes.watch()),
            is_gone: false,
        };
        (instances, Heard { exits, spending })
    }

    /// Who may come, as it changes.
    pub(super) fn guests(&self) -> watch::Receiver<GuestList> {
        self.guests.clone()
    }

    /// Its name.
    pub(super) fn fleet(&self) -> &str {
        &self.order.fleet
    }

    /// What it comes to if it ends now, and what it costs in an hour, once that was reckoned.
    pub(super) fn bill(&self) -> Option<(Usd, UsdPerHour)> {
        let meter = self.cost.borrow();
        meter.as_ref().map(|meter| (meter.bill(SystemTime::now()), meter.reading().hourly))
    }

    /// Launches what is not there yet; some of it may not come, of which people are told why.
    pub(super) async fn launch(&mut self, boot: Boot) -> Result<Fleet, LaunchError> {
        self.order.boot = boot;
        let planned = plan(&self.order, &self.market).map_err(|error| LaunchError::Cloud(error.to_string()))?;
        let progress = self.progress.clone();
        let tell = move |event| progress.tell(&event);
        let launched = launch(&*self.cloud, &self.order, &self.market, &planned, SystemTime::now(), &tell).await;
        let fleet = launched.map_err(|error| {
            self.is_gone = error.left.is_empty();
            LaunchError::Cloud(error.to_string())
        })?;
        if fleet.missing > 0 {
            log(&format!("launched {} of {} agents; what is missing:", fleet.agents.len(), self.order.agents));
            fleet.reasons.iter().for_each(|(region, why)| log(&format!("  {region}: {why}")));
        }
        let _ = self.launched.send(fleet.clone()).await; // a budget that is spent has ended the looking
        Ok(fleet)
    }

    /// Lists those that run now.
    pub(super) async fn alive(&self) -> Vec<Launched> {
        let look = Guard::new(&*self.cloud, &self.order, &self.market).look().await;
        let launched = |(id, cost): (names::InstanceId, rehearsal_ec2::meter::Cost)| Launched {
            instance: InstanceId(id.0),
            region: cost.region.0,
        };
        let agents = look.agents;
        look.running.into_iter().filter(|(id, _)| agents.contains_key(id)).map(launched).collect()
    }

    /// Ends all of the fleet, and returns when nothing of it is left, which takes a minute and a half to be certain of: a
    /// launch that failed has been.
    pub(super) async fn end(self) -> anyhow::Result<Swept> {
        self.watching.abort();
        if self.is_gone {
            return Ok(Swept::default());
        }
        log("ending the fleet, and looking for a minute and a half that nothing of it is left; Ctrl-C leaves that to \
             `coordinator fleet sweep`");
        self.end_known().await;
        let (progress, market) = (self.progress.clone(), Arc::clone(&self.market));
        // Where nothing could be launched, nothing of the fleet is, whatever else is wrong there.
        let may_be = move |at: &names::Region| market.offers.contains_key(at) || market.present.contains_key(at);
        let told = may_be.clone();
        let tell = move |event: Event| {
            if told(&event.region) {
                progress.tell(&event);
            }
        };
        let mut swept = sweep(&*self.cloud, &Scope::Fleet(self.order.fleet.clone()), &tell).await?;
        swept.left.retain(|region, _| may_be(region));
        Ok(swept)
    }

    /// Ends those that were seen last, at once, also where nothing can be listed now. What fails here the sweep does again.
    async fn end_known(&self) {
        let mut regions: BTreeMap<names::Region, Vec<names::InstanceId>> = BTreeMap::new();
        if let GuestList::Named(hosts) = &*self.guests.borrow() {
            for (id, host) in hosts {
                regions.entry(names::Region(host.region.clone())).or_default().push(names::InstanceId(id.0.clone()));
            }
        }
        let until = Instant::now() + END_WITHIN;
        let ends = regions.iter().map(|(at, ids)| sweep::end(&*self.cloud, at, ids, until, &|_| ()));
        futures_util::future::join_all(ends).await;
    }
}
