//! Agents as processes of this machine. They use the same link and the same mutual TLS
//! as those of a cloud; only their start and their end are simpler.
//!
//! Who ends them, and when:
//! - They end by themselves: told goodbye, or left without a coordinator for longer than
//!   their lease and their drain limit allow. That is the agent's business.
//! - [`Launcher::terminate`] asks them to (SIGTERM), and kills them after the grace.
//! - Dropping [`Local`] kills all that still run, adopted ones like its own.
//! - A coordinator that is killed ends nobody. Its agents read the end of their standard
//!   input, of which it held the other end, and run on; the coordinator that takes the run up
//!   again finds them by [`Local::adopt`]. Should none come, they end by themselves.
//!
//! Nothing of this needs a record of what was started: an agent that was started in the
//! last moment before a crash, and never written down, is found like any other.

mod former;
mod process;

use std::{
    ffi::{OsStr, OsString},
    fmt::Display,
    fs::{self, File},
    io,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use tokio::{
    process::{Child, Command},
    sync::{mpsc, oneshot, watch},
    task::JoinSet,
};

use self::process::Process;
use crate::guests::{GuestList, SeenFrom};
use crate::launcher::{End, Exit, InstanceId, LaunchError, Launched, Launcher};

/// The variable that carries the join blob: unlike an argument, the process list does not show it.
pub const JOIN_VARIABLE: &str = "REHEARSAL_JOIN";

/// The variable that carries the fleet's name, by which agents are found again.
pub const FLEET_VARIABLE: &str = "REHEARSAL_FLEET";

/// Where all agents of this machine are.
const REGION: &str = "local";

/// Exits that may wait to be read. When it is full, the next waits in its process's own task.
const EXITS: usize = 64;

/// How local agents are started and ended.
#[derive(Debug, Clone)]
pub struct LocalOptions {
    /// The program; usually the coordinator's own.
    pub program: PathBuf,
    /// Its arguments, the same for every agent.
    pub args: Vec<OsString>,
    /// What the agents are found by again: the run's id. No two fleets of a machine may share it.
    pub fleet: String,
    /// Where the agents' logs go: `agent-1.log`, `agent-2.log`, … Those that are there stay.
    pub folder: PathBuf,
    /// How long an agent may take to end when asked, before it is killed.
    pub grace: Duration,
}

/// Launches agents on this machine. Dropping it kills those that still run.
pub struct Local {
    options: LocalOptions,
    /// The agents that have not ended, and perhaps some that have, in the order of their start.
    agents: Vec<Running>,
    /// One task for each process, which alone waits for it and signals it.
    owners: JoinSet<()>,
    exits: mpsc::Sender<Exit>,
    guests: watch::Sender<GuestList>,
}

struct Running {
    launched: Launched,
    /// Sending asks the owner to end the process; gone once asked.
    end: Option<oneshot::Sender<()>>,
    /// True, or without a sender, once the process has ended.
    ended: watch::Receiver<bool>,
}

impl Local {
    /// Makes a launcher and the receiver of its agents' exits, asked for or not.
    pub fn new(options: LocalOptions) -> (Local, mpsc::Receiver<Exit>) {
        let (exits, receiver) = mpsc::channel(EXITS);
        let guests = watch::Sender::new(GuestList::nobody());
        (Local { options, agents: Vec::new(), owners: JoinSet::new(), exits, guests }, receiver)
    }

    /// Who was started here, as it changes.
    pub fn guests(&self) -> watch::Receiver<GuestList> {
        self.guests.subscribe()
    }

    /// Takes over the live agents of this fleet that are not ours yet: an earlier coordinator
    /// of the same user started them. From then on they are listed, watched and ended like our own.
    ///
    /// Must be called within a tokio runtime, and before `launch`: they are older.
    ///
    /// # Errors
    /// [`LaunchError::Find`] if the system does not show its processes; none was taken over then.
    pub fn adopt(&mut self) -> Result<Vec<Launched>, LaunchError> {
        let find = |source| LaunchError::Find { source };
        let mut adopted = Vec::new();
        for found in former::find(&self.options.fleet).map_err(find)? {
            let instance = instance(found.pid.as_raw_pid());
            if !self.agents.iter().any(|agent| agent.launched.instance == instance && !agent.has_ended()) {
                adopted.push((instance, Process::of_former(found).map_err(find)?));
            }
        }
        Ok(adopted.into_iter().map(|(instance, process)| self.own(instance, process)).collect())
    }

    /// Starts one child; must be called within a tokio runtime.
    fn start(&mut self, log: u32, join: &str) -> Result<Launched, LaunchError> {
        let child = self.spawn(log, join)?;
        let instance = instance(child.id().unwrap_or_default()); // a child that nobody has waited for has a number
        Ok(self.own(instance, Process::of_child(child)))
    }

    fn spawn(&self, log: u32, join: &str) -> Result<Child, LaunchError> {
        let path = self.options.folder.join(format!("agent-{log}.log"));
        let log = File::create_new(&path).map_err(|source| LaunchError::Log { path, source })?;
        Command::new(&self.options.program)
            .args(&self.options.args)
            .env(JOIN_VARIABLE, join)
            .env(FLEET_VARIABLE, &self.options.fleet)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(log)
            // The terminal's Ctrl-C is for the coordinator, which then ends its agents in order.
            // Also, leading a group tells an agent from its own children.
            .process_group(0)
            .spawn()
            .map_err(|source| LaunchError::Start { program: self.options.program.clone(), source })
    }

    fn own(&mut self, instance: InstanceId, process: Process) -> Launched {
        let (end, asked) = oneshot::channel();
        let (tell_ended, ended) = watch::channel(false);
        let (exits, grace, of) = (self.exits.clone(), self.options.grace, instance.clone());
        self.owners.spawn(async move {
            let status = process.live(asked, grace).await;
            tell_ended.send_replace(true);
            // Nobody listens any more: then nobody wants to know.
            let _ = exits.send(Exit { instance: of, end: End::Process(status) }).await;
        });
        let launched = Launched { instance, region: REGION.to_owned() };
        self.guests.send_modify(|guests| guests.name(&launched.instance, REGION, SeenFrom::Here));
        self.agents.push(Running { launched: launched.clone(), end: Some(end), ended });
        launched
    }
}

impl Launcher for Local {
    async fn launch(&mut self, agents: u32, join: &str) -> Result<Vec<Launched>, LaunchError> {
        let folder = &self.options.folder;
        let last = last_log(folder).map_err(|source| LaunchError::Log { path: folder.clone(), source })?;
        (1..=agents).map(|agent| self.start(last + agent, join)).collect()
    }

    async fn list(&mut self) -> Result<Vec<Launched>, LaunchError> {
        while self.owners.try_join_next().is_some() {}
        self.agents.retain(|agent| !agent.has_ended());
        Ok(self.agents.iter().map(|agent| agent.launched.clone()).collect())
    }

    async fn terminate(&mut self, which: &[InstanceId]) -> Result<(), LaunchError> {
        let mut asked = Vec::new();
        for agent in &mut self.agents {
            if which.contains(&agent.launched.instance) && !agent.has_ended() {
                if let Some(end) = agent.end.take() {
                    let _ = end.send(()); // refused only by an owner that has finished
                }
                asked.push(agent.ended.clone());
            }
        }
        for mut ended in asked {
            // Without a sender the owner is gone, and its process with it.
            let _ = ended.wait_for(|ended| *ended).await;
        }
        Ok(())
    }
}

impl Running {
    fn has_ended(&self) -> bool {
        *self.ended.borrow() || self.ended.has_changed().is_err()
    }
}

fn instance(pid: impl Display) -> InstanceId {
    InstanceId(format!("local:{pid}"))
}

/// The highest number of a log in `folder`, which is made if it is missing; 0 if there is none. Those of
/// agents that an earlier coordinator started stay as they are, and may still be written.
fn last_log(folder: &Path) -> io::Result<u32> {
    fs::create_dir_all(folder)?;
    let numbers = fs::read_dir(folder)?.map(|entry| entry.map(|entry| number_of_log(&entry.file_name())));
    numbers.collect::<io::Result<Vec<_>>>().map(|numbers| numbers.into_iter().flatten().max().unwrap_or(0))
}

fn number_of_log(name: &OsStr) -> Option<u32> {
    name.to_str()?.strip_prefix("agent-")?.strip_suffix(".log")?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::time::timeout;

    const BOUND: Duration = Duration::from_secs(20);
    const BLOB: &str = "the blob";

    fn local(folder: &Path, script: &str, grace: Duration) -> (Local, mpsc::Receiver<Exit>) {
        Local::new(LocalOptions {
            program: "sh".into(),
            args: vec!["-c".into(), script.into()],
            fleet: folder.display().to_string(),
            folder: folder.to_owned(),
            grace,
        })
    }

    fn status(exit: Exit) -> std::process::ExitStatus {
        let End::Process(status) = exit.end else { panic!("it was a process") };
        status.unwrap()
    }

    async fn exit(exits: &mut mpsc::Receiver<Exit>) -> Exit {
        timeout(BOUND, exits.recv()).await.unwrap().unwrap()
    }

    #[tokio::test]
    async fn agents_run_until_they_are_ended() {
        let folder = tempfile::tempdir().unwrap();
        let (mut local, mut exits) = local(folder.path(), "cat", BOUND);
        let started = local.launch(2, BLOB).await.unwrap();
        assert_eq!(local.list().await.unwrap(), started);

        let first = started[0].instance.clone();
        timeout(BOUND, local.terminate(std::slice::from_ref(&first))).await.unwrap().unwrap();
        assert_eq!(exit(&mut exits).await.instance, first);
        assert_eq!(local.list().await.unwrap(), started[1..]);

        let all: Vec<InstanceId> = started.into_iter().map(|agent| agent.instance).collect();
        timeout(BOUND, local.terminate(&all)).await.unwrap().unwrap();
        assert_eq!(exit(&mut exits).await.instance, all[1]);
        assert!(local.list().await.unwrap().is_empty());
    }

    #[tokio::test]
    async fn an_agent_that_ends_by_itself_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let script = r#"echo "joining by $REHEARSAL_JOIN" >&2; exit 7"#;
        let (mut local, mut exits) = local(folder.path(), script, BOUND);
        let started = local.launch(1, BLOB).await.unwrap();
        let exit = exit(&mut exits).await;
        assert_eq!(exit.instance, started[0].instance);
        assert_eq!(status(exit).code(), Some(7));
        let log = fs::read_to_string(folder.path().join("agent-1.log")).unwrap();
        assert_eq!(log, "joining by the blob\n");
    }

    #[tokio::test]
    async fn an_agent_that_will_not_end_is_killed_with_its_children() {
        use std::os::unix::process::ExitStatusExt;
        let folder = tempfile::tempdir().unwrap();
        let script = "trap '' TERM; echo ready >&2; sleep 60; :";
        let (mut local, mut exits) = local(folder.path(), script, Duration::from_millis(50));
        let started = local.launch(1, BLOB).await.unwrap();
        let log = folder.path().join("agent-1.log");
        let ready = async {
            while fs::read_to_string(&log).unwrap() != "ready\n" {
                tokio::task::yield_now().await;
            }
        };
        timeout(BOUND, ready).await.unwrap();
        timeout(BOUND, local.terminate(&[started[0].instance.clone()])).await.unwrap().unwrap();
        assert_eq!(status(exit(&mut exits).await).signal(), Some(9));
    }

    /// What happens when the coordinator is gone: the pipe ends, and with it the agent.
    #[tokio::test]
    async fn the_end_of_standard_input_reaches_the_agent() {
        let folder = tempfile::tempdir().unwrap();
        let (mut local, _exits) = local(folder.path(), "cat; echo gone >&2", BOUND);
        let mut child = local.spawn(1, BLOB).unwrap();
        drop(child.stdin.take());
        let status = timeout(BOUND, child.wait()).await.unwrap().unwrap();
        assert!(status.success());
        assert!(local.list().await.unwrap().is_empty());
    }

    #[tokio::test]
    async fn a_program_that_is_not_there_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let (mut local, _exits) = local(folder.path(), "", BOUND);
        local.options.program = "/nowhere/agent".into();
        let error = local.launch(1, BLOB).await.unwrap_err();
        assert_eq!(error.to_string(), "starting the agent /nowhere/agent");
    }

    #[tokio::test]
    async fn what_is_not_ours_is_passed_over() {
        let folder = tempfile::tempdir().unwrap();
        let (mut local, _exits) = local(folder.path(), "cat", BOUND);
        local.terminate(&[InstanceId("local:1".into())]).await.unwrap();
    }
}
