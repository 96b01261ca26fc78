//! The reference of the scenario language, `docs/scenario.md`: all its examples run, and every function has one.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use rehearsal_engine::{RunClock, Solo};
use rehearsal_metrics::UserState;
use rehearsal_plan::{Cue, Data, Environment, Layer, Load, Plan, Stay};
use rehearsal_script::{CueState, Method, ReadFile, Severity, Source, Transport, validate_with};
use serde_json::Value;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

use crate::scene::{BOUND, Scene, demo, on_user_thread, scene};
use crate::told::Told;

const PAGE: &str = include_str!("../../../../docs/scenario.md");

/// How long users stay whom only the plan ends, `.each_stays(d)`; all others must come to an end by themselves.
const STAY: Duration = Duration::from_secs(2);

/// Rhai itself calls these when a value becomes a text; no example would show them.
const UNWRITTEN: [&str; 2] = ["to_string(", "to_debug("];

/// A fenced block of the page.
struct Block {
    /// Of the fence, from 1.
    line: usize,
    text: String,
}

fn blocks(language: &str) -> Vec<Block> {
    let opening = format!("```{language}");
    let mut blocks = Vec::new();
    let mut lines = PAGE.lines().enumerate();
    while let Some((above, fence)) = lines.next() {
        if fence == opening {
            let inside = lines.by_ref().map(|(_, line)| line).take_while(|line| *line != "```");
            let text = inside.map(|line| format!("{line}\n")).collect();
            blocks.push(Block { line: above + 1, text });
        }
    }
    assert!(!blocks.is_empty(), "the page has no block of {language}");
    blocks
}

impl Block {
    fn is_scenario(&self) -> bool {
        self.text.contains("fn plan()")
    }

    /// A whole scenario whose lines have the numbers that they have in the page.
    fn scenario(&self) -> String {
        let (before, after) = match self.is_scenario() {
            false => ("fn user() { http::post(\"/auth/guest\");", "}\nfn plan() { #{ load: arrive(1) } }"),
            true if self.text.contains("fn user()") => ("", ""),
            true => ("", "fn user() {}"),
        };
        format!("{}{before}\n{}{after}", "\n".repeat(self.line - 1), self.text)
    }
}

/// The file that examples name stands in the page, too.
fn files() -> ReadFile {
    let file = blocks("csv").swap_remove(0).text;
    Rc::new(move |path| match path {
        "accounts.csv" => Ok(file.clone().into_bytes()),
        _ => Err(std::io::ErrorKind::NotFound.into()),
    })
}

/// What is wrong with an example, a line each.
async fn faults(block: Block, environment: Environment) -> Vec<String> {
    let source = Source { name: "docs/scenario.md".to_owned(), text: block.scenario() };
    let validated = validate_with(&source, &environment, &files());
    let found = validated.diagnostics.into_iter();
    // A scenario that is copied from the page should not even be warned of; a part of one cannot say how long it stays.
    let found = found.filter(|found| found.severity == Severity::Error || block.is_scenario());
    let found: Vec<_> = found.map(|found| format!("{}:{}: {}", found.file, found.line, found.message)).collect();
    let Some(plan) = validated.plan.filter(|_| found.is_empty()) else { return found };
    let demo = demo();
    let mut scene = scene(source.text, demo.address());
    scene.environment = environment;
    scene.data = Arc::new(Data::read(&plan, &validated.data).unwrap());
    let faults = on_user_thread(async move || rehearse(&scene, &plan).await).await;
    faults.into_iter().map(|fault| format!("example in line {}: {fault}", block.line)).collect()
}

/// Plays a plan in small: what the coordinator runs, and one user of each scenario.
async fn rehearse(scene: &Scene, plan: &Plan) -> Vec<String> {
    let clock = Arc::new(RunClock::starting_at(Instant::now()));
    let solo = || Solo::new(scene.setup(&[]), Arc::clone(&clock), None).unwrap();
    let director = solo();
    let (common, fault) = direct(&director, "setup", None).await;
    let mut faults = Vec::from_iter(fault);
    let common = common.expect("what setup() returns can be shared");
    director.share(common.clone()).unwrap();
    for scenario in &plan.scenarios {
        let player = solo();
        player.share(common.clone()).unwrap();
        let stays = matches!(scenario.load, Load::Arrive { stay: Stay::Each(_), .. });
        let leave_at = stays.then(|| Instant::now() + STAY);
        let gone = Cell::new(false);
        let played = async {
            let end = timeout(BOUND, player.play(&scenario.run, 0, leave_at)).await;
            gone.set(true);
            end
        };
        let (end, missed) = tokio::join!(played, fire(&director, &plan.cues, &gone));
        faults.extend(missed);
        match end {
            Ok(UserState::Finished) => {}
            Ok(end) => faults.push(format!("{} is {end:?}", scenario.run)),
            Err(_) => {
                faults.push(format!("{} does not come to an end", scenario.run));
                return faults;
            }
        }
        faults.extend(complaints(&Told::of(&player)));
    }
    faults.extend(direct(&director, "teardown", None).await.1);
    faults.extend(complaints(&Told::of(&director)));
    faults
}

/// Runs a function of the coordinator, if it is there: what it returned, which only matters of `setup()`, and how it failed.
async fn direct(director: &Solo, function: &str, cue: Option<CueState>) -> (Result<Value, String>, Option<String>) {
    if !director.has(function) {
        return (Ok(Value::Null), None);
    }
    let outcome = director.call(function, cue).await;
    (outcome.returned, outcome.failure.map(|failure| failure.to_string()))
}

/// Fires all cues again and again while the user is there: it hears them as soon as it listens.
async fn fire(director: &Solo, cues: &[Cue], gone: &Cell<bool>) -> Vec<String> {
    let mut faults = Vec::new();
    for number in 1.. {
        if gone.get() || cues.is_empty() {
            break;
        }
        for cue in cues {
            let state = CueState { name: cue.name.clone(), number, id: format!("{}-{number}-reference", cue.name) };
            faults.extend(direct(director, &cue.name, Some(state)).await.1);
        }
        sleep(Duration::from_millis(100)).await;
    }
    faults
}

/// Errors and broken claims.
fn complaints(told: &Told) -> Vec<String> {
    let errors = told.whole().errors.iter().map(|(kind, error)| format!("{kind}: {}", error.sample));
    let (passed, all) = told.ratio("checks", &[]);
    errors.chain((passed < all).then(|| format!("{} of {all} checks failed", all - passed))).collect()
}

#[tokio::test]
async fn every_example_works() {
    let layers = blocks("toml").into_iter().map(|block| Layer { name: "docs/scenario.md".into(), toml: block.text });
    let environment = Environment::from_layers(&layers.collect::<Vec<_>>(), &BTreeMap::new(), &[]).unwrap();
    let mut playing = JoinSet::new();
    for block in blocks("rhai") {
        playing.spawn(faults(block, environment.clone()));
    }
    let mut faults = playing.join_all().await.concat();
    faults.sort();
    faults.dedup(); // a cue that is wrong is so at every firing
    assert!(faults.is_empty(), "docs/scenario.md:\n{}", faults.join("\n"));
}

#[test]
fn every_function_has_an_example() {
    let examples: String = blocks("rhai").into_iter().map(|block| block.text).collect();
    let missing: Vec<_> = registered().into_iter().filter(|call| !has_call(&examples, call)).collect();
    assert!(missing.is_empty(), "docs/scenario.md has no example of {}", missing.join(", "));
}

/// How every function, method and property of the language is written: `sleep(`, `http::get(`, `.status`.
fn registered() -> Vec<String> {
    let of_methods = Method::ALL.into_iter().map(|(_, name)| format!("http::{name}("));
    let of_transports = [Transport::WebSocket, Transport::Polling].map(|transport| format!("{}(", transport.as_str()));
    let mut calls: Vec<_> = of_methods.chain(of_transports).collect();
    for file in sources() {
        let text = std::fs::read_to_string(&file).unwrap();
        for (way, before, after) in
            [("register_fn(", "", "("), ("register_get(", ".", ""), ("FuncRegistration::new(", "http::", "(")]
        {
            for argument in text.split(way).skip(1).map(str::trim_start) {
                let literal = argument.strip_prefix('"').and_then(|rest| rest.split_once('"'));
                match literal {
                    Some((name, _)) => calls.push(format!("{before}{name}{after}")),
                    // The names of a loop: they were listed above.
                    None => assert!(argument.starts_with("name"), "{}: {way}{:.40}", file.display(), argument),
                }
            }
        }
    }
    calls.retain(|call| !UNWRITTEN.contains(&call.as_str()));
    calls
}

/// Where functions are registered.
fn sources() -> Vec<PathBuf> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../script/src");
    let api = std::fs::read_dir(script.join("api")).unwrap().map(|entry| entry.unwrap().path());
    api.chain([script.join("program.rs")]).collect()
}

/// Whether a call stands in a text by itself, and not as the end or the beginning of another name.
fn has_call(text: &str, call: &str) -> bool {
    let in_word = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
    text.match_indices(call).any(|(at, _)| {
        let (before, after) = (text[..at].chars().next_back(), text[at + call.len()..].chars().next());
        match call.starts_with('.') {
            true => !in_word(after) && after != Some('('),
            false => !in_word(before),
        }
    })
}
