//! Everything that can be known before the run is said at once, with its place.

mod support;

use rehearsal_script::{Severity, Validated, validate};
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
    let keys = "users = 5\narrive_over = \"2s\"\nvote_after = \"1s\"\nstay = \"9s\"\nheartbeat = \"5s\"\n";
    let found = validate(&source(text), &environment(keys));
    assert_eq!(found.diagnostics, []);
    let plan = found.plan.unwrap();
    assert_eq!((plan.scenarios.len(), plan.cues.len(), plan.thresholds.len()), (1, 1, 4));
    assert_eq!(plan.autoscaler.unwrap().capacity, Some(500.0));
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
