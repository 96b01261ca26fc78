//! One instance as a machine: it boots, runs its user data as processes of this machine, and ends, because it was asked
//! to, because its own system was shut down, because Amazon wants it back, or because its host dies.

mod power;
mod stand_ins;
mod process;
mod imds;

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use rustix::fs::{CWD, Mode, mkfifoat};
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::net::unix::pipe;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until};

use crate::desk::Desk;
use crate::instance::Reason;
use crate::world::Machines;
use power::Power;
use process::{Processes, Start};

/// What an instance is told from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    /// To go on.
    Live,
    /// To be gone at this instant.
    Leave(SystemTime),
    /// To end.
    End,
    /// To be gone at once.
    Fail,
}

/// What a machine is made from.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub id: String,
    pub region: String,
    pub user_data: Vec<u8>,
    pub settings: Machines,
    /// Where its folder will be.
    pub folder: PathBuf,
}

/// Lives the life of one instance.
pub(crate) async fn live(desk: Desk, plan: Plan, mut orders: watch::Receiver<Order>) {
    let id = plan.id.clone();
    let ended = tokio::select! {
        // It was ended before it ran.
        reason = asked(&mut orders) => Some(reason),
        // It has booted.
        () = sleep(Duration::from_secs_f64(plan.settings.boot)) => None,
    };
    let (reason, machine) = match ended {
        Some(reason) => (reason, None),
        None => {
            desk.runs(&id);
            run(&desk, &plan, &mut orders).await
        }
    };
    desk.ends(&id, reason);
    if let Some(machine) = machine
        && matches!(reason, Reason::User | Reason::Itself)
    {
        machine.processes.end(Duration::from_secs_f64(plan.settings.grace)).await;
    }
    desk.ended(&id);
}

/// Runs a machine until there is a reason to end it, and gives that with what still runs.
async fn run(desk: &Desk, plan: &Plan, orders: &mut watch::Receiver<Order>) -> (Reason, Option<Machine>) {
    if !plan.settings.run {
        return (asked(orders).await, None);
    }
    let mut machine = match Machine::start(desk, plan).await {
        Ok(machine) => machine,
        Err(error) => {
            desk.complain(&plan.id, &error);
            return (Reason::Failure, None);
        }
    };
    let minute = plan.settings.minute;
    let reason = tokio::select! {
        // Somebody outside wants it to end, or its time is over.
        reason = asked(orders) => reason,
        // Its own system is shut down.
        () = machine.switched_off(minute) => Reason::Itself,
    };
    (reason, Some(machine))
}

/// Waits until an order asks for the end.
async fn asked(orders: &mut watch::Receiver<Order>) -> Reason {
    loop {
        let order = *orders.borrow_and_update();
        tokio::select! {
            // The order's time has come.
            reason = due(order) => return reason,
            // There is another order.
            changed = orders.changed() => {
                if changed.is_err() {
                    // Nobody can give orders any more: the fake ends, and this with it.
                    std::future::pending::<()>().await;
                }
            }
        }
    }
}

async fn due(order: Order) -> Reason {
    match order {
        Order::Live => std::future::pending().await,
        Order::Leave(deadline) => {
            sleep(deadline.duration_since(SystemTime::now()).unwrap_or_default()).await;
            Reason::Interruption
        }
        Order::End => Reason::User,
        Order::Fail => Reason::Failure,
    }
}

/// What runs for an instance. Dropping it ends everything at once.
struct Machine {
    processes: Processes,
    /// What the commands say that switch it off.
    power: Lines<BufReader<pipe::Receiver>>,
    /// Its metadata service.
    _services: JoinSet<()>,
}

impl Machine {
    async fn start(desk: &Desk, plan: &Plan) -> io::Result<Machine> {
        let folder = plan.folder.as_path();
        std::fs::create_dir_all(folder)?;
        let power = listen(&folder.join("power"))?;
        stand_ins::write(&folder.join("bin"), &folder.join("power"), &plan.settings.commands)?;
        let (address, service) = imds::open(desk.clone(), &plan.id).await?;
        let mut services = JoinSet::new();
        services.spawn(service);
        let environment = environment(plan, &address);
        let processes = Processes::start(&Start { id: &plan.id, folder, user_data: &plan.user_data, environment })?;
        desk.started(&plan.id, processes.leader(), &address);
        Ok(Machine { processes, power: BufReader::new(power).lines(), _services: services })
    }

    /// Waits until its own system is off. A minute takes so many seconds.
    async fn switched_off(&mut self, minute: f64) {
        let mut at: Option<Instant> = None;
        loop {
            let due = async {
                match at {
                    Some(at) => sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                // A command says something about it.
                line = self.power.next_line() => match line {
                    Ok(Some(line)) => match power::read(&line) {
                        Power::Off(minutes) => at = after(minutes * minute),
                        Power::On => at = None,
                        Power::Same => {}
                    },
                    // The pipe has no end as long as we hold it; one that broke tells nothing more.
                    _ => std::future::pending::<()>().await,
                },
                // The time that a command gave is over.
                () = due => return,
            }
        }
    }
}

/// The instant after some seconds; none if no clock goes so far.
fn after(seconds: f64) -> Option<Instant> {
    Instant::now().checked_add(Duration::try_from_secs_f64(seconds).ok()?)
}

/// Makes a pipe with a name and listens to it. It is opened for writing, too, so that it does not end with its first
/// writer.
fn listen(path: &Path) -> io::Result<pipe::Receiver> {
    mkfifoat(CWD, path, Mode::RUSR | Mode::WUSR)?;
    pipe::OpenOptions::new().read_write(true).open_receiver(path)
}

fn environment(plan: &Plan, imds: &str) -> BTreeMap<String, String> {
    let ours = [
        ("AWS_EC2_METADATA_SERVICE_ENDPOINT", imds),
        ("REHEARSAL_IMDS", imds),
        ("FAKE_EC2_INSTANCE", plan.id.as_str()),
        ("FAKE_EC2_REGION", plan.region.as_str()),
        ("LANG", "C.UTF-8"),
    ];
    let ours = ours.map(|(name, value)| (name.to_owned(), value.to_owned()));
    ours.into_iter().chain(plan.settings.environment.clone()).collect()
}
