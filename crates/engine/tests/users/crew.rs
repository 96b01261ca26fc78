//! Whole loads, played by threads of workers as an agent has them.

use std::sync::Arc;
use std::time::Duration;

use rehearsal_engine::{Command, Report, RunClock, Share, Stop, Worker};
use rehearsal_plan::{Change, Load, RunTime, SlotTable, Spacing, Stay, Versions};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until, timeout};

use crate::scene::{AGENT, BOUND, Scene};
use crate::told::Told;

/// From the start of the threads to run time zero.
const LEAD: Duration = Duration::from_millis(200);

/// Users who arrive evenly and stay until they are done.
pub fn arrive(users: u64, over_ms: u64) -> Load {
    staying(users, over_ms, Stay::UntilDone)
}

/// Users who arrive evenly and stay for a while.
pub fn staying(users: u64, over_ms: u64, stay: Stay) -> Load {
    Load::Arrive { users, over: Duration::from_millis(over_ms), spacing: Spacing::Even, stay }
}

/// Workers and what they have told so far.
pub struct Crew {
    workers: Vec<Worker>,
    reports: mpsc::Receiver<Report>,
    versions: Arc<Versions>,
    idle: Vec<bool>,
    ended: usize,
    pub clock: Arc<RunClock>,
    pub told: Told,
}

impl Scene {
    /// Starts threads that know no plan yet.
    pub fn waiting_crew(&self, loads: &[Load], threads: u32) -> Crew {
        let setup = self.setup(loads);
        let slots = SlotTable::weighted(64, &[(AGENT, 1)]);
        let versions = Arc::new(Versions::first(RunTime::ZERO, loads.to_vec(), slots, setup.seed));
        let clock = Arc::new(RunClock::starting_at(Instant::now() + LEAD));
        // A report a second from each; a thread that finds it full waits for the test.
        let (sender, reports) = mpsc::channel(16);
        let start = |thread| {
            let share = Share { thread, of: threads };
            Worker::start(Arc::clone(&setup), Arc::clone(&clock), share, sender.clone()).unwrap()
        };
        let workers: Vec<_> = (0..threads).map(start).collect();
        let idle = vec![false; workers.len()];
        Crew { told: Told::new(workers.len()), workers, reports, versions, idle, ended: 0, clock }
    }

    /// Starts threads that play the loads from run time zero, one load for each function of the scene.
    pub fn crew(&self, loads: &[Load], threads: u32) -> Crew {
        let crew = self.waiting_crew(loads, threads);
        crew.begin();
        crew
    }
}

impl Crew {
    /// Tells the plan.
    pub fn begin(&self) {
        self.tell(&Command::Versions(Arc::clone(&self.versions)));
    }

    pub fn tell(&self, command: &Command) {
        self.workers.iter().for_each(|worker| worker.tell(command.clone()));
    }

    /// Listens to the threads until a condition of what they told holds.
    pub async fn until(&mut self, what: &str, condition: impl Fn(&Told) -> bool) {
        self.listen_until(what, |crew| condition(&crew.told)).await;
    }

    /// Listens until no user is live and none will come.
    pub async fn until_idle(&mut self) {
        self.listen_until("all are idle", |crew| crew.idle.iter().all(|idle| *idle)).await;
    }

    /// Listens until an instant of run time.
    pub async fn until_time(&mut self, seconds: f64) {
        let instant = self.clock.instant(RunTime::from_secs_f64(seconds));
        loop {
            tokio::select! {
                report = self.reports.recv() => self.hear(report.expect("the threads are told to end only in `end`")),
                () = sleep_until(instant) => return,
            }
        }
    }

    /// Changes the plan from an instant on.
    pub fn change(&mut self, change: Change, seconds: f64) {
        let versions = Arc::make_mut(&mut self.versions);
        let next = versions.with(change, RunTime::from_secs_f64(seconds));
        versions.push(next).unwrap();
        self.begin();
    }

    /// The number of users that were planned.
    pub fn planned(&self) -> u64 {
        self.versions.planned()
    }

    /// Ends the threads; says what they told, which must add up.
    pub async fn end(self) -> Told {
        let planned = self.versions.planned();
        let told = self.end_with_gaps().await;
        told.check_users(planned);
        told
    }

    /// Ends the threads, which leave users to others; says what they told.
    pub async fn end_with_gaps(mut self) -> Told {
        self.tell(&Command::End);
        self.listen_until("all threads have ended", |crew| crew.ended == crew.workers.len()).await;
        self.workers.drain(..).for_each(Worker::join);
        self.told.check_calls();
        self.told
    }

    /// Plays to the end of the load.
    pub async fn play(mut self) -> Told {
        self.until_idle().await;
        self.end().await
    }

    /// Sends everybody away and says how long that took.
    pub async fn stop(&mut self, how: Stop) -> Duration {
        let began = Instant::now();
        self.tell(&Command::Stop(how));
        self.until_idle().await;
        began.elapsed()
    }

    async fn listen_until(&mut self, what: &str, condition: impl Fn(&Self) -> bool) {
        let listening = async {
            while !condition(self) {
                let report = self.reports.recv().await.unwrap_or_else(|| panic!("a thread has died before {what}"));
                self.hear(report);
            }
        };
        let in_time = timeout(BOUND * 2, listening).await.is_ok();
        assert!(in_time, "waited in vain until {what}: {:#?}", self.told.whole());
    }

    fn hear(&mut self, report: Report) {
        match report {
            Report::Interval { thread, interval } => self.told.add(thread, interval),
            Report::Idle { thread, idle } => self.idle[thread] = idle,
            Report::Ended { thread } => {
                self.told.ended(thread);
                self.ended += 1;
            }
        }
    }
}
