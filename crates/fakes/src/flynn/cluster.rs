//! What the controller knows of one app: its formations, jobs and events, and what discoverd knows of its services.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;
use std::time::{Duration, Instant, SystemTime};

use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// Numbers of jobs by process type.
pub type Processes = BTreeMap<String, u64>;

/// Where a job is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum State {
    /// On no host yet.
    Pending,
    /// On a host, and booting.
    Starting,
    /// In service.
    Up,
    /// Told to end.
    Stopping,
    /// Gone.
    Down,
}

const STATES: [(State, &str); 5] = [
    (State::Pending, "pending"),
    (State::Starting, "starting"),
    (State::Up, "up"),
    (State::Stopping, "stopping"),
    (State::Down, "down"),
];

impl fmt::Display for State {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(STATES.iter().find(|(state, _)| state == self).map_or("", |(_, name)| name))
    }
}

impl FromStr for State {
    type Err = ();

    fn from_str(text: &str) -> Result<State, ()> {
        STATES.iter().find(|(_, name)| *name == text).map(|(state, _)| *state).ok_or(())
    }
}

/// One process on its way.
#[derive(Clone, Debug)]
pub struct Job {
    /// Its name.
    pub uuid: String,
    /// The release whose formation wants it.
    pub release: String,
    /// Its process type.
    pub process: String,
    /// Where it is.
    pub state: State,
    created: SystemTime,
    updated: SystemTime,
    /// When it goes on by itself.
    due: Option<Instant>,
}

/// An event, as it is told.
#[derive(Clone, Debug)]
pub struct Event {
    pub id: u64,
    pub kind: &'static str,
    pub document: Value,
}

/// A formation of a release, with the request that made it while that is not carried out.
#[derive(Clone, Debug)]
struct Formation {
    processes: Processes,
    created: SystemTime,
    updated: SystemTime,
    pending: Option<Value>,
}

/// The whole state.
#[derive(Clone, Debug)]
pub struct Cluster {
    /// The app's name, id and current release.
    pub name: String,
    pub id: String,
    pub release: String,
    pub is_old: bool,
    /// Whether discoverd works.
    pub discovers: bool,
    /// Instances by service and id.
    pub services: BTreeMap<String, BTreeMap<String, Value>>,
    /// All that happened, oldest first.
    pub events: Vec<Event>,
    releases: BTreeSet<String>,
    formations: BTreeMap<String, Formation>,
    jobs: Vec<Job>,
    pace: Option<(Duration, Duration)>,
    names: u64,
}

impl Cluster {
    pub fn new(app: &str, pace: Option<(Duration, Duration)>, is_old: bool) -> Cluster {
        let mut cluster = Cluster {
            name: app.into(),
            id: String::new(),
            release: String::new(),
            is_old,
            discovers: true,
            services: BTreeMap::new(),
            events: Vec::new(),
            releases: BTreeSet::new(),
            formations: BTreeMap::new(),
            jobs: Vec::new(),
            pace,
            names: 0,
        };
        cluster.id = cluster.new_name();
        cluster.release = cluster.add_release();
        cluster
    }

    /// Adds a release.
    pub fn add_release(&mut self) -> String {
        let id = self.new_name();
        self.releases.insert(id.clone());
        id
    }

    /// Whether the app is meant by a name or id, and has the release.
    pub fn is_app(&self, app: &str) -> bool {
        app == self.name || app == self.id
    }

    pub fn has_release(&self, release: &str) -> bool {
        self.releases.contains(release)
    }

    /// Changes what is wanted of some process types of a release, and makes jobs begin and end accordingly. Gives the
    /// scale request, or what there was of one in 2015.
    pub fn scale(&mut self, release: &str, wanted: &Processes, now: Instant) -> Value {
        let at = SystemTime::now();
        let before = self.formations.get(release).cloned();
        let old = before.as_ref().map(|it| it.processes.clone()).unwrap_or_default();
        let mut processes = old.clone();
        processes.extend(wanted.clone());
        let id = self.new_name();
        let request = without_nothing(json!({
            "id": id, "app": self.id, "release": release, "state": "pending", "old_processes": old,
            "new_processes": wanted, "created_at": told(at), "updated_at": told(at),
        }));
        let created = before.as_ref().map_or(at, |it| it.created);
        let pending = (!self.is_old).then(|| request.clone());
        self.formations.insert(release.into(), Formation { processes, created, updated: at, pending });
        if !self.is_old {
            self.tell("scale_request", &id, request.clone(), at);
        }
        if let Some(mut cancelled) = before.and_then(|it| it.pending) {
            cancelled["state"] = "cancelled".into();
            cancelled["updated_at"] = told(at).into();
            let id = cancelled["id"].as_str().unwrap_or_default().to_owned();
            self.tell("scale_request_cancelation", &id, cancelled, at);
        }
        let scale = without_nothing(json!({ "prev_processes": old, "processes": wanted, "release": release }));
        self.tell("scale", &format!("{}:{release}", self.id), scale, at);
        for (process, count) in wanted {
            self.fit(release, process, *count, now);
        }
        self.complete();
        request
    }

    /// Moves a job to a state; says whether there is such a job.
    pub fn set_job(&mut self, uuid: &str, state: State, now: Instant) -> bool {
        let (at, pace) = (SystemTime::now(), self.pace);
        let Some(job) = self.jobs.iter_mut().find(|job| job.uuid == uuid) else { return false };
        (job.state, job.updated) = (state, at);
        job.due = pace.and_then(|(boot, drain)| match state {
            State::Pending => Some(now),
            State::Starting => Some(now + boot),
            State::Stopping => Some(now + drain),
            State::Up | State::Down => None,
        });
        let job = job.clone();
        let service = self.services.entry(format!("{}-{}", self.name, job.process)).or_default();
        if state == State::Up {
            let index = self.events.len() + 1;
            let instance = json!({
                "id": job.uuid, "addr": format!("127.0.0.1:{}", 10_000 + index % 50_000), "proto": "tcp",
                "meta": { "FLYNN_APP_ID": self.id, "FLYNN_PROCESS_TYPE": job.process }, "index": index,
            });
            service.insert(job.uuid.clone(), instance);
        } else {
            service.remove(&job.uuid);
        }
        let document = self.job(&job);
        self.tell("job", &format!("host-{uuid}"), document, at);
        self.complete();
        true
    }

    /// When the next job goes on by itself.
    pub fn next_due(&self) -> Option<Instant> {
        self.jobs.iter().filter_map(|job| job.due).min()
    }

    /// Moves on all jobs that are due, and says whether there were any.
    pub fn move_on(&mut self, now: Instant) -> bool {
        let is_due = |job: &&Job| job.due.is_some_and(|due| due <= now);
        let due: Vec<(String, State)> =
            self.jobs.iter().filter(is_due).map(|job| (job.uuid.clone(), job.state)).collect();
        for (uuid, state) in &due {
            let next = match state {
                State::Pending => State::Starting,
                State::Starting => State::Up,
                _ => State::Down,
            };
            self.set_job(uuid, next, now);
        }
        !due.is_empty()
    }

    /// The jobs that are not gone.
    pub fn active(&self) -> impl Iterator<Item = &Job> {
        self.jobs.iter().filter(|job| job.state != State::Down)
    }

    /// All jobs, the newest first, or those that are not gone.
    pub fn jobs(&self, is_active: bool) -> Value {
        let jobs = self.jobs.iter().rev().filter(|job| !is_active || job.state != State::Down);
        jobs.map(|job| self.job(job)).collect()
    }

    /// The app.
    pub fn app(&self) -> Value {
        json!({ "id": self.id, "name": self.name, "meta": {}, "strategy": "all-at-once", "release": self.release })
    }

    /// One formation.
    pub fn formation(&self, release: &str) -> Option<Value> {
        let formation = self.formations.get(release)?;
        Some(without_nothing(json!({
            "app": self.id, "release": release, "processes": formation.processes,
            "created_at": told(formation.created), "updated_at": told(formation.updated),
        })))
    }

    /// All formations.
    pub fn formations(&self) -> Value {
        self.formations.keys().filter_map(|release| self.formation(release)).collect()
    }

    /// Formations that want anything, expanded.
    pub fn expanded(&self) -> Value {
        let wants = self.formations.iter().filter(|(_, it)| it.processes.values().any(|count| *count > 0));
        let expand = |(release, it): (&String, &Formation)| {
            let mut found = json!({
                "app": self.app(), "release": { "id": release }, "processes": it.processes, "updated_at": told(it.updated),
            });
            if let Some(pending) = &it.pending {
                found["pending_scale_request"] = pending.clone();
            }
            found
        };
        wants.map(expand).collect()
    }

    fn job(&self, job: &Job) -> Value {
        let mut document = json!({
            "uuid": job.uuid, "app": self.id, "release": job.release, "type": job.process,
            "state": job.state.to_string(), "created_at": told(job.created), "updated_at": told(job.updated),
        });
        if job.state > State::Pending {
            (document["id"], document["host_id"]) = (format!("host-{}", job.uuid).into(), "host".into());
        }
        document
    }

    /// Begins jobs, or ends the newest, until as many as wanted stay.
    fn fit(&mut self, release: &str, process: &str, count: u64, now: Instant) {
        let stays = |job: &&Job| job.release == release && job.process == process && job.state <= State::Up;
        let staying: Vec<Job> = self.jobs.iter().filter(stays).cloned().collect();
        let count = usize::try_from(count).unwrap_or(usize::MAX);
        for job in staying.iter().skip(count).rev() {
            // One that is on no host yet has nothing to end.
            let next = if job.state == State::Pending { State::Down } else { State::Stopping };
            self.set_job(&job.uuid, next, now);
        }
        for _ in staying.len()..count {
            let (uuid, created) = (self.new_name(), SystemTime::now());
            let (release, process) = (release.to_owned(), process.to_owned());
            let job = Job { uuid, release, process, state: State::Pending, created, updated: created, due: None };
            let uuid = job.uuid.clone();
            self.jobs.push(job);
            self.set_job(&uuid, State::Pending, now);
        }
    }

    /// Ends scale requests whose formation has what it wants.
    fn complete(&mut self) {
        let up = |release: &str, process: &str| {
            let is_meant = |job: &&Job| job.release == release && job.process == process && job.state != State::Down;
            let jobs: Vec<State> = self.jobs.iter().filter(is_meant).map(|job| job.state).collect();
            jobs.iter().all(|state| *state == State::Up).then_some(jobs.len() as u64)
        };
        let is_done = |(release, it): &(&String, &Formation)| {
            it.pending.is_some() && it.processes.iter().all(|(process, count)| up(release, process) == Some(*count))
        };
        let done: Vec<String> = self.formations.iter().filter(is_done).map(|(release, _)| release.clone()).collect();
        let at = SystemTime::now();
        for release in done {
            let Some(mut request) = self.formations.get_mut(&release).and_then(|it| it.pending.take()) else {
                continue;
            };
            request["state"] = "complete".into();
            request["updated_at"] = told(at).into();
            let id = request["id"].as_str().unwrap_or_default().to_owned();
            self.tell("scale_request", &id, request, at);
        }
    }

    fn tell(&mut self, kind: &'static str, object: &str, data: Value, at: SystemTime) {
        let id = self.events.len() as u64 + 1;
        let document = json!({
            "id": id, "app": self.id, "object_type": kind, "object_id": object, "data": data, "created_at": told(at),
        });
        self.events.push(Event { id, kind, document });
    }

    /// A name in the form that ids have, another each time.
    fn new_name(&mut self) -> String {
        self.names += 1;
        format!("00000000-0000-4000-8000-{:012x}", self.names)
    }
}

/// An instant, to the microsecond as the controller's database has it.
fn told(at: SystemTime) -> String {
    let date = OffsetDateTime::from(at);
    let date = date.replace_nanosecond(date.microsecond() * 1_000).unwrap_or(date);
    date.format(&Rfc3339).expect("a date of today can be written")
}

/// Leaves out empty maps, as Go does where it is told to omit them.
fn without_nothing(mut document: Value) -> Value {
    if let Some(fields) = document.as_object_mut() {
        fields.retain(|key, value| key == "new_processes" || value.as_object().is_none_or(|map| !map.is_empty()));
    }
    document
}
