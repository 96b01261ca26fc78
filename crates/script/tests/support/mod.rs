//! A host that answers at once and writes down what it was asked, so that scripts can be tested without a world.
#![allow(dead_code)] // each test binary uses its part

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use rehearsal_plan::{Environment, Layer};
use rehearsal_script::{
    Answer, Call, CueState, Env, Failure, Halt, Handler, Hears, Host, Measurement, Program, Reply, SocketId, Source,
    Stop, TimerId, TimerKind, UserState, Value, with_host,
};

/// What a script did, as one line each.
#[derive(Default)]
pub struct Diary(RefCell<Vec<String>>);

impl Diary {
    pub fn lines(&self) -> Vec<String> {
        self.0.borrow().clone()
    }

    fn note(&self, line: String) {
        self.0.borrow_mut().push(line);
    }
}

/// Answers every call at once.
pub struct FakeHost {
    pub diary: Rc<Diary>,
    pub handlers: RefCell<Vec<Handler>>,
    state: Rc<UserState>,
    cue: Option<CueState>,
    /// What the next replies have as body.
    pub body: String,
}

impl FakeHost {
    pub fn new(body: &str) -> Self {
        Self::of(UserState::new(7, 42, false), body)
    }

    pub fn of(state: UserState, body: &str) -> Self {
        Self {
            diary: Rc::default(),
            handlers: RefCell::default(),
            state: Rc::new(state),
            cue: Some(CueState { name: "open_vote".into(), number: 1, id: "open_vote-1".into() }),
            body: body.to_owned(),
        }
    }

    fn reply(&self) -> Reply {
        let headers = vec![("content-type".to_owned(), "application/json".to_owned())];
        let body = self.body.clone().into();
        Reply { status: 200, error: None, headers, body, duration: Duration::from_millis(5) }
    }
}

impl Host for FakeHost {
    fn call(&self, call: Call) -> Result<Answer, Stop> {
        Ok(match call {
            Call::Http(calls) => {
                for call in &calls {
                    let body = call.options.as_ref().and_then(|options| options.body.as_ref());
                    let body = body
                        .map(|(kind, body)| format!(" {kind} {}", String::from_utf8_lossy(body)))
                        .unwrap_or_default();
                    self.diary.note(format!("{} {}{body}", call.method.as_str(), call.url));
                }
                Answer::Replies(calls.iter().map(|_| self.reply()).collect())
            }
            Call::Json(body) => Answer::Json(serde_json::from_slice(&body).map_err(|error| error.to_string())),
            Call::Open(open) => {
                self.diary.note(format!("open {} {}", open.transport.as_str(), open.url));
                Answer::Socket(SocketId(0))
            }
            Call::Receive { event, timeout, .. } => {
                self.diary.note(format!("receive {event:?} {timeout:?}"));
                Answer::Message(None)
            }
            Call::Send { text, .. } => {
                self.diary.note(format!("send {text}"));
                Answer::Done
            }
            Call::Close { .. } => Answer::Done,
            Call::Sleep(d) => {
                self.diary.note(format!("sleep {d:?}"));
                Answer::Done
            }
            Call::Leave => return Err(Stop),
            Call::LeaveForGood => {
                self.diary.note("leave for good".to_owned());
                return Err(Stop);
            }
        })
    }

    fn listen(&self, _: SocketId, hears: Hears, handler: Handler) {
        self.diary.note(format!("listen {hears:?}"));
        self.handlers.borrow_mut().push(handler);
    }

    fn is_open(&self, _: SocketId) -> bool {
        true
    }

    fn timer(&self, kind: TimerKind, handler: Handler) -> TimerId {
        self.diary.note(format!("timer {kind:?}"));
        self.handlers.borrow_mut().push(handler);
        TimerId(0)
    }

    fn random_phase(&self, _: TimerId) {
        self.diary.note("random phase".to_owned());
    }

    fn cancel(&self, _: TimerId) {
        self.diary.note("cancel".to_owned());
    }

    fn measure(&self, measurement: Measurement) {
        self.diary.note(format!("{measurement:?}"));
    }

    fn now(&self) -> Duration {
        Duration::from_secs(1)
    }

    fn user(&self) -> &Rc<UserState> {
        &self.state
    }

    fn cue(&self) -> Option<&CueState> {
        self.cue.as_ref()
    }

    fn progress(&self) -> Result<(), Halt> {
        Ok(())
    }
}

/// An environment with these lines of TOML.
pub fn environment(toml: &str) -> Environment {
    let layer = Layer { name: "test.toml".into(), toml: format!("target = \"http://127.0.0.1:1\"\n{toml}") };
    Environment::from_layers(&[layer], &Default::default(), &[]).expect("the lines are right")
}

pub fn source(text: &str) -> Source {
    Source { name: "test.rhai".into(), text: text.to_owned() }
}

pub fn program(text: &str) -> Program {
    let environment = environment("users = 5\n");
    Program::compile(&source(text), &Env::new(&environment, "http://127.0.0.1:1")).expect("the text compiles")
}

/// Runs `user()` of a text; gives what it returned and what it did.
pub fn run(text: &str) -> (Result<Value, Failure>, Vec<String>) {
    run_with(text, r#"{"ok": true}"#)
}

pub fn run_with(text: &str, body: &str) -> (Result<Value, Failure>, Vec<String>) {
    let program = program(text);
    let host = FakeHost::new(body);
    let diary = Rc::clone(&host.diary);
    let host: Rc<dyn Host> = Rc::new(host);
    let result = with_host(&host, || program.run("user"));
    (result, diary.lines())
}
