//! What the simulation does not provoke: stale epochs, gaps of versions, an agent that nobody answers any more.

use rehearsal_plan::AgentNumber;

use super::*;
use crate::clock::Probe;
use crate::fake::{Second, assignment};
use crate::identity::{Epoch, Incarnation};
use crate::outbox::OutboxLimits;

const SECOND: u64 = 1_000_000;

fn agent() -> AgentEnd<Second> {
    let config = AgentConfig {
        agent: AgentNumber(1),
        incarnation: Incarnation([1; 16]),
        build: String::new(),
        outbox: OutboxLimits::default(),
        give_up: Duration::from_secs(60),
    };
    AgentEnd::new(config, MonoTime(0))
}

fn welcome(epoch: u64) -> Event<Second> {
    Event::Message(ToAgent::Welcome(Welcome { epoch: Epoch(epoch), mark: 0, lease: LeaseTerms::default() }))
}

/// An agent whose connection stands and whose first heartbeat, sent at 0, was answered at once.
fn held() -> AgentEnd<Second> {
    let mut end = agent();
    end.handle(Event::Connected, MonoTime(0));
    end.handle(welcome(2), MonoTime(0));
    end.handle(Event::Message(ToAgent::HeartbeatAnswer { sequence: 1 }), MonoTime(0));
    end
}

#[test]
fn a_lower_epoch_is_not_obeyed() {
    let mut end = held();
    end.handle(Event::Disconnected { random: 0 }, MonoTime(1));
    end.handle(Event::Connected, MonoTime(2));
    assert_eq!(end.handle(welcome(1), MonoTime(3)), [Effect::HangUp(HangUp::StaleEpoch)]);
    assert_eq!(end.handle(Event::Message(ToAgent::Stop(StopKind::Hard)), MonoTime(4)), []);
}

#[test]
fn nothing_is_obeyed_before_the_welcome() {
    let mut end = agent();
    end.handle(Event::Connected, MonoTime(0));
    let effects = end.handle(Event::Message(ToAgent::Goodbye), MonoTime(1));
    assert_eq!(effects, [Effect::HangUp(HangUp::NotWelcomed)]);
}

#[test]
fn what_was_never_sent_cannot_be_acknowledged() {
    let effects = held().handle(Event::Message(ToAgent::Ack { number: 1 }), MonoTime(1));
    assert!(matches!(effects[..], [Effect::HangUp(HangUp::Outbox(_))]), "{effects:?}");
}

#[test]
fn without_answers_the_agent_hangs_up_stops_leaves_and_at_last_exits() {
    let mut end = held();
    end.handle(Event::IntervalReady(Second(0)), MonoTime(0));
    let mut seen = Vec::new();
    for tenth in 1..1_000 {
        let now = MonoTime(tenth * SECOND / 10);
        let effects = end.handle(Event::Tick, now);
        let notable = effects.into_iter().filter(|effect| !matches!(effect, Effect::Send(_)));
        seen.extend(notable.map(|effect| (now.0 / SECOND, effect)));
    }
    let expected = [
        (5, Effect::HangUp(HangUp::Unheard)),
        (20, Effect::StopArrivals),
        (23, Effect::LeaveAll),
        (29, Effect::CutAll),
        (92, Effect::Exit(Exit::Abandoned { unacknowledged: Some(0..1) })),
    ];
    assert_eq!(seen, expected);
}

#[test]
fn who_is_ready_before_the_welcome_says_so_after_it() {
    let mut end = held();
    end.handle(Event::Message(ToAgent::Assignment(Arc::new(assignment()))), MonoTime(1));
    end.handle(Event::Prepared, MonoTime(2));
    end.handle(Event::Disconnected { random: 0 }, MonoTime(3));
    end.handle(Event::Connected, MonoTime(4));
    let at = RunTime(0);
    let probe = Probe { sent: MonoTime(4), received: at, answered: at, returned: MonoTime(5) };
    assert_eq!(end.handle(Event::Probed(probe), MonoTime(5)), []);
    let effects = end.handle(welcome(2), MonoTime(6));
    assert!(effects.contains(&Effect::Send(ToCoordinator::Armed)), "{effects:?}");
}

#[test]
fn a_stop_is_obeyed_once_and_may_become_hard() {
    let mut end = held();
    let stop = |kind| Event::Message(ToAgent::Stop(kind));
    assert_eq!(end.handle(stop(StopKind::Graceful), MonoTime(1)), [Effect::Stop(StopKind::Graceful)]);
    assert_eq!(end.handle(stop(StopKind::Graceful), MonoTime(2)), []);
    assert_eq!(end.handle(stop(StopKind::Hard), MonoTime(3)), [Effect::Stop(StopKind::Hard)]);
    assert_eq!(end.handle(stop(StopKind::Graceful), MonoTime(4)), []);
}

#[test]
fn a_fenced_agent_stops_before_it_is_relieved() {
    let mut end = held();
    let fenced = end.handle(Event::Message(ToAgent::Fenced), MonoTime(2));
    let expected = [Effect::StopArrivals, Effect::LeaveAll, Effect::Relieve];
    assert_eq!(fenced, expected, "whatever the lease still allows");
    assert_eq!(end.handle(Event::Message(ToAgent::Fenced), MonoTime(3)), [], "once");
}

#[test]
fn a_leaving_agent_starts_only_what_is_due_before_it_leaves() {
    let mut end = held();
    let from = RunTime::from_secs_f64(3.0);
    let leaving = Leaving { from, reason: "SIGTERM".to_owned() };
    let effects = end.handle(Event::Leave(leaving.clone()), MonoTime(1));
    assert_eq!(effects, [Effect::Send(ToCoordinator::Leaving(leaving))]);
    assert!(end.may_start(RunTime::from_secs_f64(2.9), MonoTime(2)));
    assert!(!end.may_start(from, MonoTime(2)));
}
