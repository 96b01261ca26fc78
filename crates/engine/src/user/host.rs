//! What a script may ask of its user. What takes time suspends the script; the rest is answered at once.

use std::rc::Rc;
use std::time::Duration;

use rehearsal_script::{
    Answer, Call, CueState, Halt, Handler, Hears, Host, Measurement, SocketId, Stop, TimerId, TimerKind, UserState,
};

use super::User;
use crate::fiber::{Question, suspend};
use crate::scribe::Custom;
use crate::{slice, sockets, timers};

impl Host for User {
    fn call(&self, call: Call) -> Result<Answer, Stop> {
        if self.is_leaving() { Err(Stop) } else { suspend(Question::Call(call)) }
    }

    fn listen(&self, socket: SocketId, hears: Hears, handler: Handler) {
        sockets::listen(&self.rc(), socket, hears, handler);
    }

    fn is_open(&self, socket: SocketId) -> bool {
        self.sockets.is_open(socket)
    }

    fn timer(&self, kind: TimerKind, handler: Handler) -> TimerId {
        timers::set(&self.rc(), kind, handler)
    }

    fn random_phase(&self, timer: TimerId) {
        use rand::RngExt;
        let phase = self.state.random.borrow_mut().random_range(0.0..1.0);
        self.timers.set_phase(timer, phase);
    }

    fn cancel(&self, timer: TimerId) {
        self.timers.cancel(timer);
        self.note_change();
    }

    fn measure(&self, measurement: Measurement) {
        self.world.now();
        self.world.trace(|| describe(&measurement));
        let mut scribe = self.world.scribe.borrow_mut();
        match measurement {
            Measurement::Check { name, passed } => scribe.ratio(self.tags(), "checks", &[("name", &name)], passed),
            Measurement::Count { name, by } => scribe.custom(self.tags(), &name, Custom::Count(by)),
            Measurement::Record { name, took } => scribe.custom(self.tags(), &name, Custom::Duration(took)),
            Measurement::Tag { key, value } => self.tags.set(scribe.tagged(self.tags.get(), &key, &value)),
            Measurement::Log(text) => {
                drop(scribe);
                self.world.log(self.number(), &text);
            }
        }
    }

    fn now(&self) -> Duration {
        Duration::from_micros(u64::try_from(self.world.clock.now().0).unwrap_or(0))
    }

    fn user(&self) -> &Rc<UserState> {
        &self.state
    }

    fn cue(&self) -> Option<&CueState> {
        self.cue.as_ref()
    }

    fn progress(&self) -> Result<(), Halt> {
        slice::check(|| self.is_leaving())
    }
}

fn describe(measurement: &Measurement) -> String {
    match measurement {
        Measurement::Check { name, passed: true } => format!("check  ok     {name}"),
        Measurement::Check { name, passed: false } => format!("check  FAILED {name}"),
        Measurement::Count { name, by } => format!("count  {name} +{by}"),
        Measurement::Record { name, took } => format!("record {name} {:.1} ms", took.as_secs_f64() * 1e3),
        Measurement::Tag { key, value } => format!("tag    {key} = {value}"),
        Measurement::Log(text) => format!("log    {text}"),
    }
}
