//! What the server knows: instances, checks, keys, and the index at which each was last changed. Pure: time is an argument.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::definition;
use super::keys::Keys;
use super::status::{Refusal, Status};

/// The name of the only node.
pub const NODE: &str = "fake";
/// The check that says whether the node is alive.
pub const ALIVE: &str = "serfHealth";
/// The check that a node in maintenance has, and how those of its instances begin.
pub const NODE_MAINTENANCE: &str = "_node_maintenance";
pub const SERVICE_MAINTENANCE: &str = "_service_maintenance:";
/// What Consul says when nobody gave a reason.
const NO_REASON: &str =
    "Maintenance mode is enabled for this service, but no reason was provided. This is a default message.";

/// One instance of a service.
#[derive(Clone, Debug, PartialEq)]
pub struct Instance {
    pub id: String,
    pub service: String,
    pub tags: Vec<String>,
    pub address: String,
    pub port: u16,
    pub meta: Value,
    pub weights: (u64, u64),
    pub created: u64,
    pub modified: u64,
}

/// One check, of an instance or of the node.
#[derive(Clone, Debug, PartialEq)]
pub struct Check {
    pub id: String,
    pub name: String,
    pub status: Status,
    pub notes: String,
    pub output: String,
    /// The instance that it is of; none for the node.
    pub of: Option<String>,
    pub ttl: Option<Duration>,
    pub expires: Option<Instant>,
    pub created: u64,
    pub modified: u64,
}

/// The whole state.
#[derive(Clone, Debug)]
pub struct Catalog {
    /// Where the agent is reached.
    pub address: SocketAddr,
    pub has_leader: bool,
    /// How often it was restored; who waits then stops waiting.
    pub restored: u64,
    /// Instances by id.
    pub instances: BTreeMap<String, Instance>,
    /// Checks by id.
    pub checks: BTreeMap<String, Check>,
    pub keys: Keys,
    /// The index of the last write of all.
    index: u64,
    /// The last write that concerned each service that has instances.
    services: BTreeMap<String, u64>,
    /// The last write to any instance, and to any check.
    any_instance: u64,
    any_check: u64,
    /// The write that ended the last service that went.
    extinct: Option<u64>,
}

impl Catalog {
    /// A datacenter with one living node and nothing on it.
    pub fn new(address: SocketAddr) -> Catalog {
        let mut catalog = Catalog {
            address,
            has_leader: true,
            restored: 0,
            instances: BTreeMap::new(),
            checks: BTreeMap::new(),
            keys: Keys::default(),
            index: 1,
            services: BTreeMap::new(),
            any_instance: 1,
            any_check: 1,
            extinct: None,
        };
        catalog.put_check(ALIVE, "Serf Health Status", Status::Passing, "", None);
        catalog
    }

    /// The index of a service: its own, or, while it is unknown, that of the last that went, or of any write.
    pub fn index_of_service(&self, service: &str) -> u64 {
        let own = self.services.get(service).copied();
        own.or(self.extinct).unwrap_or(self.any_instance)
    }

    /// The index of the list of all services.
    pub fn index_of_services(&self) -> u64 {
        self.any_instance
    }

    /// The index of all checks.
    pub fn index_of_checks(&self) -> u64 {
        self.any_check
    }

    /// Adds an instance, or changes the one of its id. Checks that it had and are not named again stay, unless told to
    /// be replaced; those that are named again keep their status.
    pub fn register(&mut self, body: &Value, replaces_checks: bool, now: Instant) -> Result<(), Refusal> {
        let (mut instance, checks) = definition::instance(body)?;
        let id = instance.id.clone();
        let before = self.instances.get(&id).cloned();
        if let Some(before) = &before {
            (instance.created, instance.modified) = (before.created, before.modified);
        }
        if before.as_ref() != Some(&instance) {
            let index = self.next();
            if let Some(before) = before.as_ref().filter(|before| before.service != instance.service) {
                self.touch_or_end(&before.service, &id, index);
            }
            instance.created = before.map_or(index, |before| before.created);
            instance.modified = index;
            self.touch(&instance.service.clone(), index);
            self.instances.insert(id.clone(), instance);
        }
        if replaces_checks {
            let named: Vec<&String> = checks.iter().map(|check| &check.id).collect();
            let is_old = |check: &&Check| {
                check.of.as_ref() == Some(&id)
                    && !named.contains(&&check.id)
                    && !check.id.starts_with(SERVICE_MAINTENANCE)
            };
            let old: Vec<String> = self.checks.values().filter(is_old).map(|check| check.id.clone()).collect();
            old.iter().for_each(|id| self.drop_check(id));
        }
        checks.into_iter().for_each(|check| self.add_check(check, now));
        Ok(())
    }

    /// Ends an instance.
    pub fn deregister(&mut self, id: &str) -> Result<(), Refusal> {
        let instance = self.instances.get(id).cloned().ok_or_else(|| unknown("service", id))?;
        let of_it: Vec<String> = self
            .checks
            .values()
            .filter(|check| check.of.as_deref() == Some(id))
            .map(|check| check.id.clone())
            .collect();
        of_it.iter().for_each(|check| self.drop_check(check));
        let index = self.next();
        self.touch_or_end(&instance.service, id, index);
        self.instances.remove(id);
        Ok(())
    }

    /// Adds a check, of an instance or of the node.
    pub fn register_check(&mut self, body: &Value, now: Instant) -> Result<(), Refusal> {
        let check = definition::check_alone(body)?;
        if let Some(of) = check.of.as_ref().filter(|of| !self.instances.contains_key(*of)) {
            return Err(Refusal::new(400, format!("ServiceID {of:?} does not exist")));
        }
        self.add_check(check, now);
        Ok(())
    }

    /// Ends a check.
    pub fn deregister_check(&mut self, id: &str) -> Result<(), Refusal> {
        self.checks.contains_key(id).then(|| self.drop_check(id)).ok_or_else(|| unknown("check", id))
    }

    /// Tells what a check with a TTL found, and starts its time again.
    pub fn report(&mut self, id: &str, status: Status, output: &str, now: Instant) -> Result<(), Refusal> {
        let check = self.checks.get_mut(id).ok_or_else(|| unknown("check", id))?;
        let ttl = check.ttl.ok_or_else(|| Refusal::new(404, format!("CheckID {id:?} does not have associated TTL")))?;
        check.expires = Some(now + ttl);
        self.set_status(id, status, output)
    }

    /// Sets what a check found.
    pub fn set_status(&mut self, id: &str, status: Status, output: &str) -> Result<(), Refusal> {
        let check = self.checks.get(id).ok_or_else(|| unknown("check", id))?;
        if (check.status, check.output.as_str()) == (status, output) {
            return Ok(());
        }
        let check = Check { status, output: output.into(), ..check.clone() };
        self.write_check(check);
        Ok(())
    }

    /// Begins or ends maintenance of an instance, or of the node.
    pub fn maintain(&mut self, id: Option<&str>, enable: bool, reason: &str) -> Result<(), Refusal> {
        let (check, name) = match id {
            Some(id) if !self.instances.contains_key(id) => return Err(unknown("service", id)),
            Some(id) => (format!("{SERVICE_MAINTENANCE}{id}"), "Service Maintenance Mode"),
            None => (NODE_MAINTENANCE.into(), "Node Maintenance Mode"),
        };
        match (enable, self.checks.contains_key(&check)) {
            (true, false) => {
                let reason = if reason.is_empty() { NO_REASON } else { reason };
                self.put_check(&check, name, Status::Critical, reason, id);
            }
            (false, true) => self.drop_check(&check),
            _ => {}
        }
        Ok(())
    }

    /// Sets a key; with `cas` only if it was last changed at that index, or not at all for 0.
    pub fn put(&mut self, key: &str, value: Vec<u8>, flags: u64, cas: Option<u64>) -> bool {
        let index = self.index + 1;
        let is_done = self.keys.put(key, value, flags, cas, index);
        self.index += u64::from(is_done);
        is_done
    }

    /// Deletes a key, or all that begin like it.
    pub fn delete(&mut self, key: &str, recurses: bool, cas: Option<u64>) -> bool {
        let index = self.index + 1;
        let is_done = self.keys.delete(key, recurses, cas, index);
        self.index += u64::from(is_done);
        is_done
    }

    /// Takes the leader away, or gives one.
    pub fn lead(&mut self, has_leader: bool) {
        self.has_leader = has_leader;
    }

    /// Sets all indexes back.
    pub fn restore(&mut self, index: u64) {
        let index = index.max(1);
        let back = |of: &mut u64| *of = (*of).min(index);
        [&mut self.index, &mut self.any_instance, &mut self.any_check].into_iter().for_each(back);
        self.services.values_mut().chain(&mut self.extinct).for_each(back);
        self.instances.values_mut().for_each(|instance| back(&mut instance.modified));
        self.checks.values_mut().for_each(|check| back(&mut check.modified));
        self.keys.restore(index);
        self.restored += 1;
    }

    /// When the next TTL is over.
    pub fn next_expiry(&self) -> Option<Instant> {
        self.checks.values().filter_map(|check| check.expires).min()
    }

    /// Makes checks critical whose TTL is over, and says whether there were any.
    pub fn expire(&mut self, now: Instant) -> bool {
        let is_over = |check: &&Check| check.expires.is_some_and(|expires| expires <= now);
        let over: Vec<String> = self.checks.values().filter(is_over).map(|check| check.id.clone()).collect();
        for id in &over {
            if let Some(check) = self.checks.get_mut(id) {
                check.expires = None;
            }
            // It is there.
            let _ = self.set_status(id, Status::Critical, "TTL expired");
        }
        !over.is_empty()
    }

    /// The checks that say how an instance is: its own and the node's.
    pub fn checks_of<'a>(&'a self, instance: &'a Instance) -> impl Iterator<Item = &'a Check> {
        self.checks.values().filter(|check| check.of.as_ref().is_none_or(|of| *of == instance.id))
    }

    fn next(&mut self) -> u64 {
        self.index += 1;
        self.index
    }

    /// Notes a write that concerned a service.
    fn touch(&mut self, service: &str, index: u64) {
        self.services.insert(service.into(), index);
        self.any_instance = index;
    }

    /// Notes that an instance leaves a service, which may be its last.
    fn touch_or_end(&mut self, service: &str, id: &str, index: u64) {
        self.touch(service, index);
        let has_others = self.instances.values().any(|other| other.service == service && other.id != id);
        if !has_others {
            self.services.remove(service);
            self.extinct = Some(index);
        }
    }

    fn put_check(&mut self, id: &str, name: &str, status: Status, notes: &str, of: Option<&str>) {
        let (id, name, notes) = (id.into(), name.into(), notes.into());
        let (output, of) = (String::new(), of.map(String::from));
        let check = Check { id, name, status, notes, output, of, ttl: None, expires: None, created: 0, modified: 0 };
        self.write_check(check);
    }

    /// Adds a check, which keeps the status that it had under the same id.
    fn add_check(&mut self, mut check: Check, now: Instant) {
        check.expires = check.ttl.map(|ttl| now + ttl);
        if let Some(before) = self.checks.get(&check.id) {
            let kept = before.clone();
            check = Check { status: kept.status, output: kept.output, created: kept.created, ..check };
            if (Check { modified: check.modified, expires: check.expires, ..before.clone() }) == check {
                let expires = check.expires;
                self.checks.entry(check.id).and_modify(|check| check.expires = expires);
                return;
            }
        }
        self.write_check(check);
    }

    /// Writes a check; those of the node concern all services.
    fn write_check(&mut self, mut check: Check) {
        let index = self.next();
        check.modified = index;
        if check.created == 0 {
            check.created = index;
        }
        self.touch_checked(check.of.as_deref(), index);
        self.checks.insert(check.id.clone(), check);
    }

    fn drop_check(&mut self, id: &str) {
        if let Some(check) = self.checks.remove(id) {
            let index = self.next();
            self.touch_checked(check.of.as_deref(), index);
        }
    }

    fn touch_checked(&mut self, of: Option<&str>, index: u64) {
        self.any_check = index;
        match of.and_then(|id| self.instances.get(id)) {
            Some(instance) => {
                self.services.insert(instance.service.clone(), index);
            }
            None => self.services.values_mut().for_each(|of| *of = index),
        }
    }
}

fn unknown(what: &str, id: &str) -> Refusal {
    let text = format!("Unknown {what} ID {id:?}. Ensure that the {what} ID is passed, not the {what} name.");
    Refusal::new(404, text)
}
