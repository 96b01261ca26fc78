//! An operator who orders one thing after another, each when the one before was answered, and again when the coordinator
//! died before it had answered.

use std::time::Duration;

use rehearsal_api::{Answer, Command, Refusal};
use rehearsal_plan::{RunTime, Scale};
use tokio::sync::{mpsc, oneshot};

use crate::run::control::Order;

/// The cue that is fired by hand.
pub(super) const BY_HAND: &str = "by_hand";
/// How many users there are once the load was scaled.
pub(super) const SCALED: u64 = 70;

/// What is ordered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Show {
    /// A pause, a resume, another size, a cue; the run ends by itself.
    ToTheEnd,
    /// The same, and a stop while users arrive.
    Stopped,
    /// As the first, but that nobody drains; what is to be stored waits for the disk.
    SlowDisk,
}

impl Show {
    /// Whether an agent goes on the way.
    pub(super) fn drains(self) -> bool {
        self != Show::SlowDisk
    }

    /// What is wanted, and how long after the start.
    fn orders(self) -> Vec<(Duration, Command)> {
        let at = Duration::from_millis;
        let scale = Command::Scale { to: Scale::Users(SCALED), scenario: None, over: Some(at(1_000)) };
        let mut orders = vec![
            (at(800), Command::Pause),
            (at(1_500), Command::Resume),
            (at(2_100), scale),
            (at(2_500), Command::Cue { name: BY_HAND.to_owned() }),
        ];
        orders.extend((self == Show::Stopped).then_some((at(3_400), Command::Stop { now: false })));
        orders
    }
}

/// What an order came to.
#[derive(Debug)]
pub(super) struct Ordered {
    pub(super) command: Command,
    /// None if the coordinator died before it had said so, and it was not ordered again.
    pub(super) answer: Option<Result<Answer, Refusal>>,
    /// How often the coordinator died over it.
    pub(super) deaths: u32,
}

/// Who orders.
pub(super) struct Operator {
    to_order: std::vec::IntoIter<(Duration, Command)>,
    next: Option<(Duration, Command)>,
    waits_for: Option<oneshot::Receiver<Result<Answer, Refusal>>>,
    deaths: u32,
    pub(super) ordered: Vec<Ordered>,
}

impl Operator {
    pub(super) fn new(show: Show) -> Self {
        let mut to_order = show.orders().into_iter();
        let next = to_order.next();
        Self { to_order, next, waits_for: None, deaths: 0, ordered: Vec::new() }
    }

    /// Orders what is due since the start, and hears what became of it.
    pub(super) fn step(&mut self, since: Option<Duration>, door: Option<&mpsc::Sender<Order>>) {
        if let Some(waits_for) = &mut self.waits_for {
            match waits_for.try_recv() {
                Ok(answer) => self.done(Some(answer)),
                Err(oneshot::error::TryRecvError::Empty) => return,
                Err(oneshot::error::TryRecvError::Closed) => self.coordinator_died(),
            }
        }
        let (Some((at, command)), Some(since), Some(door)) = (&self.next, since, door) else { return };
        if since >= *at {
            let (answer, waits_for) = oneshot::channel();
            self.waits_for = Some(waits_for);
            let _ = door.try_send(Order { command: command.clone(), by: "operator".to_owned(), answer }); // it may have died
        }
    }

    /// A cue may have been fired: nobody wants it twice.
    fn coordinator_died(&mut self) {
        self.waits_for = None;
        self.deaths += 1;
        if matches!(self.next, Some((_, Command::Cue { .. }))) {
            self.done(None);
        }
    }

    fn done(&mut self, answer: Option<Result<Answer, Refusal>>) {
        self.waits_for = None;
        let deaths = std::mem::take(&mut self.deaths);
        if let Some((_, command)) = std::mem::replace(&mut self.next, self.to_order.next()) {
            self.ordered.push(Ordered { command, answer, deaths });
        }
    }
}

/// How long after the start it is.
pub(super) fn since(started: Option<RunTime>, now: RunTime) -> Option<Duration> {
    started.filter(|started| now >= *started).map(|started| now.since(started))
}
