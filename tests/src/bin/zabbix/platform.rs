//! Where the instances of the show run: starts and ends them when it is told to, tells the balancer and the monitor, and
//! reports how full they are. What a cloud or a Flynn does for others.

use std::future::Future;
use std::path::PathBuf;
use std::pin::pin;
use std::time::{Duration, SystemTime};

use anyhow::{Context as _, Result, ensure};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{MissedTickBehavior, interval, timeout};

use crate::autoscaler::{Autoscaler, BUSY, DESIRED, INSTANCE_BOUNDS, SCALER};
use crate::balancer::Balancer;
use crate::instance::Instance;
use crate::sender::{Sent, send};

/// How many viewers fill an instance to 100 %.
const ROOM: u32 = 100;
/// How often it is reported how full the instances are.
const REPORT_EVERY: Duration = Duration::from_secs(1);
/// How long whoever gives an order may take to say it.
const SAID_WITHIN: Duration = Duration::from_secs(5);
/// For how long the monitor may refuse the values of an instance that it was just told about.
const KNOWN_WITHIN: Duration = Duration::from_secs(30);
/// An instance that drains goes when nothing has been open there in so many looks …
const IDLE_LOOKS: u32 = 3;
/// … or after this.
const DRAIN_WITHIN: Duration = Duration::from_secs(60);
/// How long the balancer takes at the most to see for itself that an instance is dead.
const FOUND_DEAD_WITHIN: Duration = Duration::from_secs(5);

/// How instances leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leave {
    /// They get no new viewers, and go when those they have are gone.
    Drained,
    /// They are killed.
    Killed,
}

/// An order that was given.
#[derive(Clone, Debug)]
pub struct Order {
    pub at: SystemTime,
    /// By how many instances; 0 for an order that was refused.
    pub change: i64,
}

/// The instances and all that is done to them.
#[derive(Debug)]
pub struct Platform<'a> {
    pub balancer: &'a Balancer,
    pub autoscaler: &'a Autoscaler,
    /// How instances leave.
    pub leave: Leave,
    /// What it was told since the last reset.
    pub orders: Vec<Order>,
    monitor: u16,
    door: TcpListener,
    program: PathBuf,
    folder: PathBuf,
    instances: Vec<Instance>,
    started: u32,
}

impl<'a> Platform<'a> {
    /// One without instances that takes orders at a door and sends values to a port of the monitor.
    pub fn new(
        balancer: &'a Balancer,
        autoscaler: &'a Autoscaler,
        door: TcpListener,
        monitor: u16,
        program: PathBuf,
        folder: PathBuf,
    ) -> Self {
        Self {
            balancer,
            autoscaler,
            leave: Leave::Drained,
            orders: Vec::new(),
            monitor,
            door,
            program,
            folder,
            instances: Vec::new(),
            started: 0,
        }
    }

    /// Begins anew with one fresh instance.
    ///
    /// # Errors
    /// When an instance, the balancer or the monitor fails.
    pub async fn reset(&mut self) -> Result<()> {
        for mut instance in std::mem::take(&mut self.instances) {
            self.forget(instance.host.take()).await?;
            self.balancer.empty(instance.slot).await?;
        }
        self.orders.clear();
        self.start().await
    }

    /// Looks after the instances and obeys orders while something else is done.
    ///
    /// # Errors
    /// When an instance, the balancer or the monitor fails.
    pub async fn serve_while<T>(&mut self, work: impl Future<Output = T>) -> Result<T> {
        let mut work = pin!(work);
        let mut ticks = interval(REPORT_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                // What we serve for is done.
                done = &mut work => return Ok(done),
                // Somebody gives an order.
                came = self.door.accept() => {
                    let (stream, _) = came.context("opening the door")?;
                    self.obey(stream).await?;
                }
                // It is time to look after the instances.
                _ = ticks.tick() => {
                    self.look_after_leaving().await?;
                    self.report().await?;
                }
            }
        }
    }

    /// How many instances are wanted.
    fn desired(&self) -> u32 {
        self.instances.iter().filter(|instance| instance.leaving.is_none()).count() as u32
    }

    async fn obey(&mut self, stream: TcpStream) -> Result<()> {
        let mut stream = BufReader::new(stream);
        let mut word = String::new();
        let said = timeout(SAID_WITHIN, stream.read_line(&mut word)).await;
        let at = SystemTime::now();
        let (before, [least, most]) = (self.desired(), INSTANCE_BOUNDS);
        match (said, word.trim()) {
            (Ok(Ok(_)), "out") if before < most => self.start().await?,
            (Ok(Ok(_)), "in") if before > least => self.let_one_go().await?,
            _ => {}
        }
        let after = self.desired();
        self.orders.push(Order { at, change: i64::from(after) - i64::from(before) });
        println!("  {} -> {after} instances: told `{}`", before, word.trim());
        let answer = if after == before { "refused" } else { "done" };
        // Who does not listen to the answer has given the order all the same.
        let _ = stream.write_all(format!("{answer}: {after} instances are wanted\n").as_bytes()).await;
        Ok(())
    }

    async fn start(&mut self) -> Result<()> {
        let mut slots = 1..=INSTANCE_BOUNDS[1] * 2;
        let slot = slots.find(|slot| self.instances.iter().all(|instance| instance.slot != *slot));
        let slot = slot.context("no slot of the balancer is free")?;
        self.started += 1;
        let mut instance = Instance::start(&self.program, &self.folder, self.started, slot).await?;
        instance.host = Some(self.autoscaler.watch(&instance.name).await?);
        self.balancer.fill(slot, instance.port).await?;
        self.instances.push(instance);
        Ok(())
    }

    /// Lets the youngest go.
    async fn let_one_go(&mut self) -> Result<()> {
        let place = self.instances.iter().rposition(|instance| instance.leaving.is_none());
        let place = place.context("no instance is left to go")?;
        match self.leave {
            Leave::Drained => self.balancer.drain(self.instances[place].slot).await?,
            Leave::Killed => self.instances[place].process.kill(),
        }
        self.instances[place].leave();
        let host = self.instances[place].host.take();
        self.forget(host).await
    }

    async fn forget(&self, host: Option<String>) -> Result<()> {
        match host {
            Some(host) => self.autoscaler.forget(&host).await,
            None => Ok(()),
        }
    }

    async fn look_after_leaving(&mut self) -> Result<()> {
        let table = self.balancer.sessions().await?;
        for place in (0..self.instances.len()).rev() {
            let instance = &mut self.instances[place];
            let Some(leaving) = &mut instance.leaving else {
                let ended = instance.process.ended()?;
                ensure!(ended.is_none(), "{} ended by itself: {ended:?}", instance.name);
                continue;
            };
            let is_over = match self.leave {
                Leave::Killed => leaving.since.elapsed() > FOUND_DEAD_WITHIN,
                Leave::Drained => {
                    let open = table.of(instance.slot)?;
                    leaving.idle_looks = if open == 0 { leaving.idle_looks + 1 } else { 0 };
                    leaving.idle_looks >= IDLE_LOOKS || leaving.since.elapsed() > DRAIN_WITHIN
                }
            };
            if is_over {
                self.balancer.empty(instance.slot).await?;
                let gone = self.instances.remove(place);
                println!("  {} is gone", gone.name);
            }
        }
        Ok(())
    }

    /// Sends how full each instance is and how many are wanted.
    async fn report(&mut self) -> Result<()> {
        let table = self.balancer.sessions().await?;
        let staying = self.instances.iter().filter(|instance| instance.leaving.is_none());
        let value = |instance: &Instance| -> Result<Sent> {
            let open = table.of(instance.slot)?;
            let percent = 100.0 * open as f64 / f64::from(ROOM);
            Ok(Sent { host: instance.name.clone(), key: BUSY, value: format!("{percent:.2}") })
        };
        let mut values = staying.map(value).collect::<Result<Vec<Sent>>>()?;
        values.push(Sent { host: SCALER.to_owned(), key: DESIRED, value: self.desired().to_string() });
        let refused = send(self.monitor, &values).await?;
        let is_new = |instance: &&Instance| instance.started.elapsed() < KNOWN_WITHIN;
        let new = self.instances.iter().filter(is_new).count() as u64;
        // The first values come before the monitor knows that there is anything to come.
        ensure!(refused <= new + u64::from(new > 0), "the monitor refuses {refused} of {} values", values.len());
        Ok(())
    }
}
