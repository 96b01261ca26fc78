//! Agents on EC2 instances: launched, looked at while they run, paid for, and ended.
//!
//! One task looks again and again what of the fleet runs. From what it sees it tells the services who may come in, the
//! conductor who has ended, and the meter what is being paid; it ends the fleet by itself before its budget is passed,
//! whatever the conductor does.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rehearsal_ec2::cloud::Cloud;
use rehearsal_ec2::guard::Guard;
use rehearsal_ec2::launch::{Fleet, launch};
use rehearsal_ec2::market::Market;
use rehearsal_ec2::meter::{Due, LOOK_EVERY, Look, Meter, Reading};
use rehearsal_ec2::money::Usd;
use rehearsal_ec2::names;
use rehearsal_ec2::order::Order;
use rehearsal_ec2::plan::plan;
use rehearsal_ec2::progress::Event;
use rehearsal_ec2::sweep::{self, Swept, sweep};
use rehearsal_ec2::tags::Scope;
use rehearsal_ec2::user_data::Boot;
use rehearsal_fleet::guests::SeenFrom;
use rehearsal_fleet::{End, Exit, GuestList, InstanceId, LaunchError, Launched};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

use super::counted::Counted;
use super::home::{Home, SpentUntil};
use super::quote::Agreed;
use super::table::Progress;
use crate::run::authority::now_unix;
use crate::serve::log;

/// Between two looks while instances boot: an agent waits at the door until its instance has been seen.
const LOOK_SOON: Duration = Duration::from_secs(3);
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
    cost: watch::Receiver<Option<Reading>>,
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

    /// What it has cost up to the last look, and what it costs in an hour, once that was reckoned.
    pub(super) fn cost(&self) -> Option<Reading> {
        *self.cost.borrow()
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
        log("ending the fleet, and looking for a minute and a half that nothing of it is left");
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
}

impl Instances {
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

/// Whoever looks at a fleet.
struct Eyes {
    cloud: Arc<dyn Cloud>,
    order: Order,
    market: Arc<Market>,
    progress: Progress,
    meter: Meter,
    home: Home,
    news: mpsc::Receiver<Fleet>,
    guests: watch::Sender<GuestList>,
    exits: mpsc::Sender<Exit>,
    spending: mpsc::Sender<Spent>,
    cost: watch::Sender<Option<Reading>>,
    /// Regions that did not answer the last time.
    blind: BTreeSet<names::Region>,
    is_launching: bool,
}

impl Eyes {
    /// Looks until the budget is spent, or nobody wants to know any more.
    async fn watch(mut self) {
        let (cloud, order, market) = (Arc::clone(&self.cloud), self.order.clone(), Arc::clone(&self.market));
        let guard = Guard::new(&*cloud, &order, &market);
        let mut crew = Counted::new(self.is_launching);
        loop {
            while let Ok(fleet) = self.news.try_recv() {
                crew.count_on(fleet.agents.keys().cloned());
                self.meter.launched_all(&fleet, SystemTime::now());
            }
            let look = guard.look().await;
            self.tell_blind(&look);
            self.welcome(&look);
            for (id, is_counted) in crew.ended(&look) {
                let how = "its instance was terminated".to_owned();
                let end = if is_counted { End::Instance(how) } else { End::Dismissed(how) };
                let _ = self.exits.send(Exit { instance: InstanceId(id.0), end }).await; // nobody may want to know
            }
            let due = self.meter.step(SystemTime::now(), &look);
            self.keep_cost();
            if let Some(due) = due {
                // A conductor that does not listen changes nothing about what is due.
                let _ = self.spending.try_send(Spent { due, reading: self.meter.reading() });
            }
            if due == Some(Due::TearDown) {
                let progress = self.progress.clone();
                let _ = guard.tear_down(&self.meter, &move |event| progress.tell(&event)).await; // `end` does it again
                return;
            }
            let known = look.agents.values().flatten().count();
            sleep(if known >= crew.expected(order.agents as usize) { LOOK_EVERY } else { LOOK_SOON }).await;
        }
    }

    /// Those that run now may come in, and nobody else. Of regions that did not answer the last word holds.
    fn welcome(&self, look: &Look) {
        self.guests.send_modify(|guests| {
            guests.forget(|region| !look.blind.contains(&names::Region(region.to_owned())));
            for (id, address) in &look.agents {
                let Some(cost) = look.running.get(id) else { continue };
                let addresses = SeenFrom::Addresses(address.iter().copied().collect());
                guests.name(&InstanceId(id.0.clone()), &cost.region.0, addresses);
            }
        });
    }

    /// A region that does not answer is told once, and once more when it does again.
    fn tell_blind(&mut self, look: &Look) {
        let usable =
            |at: &&names::Region| self.market.offers.contains_key(*at) || self.market.present.contains_key(*at);
        let blind: BTreeSet<names::Region> = look.blind.iter().filter(usable).cloned().collect();
        for at in blind.difference(&self.blind) {
            log(&format!(
                "warning: {at} does not answer: agents there are admitted when it does, and reckoned at their highest price"
            ));
        }
        for at in self.blind.difference(&blind) {
            log(&format!("{at} answers again"));
        }
        self.blind = blind;
    }

    /// What it has cost is written down, so that a coordinator that comes back goes on reckoning.
    fn keep_cost(&self) {
        let reading = self.meter.reading();
        self.cost.send_replace(Some(reading));
        let Ok(mut record) = self.home.record() else { return };
        record.spent = Some(SpentUntil { usd: reading.spent.0, until_unix: now_unix() });
        // A disk that is full is told of by whoever needs it; the meter itself goes on.
        let _ = self.home.keep(&record);
    }
}
