//! What the simulation does not provoke: quorum, stale epochs, protocol errors, and the order of storing and telling.

use std::time::Duration;

use rehearsal_plan::{AgentNumber, Change, Endpoint, Load, RunTime, Spacing, Standing, Stay, Takeover};

use super::*;
use crate::fake::{Second, assignment};
use crate::identity::Epoch;
use crate::lease::LeaseTerms;
use crate::message::{Hello, Leaving, Readiness, ToCoordinator};

fn at(seconds: f64) -> RunTime {
    RunTime::from_secs_f64(seconds)
}

fn coordinator() -> CoordinatorEnd<Second> {
    CoordinatorEnd::new(CoordinatorConfig { epoch: Epoch(3), lease: LeaseTerms::default(), takeover: Takeover::Lease })
}

fn hello(agent: u32, epoch: u64, readiness: Readiness) -> ToCoordinator<Second> {
    let incarnation = Incarnation([agent as u8; 16]);
    ToCoordinator::Hello(Hello {
        agent: AgentNumber(agent),
        incarnation,
        epoch: Epoch(epoch),
        version: 0,
        readiness,
        build: String::new(),
    })
}

fn hear(end: &mut CoordinatorEnd<Second>, session: u64, message: ToCoordinator<Second>) -> Vec<Effect<Second>> {
    end.handle(Event::Message { session: Session(session), message }, at(0.0))
}

fn opening(quorum: usize) -> Opening {
    let load = Load::Arrive { users: 10, over: Duration::from_secs(10), spacing: Spacing::Even, stay: Stay::UntilDone };
    Opening { loads: vec![load], slots: 4, seed: 1, quorum, within: Duration::from_secs(5) }
}

fn started(effects: &[Effect<Second>]) -> Option<(RunTime, Vec<AgentNumber>)> {
    effects.iter().find_map(|effect| match effect {
        Effect::Notice(Notice::Started { at, without }) => Some((*at, without.clone())),
        _ => None,
    })
}

fn versions_sent(effects: &[Effect<Second>]) -> Vec<(u64, u64)> {
    let sent = effects.iter().filter_map(|effect| match effect {
        Effect::Send { session, message: ToAgent::Version(version) } => Some((session.0, version.number)),
        _ => None,
    });
    sent.collect()
}

/// Users must not start without knowing whom to connect to, and an agent that was away may know only who is gone by now.
#[test]
fn an_agent_knows_the_instances_before_any_version() {
    let mut end = coordinator();
    let known = |port| -> Arc<Instances> {
        Arc::new([(Endpoint { host: "10.1.0.1".into(), port }, Standing::Serving)].into_iter().collect())
    };
    let told = |effects: &[Effect<Second>]| -> Vec<(u64, Option<Arc<Instances>>)> {
        let sent = effects.iter().filter_map(|effect| match effect {
            Effect::Send { session, message: ToAgent::Instances(instances) } => {
                Some((session.0, Some(instances.clone())))
            }
            Effect::Send { session, message: ToAgent::Version(_) } => Some((session.0, None)),
            _ => None,
        });
        sent.collect()
    };
    assert_eq!(told(&hear(&mut end, 1, hello(1, 0, Readiness::Armed))), [], "nothing is known, or nothing is followed");
    assert_eq!(told(&end.handle(Event::Instances(known(80)), at(0.0))), [(1, Some(known(80)))]);
    assert_eq!(told(&hear(&mut end, 2, hello(2, 0, Readiness::Armed))), [(2, Some(known(80)))]);
    end.handle(Event::Arm(opening(2)), at(0.0));
    assert_eq!(told(&end.handle(Event::Persisted { version: 1 }, at(0.1))), [(1, None), (2, None)]);
    end.handle(Event::Disconnected { session: Session(1) }, at(1.0));
    assert_eq!(told(&end.handle(Event::Instances(known(81)), at(1.1))), [(2, Some(known(81)))]);
    let back = hear(&mut end, 3, hello(1, 3, Readiness::Armed));
    assert_eq!(told(&back), [(3, Some(known(81))), (3, None)]);
}

#[test]
fn the_run_starts_when_all_are_armed_and_tells_only_what_is_on_disk() {
    let mut end = coordinator();
    hear(&mut end, 1, hello(1, 0, Readiness::Armed));
    hear(&mut end, 2, hello(2, 0, Readiness::Assigned));
    assert_eq!(started(&end.handle(Event::Arm(opening(1)), at(0.0))), None);
    let effects = hear(&mut end, 2, ToCoordinator::Armed);
    assert_eq!(started(&effects), Some((at(1.0), vec![])));
    assert_eq!(versions_sent(&effects), []);
    assert_eq!(versions_sent(&end.handle(Event::Persisted { version: 1 }, at(0.1))), [(1, 1), (2, 1)]);
    let paused = end.handle(Event::Change(Change::Pause), at(1.0));
    assert!(
        matches!(&paused[..], [Effect::Persist(version)] if version.number == 2 && version.at == at(1.3)),
        "{paused:?}"
    );
}

/// A version once held from 300 ms on however long it took to store it; agents got it late and dropped what was due.
#[test]
fn a_version_holds_no_sooner_than_a_slow_disk_lets_it_be_sent() {
    for (took, holds) in [(0.01, 1.3), (1.0, 3.0), (60.0, 6.0)] {
        let mut end = coordinator();
        end.storing_took(Duration::from_secs_f64(took));
        assert_eq!(end.next_instant(at(1.0)), at(holds), "a batch took {took} s");
    }
}

#[test]
fn who_is_not_armed_in_time_owns_nothing_and_below_the_quorum_nothing_starts() {
    for (quorum, starts) in [(1, true), (2, false)] {
        let mut end = coordinator();
        hear(&mut end, 1, hello(1, 0, Readiness::Armed));
        hear(&mut end, 2, hello(2, 0, Readiness::Assigned));
        end.handle(Event::Arm(opening(quorum)), at(0.0));
        let beat = ToCoordinator::Heartbeat { sequence: 1, round_trip: Duration::ZERO };
        end.handle(Event::Message { session: Session(1), message: beat }, at(1.0));
        let effects = end.handle(Event::Tick, at(5.0));
        assert_eq!(started(&effects), starts.then(|| (at(6.0), vec![AgentNumber(2)])));
        let refused = Effect::Notice(Notice::NotStarted { armed: 1, quorum });
        assert_eq!(effects.contains(&refused), !starts);
    }
}

#[test]
fn an_agent_that_knows_a_higher_epoch_supersedes_this_coordinator() {
    let effects = hear(&mut coordinator(), 1, hello(1, 4, Readiness::Unassigned));
    assert_eq!(effects, [Effect::Close { session: Session(1) }, Effect::Notice(Notice::Superseded { by: Epoch(4) })]);
}

#[test]
fn protocol_errors_close_the_session_and_count_nothing() {
    let interval = |number| ToCoordinator::Interval { number, payload: Second(0) };
    let mut end = coordinator();
    let unknown = Effect::Notice(Notice::Violation { agent: None, what: Violation::NoHello });
    assert_eq!(hear(&mut end, 9, interval(1)), [Effect::Close { session: Session(9) }, unknown]);
    hear(&mut end, 1, hello(1, 0, Readiness::Armed));
    let gap = Violation::Gap { got: 2, expected: 1 };
    let known = Effect::Notice(Notice::Violation { agent: Some(AgentNumber(1)), what: gap });
    assert_eq!(hear(&mut end, 1, interval(2)), [Effect::Close { session: Session(1) }, known]);
}

#[test]
fn an_interval_is_acknowledged_once_it_is_stored_and_again_when_repeated() {
    let mut end = coordinator();
    let incarnation = Incarnation([1; 16]);
    hear(&mut end, 1, hello(1, 0, Readiness::Armed));
    let interval = || ToCoordinator::Interval { number: 1, payload: Second(0) };
    let commit = Effect::Commit { agent: AgentNumber(1), incarnation, number: 1, payload: Second(0) };
    assert_eq!(hear(&mut end, 1, interval()), [commit]);
    assert_eq!(hear(&mut end, 1, interval()), []);
    let acknowledged = [Effect::Send { session: Session(1), message: ToAgent::Ack { number: 1 } }];
    assert_eq!(end.handle(Event::Committed { incarnation, number: 1 }, at(0.0)), acknowledged);
    assert_eq!(hear(&mut end, 1, interval()), acknowledged);
}

/// Its seconds were once waited for as long as the run lasted.
#[test]
fn who_came_late_and_is_gone_is_lost_though_it_owns_nothing() {
    let mut end = coordinator();
    hear(&mut end, 1, hello(1, 0, Readiness::Armed));
    end.handle(Event::Arm(opening(1)), at(0.0));
    hear(&mut end, 2, hello(2, 0, Readiness::Armed));
    let effects = end.handle(Event::ProcessEnded { agent: AgentNumber(2) }, at(3.0));
    let is_lost = |effect: &Effect<Second>| matches!(effect, Effect::Notice(Notice::Lost { agent: AgentNumber(2), to, .. }) if *to == at(3.0));
    assert!(effects.iter().any(is_lost), "{effects:?}");
}

/// Agents 1 and 2 start at 1 s, one arrival a second in turn. Agent 2 does not hear of the pause from 3 s to 6.3 s.
#[test]
fn what_was_played_ahead_of_a_late_pause_is_not_played_by_heirs() {
    let mut end = coordinator();
    let tell = |end: &mut CoordinatorEnd<Second>, session, message, seconds| {
        end.handle(Event::Message { session: Session(session), message }, at(seconds))
    };
    for agent in [1, 2] {
        hear(&mut end, agent, hello(agent as u32, 0, Readiness::Armed));
    }
    end.handle(Event::Arm(opening(2)), at(0.0));
    end.handle(Event::Persisted { version: 1 }, at(0.0));
    end.handle(Event::Disconnected { session: Session(2) }, at(1.0));
    end.handle(Event::Change(Change::Pause), at(2.7));
    end.handle(Event::Change(Change::Resume), at(6.0));
    let mut back = hello(2, 0, Readiness::Armed);
    if let ToCoordinator::Hello(hello) = &mut back {
        hello.version = 1;
    }
    tell(&mut end, 3, back, 6.5);
    // By then it had played what was due until 6.5 s: the sixth, now due at 9.3 s.
    let leaving = ToCoordinator::Leaving(Leaving { from: at(7.0), reason: String::new() });
    let effects = tell(&mut end, 3, leaving, 6.5);
    let moved = effects.iter().find_map(|effect| match effect {
        Effect::Persist(version) => Some((version.at, version.base.clone())),
        _ => None,
    });
    assert_eq!(moved, Some((RunTime(9_300_001), vec![6])));
}

#[test]
fn a_second_life_waits_until_the_first_is_harmless() {
    let mut end = coordinator();
    hear(&mut end, 1, hello(1, 0, Readiness::Armed));
    let mut second = hello(1, 0, Readiness::Unassigned);
    if let ToCoordinator::Hello(hello) = &mut second {
        hello.incarnation = Incarnation([7; 16]);
    }
    let refused = Notice::Refused { agent: AgentNumber(1), incarnation: Incarnation([7; 16]) };
    assert!(hear(&mut end, 2, second.clone()).contains(&Effect::Notice(refused)));
    end.handle(Event::ProcessEnded { agent: AgentNumber(1) }, at(1.0));
    let joined = Notice::Joined { agent: AgentNumber(1), incarnation: Incarnation([7; 16]), owns_from: 1 };
    assert!(hear(&mut end, 3, second).contains(&Effect::Notice(joined)));
    let beat = ToCoordinator::Heartbeat { sequence: 1, round_trip: Duration::ZERO };
    assert_eq!(hear(&mut end, 1, beat), [], "the first life's heartbeats stay unanswered");
}

/// How many of the four slots each of four agents has.
fn shares(end: &CoordinatorEnd<Second>) -> [usize; 4] {
    let slots = &end.versions().expect("it has started").latest().slots;
    [1, 2, 3, 4].map(|agent| slots.slots_of(AgentNumber(agent)).count())
}

#[test]
fn a_spare_takes_over_all_of_one_agent_and_the_others_share_what_comes_after() {
    let mut end = coordinator();
    for (agent, weight) in [(1, 1), (2, 1), (3, 0), (4, 0)] {
        end.handle(Event::Assign { agent: AgentNumber(agent), assignment: Arc::new(assignment()), weight }, at(0.0));
        hear(&mut end, agent.into(), hello(agent, 0, Readiness::Armed));
    }
    end.handle(Event::Arm(opening(4)), at(0.0));
    end.handle(Event::Persisted { version: 1 }, at(0.0));
    assert_eq!(shares(&end), [2, 2, 0, 0], "spares wait");
    for (seconds, gone, left) in [(1.0, 2, [2, 0, 2, 0]), (2.0, 3, [2, 0, 0, 2]), (3.0, 1, [0, 0, 0, 4])] {
        end.handle(Event::ProcessEnded { agent: AgentNumber(gone) }, at(seconds));
        end.handle(Event::Tick, at(seconds));
        let version = end.versions().map_or(0, |versions| versions.latest().number);
        end.handle(Event::Persisted { version }, at(seconds));
        assert_eq!(shares(&end), left, "agent {gone} is gone");
    }
}

/// Agents that stay for the next run dial again as soon as they were told goodbye.
#[test]
fn who_has_said_farewell_is_not_taken_in_again_once_the_load_has_ended() {
    for (has_stopped, is_taken) in [(false, true), (true, false)] {
        let mut end = coordinator();
        hear(&mut end, 1, hello(1, 0, Readiness::Armed));
        if has_stopped {
            end.handle(Event::Stop(StopKind::Graceful), at(0.0));
        }
        hear(&mut end, 1, ToCoordinator::Drained);
        let mut is_welcome = |session, hello| {
            let effects = hear(&mut end, session, hello);
            effects.iter().any(|effect| matches!(effect, Effect::Send { message: ToAgent::Welcome(_), .. }))
        };
        let ToCoordinator::Hello(known) = hello(1, 0, Readiness::Unassigned) else { unreachable!() };
        let back = ToCoordinator::Hello(Hello { incarnation: Incarnation([9; 16]), ..known });
        assert_eq!(is_welcome(2, back), is_taken, "after a stop: {has_stopped}");
        assert!(is_welcome(3, hello(2, 0, Readiness::Unassigned)), "who comes late is told that it is over");
    }
}

/// A coordinator that ends while its goodbye is on a broken line leaves an agent behind that waits for it.
#[test]
fn whoever_may_go_is_waited_for_until_it_has_heard_so() {
    let gone_at = at(3.0);
    let told = || {
        let mut end = coordinator();
        hear(&mut end, 1, hello(1, 0, Readiness::Armed));
        assert!(!end.awaits_farewell(at(0.0)), "nobody was told to go");
        hear(&mut end, 1, ToCoordinator::Drained);
        assert!(end.awaits_farewell(gone_at));
        end
    };
    let mut heard = told();
    hear(&mut heard, 1, ToCoordinator::Farewell);
    assert!(!heard.awaits_farewell(gone_at));

    let mut broken = told();
    broken.handle(Event::Disconnected { session: Session(1) }, gone_at);
    assert!(broken.awaits_farewell(gone_at), "who knows whether it heard?");
    hear(&mut broken, 2, hello(1, 3, Readiness::Armed));
    hear(&mut broken, 2, ToCoordinator::Drained);
    hear(&mut broken, 2, ToCoordinator::Farewell);
    assert!(!broken.awaits_farewell(at(9.0)), "it came back and was told again");

    let mut dead = told();
    dead.handle(Event::ProcessEnded { agent: AgentNumber(1) }, gone_at);
    assert!(!dead.awaits_farewell(gone_at));
    let lease = LeaseTerms::default().lease.as_secs_f64();
    assert!(told().awaits_farewell(at(lease - 0.1)) && !told().awaits_farewell(at(lease)), "and not for ever");
}
