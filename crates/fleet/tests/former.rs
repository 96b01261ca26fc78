//! Agents outlive a coordinator that was killed, and the next one finds, watches and ends them.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::{
    env,
    ffi::OsStr,
    fs,
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

use rehearsal_fleet::{End, Exit, InstanceId, Launched, Launcher, Local, LocalOptions, local::FLEET_VARIABLE};
use tokio::{sync::mpsc, time::timeout};

const BOUND: Duration = Duration::from_secs(20);

/// Tells a test's own process to play the coordinator, with this folder.
const PLAY: &str = "TEST_PLAYS_COORDINATOR";

/// Says when it is up, has a child of its own, and reads no input. Nobody needs it for longer
/// than a minute, whatever happens to the test.
const AGENT: &str = "echo ready >&2; sleep 60; :";

fn local(fleet: &str, folder: &Path, script: &str) -> (Local, mpsc::Receiver<Exit>) {
    Local::new(LocalOptions {
        program: "sh".into(),
        args: vec!["-c".into(), script.into()],
        fleet: fleet.to_owned(),
        folder: folder.to_owned(),
        grace: BOUND,
    })
}

/// A fleet that no other test has.
fn name_of(folder: &Path) -> String {
    folder.display().to_string()
}

async fn launch(local: &mut Local, agents: u32) -> Vec<Launched> {
    local.launch(agents, "the blob").await.unwrap()
}

fn status(exit: Exit) -> std::io::Result<std::process::ExitStatus> {
    let End::Process(status) = exit.end else { panic!("it was a process") };
    status
}

async fn exit(exits: &mut mpsc::Receiver<Exit>) -> Exit {
    timeout(BOUND, exits.recv()).await.unwrap().unwrap()
}

/// Waits until the agent with this log says that it is up.
async fn ready(folder: &Path, log: u32) {
    let path = folder.join(format!("agent-{log}.log"));
    until(|| fs::read(&path).is_ok_and(|text| text == b"ready\n")).await;
}

async fn until(mut holds: impl FnMut() -> bool) {
    let held = async {
        while !holds() {
            tokio::task::yield_now().await;
        }
    };
    timeout(BOUND, held).await.unwrap();
}

fn instances(agents: &[Launched]) -> Vec<InstanceId> {
    agents.iter().map(|agent| agent.instance.clone()).collect()
}

/// This test again, in a process of its own: a coordinator that launches two agents and waits to be killed.
fn coordinator(test: &str, folder: &Path) -> Child {
    Command::new(env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture"])
        .env(PLAY, folder)
        .stdout(Stdio::null())
        .spawn()
        .unwrap()
}

async fn play_coordinator(folder: &OsStr) {
    let folder = Path::new(folder);
    let (mut local, mut exits) = local(&name_of(folder), folder, AGENT);
    launch(&mut local, 2).await;
    let _ = timeout(BOUND, exits.recv()).await;
}

#[tokio::test]
async fn agents_outlive_a_killed_coordinator_and_are_found_and_ended() {
    if let Some(folder) = env::var_os(PLAY) {
        return play_coordinator(&folder).await;
    }
    let folder = tempfile::tempdir().unwrap();
    let test = "agents_outlive_a_killed_coordinator_and_are_found_and_ended";
    let mut former = coordinator(test, folder.path());
    ready(folder.path(), 1).await;
    ready(folder.path(), 2).await;
    former.kill().unwrap();
    former.wait().unwrap();

    let (mut local, mut exits) = local(&name_of(folder.path()), folder.path(), AGENT);
    let adopted = local.adopt().unwrap();
    assert_eq!(adopted.len(), 2, "the agents' own children are none: {adopted:?}");
    assert_eq!(local.list().await.unwrap(), adopted);
    assert_eq!(local.adopt().unwrap(), [], "they are ours already");

    let added = launch(&mut local, 1).await;
    ready(folder.path(), 3).await;
    assert_eq!(local.adopt().unwrap(), [], "what we launched is ours, too");
    assert_eq!(local.list().await.unwrap(), [adopted.clone(), added.clone()].concat());

    let which = instances(&adopted);
    timeout(BOUND, local.terminate(&which)).await.unwrap().unwrap();
    for _ in &which {
        let exit = exit(&mut exits).await;
        assert!(which.contains(&exit.instance), "{exit:?}");
        let unknown = status(exit).unwrap_err().to_string();
        assert_eq!(unknown, "how is unknown: an earlier coordinator had started it");
    }
    assert_eq!(local.list().await.unwrap(), added);
}

#[tokio::test]
async fn an_adopted_agent_that_ends_by_itself_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let fleet = name_of(folder.path());
    let (mut former, _exits) = local(&fleet, folder.path(), AGENT);
    let launched = launch(&mut former, 1).await;
    ready(folder.path(), 1).await;
    let (mut next, mut exits) = local(&fleet, folder.path(), AGENT);
    assert_eq!(next.adopt().unwrap(), launched);

    timeout(BOUND, former.terminate(&instances(&launched))).await.unwrap().unwrap();
    assert_eq!(exit(&mut exits).await.instance, launched[0].instance);
    assert!(next.list().await.unwrap().is_empty());
    assert!(next.adopt().unwrap().is_empty(), "what has ended is not found");
}

#[tokio::test]
async fn an_adopted_agent_that_will_not_end_is_killed_after_the_grace() {
    let folder = tempfile::tempdir().unwrap();
    let fleet = name_of(folder.path());
    let stubborn = "trap '' TERM; echo ready >&2; sleep 60; :";
    let (mut former, mut ends) = local(&fleet, folder.path(), stubborn);
    let launched = launch(&mut former, 1).await;
    ready(folder.path(), 1).await;

    let (mut next, _exits) = Local::new(LocalOptions {
        program: "sh".into(),
        args: Vec::new(),
        fleet,
        folder: folder.path().to_owned(),
        grace: Duration::from_millis(50),
    });
    next.adopt().unwrap();
    timeout(BOUND, next.terminate(&instances(&launched))).await.unwrap().unwrap();
    let signal = std::os::unix::process::ExitStatusExt::signal(&status(exit(&mut ends).await).unwrap());
    assert_eq!(signal, Some(9));
}

#[tokio::test]
async fn whoever_drops_its_launcher_kills_its_agents_adopted_ones_too() {
    let folder = tempfile::tempdir().unwrap();
    let fleet = name_of(folder.path());
    for (log, adopts) in [(1, false), (2, true)] {
        let (mut former, mut ends) = local(&fleet, folder.path(), AGENT);
        let launched = launch(&mut former, 1).await;
        ready(folder.path(), log).await;
        let (mut next, mut exits) = local(&fleet, folder.path(), AGENT);
        assert_eq!(next.adopt().unwrap(), launched);
        let (dropped, told) = if adopts { (next, &mut ends) } else { (former, &mut exits) };
        drop(dropped);
        assert_eq!(exit(told).await.instance, launched[0].instance, "adopted: {adopts}");
    }
}

/// Runs what looks like an agent to whoever looks carelessly; it ends with the test.
async fn stranger(variable: &str, value: &str, group: Option<i32>) -> tokio::process::Child {
    let mut command = tokio::process::Command::new("sleep");
    if let Some(group) = group {
        command.process_group(group);
    }
    let child = command.arg("60").env(variable, value).kill_on_drop(true).spawn().unwrap();
    let environment = format!("/proc/{}/environ", child.id().unwrap());
    until(|| fs::read(&environment).is_ok_and(|shown| !shown.is_empty())).await;
    child
}

#[tokio::test]
async fn only_this_fleets_agents_are_adopted() {
    let folder = tempfile::tempdir().unwrap();
    let fleet = name_of(folder.path());
    let cases = [
        ("a fleet whose name begins like ours", FLEET_VARIABLE, format!("{fleet}0"), Some(0)),
        ("a fleet whose name ours begins like", FLEET_VARIABLE, fleet[..fleet.len() - 1].to_owned(), Some(0)),
        ("a variable whose name ends like ours", "NOT_REHEARSAL_FLEET", fleet.clone(), Some(0)),
        ("a variable whose value quotes ours", "NOTE", format!("{FLEET_VARIABLE}={fleet}"), Some(0)),
        ("no agent, because it leads no group", FLEET_VARIABLE, fleet.clone(), None),
    ];
    let agent = stranger(FLEET_VARIABLE, &fleet, Some(0)).await;
    let expected = InstanceId(format!("local:{}", agent.id().unwrap()));
    let (mut local, _exits) = local(&fleet, folder.path(), AGENT);
    assert_eq!(instances(&local.adopt().unwrap()), [expected]);
    for (case, variable, value, group) in cases {
        let _stranger = stranger(variable, &value, group).await;
        assert_eq!(local.adopt().unwrap(), [], "{case}");
    }
}

#[tokio::test]
async fn the_logs_of_former_agents_are_kept() {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in [("agent-2.log", "former"), ("agent-10.log", "former"), ("agent-x.log", ""), ("run.db", "")] {
        fs::write(folder.path().join(name), text).unwrap();
    }
    let (mut local, _exits) = local(&name_of(folder.path()), folder.path(), AGENT);
    launch(&mut local, 2).await;
    ready(folder.path(), 11).await;
    ready(folder.path(), 12).await;
    for former in ["agent-2.log", "agent-10.log"] {
        assert_eq!(fs::read_to_string(folder.path().join(former)).unwrap(), "former");
    }
    assert!(!folder.path().join("agent-1.log").exists());
}
