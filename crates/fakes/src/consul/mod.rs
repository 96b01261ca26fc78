//! Consul, as one server of a datacenter with one node: its catalog, health, agent and key-value interfaces over HTTP.
//!
//! | read, blocking | `/v1/health/service/:name` `/v1/health/checks/:name` `/v1/health/node/:node` `/v1/health/state/:state` `/v1/catalog/service/:name` `/v1/catalog/services` `/v1/catalog/nodes` `/v1/kv/:key` |
//! |---|---|
//! | read | `/v1/agent/services` `/v1/agent/service/:id` `/v1/agent/checks` `/v1/agent/members` `/v1/agent/self` `/v1/catalog/datacenters` `/v1/status/leader` |
//! | write | `/v1/agent/service/register` `…/deregister/:id` `…/maintenance/:id` `/v1/agent/check/register` `…/deregister/:id` `…/pass/:id` `…/warn/:id` `…/fail/:id` `/v1/agent/maintenance` `/v1/kv/:key` |
//! | not in Consul | `PUT /fake/check/:id/:status` sets any check, `PUT /fake/leader/true` and `…/false`, `PUT /fake/restore/:index` |
//!
//! A blocking query returns when the index of what it asks for exceeds its `index`, or after `wait` and up to a
//! sixteenth more. Indexes move as in Consul: one raft index counts all writes; a service has its own, which moves with
//! its instances and all their checks; one that is unknown has that of the last service that went.
//!
//! Checks with a TTL become critical when it is over. Other checks are kept and not run: what they would find is told
//! with `/fake/check`. There are no sessions, no filter expressions, no prepared queries, no Connect and no DNS.

mod status;
mod catalog;
mod asked;
mod definition;
mod documents;
mod keys;
mod routes;

use std::collections::VecDeque;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use rehearsal_stage::{Stage, listen, serve};
use tokio::sync::watch;

pub use status::{Refusal, Status};

use catalog::Catalog;

/// How many requests are remembered.
const MOST_REMEMBERED: usize = 1_000;

/// What can be chosen about it.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where it listens; port 0 takes a free one.
    pub listen: SocketAddr,
    /// With a token, access control is on: whoever comes without reads empty lists and may not write.
    pub token: Option<String>,
}

impl Default for Options {
    fn default() -> Options {
        Options { listen: (Ipv4Addr::LOCALHOST, 0).into(), token: None }
    }
}

/// A running fake; dropping it closes all its connections.
#[derive(Debug)]
pub struct FakeConsul {
    shared: Shared,
    address: SocketAddr,
    _stage: Stage,
}

/// What requests and the handle share.
#[derive(Clone, Debug)]
pub(crate) struct Shared {
    catalog: watch::Sender<Catalog>,
    token: Option<Arc<str>>,
    requests: Arc<Mutex<VecDeque<String>>>,
}

impl Shared {
    fn remember(&self, request: String) {
        let mut requests = self.requests.lock().unwrap_or_else(PoisonError::into_inner);
        if requests.len() == MOST_REMEMBERED {
            requests.pop_front();
        }
        requests.push_back(request);
    }

    /// Changes the catalog and wakes who waits for it.
    fn change<T>(&self, change: impl FnOnce(&mut Catalog) -> T) -> T {
        let mut result = None;
        self.catalog.send_modify(|catalog| result = Some(change(catalog)));
        result.expect("the change was made")
    }
}

impl FakeConsul {
    /// Starts one without access control on a free port of loopback.
    ///
    /// # Errors
    /// When there is no port or no thread to be had.
    pub fn start() -> io::Result<FakeConsul> {
        FakeConsul::start_with(Options::default())
    }

    /// Starts one.
    ///
    /// # Errors
    /// When the address cannot be had, or no thread.
    pub fn start_with(options: Options) -> io::Result<FakeConsul> {
        let (listener, address) = listen(options.listen)?;
        let shared = Shared {
            catalog: watch::Sender::new(Catalog::new(address)),
            token: options.token.map(Arc::from),
            requests: Arc::default(),
        };
        let (routes, expiring) = (routes::routes(shared.clone()), expire(shared.catalog.clone()));
        let stage = Stage::play(async move {
            tokio::select! {
                () = serve(listener, routes) => {}
                // Never ends by itself.
                () = expiring => {}
            }
        })?;
        Ok(FakeConsul { shared, address, _stage: stage })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its URL, without `/v1`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Registers an instance of a service with one check, `service:ID`, which passes; or gives the one of that id
    /// another address.
    pub fn register(&self, service: &str, id: &str, address: &str, port: u16) {
        let check = serde_json::json!({ "TTL": "", "Status": "passing" });
        let definition = serde_json::json!({
            "Name": service, "ID": id, "Address": address, "Port": port, "Check": check,
        });
        let register = |catalog: &mut Catalog| catalog.register(&definition, false, Instant::now());
        self.shared.change(register).expect("the definition has all that it needs");
    }

    /// Ends an instance's registration, with its checks.
    ///
    /// # Errors
    /// When there is none of that id.
    pub fn deregister(&self, id: &str) -> Result<(), Refusal> {
        self.shared.change(|catalog| catalog.deregister(id))
    }

    /// Sets a check by its id, such as `service:web-1` or `serfHealth`, whatever kind it is of.
    ///
    /// # Errors
    /// When there is none of that id.
    pub fn set_check(&self, id: &str, status: Status) -> Result<(), Refusal> {
        self.shared.change(|catalog| catalog.set_status(id, status, ""))
    }

    /// Puts an instance into maintenance, or ends it.
    ///
    /// # Errors
    /// When there is none of that id.
    pub fn maintain(&self, id: &str, enable: bool) -> Result<(), Refusal> {
        self.shared.change(|catalog| catalog.maintain(Some(id), enable, ""))
    }

    /// Puts the node with all its instances into maintenance, or ends it.
    pub fn maintain_node(&self, enable: bool) {
        // Only an unknown instance can be refused.
        let _ = self.shared.change(|catalog| catalog.maintain(None, enable, ""));
    }

    /// Sets a key.
    pub fn put(&self, key: &str, value: &[u8]) {
        self.shared.change(|catalog| catalog.put(key, value.to_vec(), 0, None));
    }

    /// Takes the leader away, or gives one again: without, nothing is answered but what may be stale.
    pub fn lead(&self, has_leader: bool) {
        self.shared.change(|catalog| catalog.lead(has_leader));
    }

    /// Sets all indexes back to at most this one, as when servers are restored from an old snapshot.
    pub fn restore(&self, index: u64) {
        self.shared.change(|catalog| catalog.restore(index));
    }

    /// The newest requests that came, oldest first, such as `GET /v1/health/service/web?index=7&wait=2s`.
    #[must_use]
    pub fn requests(&self) -> Vec<String> {
        let requests = self.shared.requests.lock().unwrap_or_else(PoisonError::into_inner);
        requests.iter().cloned().collect()
    }
}

/// Makes checks critical whose TTL is over.
async fn expire(catalog: watch::Sender<Catalog>) {
    let mut changes = catalog.subscribe();
    loop {
        let due = changes.borrow_and_update().next_expiry();
        let expiry = async {
            match due {
                Some(due) => tokio::time::sleep_until(due.into()).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            // A TTL is over.
            () = expiry => { catalog.send_if_modified(|catalog| catalog.expire(Instant::now())); }
            // Another check may be the next now. The sender is ours, so there is always one.
            _ = changes.changed() => {}
        }
    }
}
