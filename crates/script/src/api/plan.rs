//! The words of `plan()`: loads and cues. Those about the autoscaler stand in [`autoscaler`](super::autoscaler).
//!
//! A wrong argument does not end the evaluation: the problem is noted with its place and a harmless value goes on, so that
//! one look shows all mistakes of a plan.

use std::cell::RefCell;
use std::time::Duration;

use rehearsal_plan::{Cue, CueTime, Load, Problem, RateStage, Spacing, Stage, Stay};
use rhai::{Array, Dynamic, Engine, ImmutableString, NativeCallContext, Position};

use crate::value::{duration_of, number_of};

/// A mistake in the words of a plan, and where the word stands.
pub(crate) struct Noted {
    pub(crate) at: Position,
    pub(crate) message: String,
    pub(crate) hint: Option<String>,
}

thread_local! {
    static NOTED: RefCell<Vec<Noted>> = const { RefCell::new(Vec::new()) };
}

/// All problems that were noted since the last call.
pub(crate) fn take_noted() -> Vec<Noted> {
    NOTED.with(|noted| noted.take())
}

pub(super) fn note(context: &NativeCallContext, message: impl Into<String>) {
    note_problem(context, Problem::new(message));
}

pub(super) fn note_problem(context: &NativeCallContext, Problem { message, hint }: Problem) {
    let at = context.call_position();
    NOTED.with(|noted| noted.borrow_mut().push(Noted { at, message, hint }));
}

/// The value, or its default after a note of what is wrong with it.
pub(super) fn or_noted<T: Default>(context: &NativeCallContext, read: Result<T, String>) -> T {
    read.unwrap_or_else(|error| {
        note(context, format!("{}(): {error}", context.fn_name()));
        T::default()
    })
}

/// What is no duration counts as one second: that it is 0 would be a second mistake, which nobody made.
pub(super) fn duration(context: &NativeCallContext, d: &Dynamic) -> Duration {
    duration_of(d).unwrap_or_else(|error| {
        note(context, format!("{}(): {error}", context.fn_name()));
        Duration::from_secs(1)
    })
}

pub(super) fn whole(context: &NativeCallContext, n: &Dynamic) -> u64 {
    let read = number_of(n).filter(|n| n.fract() == 0.0 && (0.0..=1e15).contains(n)).map(|n| n as u64);
    or_noted(context, read.ok_or_else(|| format!("{n} is not a whole number of at least 0")))
}

pub(super) fn number(context: &NativeCallContext, n: &Dynamic) -> f64 {
    or_noted(context, number_of(n).ok_or_else(|| format!("{n} is not a number")))
}

/// One stage of `users([…])` or `rate([…])`; which of them is known only there.
#[derive(Clone, Copy)]
enum StageDraft {
    RampTo(f64, Duration),
    Hold(Duration),
}

pub(super) fn register(engine: &mut Engine) {
    register_loads(engine);
    register_arrivals(engine);
    register_cues(engine);
}

fn register_loads(engine: &mut Engine) {
    engine.register_type_with_name::<Load>("Load").register_type_with_name::<StageDraft>("Stage");
    engine.register_fn("ramp_to", |context: NativeCallContext, to: Dynamic, over: Dynamic| {
        StageDraft::RampTo(number(&context, &to), duration(&context, &over))
    });
    engine.register_fn("hold", |context: NativeCallContext, over: Dynamic| StageDraft::Hold(duration(&context, &over)));
    engine.register_fn("users", |context: NativeCallContext, stages: Array| Load::Population {
        stages: stages_of(&context, stages).into_iter().map(|stage| population_stage(&context, stage)).collect(),
        keep_session: false,
    });
    engine.register_fn("keep_session", |context: NativeCallContext, load: &mut Load| {
        match load {
            Load::Population { keep_session, .. } => *keep_session = true,
            _ => note(&context, "keep_session() is for users([…]): other users run once"),
        }
        load.clone()
    });
    engine.register_fn("rate", |context: NativeCallContext, stages: Array| Load::Rate {
        stages: stages_of(&context, stages).into_iter().map(rate_stage).collect(),
        at_most: u64::MAX,
    });
    engine.register_fn("at_most", |context: NativeCallContext, load: &mut Load, n: Dynamic| {
        let n = whole(&context, &n);
        match load {
            Load::Rate { at_most, .. } => *at_most = n,
            _ => note(&context, "at_most() is for rate([…])"),
        }
        load.clone()
    });
}

fn stages_of(context: &NativeCallContext, stages: Array) -> Vec<StageDraft> {
    let wrong = || format!("{}() takes an array of ramp_to(…) and hold(…)", context.fn_name());
    let stages = stages.into_iter().map(|stage| stage.try_cast::<StageDraft>().ok_or_else(wrong));
    or_noted(context, stages.collect())
}

fn population_stage(context: &NativeCallContext, stage: StageDraft) -> Stage {
    match stage {
        StageDraft::RampTo(users, over) => Stage::RampTo { users: whole(context, &users.into()), over },
        StageDraft::Hold(over) => Stage::Hold { over },
    }
}

fn rate_stage(stage: StageDraft) -> RateStage {
    match stage {
        StageDraft::RampTo(per_second, over) => RateStage::RampTo { per_second, over },
        StageDraft::Hold(over) => RateStage::Hold { over },
    }
}

fn register_arrivals(engine: &mut Engine) {
    engine.register_fn("arrive", |context: NativeCallContext, users: Dynamic| Load::Arrive {
        users: whole(&context, &users),
        over: Duration::ZERO,
        spacing: Spacing::Even,
        stay: Stay::UntilDone,
    });
    engine.register_fn("over", |context: NativeCallContext, load: &mut Load, d: Dynamic| {
        let d = duration(&context, &d);
        match load {
            Load::Arrive { over, .. } => *over = d,
            _ => note(&context, "over() is for arrive(n)"),
        }
        load.clone()
    });
    engine.register_fn("random", |context: NativeCallContext, load: &mut Load| {
        match load {
            Load::Arrive { spacing, .. } => *spacing = Spacing::Random,
            _ => note(&context, "random() is for arrive(n)"),
        }
        load.clone()
    });
    engine.register_fn("stay", |context: NativeCallContext, load: &mut Load, d: Dynamic| {
        let d = duration(&context, &d);
        set_stay(&context, load, Stay::AfterLastArrival(d))
    });
    engine.register_fn("each_stays", |context: NativeCallContext, load: &mut Load, d: Dynamic| {
        let d = duration(&context, &d);
        set_stay(&context, load, Stay::Each(d))
    });
}

fn set_stay(context: &NativeCallContext, load: &mut Load, value: Stay) -> Load {
    match load {
        Load::Arrive { stay, .. } | Load::Curve { stay, .. } => *stay = value,
        _ => note(
            context,
            format!(
                "{}() is for arrive(n) and curve(file): other loads say themselves when users leave",
                context.fn_name()
            ),
        ),
    }
    load.clone()
}

fn register_cues(engine: &mut Engine) {
    engine.register_type_with_name::<Cue>("Cue");
    engine.register_fn("cue", |name: ImmutableString| Cue {
        name: name.to_string(),
        event: None,
        pointer: None,
        when: CueTime::ByHand,
    });
    engine.register_fn("after_arrivals", |context: NativeCallContext, cue: &mut Cue, d: Dynamic| {
        cue.when = CueTime::AfterArrivals(duration(&context, &d));
        cue.clone()
    });
    engine.register_fn("at", |context: NativeCallContext, cue: &mut Cue, d: Dynamic| {
        cue.when = CueTime::At(duration(&context, &d));
        cue.clone()
    });
    engine.register_fn("hears", |cue: &mut Cue, event: ImmutableString| {
        cue.event = Some(event.to_string());
        cue.clone()
    });
    engine.register_fn(
        "hears",
        |context: NativeCallContext, cue: &mut Cue, event: ImmutableString, pointer: ImmutableString| {
            if !pointer.is_empty() && !pointer.starts_with('/') {
                note(&context, format!("hears(): the JSON pointer \"{pointer}\" must begin with a slash"));
            }
            cue.event = Some(event.to_string());
            cue.pointer = Some(pointer.to_string());
            cue.clone()
        },
    );
}
