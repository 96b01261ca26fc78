//! `cargo xtask ci`: everything that a change must pass, in the order that finds mistakes soonest.

use std::io::{BufRead, BufReader, IsTerminal, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, ensure};

use crate::command::{cargo, shown, succeed};
use crate::{aws, chaos, scalers, templates, tidy, web, zabbix};

/// Runs all steps; the first that fails ends it, with its name.
pub fn run(root: &Path) -> Result<()> {
    let started = Instant::now();
    step("fmt", || succeed(cargo(root, &["fmt", "--all", "--check"])))?;
    step("clippy", || {
        let lint = ["clippy", "--workspace", "--all-targets", "--"];
        succeed(cargo(root, &[&lint[..], &["-D", "warnings"]].concat()))
    })?;
    step("web", || web::check(root))?;
    let has_browser = step("browser", web::provide_browser)?;
    let tests = step("tests", || run_tests(root, has_browser))?;
    let skipped = step("aws", || aws::run(root, runner(root)))?;
    step("tidy", || tidy::run(root))?;
    let unjudged = step("templates", || templates::run(root))?;
    step("chaos", || chaos::run(root, &chaos::MINUTE))?;
    step("scalers", || scalers::run(root, &scalers::ONCE))?;
    let has_zabbix = step("zabbix", || zabbix::run(root, &zabbix::Options::default()))?;
    // Repeated here, because the end is what people and logs look at.
    if !has_browser {
        println!("SKIPPED: all tests in chromium, which could not be installed");
    }
    for skipped in skipped.iter().chain(&unjudged) {
        println!("{skipped}");
    }
    if !has_zabbix {
        println!("SKIPPED: the loop with Zabbix and HAProxy, which could not be installed");
    }
    println!("{tests}");
    println!("ci passed in {:.1} s", started.elapsed().as_secs_f64());
    Ok(())
}

fn step<T>(name: &str, work: impl FnOnce() -> Result<T>) -> Result<T> {
    println!("── {name}");
    let started = Instant::now();
    let result = work();
    let took = started.elapsed().as_secs_f64();
    let ended = if result.is_ok() { "passed" } else { "failed" };
    println!("── {name} {ended} in {took:.1} s");
    result.with_context(|| format!("step `{name}` failed"))
}

/// Runs every test and returns what to say about them at the end.
fn run_tests(root: &Path, has_browser: bool) -> Result<String> {
    let runner = runner(root);
    if runner == ["test"] {
        let mut tests = cargo(root, &["test", "--workspace"]);
        skip_browser_unless(has_browser, &mut tests);
        succeed(tests)?;
        return Ok("tests passed (by `cargo test`; cargo-nextest is not installed)".to_owned());
    }
    // Whoever waits so long wants to know all that is wrong.
    let mut command = cargo(root, &[runner, &["--workspace", "--no-fail-fast"]].concat());
    skip_browser_unless(has_browser, &mut command);
    if std::io::stderr().is_terminal() {
        command.env("CARGO_TERM_COLOR", "always");
    }
    let lines = succeed_listening(command, is_summary)?;
    Ok(lines.last().cloned().unwrap_or_default())
}

/// The arguments of cargo that run tests: nextest's, if it is installed.
pub fn runner(root: &Path) -> &'static [&'static str] {
    let mut version = cargo(root, &["nextest", "--version"]);
    let version = version.stdout(Stdio::null()).stderr(Stdio::null()).status();
    if version.is_ok_and(|status| status.success()) { &["nextest", "run"] } else { &["test"] }
}

fn skip_browser_unless(has_browser: bool, tests: &mut Command) {
    if !has_browser {
        tests.env(web::SKIP_BROWSER, "1");
    }
}

/// nextest ends with a line like `Summary [ 1.2s] 345 tests run: 345 passed, 0 skipped`.
fn is_summary(line: &str) -> bool {
    line.contains("Summary") && line.contains("tests run:")
}

/// Passes standard error on, line by line, and returns those lines that `keep` names.
fn succeed_listening(mut command: Command, keep: fn(&str) -> bool) -> Result<Vec<String>> {
    let running = command.stderr(Stdio::piped()).spawn();
    let mut child = running.with_context(|| format!("running {}", shown(&command)))?;
    let stderr = child.stderr.take().context("listening to the tests")?;
    let mut kept = Vec::new();
    for line in BufReader::new(stderr).split(b'\n') {
        let line = line.context("listening to the tests")?;
        let line = String::from_utf8_lossy(&line).into_owned();
        writeln!(std::io::stderr(), "{line}").context("passing on what the tests say")?;
        if keep(&line) {
            kept.push(line);
        }
    }
    let status = child.wait().context("waiting for the tests")?;
    ensure!(status.success(), "{}: {status}", shown(&command));
    Ok(kept)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_summary_of_nextest_is_found_with_and_without_colour() {
        let plain = "     Summary [   1.204s] 345 tests run: 345 passed, 0 skipped";
        let coloured = "\u{1b}[32;1m     Summary\u{1b}[0m [   1.204s] \u{1b}[1m345\u{1b}[0m tests run: 345 passed";
        assert!(is_summary(plain) && is_summary(coloured));
        assert!(!is_summary("        PASS [   0.010s] summary::tests"));
    }

    #[test]
    fn what_a_command_says_is_kept_and_its_failure_noticed() {
        let shell = |text: &str| {
            let mut command = Command::new("sh");
            command.args(["-c", text]);
            command
        };
        let kept = succeed_listening(shell("echo one >&2; echo two >&2"), |line| line == "two");
        assert_eq!(kept.unwrap(), ["two"]);
        assert!(succeed_listening(shell("exit 3"), |_| true).is_err());
    }
}
