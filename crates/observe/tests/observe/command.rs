//! The `command` adapter against real processes.

use std::path::Path;
use std::time::Duration;

use crate::harness::{observe, outcome, shown, source, until};

async fn metric(command: &str, more: &str) -> String {
    outcome(&format!("[autoscaler.metrics.x]\nobserve = \"command\"\ncommand = {command}\n{more}")).await
}

#[tokio::test]
async fn a_number_on_the_output_is_the_value() {
    let check = async |command: &str, expected: &str| assert_eq!(metric(command, "").await, expected, "{command}");
    check(r#""echo 4.5""#, "4.5").await;
    check(r#"["echo", "0"]"#, "0").await;
    check(r#""printf 'a\nb\n' | wc -l""#, "2").await;
    check(r#""true""#, "missing: the command printed nothing").await;
    check(r#""echo NaN""#, "missing: the command printed that it is no number").await;
    check(r#""echo none""#, "format: not a number: `\"none\"`").await;
    check(r#""echo 7; echo oh no >&2; exit 3""#, "command: exit status: 3: `oh no`").await;
    check(r#""kill -9 $$""#, "command: signal: 9 (SIGKILL): ``").await;
    check(r#"["/no/such/program"]"#, "command: running `/no/such/program`: No such file or directory (os error 2)")
        .await;
    check(r#""printf '\\377'""#, "format: the output is not UTF-8").await;
    check(r#""yes""#, "too_large: the output is longer than 1048576 bytes").await;
    check(r#""yes oh >&2 & sleep 0.2; kill $!; echo 5""#, "5").await;
}

#[tokio::test]
async fn a_supply_is_one_number_or_json() {
    let check = async |keys: &str, expected: &str| {
        assert_eq!(outcome(&format!("[autoscaler.supply]\nobserve = \"command\"\n{keys}")).await, expected, "{keys}");
    };
    check("command = \"echo 3\"\ncount = \"running\"", "running 3").await;
    check("command = \"echo 3.5\"\ncount = \"running\"", "format: 3.5 is no number of instances").await;
    check("command = \"echo '{\\\"a\\\": 3}'\"\nready = \"/a\"", "ready 3").await;
    let broken = "format: the output is not JSON: expected value at line 1 column 1";
    check("command = \"echo oops\"\nready = \"/a\"", broken).await;
}

#[tokio::test]
async fn secrets_reach_the_command_and_no_message() {
    let keys = "env = { KEY = { secret = \"key\" } }";
    assert_eq!(metric(r#""[ $KEY = hush-hush ] && echo 1""#, keys).await, "1");
    assert_eq!(metric(r#""echo $KEY >&2; exit 1""#, keys).await, "command: exit status: 1: `***`");
}

/// A pipeline whose first part goes on after the shell is gone would be one process more with every reading.
#[tokio::test]
async fn a_command_that_takes_too_long_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    for line in ["sleep 600 & echo $! > PID; wait", "sleep 600 & echo $! > PID; echo 5"] {
        let pid = folder.path().join("pid");
        let line = line.replace("PID", pid.to_str().unwrap());
        let toml = format!("[autoscaler.metrics.x]\nobserve = \"command\"\ncommand = \"{line}\"\ntimeout = \"300ms\"");
        let seen = observe(&mut source(&toml)).await;
        assert_eq!(shown(&seen.outcome), "timeout: no answer within 300ms");
        assert!(seen.took < Duration::from_secs(5), "{:?}", seen.took);
        let pid = std::fs::read_to_string(pid).unwrap();
        let status = format!("/proc/{}/stat", pid.trim());
        // Nobody in a container may reap it, but then it is a zombie.
        until("the child is gone", async || {
            let is_gone = std::fs::read_to_string(&status).map_or(true, |stat| stat.contains(") Z "));
            (is_gone || !Path::new(&status).exists()).then_some(())
        })
        .await;
    }
}
