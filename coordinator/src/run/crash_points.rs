//! Crash points: a coordinator is stopped before and after every commit and every send of a run, taken up again, and every
//! count is exact in the end.
//!
//! One process, no network, virtual time: the real conductor with its keeper and its database, simulated agents around it. A
//! crash unwinds the conductor at that very point; what it had in memory, its tasks and its channels go with it.
//!
//! ```text
//! world ── agents (the real end of the link, simulated users) ◄──► conductor ──► keeper ──► run.db
//!   └───── operator ── orders ──────────────────────────────────────┘ └── points: here it may be stopped
//! ```

mod agent;
mod checks;
mod crew;
mod operator;
mod world;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::panic::resume_unwind;
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use rehearsal_engine::SoloOutcome;
use rehearsal_link::ToAgent;
use tokio::sync::oneshot;

use operator::Show;
use world::World;

/// How long a cue's function takes: long enough that something is stored and sent meanwhile.
const FUNCTION: Duration = Duration::from_millis(300);

/// How long a slow disk rests after each batch: for longer than a cue is announced before its instant.
const SLOW: Duration = Duration::from_millis(1_300);

/// A place in a run where the coordinator can be stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Point {
    /// A batch is about to be written.
    Commit,
    /// It is on disk, and the conductor has not heard so.
    Committed,
    /// A message of this kind is about to be sent.
    Send(&'static str),
    /// It was sent.
    Sent(&'static str),
}

/// What unwinds a conductor that is stopped.
struct Crash;

/// How a run goes on this thread.
#[derive(Debug, Default)]
struct Course {
    /// Points that were reached, over all lives of the coordinator.
    reached: Vec<Point>,
    /// The places in that list at which the coordinator is stopped.
    crashes: Vec<usize>,
    /// Ids of the cues whose function was called.
    called: Vec<String>,
    /// How long the disk rests after each batch, and until when it does.
    rest: Duration,
    rests_until: Option<tokio::time::Instant>,
}

thread_local! {
    static COURSE: RefCell<Option<Course>> = const { RefCell::new(None) };
}

/// Notes that a point is reached; the coordinator may go no further.
pub(super) fn reach(point: Point) {
    let is_last = COURSE.with_borrow_mut(|course| {
        course.as_mut().is_some_and(|course| {
            course.reached.push(point);
            course.crashes.contains(&(course.reached.len() - 1))
        })
    });
    if is_last {
        resume_unwind(Box::new(Crash));
    }
}

/// Notes that a batch is with the writer, and waits until it is on disk: disks need no virtual time.
pub(super) fn committed(is_answered: impl Fn() -> bool) {
    if COURSE.with_borrow(Option::is_some) {
        while !is_answered() {
            std::thread::yield_now();
        }
        COURSE.with_borrow_mut(|course| {
            course.iter_mut().for_each(|course| course.rests_until = Some(tokio::time::Instant::now() + course.rest));
        });
        reach(Point::Committed);
    }
}

/// Whether batches have to wait for a slow disk.
pub(super) fn disk_rests() -> bool {
    let rests_until = COURSE.with_borrow(|course| course.as_ref()?.rests_until);
    rests_until.is_some_and(|until| tokio::time::Instant::now() < until)
}

/// A coordinator begins to live, with a clock of its own.
fn begin_life() {
    COURSE.with_borrow_mut(|course| course.iter_mut().for_each(|course| course.rests_until = None));
}

/// The kind of a message.
pub(super) fn kind(message: &ToAgent) -> &'static str {
    match message {
        ToAgent::Welcome(_) => "welcome",
        ToAgent::Assignment(_) => "assignment",
        ToAgent::Ack { .. } => "ack",
        ToAgent::HeartbeatAnswer { .. } => "heartbeat answer",
        ToAgent::Version(_) => "version",
        ToAgent::Cue(_) => "cue",
        ToAgent::Stop(_) => "stop",
        ToAgent::Fenced => "fenced",
        ToAgent::Goodbye => "goodbye",
        ToAgent::Instances(_) => "instances",
    }
}

/// Plays the function of a cue in place of a script; none where no course is set.
pub(super) fn act(cue: &str) -> Option<(oneshot::Sender<()>, oneshot::Receiver<SoloOutcome>)> {
    COURSE.with_borrow(Option::is_some).then(|| {
        let (go, gone) = oneshot::channel();
        let (answer, outcome) = oneshot::channel();
        let cue = cue.to_owned();
        tokio::spawn(async move {
            if gone.await.is_err() {
                return;
            }
            COURSE.with_borrow_mut(|course| course.iter_mut().for_each(|course| course.called.push(cue.clone())));
            let first_sent = Some(tokio::time::Instant::now());
            tokio::time::sleep(FUNCTION).await;
            let _ = answer.send(SoloOutcome { returned: Ok(serde_json::Value::Null), first_sent, failure: None });
        });
        (go, outcome)
    })
}

/// Performs a show with crashes at these points, checks every count, and gives the points that were reached.
fn perform(show: Show, crashes: &[usize]) -> Vec<Point> {
    let rest = if show == Show::SlowDisk { SLOW } else { Duration::ZERO };
    let course = Course { crashes: crashes.to_vec(), rest, ..Course::default() };
    COURSE.set(Some(course));
    let seed = crashes.iter().fold(show as u64, |seed, crash| seed * 10_007 + *crash as u64 + 1);
    let over = World::new(show, StdRng::seed_from_u64(seed)).play();
    let Course { reached, called, .. } = COURSE.take().expect("it was set above and is taken here alone");
    let at: Vec<_> = crashes.iter().map(|crash| (crash, reached.get(*crash))).collect();
    checks::check(&over, &called, &format!("{show:?} with crashes at {at:?}"));
    reached
}

fn told(points: &[Point]) -> BTreeMap<Point, usize> {
    points.iter().fold(BTreeMap::new(), |mut told, point| {
        *told.entry(*point).or_default() += 1;
        told
    })
}

/// Performs a show once for each of its points, with a crash there.
fn perform_with_each(show: Show) {
    let began = Instant::now();
    let points = perform(show, &[]);
    for point in 0..points.len() {
        perform(show, &[point]);
    }
    println!("{show:?}: {} points in {:.1?}: {:?}", points.len(), began.elapsed(), told(&points));
}

#[test]
fn a_coordinator_may_die_at_any_point_of_a_run_that_ends_by_itself() {
    perform_with_each(Show::ToTheEnd);
}

#[test]
fn a_coordinator_may_die_at_any_point_of_a_run_that_is_stopped() {
    perform_with_each(Show::Stopped);
}

#[test]
fn a_coordinator_with_a_slow_disk_may_die_at_any_point() {
    perform_with_each(Show::SlowDisk);
}

#[test]
fn a_coordinator_may_die_twice() {
    let points = perform(Show::ToTheEnd, &[]).len();
    let mut random = StdRng::seed_from_u64(4);
    for _ in 0..100 {
        let first = random.random_range(0..points);
        // Often while it takes the run up, or soon after.
        let within = if random.random_bool(0.5) { 12 } else { points };
        perform(Show::ToTheEnd, &[first, first + 1 + random.random_range(0..within)]);
    }
}
