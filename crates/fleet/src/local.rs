//! Agents as child processes of the coordinator. They use the same link and the same
//! mutual TLS as those of a cloud; only their start and their end are simpler.
//!
//! No child outlives its coordinator: each holds one end of a pipe as its standard
//! input, and an agent ends when it reads the end of it. That works for a coordinator
//! that was killed, too, which no signal handler does.

use std::{
    collections::BTreeMap,
    ffi::OsString,
    fs::{self, File},
    io,
    path::PathBuf,
    process::{ExitStatus, Stdio},
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::{
    process::{Child, Command},
    sync::{mpsc, oneshot, watch},
    task::JoinSet,
    time::timeout,
};

use crate::launcher::{Forecast, InstanceId, LaunchError, Launched, Launcher, Order};

/// The variable that carries the join blob: unlike an argument, the process list does not show it.
pub const JOIN_VARIABLE: &str = "REHEARSAL_JOIN";

/// Exits that may wait to be read. When it is full, the next waits in its child's own task.
const EXITS: usize = 64;

/// How local agents are started and ended.
#[derive(Debug, Clone)]
pub struct LocalOptions {
    /// The program; usually the coordinator's own.
    pub program: PathBuf,
    /// Its arguments, the same for every agent.
    pub args: Vec<OsString>,
    /// Where the agents' logs go: `agent-1.log`, `agent-2.log`, …
    pub folder: PathBuf,
    /// How long an agent may take to end when asked, before it is killed.
    pub grace: Duration,
}

/// The end of one agent's process.
#[derive(Debug)]
pub struct Exit {
    /// Which one.
    pub instance: InstanceId,
    /// How it ended; an error if the system could not tell.
    pub status: io::Result<ExitStatus>,
}

/// Launches agents on this machine. Dropping it kills those that still run.
pub struct Local {
    options: LocalOptions,
    /// Every agent that was started, by its place in the order of starting, from 1.
    agents: BTreeMap<u32, Running>,
    /// One task for each child, which alone waits for it and signals it.
    owners: JoinSet<()>,
    exits: mpsc::Sender<Exit>,
}

struct Running {
    launched: Launched,
    /// Sending asks the owner to end the child; gone once asked.
    end: Option<oneshot::Sender<()>>,
    /// True, or without a sender, once the process has ended.
    ended: watch::Receiver<bool>,
}

impl Local {
    /// Makes a launcher and the receiver of its agents' exits, asked for or not.
    pub fn new(options: LocalOptions) -> (Local, mpsc::Receiver<Exit>) {
        let (exits, receiver) = mpsc::channel(EXITS);
        let (agents, owners) = (BTreeMap::new(), JoinSet::new());
        (Local { options, agents, owners, exits }, receiver)
    }

    /// Starts one child; must be called within a tokio runtime.
    fn start(&mut self, join: &str) -> Result<Launched, LaunchError> {
        let number = self.agents.last_key_value().map_or(1, |(last, _)| last + 1);
        let mut child = self.spawn(number, join)?;
        let pid = child.id().unwrap_or_default(); // a child that nobody has waited for has one
        let instance = InstanceId(format!("local:{pid}"));
        let (end, asked) = oneshot::channel();
        let (tell_ended, ended) = watch::channel(false);
        let (exits, grace) = (self.exits.clone(), self.options.grace);
        let of = instance.clone();
        self.owners.spawn(async move {
            let status = own(&mut child, asked, grace).await;
            tell_ended.send_replace(true);
            // Nobody listens any more: then nobody wants to know.
            let _ = exits.send(Exit { instance: of, status }).await;
        });
        let launched = Launched { instance, region: "local".to_owned() };
        self.agents.insert(number, Running { launched: launched.clone(), end: Some(end), ended });
        Ok(launched)
    }

    fn spawn(&self, number: u32, join: &str) -> Result<Child, LaunchError> {
        let path = self.options.folder.join(format!("agent-{number}.log"));
        let log = fs::create_dir_all(&self.options.folder)
            .and_then(|()| File::create(&path))
            .map_err(|source| LaunchError::Log { path, source })?;
        Command::new(&self.options.program)
            .args(&self.options.args)
            .env(JOIN_VARIABLE, join)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(log)
            // The terminal's Ctrl-C is for the coordinator, which then ends its agents in order.
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .map_err(|source| LaunchError::Start { program: self.options.program.clone(), source })
    }
}

impl Launcher for Local {
    async fn forecast(&self, order: &Order) -> Result<Forecast, LaunchError> {
        Ok(Forecast { agents: order.agents, usd_per_hour: 0.0 })
    }

    async fn launch(&mut self, order: &Order) -> Result<Vec<Launched>, LaunchError> {
        (0..order.agents).map(|_| self.start(&order.join)).collect()
    }

    async fn list(&mut self) -> Result<Vec<Launched>, LaunchError> {
        while self.owners.try_join_next().is_some() {}
        let running = self.agents.values().filter(|agent| !agent.has_ended());
        Ok(running.map(|agent| agent.launched.clone()).collect())
    }

    async fn terminate(&mut self, which: &[InstanceId]) -> Result<(), LaunchError> {
        let mut asked = Vec::new();
        for agent in self.agents.values_mut() {
            if which.contains(&agent.launched.instance) && !agent.has_ended() {
                if let Some(end) = agent.end.take() {
                    let _ = end.send(()); // refused only by an owner that has finished
                }
                asked.push(agent.ended.clone());
            }
        }
        for mut ended in asked {
            // Without a sender the owner is gone, and its child with it.
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

/// Waits for one child, and ends it when asked. Its standard input stays open until then.
async fn own(child: &mut Child, asked: oneshot::Receiver<()>, grace: Duration) -> io::Result<ExitStatus> {
    // `wait` would close it at once.
    let _open = child.stdin.take();
    tokio::select! {
        // It ended by itself.
        status = child.wait() => return status,
        // Somebody wants it to end.
        _ = asked => {}
    }
    signal(child, Signal::TERM);
    match timeout(grace, child.wait()).await {
        Ok(status) => status,
        Err(_elapsed) => {
            signal(child, Signal::KILL);
            child.wait().await
        }
    }
}

/// Signals a child and its own children. The number cannot be another process's: until
/// the child is waited for, the system keeps it.
fn signal(child: &Child, signal: Signal) {
    let pid = child.id().and_then(|id| i32::try_from(id).ok());
    if let Some(group) = pid.and_then(Pid::from_raw) {
        let _ = kill_process_group(group, signal); // fails only if all have ended
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    const BOUND: Duration = Duration::from_secs(20);

    fn local(folder: &Path, script: &str, grace: Duration) -> (Local, mpsc::Receiver<Exit>) {
        Local::new(LocalOptions {
            program: "sh".into(),
            args: vec!["-c".into(), script.into()],
            folder: folder.to_owned(),
            grace,
        })
    }

    fn order(agents: u32) -> Order {
        Order { agents, join: "the blob".into() }
    }

    async fn exit(exits: &mut mpsc::Receiver<Exit>) -> Exit {
        timeout(BOUND, exits.recv()).await.unwrap().unwrap()
    }

    #[tokio::test]
    async fn agents_run_until_they_are_ended() {
        let folder = tempfile::tempdir().unwrap();
        let (mut local, mut exits) = local(folder.path(), "cat", BOUND);
        let started = local.launch(&order(2)).await.unwrap();
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
        let started = local.launch(&order(1)).await.unwrap();
        let exit = exit(&mut exits).await;
        assert_eq!(exit.instance, started[0].instance);
        assert_eq!(exit.status.unwrap().code(), Some(7));
        let log = fs::read_to_string(folder.path().join("agent-1.log")).unwrap();
        assert_eq!(log, "joining by the blob\n");
    }

    #[tokio::test]
    async fn an_agent_that_will_not_end_is_killed_with_its_children() {
        use std::os::unix::process::ExitStatusExt;
        let folder = tempfile::tempdir().unwrap();
        let script = "trap '' TERM; echo ready >&2; while :; do sleep 1; done";
        let (mut local, mut exits) = local(folder.path(), script, Duration::from_millis(50));
        let started = local.launch(&order(1)).await.unwrap();
        let log = folder.path().join("agent-1.log");
        let ready = async {
            while fs::read_to_string(&log).unwrap() != "ready\n" {
                tokio::task::yield_now().await;
            }
        };
        timeout(BOUND, ready).await.unwrap();
        timeout(BOUND, local.terminate(&[started[0].instance.clone()])).await.unwrap().unwrap();
        assert_eq!(exit(&mut exits).await.status.unwrap().signal(), Some(9));
    }

    /// What happens when the coordinator is gone: the pipe ends, and with it the agent.
    #[tokio::test]
    async fn the_end_of_standard_input_reaches_the_agent() {
        let folder = tempfile::tempdir().unwrap();
        let (mut local, _exits) = local(folder.path(), "cat; echo gone >&2", BOUND);
        let mut child = local.spawn(1, "the blob").unwrap();
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
        let error = local.launch(&order(1)).await.unwrap_err();
        assert_eq!(error.to_string(), "starting the agent /nowhere/agent");
    }

    #[tokio::test]
    async fn what_is_not_ours_is_passed_over() {
        let folder = tempfile::tempdir().unwrap();
        let (mut local, _exits) = local(folder.path(), "cat", BOUND);
        local.terminate(&[InstanceId("local:1".into())]).await.unwrap();
    }
}
