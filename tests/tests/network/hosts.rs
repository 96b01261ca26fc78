//! Programs, servers and clocks on the hosts, and that nothing is left of them.

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use rehearsal_demo::{Demo, Options};
use rehearsal_tests::{Conditions, Host, Network, Side, until};
use rustix::time::{ClockId, clock_gettime};
use tokio::process::{Child, Command};
use tokio::time::timeout;

const PATIENCE: Duration = Duration::from_secs(20);

/// Runs a program to its end and returns what it printed.
async fn output(mut command: Command) -> String {
    let output = timeout(PATIENCE, command.output()).await.expect("it ends in time").unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Starts a program that does nothing for long, by a command of a host, and waits until it is the process.
async fn sleeper(mut command: Command) -> (Child, u32) {
    let child = command.arg("600").stdin(Stdio::null()).spawn().unwrap();
    let id = child.id().unwrap();
    let name = || fs::read_to_string(format!("/proc/{id}/comm")).unwrap_or_default();
    until("the program runs", PATIENCE, || name() == "sleep\n").await;
    (child, id)
}

/// How the kernel calls the namespace of a host.
fn namespace(host: &Host) -> String {
    host.within(|| fs::read_link("/proc/thread-self/ns/net").unwrap().to_string_lossy().into_owned())
}

/// Whether any process or thread is in a namespace, or we hold it.
fn is_left(namespace: &str) -> bool {
    let leads_there = |path: &Path| fs::read_link(path).is_ok_and(|link| link.as_os_str() == namespace);
    let entries = |folder: &str| fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    entries("/proc").any(|process| leads_there(&process.join("ns/net")))
        || entries("/proc/self/task").any(|thread| leads_there(&thread.join("ns/net")))
        || entries("/proc/self/fd").any(|file| leads_there(&file))
}

#[tokio::test]
async fn a_program_is_on_its_host_and_signals_reach_it() {
    let Some(network) = Network::for_test() else { return };
    for side in [Side::A, Side::B] {
        let host = network.host(side);
        let mut command = host.command("ip");
        command.args(["-4", "-oneline", "address"]);
        let addresses = output(command).await;
        assert!(addresses.contains(&format!("{}/24", host.address())), "{addresses}");
        assert!(addresses.contains("127.0.0.1/8"), "{addresses}");
    }
    let host = network.host(Side::A);
    for command in [host.command("sleep"), host.command_with_clock("sleep", 5)] {
        let (mut child, id) = sleeper(command).await;
        child.kill().await.unwrap();
        assert!(!Path::new(&format!("/proc/{id}")).exists(), "the program was the process");
    }
}

#[tokio::test]
async fn a_server_of_the_test_serves_on_its_host() {
    let Some(network) = Network::for_test() else { return };
    let host = network.host(Side::B);
    let options = Options { listen: (host.address(), 0).into(), ..Options::default() };
    let demo = host.within(|| Demo::start(options)).unwrap();
    let address = format!("http://{}/", demo.address());
    let ask = async move { reqwest::get(address).await.unwrap().status().as_u16() };
    let asking = network.host(Side::A).within(|| tokio::spawn(ask));
    assert_eq!(timeout(PATIENCE, asking).await.unwrap().unwrap(), 200);
    assert_eq!(demo.counters().requests["GET /"][&200], 1);
    timeout(PATIENCE, demo.stop()).await.unwrap();
}

#[tokio::test]
async fn every_thread_of_a_host_is_on_it() {
    let Some(network) = Network::for_test() else { return };
    let host = network.host(Side::A);
    let expected = namespace(host);
    let here = || fs::read_link("/proc/thread-self/ns/net").unwrap().to_string_lossy().into_owned();
    let handle = host.within(tokio::runtime::Handle::current);
    assert_eq!(handle.spawn(async move { here() }).await.unwrap(), expected);
    assert_eq!(handle.spawn_blocking(here).await.unwrap(), expected, "even a thread that is started from elsewhere");
    assert_ne!(here(), expected, "the test itself is not");
    assert_ne!(namespace(network.host(Side::B)), expected);
}

#[tokio::test]
async fn a_process_with_another_clock_sees_it() {
    let Some(network) = Network::for_test() else { return };
    let host = network.host(Side::A);
    let program = env!("CARGO_BIN_EXE_monotonic-clock");
    for (command, ahead) in [
        (host.command(program), 0),
        (host.command_with_clock(program, 100_000), 100_000),
        (host.command_with_clock(program, -7), -7),
    ] {
        let before = clock_gettime(ClockId::Monotonic).tv_sec;
        let seen: i64 = output(command).await.trim().parse().unwrap();
        let after = clock_gettime(ClockId::Monotonic).tv_sec;
        // Offsets are of whole seconds, as are the three figures.
        assert!((before..=after).contains(&(seen - ahead)), "{seen} with {ahead} is not in {before} to {after}");
    }
}

#[tokio::test]
async fn nothing_is_left_even_after_a_panic() {
    let Some(network) = Network::for_test() else { return };
    let namespaces = [Side::A, Side::B].map(|side| namespace(network.host(side)));
    assert!(namespaces.iter().all(|namespace| is_left(namespace)), "or the test would not see them");
    // The handle of it is not dropped with the network.
    let (mut child, _) = sleeper(network.host(Side::B).command("sleep")).await;
    network.host(Side::A).within(|| tokio::spawn(std::future::pending::<()>()));
    let panicked = catch_unwind(AssertUnwindSafe(move || {
        network.set_both(Conditions { loss: 2.0, ..Conditions::default() });
    }));
    assert!(panicked.is_err(), "there is no loss of 200 %");
    assert!(!timeout(PATIENCE, child.wait()).await.unwrap().unwrap().success());
    until("nothing is left", PATIENCE, || !namespaces.iter().any(|namespace| is_left(namespace))).await;
}
