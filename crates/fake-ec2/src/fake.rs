//! A running fake, as tests hold it.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use rehearsal_stage::{Stage, listen, serve};
use tempfile::TempDir;

use crate::desk::{Desk, Whereabouts};
use crate::instance::Instance;
use crate::log::Logged;
use crate::server;
use crate::world::{World, WorldError};

/// What can be chosen about it, besides its world.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where it listens; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Where instances have their folders, which stay; without it, they are temporary.
    pub folder: Option<PathBuf>,
}

impl Default for Options {
    fn default() -> Options {
        Options { listen: (Ipv4Addr::LOCALHOST, 0).into(), folder: None }
    }
}

/// A running fake. Dropping it closes all its connections and kills the processes of all its instances.
pub struct FakeEc2 {
    desk: Desk,
    address: SocketAddr,
    // The processes end with the stage, and have to be gone before their folders.
    _stage: Stage,
    _folder: Option<TempDir>,
}

impl FakeEc2 {
    /// Starts one on a free port of loopback, with temporary folders.
    ///
    /// # Errors
    /// When the world makes no sense, or there is no port, no folder or no thread to be had.
    pub fn start(world: World) -> io::Result<FakeEc2> {
        FakeEc2::start_with(world, Options::default())
    }

    /// Starts one.
    ///
    /// # Errors
    /// When the world makes no sense, or when the address or the folder cannot be had, or no thread.
    pub fn start_with(world: World, options: Options) -> io::Result<FakeEc2> {
        let world = world.checked().map_err(io::Error::other)?;
        let (listener, address) = listen(options.listen)?;
        let (folder, temporary) = match options.folder {
            Some(folder) => {
                std::fs::create_dir_all(&folder)?;
                (std::path::absolute(folder)?, None)
            }
            None => {
                let temporary = tempfile::Builder::new().prefix("fake-ec2-").tempdir()?;
                (temporary.path().to_owned(), Some(temporary))
            }
        };
        let desk = Desk::new(world, folder);
        let stage = Stage::play(serve(listener, server::routes(desk.clone())))?;
        Ok(FakeEc2 { desk, address, _stage: stage, _folder: temporary })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its URL: the endpoint for all regions.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Its world as it is set now.
    #[must_use]
    pub fn world(&self) -> World {
        self.desk.with(|account| account.world.clone())
    }

    /// Changes what can be chosen. What was made stays.
    ///
    /// # Errors
    /// When the result makes no sense; nothing has changed then.
    pub fn change(&self, change: impl FnOnce(&mut World)) -> Result<(), WorldError> {
        self.desk.with(|account| {
            let mut world = account.world.clone();
            change(&mut world);
            account.set(world.checked()?);
            Ok(())
        })
    }

    /// The calls that came, oldest first.
    #[must_use]
    pub fn calls(&self) -> Vec<Logged> {
        self.desk.with(|account| account.calls.iter().cloned().collect())
    }

    /// All instances that are not forgotten, in the order of their starts.
    #[must_use]
    pub fn instances(&self) -> Vec<Instance> {
        self.desk.with(|account| account.instances().into_iter().cloned().collect())
    }

    /// How many instances are pending or running, in all regions.
    #[must_use]
    pub fn alive(&self) -> usize {
        self.instances().iter().filter(|instance| instance.state().is_alive()).count()
    }

    /// Where the machine of an instance is, while it runs.
    #[must_use]
    pub fn whereabouts(&self, id: &str) -> Option<Whereabouts> {
        self.desk.whereabouts(id)
    }

    /// The folder of an instance, with its `console.log`.
    #[must_use]
    pub fn folder(&self, id: &str) -> PathBuf {
        self.desk.folder(id)
    }

    /// Recommends to replace an instance; `false` if it does not run.
    pub fn recommend(&self, id: &str) -> bool {
        self.desk.recommend(id, SystemTime::now())
    }

    /// Takes a spot instance back after some time; `false` if it is none, or does not run.
    pub fn interrupt(&self, id: &str, notice: Duration) -> bool {
        self.desk.interrupt(id, notice, SystemTime::now())
    }

    /// Has the host of an instance die; `false` if it does not run.
    pub fn fail(&self, id: &str) -> bool {
        self.desk.fail(id)
    }
}
