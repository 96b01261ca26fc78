//! One task looks again and again what of a fleet runs. From what it sees it tells the services who may come in, the
//! conductor who has ended, and the meter what is being paid; it ends the fleet by itself before its budget is passed,
//! whatever the conductor does.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rehearsal_ec2::cloud::Cloud;
use rehearsal_ec2::guard::Guard;
use rehearsal_ec2::launch::Fleet;
use rehearsal_ec2::market::Market;
use rehearsal_ec2::meter::{Due, LOOK_EVERY, Look, Meter};
use rehearsal_ec2::names;
use rehearsal_ec2::order::Order;
use rehearsal_fleet::guests::SeenFrom;
use rehearsal_fleet::{End, Exit, GuestList, InstanceId};
use tokio::sync::{mpsc, watch};
use tokio::time::sleep;

use super::counted::Counted;
use super::home::{Home, SpentUntil};
use super::instances::Spent;
use super::table::Progress;
use crate::run::authority::now_unix;
use crate::serve::log;

/// Between two looks while instances boot: an agent waits at the door until its instance has been seen.
const LOOK_SOON: Duration = Duration::from_secs(3);

/// Whoever looks at a fleet.
pub(super) struct Eyes {
    pub(super) cloud: Arc<dyn Cloud>,
    pub(super) order: Order,
    pub(super) market: Arc<Market>,
    pub(super) progress: Progress,
    pub(super) meter: Meter,
    pub(super) home: Home,
    pub(super) news: mpsc::Receiver<Fleet>,
    pub(super) guests: watch::Sender<GuestList>,
    pub(super) exits: mpsc::Sender<Exit>,
    pub(super) spending: mpsc::Sender<Spent>,
    pub(super) cost: watch::Sender<Option<Meter>>,
    /// Regions that did not answer the last time.
    pub(super) blind: BTreeSet<names::Region>,
    pub(super) is_launching: bool,
}

impl Eyes {
    /// Looks until the budget is spent, or nobody wants to know any more.
    pub(super) async fn watch(mut self) {
        let (cloud, order, market) = (Arc::clone(&self.cloud), self.order.clone(), Arc::clone(&self.market));
        let guard = Guard::new(&*cloud, &order, &market);
        let mut crew = Counted::new(self.is_launching);
        loop {
            let look = guard.look().await;
            self.tell_blind(&look);
            self.welcome(&look, &crew);
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
            let pause = if known >= crew.expected(order.agents as usize) { LOOK_EVERY } else { LOOK_SOON };
            tokio::select! {
                () = sleep(pause) => {}
                // Agents wait for this at the door.
                Some(fleet) = self.news.recv() => {
                    crew.count_on(fleet.agents.keys().cloned());
                    self.meter.launched_all(&fleet, SystemTime::now());
                }
            }
        }
    }

    /// Those that run now and are counted on may come in, and nobody else. Of regions that did not answer the last word
    /// holds.
    fn welcome(&self, look: &Look, crew: &Counted) {
        self.guests.send_modify(|guests| {
            guests.forget(|region| !look.blind.contains(&names::Region(region.to_owned())));
            for (id, address) in look.agents.iter().filter(|(id, _)| crew.is_welcome(id)) {
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
        self.cost.send_replace(Some(self.meter.clone()));
        let Ok(mut record) = self.home.record() else { return };
        record.spent = Some(SpentUntil { usd: reading.spent.0, until_unix: now_unix() });
        // A disk that is full is told of by whoever needs it; the meter itself goes on.
        let _ = self.home.keep(&record);
    }
}
