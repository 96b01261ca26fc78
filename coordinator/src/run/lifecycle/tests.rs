//! The table row by row, and what holds whatever happens.

use proptest::prelude::*;
use rehearsal_plan::Scale;

use super::*;

fn at(seconds: i64) -> RunTime {
    RunTime(seconds * 1_000_000)
}

/// Plays events one second apart and gives the state and all effects.
fn played(events: &[Event]) -> (Lifecycle, Vec<Effect>) {
    let mut all = Vec::new();
    let mut run = Lifecycle::new(Gathering::local(2));
    for (second, event) in events.iter().enumerate() {
        let (next, effects) = run.step(event.clone(), at(second as i64));
        run = next;
        all.extend(effects);
    }
    (run, all)
}

fn running() -> Vec<Event> {
    vec![Event::Launched, Event::Joined(2), Event::Started]
}

const STOP: Event = Event::Command(Command::Stop { now: false });
const STOP_NOW: Event = Event::Command(Command::Stop { now: true });

#[test]
fn a_run_goes_its_way() {
    let mut events = running();
    assert_eq!(played(&events[..2]).1, [Effect::Arm]);
    events.extend([Event::LoadOver, Event::UsersGone, Event::AllIn, Event::Judged]);
    let (run, effects) = played(&events);
    assert_eq!((run.state, run.ending), (RunState::Judged, Ending::ByItself));
    assert_eq!(effects, [Effect::Arm, Effect::Stop(StopKind::Graceful), Effect::End, Effect::End]);
}

#[test]
fn what_goes_wrong_before_the_start_fails_the_run() {
    let vanished = Event::Vanished("it crashed".into());
    let not_started = Event::NotStarted("one was not ready".into());
    for events in [vec![Event::Launched, vanished], vec![Event::Launched, Event::Joined(2), not_started]] {
        let (run, effects) = played(&events);
        assert_eq!(run.state, RunState::Failed, "{events:?}");
        assert!(matches!(run.ending, Ending::Fault(_)));
        assert_eq!(effects.last(), Some(&Effect::End));
    }
    let (gathering, _) = played(&[Event::Launched, Event::Joined(1)]);
    let (run, effects) = gathering.step(Event::Tick, at(30));
    assert_eq!((run.state, effects), (RunState::Failed, vec![Effect::End]));
}

#[test]
fn a_fleet_starts_with_those_who_came_if_they_are_enough() {
    let gathering = |joined: usize, vanished: usize| {
        let mut run = Lifecycle::new(Gathering::instances(4, 4, 2));
        let gone = std::iter::repeat_n(Event::Vanished("taken back".into()), vanished);
        for event in [Event::Launched].into_iter().chain(gone).chain([Event::Joined(joined)]) {
            run = run.step(event, at(0)).0;
        }
        run
    };
    let late = |joined, vanished| gathering(joined, vanished).step(Event::Tick, at(300));
    assert_eq!(gathering(3, 0).state, RunState::Gathering, "the fourth may come");
    assert_eq!(late(3, 0).1, [Effect::Arm]);
    assert_eq!(gathering(3, 1).state, RunState::Armed, "the fourth will not come");
    assert_eq!(late(1, 0).0.state, RunState::Failed);
    let Ending::Fault(why) = late(1, 1).0.ending else { panic!("it has to fail") };
    assert_eq!(why, "1 of 3 agents joined within 300 s, and 2 are a must");
    assert_eq!(gathering(0, 3).state, RunState::Failed, "too few are left");
}

#[test]
fn a_budget_that_is_spent_lets_users_leave_and_is_no_pass() {
    let (run, effects) = played(&[running(), vec![Event::OutOfBudget("it is spent".into())]].concat());
    assert_eq!((run.state, run.ending), (RunState::Stopping, Ending::Fault("it is spent".into())));
    assert_eq!(effects.last(), Some(&Effect::Stop(StopKind::Graceful)));
}

#[test]
fn the_operator_may_call_a_run_off_until_it_starts_and_stop_it_then() {
    let (run, effects) = played(&[Event::Launched, STOP]);
    assert_eq!((run.state, run.ending, effects), (RunState::Cancelled, Ending::Operator, vec![Effect::End]));

    let mut events = running();
    events.extend([STOP, STOP, STOP_NOW, STOP_NOW]);
    let (run, effects) = played(&events);
    assert_eq!((run.state, run.ending), (RunState::Stopping, Ending::Operator));
    let refused = Effect::Refuse("the run is stopping already".into());
    let stops = [Effect::Stop(StopKind::Graceful), refused.clone(), Effect::Stop(StopKind::Hard), refused];
    assert_eq!(effects[1..], stops);
}

#[test]
fn an_agent_that_never_hands_in_is_not_waited_for_without_end() {
    let mut events = running();
    events.push(STOP);
    let (run, _) = played(&events);
    let (run, effects) = run.step(Event::Tick, at(22));
    assert_eq!((run.state, effects), (RunState::Stopping, vec![]));
    let (run, effects) = run.step(Event::Tick, at(23));
    assert_eq!((run.state, effects), (RunState::Collecting, vec![Effect::End]));
}

#[test]
fn commands_that_make_no_sense_are_refused_with_a_reason() {
    let pause = || Event::Command(Command::Pause);
    let resume = || Event::Command(Command::Resume);
    let cue = || Event::Command(Command::Cue { name: "open_vote".into() });
    let cases = [
        (vec![Event::Launched, pause()], "the run has not started: wait for its first second"),
        ([running(), vec![resume()]].concat(), "arrivals are not paused"),
        ([running(), vec![pause(), pause()]].concat(), "arrivals are paused already"),
        ([running(), vec![STOP, cue()]].concat(), "the load has ended"),
        ([running(), vec![STOP, Event::AllIn, Event::Judged, pause()]].concat(), "the run is over"),
    ];
    for (events, why) in cases {
        assert_eq!(played(&events).1.last(), Some(&Effect::Refuse(why.into())), "{events:?}");
    }
    let (run, effects) = played(&[running(), vec![pause(), resume(), cue()]].concat());
    assert!(!run.paused);
    assert_eq!(effects.len(), 4);
}

#[test]
fn a_fault_after_the_start_is_still_judged() {
    let fault = Event::Fault("the disk is full".into());
    let (run, effects) = played(&[running(), vec![fault.clone(), fault.clone(), Event::Judged]].concat());
    assert_eq!((run.state, effects.last()), (RunState::Judged, Some(&Effect::End)));
    assert_eq!(played(&[fault]).0.state, RunState::Failed);
}

fn any_event() -> impl Strategy<Value = Event> {
    let command = prop_oneof![
        any::<bool>().prop_map(|now| Command::Stop { now }),
        Just(Command::Pause),
        Just(Command::Resume),
        Just(Command::Scale { to: Scale::Factor(2.0), scenario: None, over: None }),
        Just(Command::Cue { name: "open_vote".into() }),
    ];
    prop_oneof![
        Just(Event::Launched),
        (0..4_usize).prop_map(Event::Joined),
        Just(Event::Vanished("gone".into())),
        Just(Event::Started),
        Just(Event::NotStarted("late".into())),
        command.prop_map(Event::Command),
        Just(Event::LoadOver),
        Just(Event::OutOfBudget("spent".into())),
        Just(Event::UsersGone),
        Just(Event::AllIn),
        Just(Event::Fault("broken".into())),
        Just(Event::Judged),
        Just(Event::Tick),
    ]
}

proptest! {
    #[test]
    fn whatever_happens_a_run_goes_forward_and_ends(events in prop::collection::vec((any_event(), 0..40_i64), 0..60)) {
        let (mut run, mut now, mut ends, mut is_paused) = (Lifecycle::new(Gathering::local(2)), 0, 0, false);
        for (event, pause) in events {
            now += pause;
            let before = run.clone();
            let is_command = matches!(event, Event::Command(_));
            let (next, effects) = run.step(event, at(now));
            run = next;
            prop_assert!(run.state >= before.state, "{:?} goes back to {:?}", before.state, run.state);
            let refused = effects.iter().any(|effect| matches!(effect, Effect::Refuse(_)));
            prop_assert!(!refused || (is_command && run == before), "who is refused changes nothing");
            prop_assert!(!is_command || !effects.is_empty(), "every command is answered");
            for effect in &effects {
                match effect {
                    Effect::Perform(command) => {
                        prop_assert_eq!(before.state, RunState::Running);
                        match command {
                            Command::Pause => { prop_assert!(!is_paused); is_paused = true; }
                            Command::Resume => { prop_assert!(is_paused); is_paused = false; }
                            _ => {}
                        }
                    }
                    Effect::Stop(kind) => prop_assert!(before.stop.is_none() || (before.stop != Some(StopKind::Hard) && *kind == StopKind::Hard)),
                    Effect::End => ends += 1,
                    _ => {}
                }
            }
        }
        // From wherever it is, a minute of patience and one fault bring it to an end.
        let (run, late) = run.step(Event::Tick, at(now + 60));
        let (run, last) = run.step(Event::Fault("the end".into()), at(now + 60));
        ends += [late, last].concat().iter().filter(|effect| **effect == Effect::End).count();
        prop_assert!(ends >= 1);
        prop_assert!(run.state >= RunState::Collecting);
    }
}
