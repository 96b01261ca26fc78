//! The scenario language as scripts use it: every function in every form of argument, and Rhai's own traps.

mod support;

use support::{run, run_with};

/// One line of script that must return true.
fn holds(expression: &str) {
    let (result, diary) = run(&format!("fn user() {{ {expression} }}"));
    let value = result.unwrap_or_else(|failure| panic!("{expression}: {failure}"));
    assert_eq!(value.as_bool(), Ok(true), "{expression} is {value:?}; {diary:?}");
}

/// A script that must do exactly this.
fn does(body: &str, expected: &[&str]) {
    let (result, diary) = run(&format!("fn user() {{ {body} }}"));
    assert_eq!(result.err().map(|failure| failure.to_string()), None, "{body}");
    assert_eq!(diary, expected, "{body}");
}

/// A script that must fail with a message that contains this.
fn fails(body: &str, message: &str) {
    let (result, _) = run(&format!("fn user() {{ {body} }}"));
    let failure = result.expect_err(body);
    assert!(failure.to_string().contains(message), "{body}: {failure}");
}

/// `sleep(1)` once reached Rhai's own blocking sleep, and `chance(1)` was not found.
#[test]
fn times_and_chances_come_in_every_form() {
    does("sleep(1)", &["sleep 1s"]);
    does("sleep(0.25)", &["sleep 250ms"]);
    does("sleep(\"1m30s\")", &["sleep 90s"]);
    does("sleep(\"500ms\")", &["sleep 500ms"]);
    does("sleep(between(\"5s\", \"5s\"))", &["sleep 5s"]);
    does(
        "every(2, || 0); every(0.5, || 0); every(\"3s\", || 0)",
        &["timer Every(2s)", "timer Every(500ms)", "timer Every(3s)"],
    );
    does("after(1, || 0).cancel()", &["timer After(1s)", "cancel"]);
    does("every(\"1s\", || 0).random_phase()", &["timer Every(1s)", "random phase"]);
    for always in ["chance(1)", "chance(1.0)", "chance(\"1\")", "chance(\"100%\")", "!chance(0)", "!chance(\"0%\")"] {
        holds(always);
    }
    fails("chance(1.5)", "probability from 0 to 1");
    fails("sleep(\"soon\")", "soon");
    fails("sleep(-1)", "out of range");
    fails("every(0, || 0)", "at least a millisecond");
}

#[test]
fn chances_are_the_users_own() {
    holds("let n = between(1, 3); type_of(n) == \"i64\" && n >= 1 && n <= 3");
    holds("let n = between(1.0, 3); type_of(n) == \"f64\" && n >= 1.0 && n <= 3.0");
    holds("pick([\"a\"]) == \"a\"");
    holds("pick(#{ a: 1, b: 0 }) == \"a\"");
    holds("let u = uuid(); u.len == 36 && u[14] == '4'");
    holds("let n = normal(10, 0); n == 10.0");
    fails("pick([])", "empty array");
    fails("between(3, 1)", "lower end");
    let draw = "fn user() { [uuid(), between(0, 1000000), chance(0.5)] }";
    assert_eq!(
        format!("{:?}", run(draw).0.unwrap()),
        format!("{:?}", run(draw).0.unwrap()),
        "the seed repeats the run"
    );
}

#[test]
fn replies_are_read() {
    holds("let r = http::get(\"/x\"); r.status == 200 && r.ok && r.error == () && r.json().ok");
    holds("http::get(\"/x\").headers[\"content-type\"] == \"application/json\"");
    holds("http::get(\"/x\").duration == 0.005");
    holds("http::get(\"/x\").text() == `{\"ok\": true}`");
    let (value, _) = run_with("fn user() { http::get(\"/x\").json() == () }", "no json");
    assert_eq!(value.unwrap().as_bool(), Ok(true));
}

#[test]
fn calls_carry_what_was_asked() {
    does("http::post(\"/v\", #{ json: #{ a: [1, true, ()] } })", &[r#"POST /v application/json {"a":[1,true,null]}"#]);
    does(
        "http::put(\"/v\", #{ form: #{ a: 1, b: \"x y\" } })",
        &["PUT /v application/x-www-form-urlencoded a=1&b=x+y"],
    );
    does("http::patch(\"/v\", #{ body: \"text\" })", &["PATCH /v text/plain; charset=utf-8 text"]);
    does("http::delete(\"/v\"); http::head(\"/v\")", &["DELETE /v", "HEAD /v"]);
    does(
        "http::parallel([\"/a\", [\"POST\", \"/b\"], [\"get\", \"/c\", #{ name: \"c\" }]])",
        &["GET /a", "POST /b", "GET /c"],
    );
    fails("http::get(\"/v\", #{ jsn: 1 })", "test.rhai:1:19: http calls has no option `jsn`; did you mean `json`?");
    fails("http::get(\"/v\", #{ timeout: \"soon\" })", "timeout");
    fails("http::post(\"/v\", #{ json: 1, body: \"x\" })", "one body");
    fails("http::post(\"/v\", #{ expect: \"nine\" })", "expect");
}

#[test]
fn sockets_behave_alike() {
    for kind in ["websocket", "polling"] {
        let open = format!("open {kind} /s");
        let expected = [
            open.as_str(),
            "listen Event(\"vote\")",
            "listen Any",
            "listen Close",
            "receive Some(\"go\") 2s",
            "receive None 500ms",
        ];
        let body = format!(
            "let s = {kind}(\"/s\"); s.on(\"vote\", |s, d| 0); s.on_message(|s, d| 0); s.on_close(|s| 0);
             s.receive(\"go\", 2); s.receive_any(\"500ms\"); if !s.is_open {{ throw \"closed\" }}"
        );
        does(&body, &expected);
    }
    does("websocket(\"/s\").emit(\"e\", #{ a: 1 })", &["open websocket /s", r#"send {"event":"e","data":{"a":1}}"#]);
    does("websocket(\"/s\").send(\"raw\")", &["open websocket /s", "send raw"]);
    fails("polling(\"/s\").send(\"x\")", "cannot send");
    fails("websocket(\"/s\", #{ reconect: #{} })", "did you mean `reconnect`");
}

#[test]
fn measuring_says_what_it_saw() {
    does("check(\"c\", 1 == 1)", &["Check { name: \"c\", passed: true }"]);
    does("count(\"n\"); count(\"n\", 3)", &["Count { name: \"n\", by: 1 }", "Count { name: \"n\", by: 3 }"]);
    does(
        "record(\"r\", \"2s\"); record(\"r\", 1)",
        &["Record { name: \"r\", took: 2s }", "Record { name: \"r\", took: 1s }"],
    );
    does(
        "tag(\"kind\", \"guest\"); tag(\"n\", 3)",
        &["Tag { key: \"kind\", value: \"guest\" }", "Tag { key: \"n\", value: \"3\" }"],
    );
    does("log(\"here\"); print(\"there\")", &["Log(\"here\")", "Log(\"there\")"]);
    holds("measure(\"m\", || 41 + 1) == 42");
    fails("count(\"n\", -1)", "only counts up");
}

/// In Rhai a missing map key is `()` and `() + "/x"` is `"/x"`: a typo in `env` would load the wrong address.
#[test]
fn a_missing_key_of_the_environment_is_an_error() {
    holds("env.users == 5");
    holds("env.admin == \"http://127.0.0.1:1/admin\"");
    holds("env.contains(\"users\") && !env.contains(\"nobody\")");
    fails("env.user", "did you mean `users`");
}

/// Top-level constants are invisible inside Rhai's functions; handlers must not capture them either.
#[test]
fn constants_are_visible_in_functions_and_handlers() {
    let (value, _) = run("const LIMIT = 3; fn user() { [1].map(|x| x + LIMIT)[0] }");
    assert_eq!(value.unwrap().as_int(), Ok(4));
}

#[test]
fn the_user_keeps_what_it_stores() {
    holds("user.a = 1; user.a += 2; user.list = []; user.list.push(5); user.a == 3 && user.list[0] == 5");
    holds("user.number == 7 && !user.restored && user.nothing == ()");
    holds("user.map = #{ x: 1 }; user.map.x = 9; user.map.x == 9");
    fails("user.number = 1", "cannot be changed");
    holds("cue.id == \"open_vote-1\" && cue.name == \"open_vote\" && cue.number == 1");
}

/// Debug builds of Rhai allow expressions half as deep as release builds; an ordinary scenario needs about 23 levels.
#[test]
fn expressions_may_nest_in_every_build() {
    let deep = format!("{}1{}", "(1 + ".repeat(60), ")".repeat(60));
    holds(&format!("{deep} == 61"));
}

#[test]
fn errors_name_the_line() {
    let (result, _) = run("fn user() {\n    let a = 1;\n    helper(a);\n}\nfn helper(a) {\n    a.nonsense = 2;\n}");
    let failure = result.unwrap_err();
    assert_eq!((failure.line, failure.kind.as_str()), (Some(6), "script"), "{failure}");
    let (result, _) = run("fn user() {\n\n    throw \"no ballot\";\n}");
    assert_eq!(result.unwrap_err().to_string(), "test.rhai:3:5: no ballot");
}

#[test]
fn leaving_cannot_be_caught() {
    let (result, diary) = run("fn user() { try { leave(); } catch { log(\"caught\"); } log(\"after\"); }");
    assert_eq!(result.unwrap_err().kind.as_str(), "stopped");
    assert!(diary.is_empty(), "{diary:?}");
}

#[test]
fn values_that_grow_without_end_are_an_error() {
    let (result, _) = run("fn user() { let a = []; loop { a.push(1); } }");
    assert_eq!(result.unwrap_err().kind.as_str(), "size");
    let (result, _) = run("fn user() { let s = \"x\"; loop { s += s; } }");
    assert_eq!(result.unwrap_err().kind.as_str(), "size");
    let (result, _) = run("fn user() { let f = || 1; loop { let g = f; f = || g.call(); } }");
    assert_eq!(result.unwrap_err().kind.as_str(), "size");
    let (result, _) = run("fn user() { user() }");
    assert_eq!(result.unwrap_err().kind.as_str(), "recursion");
}

/// Rhai forgets where a script was that calls itself without end.
#[test]
fn recursion_names_the_call_that_recurs() {
    let text = "fn plan() {\n    #{ load: arrive(6) }\n}\nfn user() {\n    switch 1 { 1 => recurse(1), _ => 0 }\n}\nfn recurse(n) { 1 + recurse(n + 1) }";
    let failure = run(text).0.unwrap_err();
    assert_eq!((failure.kind.as_str(), failure.line), ("recursion", Some(7)), "{failure}");
}
