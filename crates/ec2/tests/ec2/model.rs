//! A model of Amazon's EC2 with its bad habits: pools run out, quotas bind, calls are throttled, answers get lost, lists
//! lag behind, more comes than was asked for, and a request that left is carried out whoever has died meanwhile.
//!
//! Instances do what their user data says, as far as it can be seen from outside: they end after the TTL of its first
//! command.

mod api;
mod world;

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use futures_util::future::BoxFuture;
use rehearsal_ec2::cloud::CloudError;
use tokio::sync::{Notify, oneshot};
use tokio::time::{Instant, sleep};

pub use world::{Habits, Machine, Place, World, offering};

/// When the process that launches is stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// The request has left, and is carried out after that.
    Sent,
    /// The answer is there, and nobody reads it.
    Answered,
}

/// A handle on one world. Clones share it.
#[derive(Clone)]
pub struct Model {
    world: Arc<Mutex<World>>,
    began: Instant,
    stopped: Arc<Notify>,
}

/// The model's second 0.
const EPOCH: Duration = Duration::from_secs(1_900_000_000);

impl Model {
    pub fn new(world: World) -> Model {
        Model { world: Arc::new(Mutex::new(world)), began: Instant::now(), stopped: Arc::new(Notify::new()) }
    }

    /// The world at this moment.
    pub fn world(&self) -> MutexGuard<'_, World> {
        let mut world = self.world.lock().unwrap();
        world.pass_to(self.began.elapsed());
        world
    }

    /// The time of day.
    pub fn now(&self) -> SystemTime {
        UNIX_EPOCH + EPOCH + self.began.elapsed()
    }

    pub fn now_unix(&self) -> u64 {
        self.now().duration_since(UNIX_EPOCH).unwrap().as_secs()
    }

    /// From here on the process stops with its `call`th call, counted from 1.
    pub fn stop_at(&self, call: u64, stop: Stop) {
        let mut world = self.world();
        world.calls = 0;
        world.stop = Some((call, stop));
    }

    /// Returns when the process is to be stopped.
    pub async fn stopped(&self) {
        self.stopped.notified().await;
    }

    /// Makes a call: on its way it takes time, it has its effect whether or not somebody still waits, and its answer
    /// may get lost.
    fn call<T: Send + 'static>(
        &self,
        effect: impl FnOnce(&mut World) -> Result<T, CloudError> + Send + 'static,
    ) -> BoxFuture<'_, Result<T, CloudError>> {
        Box::pin(async move {
            let (travel, is_lost, stop) = self.world().begin_call();
            let (answer, answered) = oneshot::channel();
            let model = self.clone();
            tokio::spawn(async move {
                sleep(travel).await;
                let result = {
                    let mut world = model.world();
                    world.throttled().and_then(|()| effect(&mut world))
                };
                let _ = answer.send(result); // nobody may wait any more
            });
            if stop == Some(Stop::Sent) {
                self.stopped.notify_one();
                return std::future::pending().await;
            }
            let result = answered.await.unwrap();
            if stop == Some(Stop::Answered) {
                self.stopped.notify_one();
                return std::future::pending().await;
            }
            if is_lost {
                return std::future::pending().await;
            }
            result
        })
    }
}
