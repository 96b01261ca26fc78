//! Everything that can be known before the run is said at once, with its place.

mod support;

use std::rc::Rc;

use rehearsal_plan::{CueTime, Load, Stay};
use rehearsal_script::{ReadFile, Severity, Validated, validate, validate_with};
use support::{environment, source};

fn look(text: &str) -> Validated {
    validate(&source(text), &environment("users = 5\narrive_over = \"2s\"\n"))
}

const GOOD: &str = "fn plan() { #{ load: arrive(env.users).over(env.arrive_over).stay(\"1s\") } }\nfn user() {}\n";

/// A text with one mistake: where it is and what is said of it.
fn finds(text: &str, line: usize, column: usize, message: &str) {
    let found = look(text).diagnostics;
    let hit = found.iter().find(|d| format!("{} {}", d.message, d.hint.as_deref().unwrap_or("")).contains(message));
    let hit = hit.unwrap_or_else(|| panic!("no \"{message}\" in {found:#?}"));
    assert_eq!((hit.line, hit.column), (line, column), "{hit:?}");
}

#[test]
fn the_shipped_scenario_is_without_fault() {
    let text = include_str!("../../../scenarios/broadcast_vote.rhai");
    let keys = "users = 5\narrive_over = \"2s\"\nvote_after = \"1s\"\nstay = \"9s\"\nheartbeat = \"5s\"\n\
                [autoscaler.metrics.cpu]\n";
    let found = validate(&source(text), &environment(keys));
    assert_eq!(found.diagnostics, []);
    let plan = found.plan.unwrap();
    assert_eq!((plan.scenarios.len(), plan.cues.len(), plan.thresholds.len()), (1, 1, 4));
    assert_eq!(plan.autoscaler.unwrap().capacity, Some(rehearsal_plan::Capacity::Users(500.0)));
}

#[test]
fn unknown_functions_are_found_before_they_are_reached() {
    finds(&format!("{GOOD}fn never() {{\n    if false {{ slep(1); }}\n}}"), 4, 16, "did you mean `sleep`");
    finds(&format!("{GOOD}fn never() {{ http::gett(\"/\") }}"), 3, 20, "did you mean `http::get`");
    finds(&format!("{GOOD}fn never() {{ sleep(1, 2) }}"), 3, 14, "takes 1 arguments, not 2");
    finds(
        &format!("{GOOD}fn never() {{ let s = websocket(\"/s\"); s.onn(\"e\", |s, d| 0); }}"),
        3,
        41,
        "there is no function `onn`",
    );
    finds(&format!("{GOOD}fn never() {{ every(\"1s\", || {{ chek(\"x\", true) }}); }}"), 3, 31, "did you mean `check`");
}

#[test]
fn unknown_names_are_found() {
    finds(&format!("{GOOD}fn never() {{ http::get(\"/\", #{{ hedaers: #{{}} }}) }}"), 3, 32, "did you mean `headers`");
    finds(
        &format!("{GOOD}fn never() {{ websocket(\"/\", #{{ reconnect: #{{ frist: 1 }} }}) }}"),
        3,
        46,
        "did you mean `first`",
    );
    finds(&format!("{GOOD}fn never() {{ sleep(env.arrive_ovr) }}"), 3, 24, "did you mean `env.arrive_over`");
    finds(&format!("{GOOD}fn never() {{ let ballot = 1; sleep(balot) }}"), 3, 36, "did you mean `ballot`");
}

#[test]
fn an_optional_key_of_the_environment_is_no_mistake() {
    let asks = "fn never() { if env.contains(\"pause\") { sleep(env.pause) } }";
    assert_eq!(look(&format!("{GOOD}{asks}")).diagnostics, []);
}

/// Handlers get the socket as a parameter; a closure that captures the variable it is set on is refused by Rhai when it
/// is reached, minutes into a run.
#[test]
fn the_capture_that_cannot_work_is_found() {
    finds(
        &format!("{GOOD}fn never() {{\n    let s = websocket(\"/s\");\n    s.on(\"e\", |data| s.send(\"x\"));\n}}"),
        5,
        22,
        "take the socket as the handler's first parameter",
    );
    let shadowed = format!("{GOOD}fn never() {{ let s = websocket(\"/s\"); s.on(\"e\", |s, data| s.send(\"x\")); }}");
    assert_eq!(look(&shadowed).diagnostics, []);
}

#[test]
fn plans_are_read_with_all_their_mistakes() {
    let text = "fn plan() { #{
        load: arrive(\"many\").over(\"soon\"),
        thresholds: [
            \"http.respons p(99) < 500ms\",
            \"http.failed p(99) < 1%\",
        ],
        cues: [ cue(\"open_vote\") ],
        tresholds: [],
    } }
    fn user() {}";
    let found = look(text);
    assert!(found.plan.is_none());
    let lines: Vec<usize> = found.diagnostics.iter().map(|d| d.line).collect();
    for line in [2, 4, 5, 7, 8] {
        assert!(lines.contains(&line), "nothing for line {line} in {:#?}", found.diagnostics);
    }
    assert!(found.diagnostics.iter().filter(|d| d.line == 2).count() >= 2, "{:#?}", found.diagnostics);
}

/// The values of a plan no longer know where they came from; the names in the message do.
#[test]
fn mistakes_of_the_plan_as_a_whole_have_a_place() {
    let plan = |more: &str| {
        format!(
            "fn plan() {{ #{{\n    load: arrive(5).over(1).stay(1),\n    {more}\n}} }}\nfn user() {{}}\nfn boom() {{}}"
        )
    };
    finds(&plan("ends_after: \"soon\""), 3, 5, "option `ends_after` of plan()");
    finds(&plan("cues: [ cue(\"boom\"), cue(\"boom\") ]"), 3, 18, "two cues named `boom`");
    finds(&plan("thresholds: [ \"cue.reach{cue:bom} rate > 1%\" ]"), 3, 20, "no cue `bom`");
}

/// Whoever wrote one wrong entry wants to know of the others too, and not that the right ones are missing.
#[test]
fn one_wrong_entry_hides_no_other() {
    let text = "fn plan() { #{
        cues: [ cue(\"boom\"), \"bang\", cue(\"crash\") ],
        thresholds: [ 5, \"http.failed rat < 1%\", \"cue.reach{cue:boom} rate > 1%\" ],
        scenarios: [
            7,
            #{ lod: 1, run: 5, name: \"reader\" },
            #{ name: \"user\", load: arrive(5).over(1).stay(1) },
        ],
    } }
    fn user() {}
    fn boom() {}";
    let found: Vec<String> = look(text).diagnostics.into_iter().map(|d| format!("{}: {}", d.line, d.message)).collect();
    let expected = [
        "2: a cue calls the function `crash`, which is not there or takes parameters",
        "2: entry 2 of `cues` is no cue(…) but of type string",
        "3: a threshold is a text, not 5",
        "3: threshold \"http.failed rat < 1%\"",
        "4: entry 1 of `scenarios` is no #{ name, run, load } but of type i64",
        "6: a scenario has no option `lod`",
        "6: scenario `reader`: `run` is the name of a function",
        "6: scenario `reader` needs a `load`",
    ];
    for expected in expected {
        assert!(found.iter().any(|found| found.starts_with(expected)), "no \"{expected}\" in {found:#?}");
    }
    assert_eq!(found.len(), expected.len(), "{found:#?}");
}

#[test]
fn values_that_a_call_cannot_take_are_found_before_it_is_reached() {
    let never = |call: &str| format!("{GOOD}fn never() {{ if false {{ {call} }} }}");
    finds(&never("sleep(\"soon\")"), 3, 31, "`sleep`: reading the duration `soon`");
    finds(&never("sleep(-1)"), 3, 31, "a duration of -1 seconds is out of range");
    finds(&never("sleep(true)"), 3, 31, "write \"1m30s\", \"500ms\" or a number of seconds");
    finds(&never("sleep([1])"), 3, 31, "a duration is a text like \"1m30s\"");
    finds(&never("chance(2)"), 3, 32, "`chance`: 2 is no share from 0 to 1");
    finds(&never("chance(\"120%\")"), 3, 32, "write a number like 0.8, or \"80%\"");
    finds(&never("after(\"5min\", || 0)"), 3, 31, "unknown unit `min`");
    finds(&never("every(0, || 0)"), 3, 31, "at least a millisecond");
    finds(&never("record(\"reading\", \"long\")"), 3, 43, "`record`");
    finds(&never("websocket(\"/s\").receive(\"go\", \"soon\")"), 3, 55, "`receive`");
    finds(&never("http::get(\"/\", #{ timeout: \"soon\" })"), 3, 52, "option `timeout`");
    finds(&never("polling(\"/s\", #{ reconnect: #{ jitter: 3 } })"), 3, 64, "option `jitter`: 3 is no share");
}

#[test]
fn values_that_fit_or_are_not_known_yet_are_no_mistake() {
    let own = "fn record(name, text) { log(name + text) }";
    let body = "sleep(\"1m30s\"); sleep(0.5); sleep(env.arrive_over); chance(\"80%\"); chance(1); every(1, || 0); \
                record(\"a\", \"long\"); http::get(\"/\", #{ timeout: \"2s\" })";
    assert_eq!(look(&format!("{GOOD}{own}\nfn never() {{ {body} }}")).diagnostics, []);
}

fn with_file(text: &str, file: &'static str) -> Validated {
    let files: ReadFile = Rc::new(move |path| match path {
        "evening.csv" => Ok(file.as_bytes().to_owned()),
        _ => Err(std::io::ErrorKind::NotFound.into()),
    });
    validate_with(&source(text), &environment(""), &files)
}

const REPLAY: &str = "fn plan() {\n    #{ load: curve(\"evening.csv\").stay(\"1s\") }\n}\nfn user() {}\n";

#[test]
fn a_curve_comes_from_a_file() {
    let found = with_file(REPLAY, "seconds,users\n0,5\n7,1\n");
    assert_eq!(found.diagnostics, []);
    let stay = Stay::AfterLastArrival(std::time::Duration::from_secs(1));
    assert_eq!(found.plan.unwrap().scenarios[0].load, Load::Curve { seconds: vec![(0, 5), (7, 1)], stay });
}

#[test]
fn every_mistake_of_a_curve_is_told_at_its_call() {
    let told = |text: &str, file: &'static str| -> Vec<String> {
        let found = with_file(text, file).diagnostics.into_iter();
        found.map(|d| format!("{}:{} {}", d.line, d.column, d.message)).collect()
    };
    assert_eq!(
        told(REPLAY, "seconds,users\n0,x\n1,1\n1,1\n"),
        [
            "2:14 curve(\"evening.csv\"): line 2: users are no whole number of at least 0: `x`",
            "2:14 curve(\"evening.csv\"): line 4: second 1 stands in line 3 already",
        ]
    );
    let missing = told(&REPLAY.replace("evening", "morning"), "");
    assert_eq!(missing, ["2:14 curve(\"morning.csv\"): reading the file failed: entity not found"]);
    let hint = with_file(REPLAY, "0,5\n").diagnostics[0].hint.clone();
    assert_eq!(hint.as_deref(), Some("begin the file with the line `seconds,users`"));
    let nothing = "fn plan() { #{ load: curve(\"evening.csv\").over(1) } }\nfn user() {}";
    assert_eq!(told(nothing, "seconds,users\n0,5\n"), ["1:43 over() is for arrive(n)"]);
}

/// Agents have the scenario and not its files: the plan that they are sent has the curve in it.
#[test]
fn only_the_plan_reads_files() {
    finds("const EVENING = curve(\"evening.csv\");\nfn plan() { #{ load: EVENING } }", 1, 17, "only plan() can do");
    let (result, _) = support::run("fn user() { curve(\"evening.csv\") }");
    assert!(result.unwrap_err().to_string().contains("only plan() can do"));
}

#[test]
fn a_cue_without_a_time_is_fired_by_hand() {
    let text =
        "fn plan() { #{ load: arrive(1).over(1).stay(1), cues: [ cue(\"boom\") ] } }\nfn user() {}\nfn boom() {}";
    let found = look(text);
    assert_eq!(found.diagnostics, []);
    assert_eq!(found.plan.unwrap().cues[0].when, CueTime::ByHand);
}

#[test]
fn what_is_missing_is_said() {
    finds("fn user() {}", 0, 0, "no function plan()");
    finds("fn plan() { 1 }\nfn user() {}", 0, 0, "plan() must return a map");
    finds("fn plan() { #{ load: arrive(1).over(1).stay(1) } }", 0, 0, "the function `user`");
    finds("fn plan() { #{ load: arrive(1).over(1).stay(1) }\nfn user() {}", 2, 1, "");
    finds("fn plan() { let shared = 1; #{} }\nfn user() {}", 1, 17, "reserved");
}

/// A plan is evaluated before anybody runs; one that never ends would hang the command.
#[test]
fn a_plan_that_computes_without_end_is_a_mistake() {
    finds("fn plan() { let n = 0; loop { n += 1; } }\nfn user() {}", 1, 24, "computes without end");
    finds("fn plan() { plan() }\nfn user() {}", 1, 13, "nest too deep");
}

#[test]
fn users_that_may_never_leave_are_a_warning() {
    let text = "fn plan() { #{ load: arrive(5).over(\"1s\") } }\nfn user() { beat() }\nfn beat() { every(\"1s\", || http::get(\"/\")); }";
    let found = look(text);
    assert!(found.plan.is_some());
    assert_eq!(found.diagnostics.len(), 1, "{:#?}", found.diagnostics);
    assert_eq!((found.diagnostics[0].severity, found.diagnostics[0].line), (Severity::Warning, 3));
    assert!(found.diagnostics[0].message.contains("may never leave"));
}

#[test]
fn a_mistake_is_drawn_with_its_line_and_a_caret() {
    let text = format!("{GOOD}fn never() {{ slep(1) }}\n");
    let drawn = look(&text).diagnostics[0].render(&text, false);
    let expected = "\
error: there is no function `slep`
 --> test.rhai:3:14
  |
3 | fn never() { slep(1) }
  |              ^^^^
  |
  = help: did you mean `sleep`?";
    assert_eq!(drawn, expected);
}
