//! Rows of data: who draws which, what happens when there are none left, and what is found before the run.

mod support;

use std::collections::BTreeSet;
use std::rc::Rc;
use std::sync::Arc;

use rehearsal_plan::{Data, Exhausted};
use rehearsal_script::{
    Failure, Host, Program, ReadFile, Severity, UserState, Validated, Value, to_json, validate_with, with_host,
};
use support::{FakeHost, environment, program, source};

/// Six accounts.
const ACCOUNTS: &str = "name,code\nann,01\nbob,02\ncid,03\ndan,04\neve,05\nfay,06\n";

/// A scenario of three users who draw from the accounts.
fn scenario(exhausted: &str, user: &str) -> String {
    format!(
        "fn plan() {{ #{{ load: arrive(3).over(1).stay(1), data: #{{ accounts: csv(\"accounts.csv\"){exhausted} }} }} }}\n\
         fn user() {{ {user} }}\n"
    )
}

fn look_at(text: &str, file: &[u8]) -> Validated {
    let file = file.to_vec();
    let files: ReadFile = Rc::new(move |path| match path {
        "accounts.csv" => Ok(file.clone()),
        _ => Err(std::io::ErrorKind::NotFound.into()),
    });
    validate_with(&source(text), &environment("users = 5\n"), &files)
}

fn look(text: &str) -> Validated {
    look_at(text, ACCOUNTS.as_bytes())
}

/// The scenario with its rows.
fn with_rows(exhausted: &str, user: &str) -> Program {
    let text = scenario(exhausted, user);
    let found = look(&text);
    let plan = found.plan.unwrap_or_else(|| panic!("{:#?}", found.diagnostics));
    let program = program(&text);
    program.set_data(Arc::new(Data::read(&plan, &found.data).expect("validated files can be read")));
    program
}

/// Runs `user()` as somebody; gives what it returned and what it did.
fn run_as(state: UserState, exhausted: &str, user: &str) -> (Result<Value, Failure>, Vec<String>) {
    let program = with_rows(exhausted, user);
    let host = FakeHost::of(state, "");
    let diary = Rc::clone(&host.diary);
    let host: Rc<dyn Host> = Rc::new(host);
    (with_host(&host, || program.run("user")), diary.lines())
}

fn user(number: u64) -> UserState {
    UserState::new(number, 42, false)
}

/// What a user's script returns.
fn gives(state: UserState, exhausted: &str, script: &str) -> String {
    let value = run_as(state, exhausted, script).0.unwrap_or_else(|failure| panic!("{script}: {failure}"));
    to_json(&value).expect("rows are plain").to_string()
}

#[test]
fn each_draw_of_each_user_is_a_row_of_its_own() {
    assert_eq!(gives(user(1), "", "data.accounts.next()"), r#"{"code":"02","name":"bob"}"#);
    let two = "[data.accounts.next().code, data.accounts.next().code]";
    let all: Vec<String> = (0..3).map(|number| gives(user(number), "", two)).collect();
    assert_eq!(all, [r#"["01","04"]"#, r#"["02","05"]"#, r#"["03","06"]"#]);
    let in_handles = "let mine = data.accounts; let other = data[\"accounts\"]; [mine.next().name, other.next().name]";
    assert_eq!(gives(user(0), "", in_handles), r#"["ann","dan"]"#, "a handle is the same source");
}

#[test]
fn a_restored_user_finds_its_own_rows_again() {
    let script = "[data.accounts.next(), data.accounts.random(), data.accounts.next(), data.accounts.random()]";
    let restored = UserState::new(2, 42, true);
    assert_eq!(gives(restored, "", script), gives(user(2), "", script));
}

#[test]
fn random_rows_are_the_users_own_chance() {
    let script = "let drawn = []; for n in 0..200 { drawn.push(data.accounts.random().name); } drawn";
    let drawn = gives(user(1), "", script);
    assert_eq!(drawn, gives(user(1), "", script), "the seed repeats the run");
    assert_ne!(drawn, gives(user(2), "", script));
    let names: Vec<String> = serde_json::from_str(&drawn).unwrap();
    assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), 6, "all of them, sooner or later");
}

#[test]
fn exhausted_rows_do_what_the_plan_says() {
    let third = "data.accounts.next(); data.accounts.next(); let row = data.accounts.next(); log(row.name); row.name";
    assert_eq!(gives(user(1), ".exhausted(\"wrap\")", third), r#""bob""#);

    let (stopped, diary) =
        run_as(user(1), ".exhausted(\"stop\")", &format!("try {{ {third} }} catch {{ log(\"caught\") }}"));
    assert_eq!((stopped.unwrap_err().kind.as_str(), diary), ("stopped", vec!["leave for good".to_owned()]));

    for exhausted in ["", ".exhausted(\"error\")"] {
        let (failed, _) = run_as(user(1), exhausted, &format!("\n{third}"));
        let failure = failed.unwrap_err();
        assert_eq!((failure.kind.as_str(), failure.line), ("data", Some(3)), "{failure}");
        assert_eq!(failure.message, "the data `accounts` has no row 7 for user 1: its last row is 5");
        let caught = format!("let told = (); try {{ {third} }} catch (error) {{ told = `caught: ${{error}}` }} told");
        assert_eq!(
            gives(user(1), exhausted, &caught),
            r#""caught: the data `accounts` has no row 7 for user 1: its last row is 5""#
        );
        let thrown = format!("try {{ {third} }} catch (error) {{ throw error; }}");
        assert_eq!(run_as(user(1), exhausted, &thrown).0.unwrap_err().kind.as_str(), "data");
    }
}

#[test]
fn a_user_that_runs_again_goes_on_in_its_rows() {
    let program =
        with_rows("", "user.seen = 1 + if user.seen == () { 0 } else { user.seen }; data.accounts.next().name");
    let run = |state: UserState| {
        let host: Rc<dyn Host> = Rc::new(FakeHost::of(state, ""));
        let drawn = with_host(&host, || program.run("user")).unwrap().to_string();
        (drawn, host.user().values.borrow()["seen"].as_int().unwrap(), host.user().again(42))
    };
    let (drawn, seen, again) = run(UserState::new(1, 42, true));
    assert_eq!((drawn.as_str(), seen), ("bob", 1));
    assert!((again.number, again.restored) == (1, true));
    let (drawn, seen, _) = run(again);
    assert_eq!((drawn.as_str(), seen), ("eve", 1), "all else is fresh");
}

/// User 0 would lose its rows to `setup()`.
#[test]
fn functions_of_the_coordinator_have_no_rows_of_their_own() {
    let coordinator = || UserState::of_coordinator(42);
    let (failed, _) = run_as(coordinator(), "", "data.accounts.next()");
    assert!(failed.unwrap_err().to_string().contains("the coordinator draws random()"));
    assert!(gives(coordinator(), "", "data.accounts.random()").contains("name"));
}

/// Handlers that share a captured source once locked each other out while one of them waited.
#[test]
fn handlers_may_capture_a_source() {
    let script = "let accounts = data.accounts; let timer = every(1, || accounts.next()); accounts.next(); 1";
    assert_eq!(gives(user(0), "", script), "1");
}

#[test]
fn a_plan_declares_its_data() {
    let found = look(&scenario(".exhausted(\"wrap\")", "data.accounts.next()"));
    assert_eq!(found.diagnostics, []);
    let plan = found.plan.unwrap();
    let declared = &plan.data["accounts"];
    assert_eq!((declared.path.as_str(), declared.exhausted), ("accounts.csv", Exhausted::Wrap));
    assert_eq!(found.data["accounts"], ACCOUNTS);
    let default = look(&scenario("", "")).plan.unwrap();
    assert_eq!(default.data["accounts"].exhausted, Exhausted::Error);
}

/// A text or file with one mistake: where it is and what is said of it.
fn finds(found: &Validated, line: usize, column: usize, message: &str) {
    let said: Vec<_> = found
        .diagnostics
        .iter()
        .map(|found| {
            format!("{}:{} {} ({})", found.line, found.column, found.message, found.hint.as_deref().unwrap_or(""))
        })
        .collect();
    assert_eq!(said, [format!("{line}:{column} {message}")]);
    assert_eq!(found.plan.is_none(), found.diagnostics[0].severity == Severity::Error);
}

#[test]
fn every_mistake_of_a_file_is_told_at_its_call() {
    let first_line = "begin the file with a line that names its columns, as in `name,password`";
    let comma = "a field with a comma stands in quotation marks: \"Smith, Jo\"";
    let path = "a path begins at the folder of the scenario; the first line of the file names the columns";
    let files: [(&[u8], String); 5] = [
        (b"", format!("it is empty ({first_line})")),
        (b"name,\nann,01\n", format!("line 1: column 2 has no name ({first_line})")),
        (b"name,code\n", "it has no rows below the names of its columns ()".into()),
        (b"name,code\nann,01\n\nbob\n", format!("line 4: 1 fields for 2 columns ({comma})")),
        (b"name,code\nann,\xff\n", format!("reading the file failed: line 2 is no text in UTF-8 ({path})")),
    ];
    let text = scenario("", "");
    for (file, told) in files {
        finds(&look_at(&text, file), 1, 68, &format!("csv(\"accounts.csv\"): {told}"));
    }
    let missing = look(&text.replace("accounts.csv", "account.csv"));
    finds(&missing, 1, 68, &format!("csv(\"account.csv\"): reading the file failed: entity not found ({path})"));
    let large = vec![b'x'; (60 << 20) + 1];
    assert!(look_at(&text, &large).diagnostics[0].message.ends_with("it has 62914561 bytes, more than 60 MiB"));
}

/// Agents get all files in one message.
#[test]
fn files_are_bounded_together() {
    let half = format!("name\n{}\n", "x".repeat(35 << 20));
    let text = "fn plan() { #{ load: arrive(1).over(1).stay(1),\ndata: #{ a: csv(\"accounts.csv\"), b: csv(\"accounts.csv\") } } }\nfn user() {}";
    finds(
        &look_at(text, half.as_bytes()),
        2,
        1,
        "the files of `data` have 70 MiB together, 60 MiB at most are sent to agents ()",
    );
}

#[test]
fn wrong_words_of_the_plan_are_found() {
    let wrong = "exhausted() takes \"stop\", \"wrap\" or \"error\", not \"warp\" (did you mean `wrap`?)";
    finds(&look(&scenario(".exhausted(\"warp\")", "")), 1, 88, wrong);
    let with = |data: &str| {
        look(&format!("fn plan() {{ #{{ load: arrive(1).over(1).stay(1),\n    data: {data} }} }}\nfn user() {{}}"))
    };
    finds(&with("5"), 2, 5, "option `data` of plan() must be a map, not a value of type i64 ()");
    finds(
        &with("#{ accounts: \"a.csv\" }"),
        2,
        14,
        "entry `accounts` of `data` is no csv(\"…\") but of type string ()",
    );
}

#[test]
fn draws_are_looked_up_in_the_plan() {
    let methods = "`data.accounts.next()` and `data.accounts.random()` draw a row, `….name` is a field of it";
    let add = "add it to the map of plan(): data: #{ voters: csv(\"voters.csv\") }";
    let cases = [
        ("data.account.next()", 19, "the plan declares no data `account` (did you mean `data.accounts`?)".to_owned()),
        ("data.voters.next().name", 19, format!("the plan declares no data `voters` ({add})")),
        (
            "data[\"acounts\"].next()",
            19,
            "the plan declares no data `acounts` (did you mean `data.accounts`?)".to_owned(),
        ),
        (
            "every(1, || data.acounts.random())",
            31,
            "the plan declares no data `acounts` (did you mean `data.accounts`?)".to_owned(),
        ),
        ("data.accounts.nxt().name", 28, "there is no function `nxt` (did you mean `next`?)".to_owned()),
        ("data.accounts.push(1)", 28, format!("data has no function `push` ({methods})")),
        ("data.accounts.name", 28, format!("data has no property `name` ({methods})")),
        ("data.accounts.next.name", 28, format!("data has no property `next` ({methods})")),
        ("data.next()", 19, format!("data has no function `next` ({methods})")),
    ];
    for (user, column, told) in cases {
        let text = scenario("", "").replace("fn user() {", &format!("fn never() {{ {user} }}\nfn user() {{"));
        finds(&look(&text), 2, column, &told);
    }
    let handler = "let s = websocket(\"/s\"); s.on(\"e\", |s, data| log(data.voters)); let data = 1; log(data);";
    assert_eq!(look(&scenario("", handler)).diagnostics, [], "a local `data` is something else");
}

#[test]
fn data_that_is_not_declared_is_no_variable() {
    let text = "fn plan() { #{ load: arrive(1).over(1).stay(1) } }\nfn user() { http::post(\"/\", #{ json: data }) }";
    let hint = "the plan can declare some: data: #{ accounts: csv(\"accounts.csv\") }";
    finds(&look(text), 2, 38, &format!("there is no variable `data` here ({hint})"));
}

#[test]
fn too_few_rows_are_a_warning() {
    let many = |exhausted: &str, user: &str| look(&scenario(exhausted, user).replace("arrive(3)", "arrive(9)"));
    let hint = "add rows, or say .exhausted(\"wrap\") to begin again, or .exhausted(\"stop\") to let them leave";
    let told = format!("users from number 6 on will fail: accounts.csv has 6 rows for 9 users ({hint})");
    finds(&many("", "data.accounts.next(); data.accounts.next()"), 2, 27, &told);
    for exhausted in [".exhausted(\"wrap\")", ".exhausted(\"stop\")"] {
        assert_eq!(many(exhausted, "data.accounts.next()").diagnostics, [], "{exhausted}");
    }
    assert_eq!(many("", "data.accounts.random()").diagnostics, []);
}

#[test]
fn only_users_have_data() {
    let text = scenario("", "").replace("arrive(3)", "arrive(data.accounts.next().code)");
    assert!(look(&text).diagnostics.iter().any(|found| found.message.contains("data needs a running user")));
    let (result, _) = support::run("fn user() { csv(\"accounts.csv\") }");
    assert!(result.unwrap_err().to_string().contains("only plan() can do"));
    let (result, _) = support::run("fn user() { data.accounts.next() }");
    assert!(result.unwrap_err().to_string().contains("the plan declares no data `accounts`"));
}
