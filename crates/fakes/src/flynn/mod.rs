//! Flynn, as far as scaling goes: the controller's interface over TLS with a certificate of its own, and discoverd's.
//!
//! | controller | `/ping` `/ca-cert` `/apps` `/apps/:app` `/apps/:app/release` `/apps/:app/formations` `/apps/:app/formations/:release` (get and put) `PUT /apps/:app/scale/:release` `/apps/:app/jobs` `/active-jobs` `/formations?active=true` `/events` `/events/:id` |
//! |---|---|
//! | discoverd | `/ping` `/services/:service` `/services/:service/instances` `PUT` and `DELETE /services/:service/instances/:id` |
//! | not in Flynn | on discoverd's port, `PUT /fake/scale/:process/:count`, `PUT /fake/job/:uuid/:state`, `PUT /fake/discoverd/true` and `…/false` |
//!
//! There is one app with one release, to which others can be added. Scaling it makes what the controller makes: a
//! formation, a scale request, events of both kinds, and jobs, which boot and drain for as long as it was told, and are
//! known to discoverd, as `APP-PROCESS`, while they are up. Streams of formations and logs, deployments, routes and the
//! gRPC interface are not there.

mod cluster;
mod controller;
mod events;
mod discoverd;
mod tls;

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use rehearsal_stage::{Stage, listen, serve};
use tokio::sync::watch;

pub use cluster::{Job, State};

use cluster::Cluster;

/// What can be chosen about it.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where the controller listens; port 0 takes a free one.
    pub controller: SocketAddr,
    /// Where discoverd listens.
    pub discoverd: SocketAddr,
    /// The key of the cluster, the password of any user.
    pub key: String,
    /// A token that is let in besides, if any.
    pub token: Option<String>,
    /// The app's name.
    pub app: String,
    /// How long jobs start and stop; none leaves their states to [`FakeFlynn::set_job`].
    pub pace: Option<(Duration, Duration)>,
    /// Whether it is a cluster as of 2015, without scale requests and `/active-jobs`.
    pub is_old: bool,
}

impl Default for Options {
    fn default() -> Options {
        let any = (Ipv4Addr::LOCALHOST, 0).into();
        let (key, app) = ("cluster-key".into(), "shop".into());
        Options { controller: any, discoverd: any, key, token: None, app, pace: None, is_old: false }
    }
}

/// A running fake; dropping it closes all its connections.
#[derive(Debug)]
pub struct FakeFlynn {
    cluster: watch::Sender<Cluster>,
    controller: SocketAddr,
    discoverd: SocketAddr,
    pin: String,
    certificate: String,
    _stage: Stage,
}

impl FakeFlynn {
    /// Starts one on free ports of loopback, whose jobs change by hand.
    ///
    /// # Errors
    /// When there are no ports or no thread to be had.
    pub fn start() -> io::Result<FakeFlynn> {
        FakeFlynn::start_with(Options::default())
    }

    /// Starts one.
    ///
    /// # Errors
    /// When an address cannot be had, or no thread.
    pub fn start_with(options: Options) -> io::Result<FakeFlynn> {
        let (controller_at, controller) = listen(options.controller)?;
        let (discoverd_at, discoverd) = listen(options.discoverd)?;
        let identity = tls::Identity::new()?;
        let cluster = watch::Sender::new(Cluster::new(&options.app, options.pace, options.is_old));
        let (pin, certificate) = (identity.pin.clone(), identity.pem.clone());
        let of_controller = controller::routes(&cluster, options.key, options.token, identity.pem.clone());
        let (of_discoverd, pacing) = (discoverd::routes(&cluster), pace(cluster.clone()));
        let stage = Stage::play(async move {
            tokio::join!(tls::serve(controller_at, of_controller, identity), serve(discoverd_at, of_discoverd), pacing);
        })?;
        Ok(FakeFlynn { cluster, controller, discoverd, pin, certificate, _stage: stage })
    }

    /// The URL of the controller.
    #[must_use]
    pub fn url(&self) -> String {
        format!("https://{}", self.controller)
    }

    /// The URL of discoverd.
    #[must_use]
    pub fn discoverd(&self) -> String {
        format!("http://{}", self.discoverd)
    }

    /// The base64 of the SHA-256 of the controller's certificate.
    #[must_use]
    pub fn pin(&self) -> &str {
        &self.pin
    }

    /// The controller's certificate in PEM.
    #[must_use]
    pub fn certificate(&self) -> &str {
        &self.certificate
    }

    /// The app's current release.
    #[must_use]
    pub fn release(&self) -> String {
        self.cluster.borrow().release.clone()
    }

    /// Scales a process type of the app's current release.
    pub fn scale(&self, process: &str, count: u64) {
        self.scale_release(&self.release(), process, count);
    }

    /// Scales a process type of a release.
    pub fn scale_release(&self, release: &str, process: &str, count: u64) {
        let wanted = [(process.to_owned(), count)].into();
        self.cluster.send_modify(|cluster| drop(cluster.scale(release, &wanted, Instant::now())));
    }

    /// Adds a release to the app, with formations and jobs of its own, and gives its id.
    #[must_use]
    pub fn add_release(&self) -> String {
        let mut id = String::new();
        self.cluster.send_modify(|cluster| id = cluster.add_release());
        id
    }

    /// The jobs that are not gone, oldest first.
    #[must_use]
    pub fn jobs(&self) -> Vec<Job> {
        self.cluster.borrow().active().cloned().collect()
    }

    /// Moves a job to a state, and says whether there is such a job.
    pub fn set_job(&self, uuid: &str, state: State) -> bool {
        self.cluster.send_if_modified(|cluster| cluster.set_job(uuid, state, Instant::now()))
    }

    /// Takes a job that is up out of discoverd, as when its heart stops beating. Says whether it was there.
    pub fn withdraw(&self, uuid: &str) -> bool {
        self.cluster
            .send_if_modified(|cluster| cluster.services.values_mut().any(|instances| instances.remove(uuid).is_some()))
    }

    /// Makes discoverd fail, or work again.
    pub fn discover(&self, works: bool) {
        self.cluster.send_modify(|cluster| cluster.discovers = works);
    }
}

/// Moves jobs on that have booted or drained for long enough.
async fn pace(cluster: watch::Sender<Cluster>) {
    let mut changes = cluster.subscribe();
    loop {
        let due = changes.borrow_and_update().next_due();
        let expiry = async {
            match due {
                Some(due) => tokio::time::sleep_until(due.into()).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            // A job has to be moved on.
            () = expiry => { cluster.send_if_modified(|cluster| cluster.move_on(Instant::now())); }
            // Another job may be the next now. The sender is ours, so there is always one.
            _ = changes.changed() => {}
        }
    }
}
