//! Whole fleets of gates against one plan: whoever is planned is given out once, whatever moves, pauses, returns or ends.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use proptest::prelude::*;
use rehearsal_plan::{Change, Returns, SlotTable, Spacing, Stay};

use super::*;

const ALONE: Share = Share { thread: 0, of: 1 };
const ME: AgentNumber = AgentNumber(0);

fn at(seconds: f64) -> RunTime {
    RunTime::from_secs_f64(seconds)
}

fn table(weights: &[u32]) -> SlotTable {
    let agents: Vec<_> = (0..).map(AgentNumber).zip(weights.iter().copied()).collect();
    SlotTable::weighted(8, &agents)
}

/// Users who come ten a second.
fn plan(users: u64, weights: &[u32]) -> Versions {
    let over = Duration::from_millis(users * 100);
    let load = Load::Arrive { users, over, spacing: Spacing::Even, stay: Stay::UntilDone };
    Versions::first(RunTime::ZERO, vec![load], table(weights), 7)
}

fn changed(before: &Versions, change: Change, instant: f64) -> Versions {
    let mut after = before.clone();
    after.push(before.with(change, at(instant))).unwrap();
    after
}

fn gate(versions: &Versions, now: f64) -> Gate {
    let mut gate = Gate::new(ME, ALONE);
    assert_eq!(gate.take_versions(Arc::new(versions.clone()), at(now)), Admitted::default());
    gate
}

fn indices(due: &[Due]) -> Vec<u64> {
    due.iter().map(|due| due.arrival.index).collect()
}

fn returns(users: &[u64], over: f64) -> Change {
    Change::Return(Returns { over: Duration::from_secs_f64(over), users: vec![users.to_vec()] })
}

/// A gate once looked for new arrivals only behind the next of its old ones: whoever came in between to a slot that moved
/// here was played by nobody.
#[test]
fn a_takeover_begins_at_its_instant() {
    let two = plan(16, &[1, 1]);
    let all = changed(&two, Change::Slots(table(&[1])), 0.65);
    let mut gate = gate(&two, -0.1);
    let mut played = indices(&gate.take_due(at(0.5)));
    assert_eq!(gate.take_versions(Arc::new(all), at(0.5)), Admitted::default());
    played.extend(indices(&gate.take_due(at(2.0))));
    let mine = (0..16).filter(|index| *index >= 7 || two.owner(0, *index) == Some(ME));
    assert_eq!(played, mine.collect::<Vec<_>>());
}

#[test]
fn what_a_late_version_wanted_is_dropped_once() {
    let two = plan(16, &[1, 1]);
    let all = changed(&two, Change::Slots(table(&[1])), 0.35);
    let mut gate = gate(&two, -0.1);
    let played: BTreeSet<u64> = indices(&gate.take_due(at(0.85))).into_iter().collect();
    let Admitted { start, drop, cancel } = gate.take_versions(Arc::new(all.clone()), at(0.85));
    let missed: BTreeSet<u64> = indices(&drop).into_iter().collect();
    assert_eq!((start, cancel), (vec![], vec![]));
    assert_eq!(missed, (4..9).filter(|index| !played.contains(index)).collect(), "due between 0.35 s and 0.85 s");
    assert_eq!(
        gate.take_versions(Arc::new(all), at(0.86)),
        Admitted::default(),
        "what is known already changes nothing"
    );
    assert_eq!(indices(&gate.take_due(at(9.0))), (9..16).collect::<Vec<_>>());
}

#[test]
fn who_returns_comes_once_whatever_versions_say_later() {
    let back = changed(&plan(10, &[1]), returns(&[1, 2], 0.4), 0.5);
    let mut gate = gate(&plan(10, &[1]), -0.1);
    let first = gate.take_due(at(0.45));
    assert_eq!((indices(&first), first.iter().any(|due| due.restored)), (vec![0, 1, 2, 3, 4], false));
    assert_eq!(gate.take_versions(Arc::new(back.clone()), at(0.46)), Admitted::default());
    let due = gate.take_due(at(0.55));
    assert_eq!(due.iter().map(|due| (due.arrival.index, due.restored)).collect::<Vec<_>>(), [(5, false), (1, true)]);
    let paused = changed(&back, Change::Pause, 0.6);
    gate.take_versions(Arc::new(paused.clone()), at(0.58));
    assert_eq!(gate.take_due(at(5.0)), [], "a pause holds returns up, too");
    gate.take_versions(Arc::new(changed(&paused, Change::Resume, 6.0)), at(5.9));
    let due = gate.take_due(at(6.15));
    assert_eq!(
        due.iter().map(|due| (due.arrival.index, due.restored)).collect::<Vec<_>>(),
        [(6, false), (7, false), (2, true)]
    );
}

#[test]
fn a_return_that_comes_too_late_is_dropped() {
    let mut gate = gate(&plan(3, &[1]), -0.1);
    assert_eq!(gate.take_due(at(1.0)).len(), 3);
    let back = changed(&plan(3, &[1]), returns(&[0, 1], 0.4), 1.0);
    let Admitted { start, drop, .. } = gate.take_versions(Arc::new(back), at(1.1));
    assert_eq!((start, indices(&drop)), (vec![], vec![0]));
    assert_eq!(indices(&gate.take_due(at(2.0))), [1]);
}

#[test]
fn held_arrivals_are_dropped_lost_or_cancelled() {
    let held = || {
        let mut gate = gate(&plan(10, &[1]), -0.1);
        gate.take_due(at(0.25));
        gate.hold(true);
        assert_eq!(gate.take_due(at(0.55)), [], "nobody starts while held");
        gate
    };
    assert_eq!(indices(&held().hold(false)), [3, 4, 5], "the hold has ended");
    assert_eq!(indices(&held().stop(at(0.6))), (3..10).collect::<Vec<_>>(), "the load has ended");
    let mut relieved = held();
    relieved.relieve(at(0.35));
    assert_eq!(indices(&relieved.hold(false)), [3], "from 0.35 s on others play");
    assert!(relieved.is_shut(at(0.6)));
    let mut fenced = held();
    fenced.relieve(at(0.35));
    assert_eq!(fenced.stop(at(0.6)), [], "lost with the lease: others may play them");
}

#[test]
fn who_is_relieved_neither_starts_nor_cancels_what_is_others() {
    let relieved = || {
        let mut gate = gate(&plan(10, &[1]), -0.1);
        gate.take_due(at(0.25));
        gate.relieve(at(0.45));
        gate.relieve(at(0.65));
        gate
    };
    let mut playing = relieved();
    assert_eq!(
        (playing.next_at(), playing.shuts_at(at(0.3))),
        (Some(at(0.3)), Some(at(0.45))),
        "the earlier instant holds"
    );
    assert_eq!((playing.is_shut(at(0.44)), playing.is_shut(at(0.45))), (false, true));
    assert_eq!(indices(&playing.take_due(at(5.0))), [3, 4]);
    assert_eq!((playing.next_at(), playing.stop(at(6.0))), (None, vec![]));
    assert_eq!(indices(&relieved().stop(at(0.3))), [3, 4], "a stop cancels only its own");
}

#[test]
fn a_version_that_a_stop_overtook_is_cancelled_once() {
    let two = plan(16, &[1, 1]);
    let mut gate = gate(&two, -0.1);
    let mut all = indices(&gate.take_due(at(0.5)));
    all.extend(indices(&gate.stop(at(0.5))));
    let taken_over = changed(&two, Change::Slots(table(&[1])), 0.6);
    let back = changed(&taken_over, returns(&[0], 0.0), 0.7);
    for versions in [taken_over, back.clone(), back] {
        let Admitted { start, drop, cancel } = gate.take_versions(Arc::new(versions), at(0.55));
        assert_eq!((start, drop), (vec![], vec![]));
        all.extend(indices(&cancel));
    }
    all.sort_unstable();
    let owned = (0..16).filter(|index| *index >= 6 || two.owner(0, *index) == Some(ME));
    let mut owned: Vec<u64> = owned.chain([0]).collect();
    owned.sort_unstable();
    assert_eq!(all, owned);
}

const AGENTS: u32 = 3;
const THREADS: u32 = 2;
/// Every version holds from so long after it was sent.
const LEAD_MS: u64 = 300;

#[derive(Clone, Debug)]
enum Step {
    Slots(Vec<u32>),
    Pause,
    Resume,
    /// Every n-th of those who have come is brought back.
    Return(usize, u64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        prop::collection::vec(0_u32..3, AGENTS as usize)
            .prop_filter("somebody has the slots", |weights| weights.iter().sum::<u32>() > 0)
            .prop_map(Step::Slots),
        Just(Step::Pause),
        Just(Step::Resume),
        (2_usize..5, 0_u64..1_500).prop_map(|(nth, over)| Step::Return(nth, over)),
    ]
}

fn change(versions: &Versions, at: RunTime, step: &Step) -> Change {
    match step {
        Step::Slots(weights) => Change::Slots(table(weights)),
        Step::Pause => Change::Pause,
        Step::Resume => Change::Resume,
        Step::Return(nth, over) => {
            let come = versions.with(Change::Resume, at).base[0];
            let users = vec![(0..come).step_by(*nth).collect()];
            Change::Return(Returns { over: Duration::from_millis(*over), users })
        }
    }
}

fn millis(millis: u64) -> RunTime {
    RunTime(millis as i64 * 1_000)
}

/// How often each first arrival and each return was given out, over all gates. The history of versions is told to each
/// agent with its own delay; at the end everybody is stopped.
fn given_out(
    steps: &[(u64, Step)],
    delays: [u64; AGENTS as usize],
    weights: &[u32],
) -> (Versions, BTreeMap<(u32, bool, u64), u64>) {
    let mut versions = plan(60, weights);
    let mut sent = vec![(0, versions.clone())];
    let mut now = 100;
    for (pause, step) in steps {
        now += pause;
        let at = millis(now + LEAD_MS);
        let change = change(&versions, at, step);
        let next = versions.with(change, at);
        versions.push(next).unwrap();
        sent.push((now, versions.clone()));
    }
    let end = now + LEAD_MS + 2_000;
    let mut given = BTreeMap::new();
    for (agent, delay) in (0..).zip(delays) {
        for thread in 0..THREADS {
            let mut gate = Gate::new(AgentNumber(agent), Share { thread, of: THREADS });
            let mut waiting = sent.iter().peekable();
            let mut count = |all: Vec<Due>| {
                all.into_iter()
                    .for_each(|due| *given.entry((agent, due.restored, due.arrival.index)).or_insert(0) += 1);
            };
            for now in (0..=end).step_by(50) {
                while let Some((_, versions)) = waiting.next_if(|(at, _)| *at == 0 || at + delay <= now) {
                    let Admitted { start, drop, cancel } = gate.take_versions(Arc::new(versions.clone()), millis(now));
                    [start, drop, cancel].into_iter().for_each(&mut count);
                }
                count(gate.take_due(millis(now)));
            }
            count(gate.stop(millis(end)));
        }
    }
    (versions, given)
}

proptest! {
    #[test]
    fn everybody_is_given_out_once_when_versions_come_in_time(
        steps in prop::collection::vec((0_u64..1_500, step()), 0..6),
        delays in prop::array::uniform3(0_u64..LEAD_MS - 50),
    ) {
        let (versions, given) = given_out(&steps, delays, &[1, 1, 1]);
        let mut first = BTreeMap::new();
        for ((_, restored, index), count) in &given {
            if !restored {
                *first.entry(*index).or_insert(0) += count;
            }
        }
        prop_assert_eq!(first, (0..60).map(|index| (index, 1)).collect());
        // Whoever a pause holds up for good has no return that could be listed: let plan time go on.
        let end = steps.iter().map(|(pause, _)| pause).sum::<u64>() + 100 + LEAD_MS + 2_000;
        let mut going = versions.clone();
        going.push(versions.with(Change::Resume, millis(end))).unwrap();
        let mut expected = BTreeMap::new();
        for agent in 0..AGENTS {
            for returning in going.returns_of(AgentNumber(agent)) {
                *expected.entry((agent, true, returning.arrival.index)).or_insert(0) += 1;
            }
        }
        let returned: BTreeMap<_, _> = given.into_iter().filter(|((_, restored, _), _)| *restored).collect();
        prop_assert_eq!(returned, expected);
    }

    #[test]
    fn late_versions_lose_nobody_and_repeat_nobody_at_one_agent(
        steps in prop::collection::vec((0_u64..1_500, step()), 0..5),
        delays in prop::array::uniform3(0_u64..1_500),
    ) {
        let (_, given) = given_out(&steps, delays, &[2, 1, 1]);
        let twice: Vec<_> = given.iter().filter(|((_, restored, _), count)| !restored && **count > 1).collect();
        prop_assert!(twice.is_empty(), "{twice:?}");
        let all: BTreeSet<u64> = given.keys().filter(|(_, restored, _)| !restored).map(|(_, _, index)| *index).collect();
        prop_assert_eq!(all, (0..60).collect());
    }
}

#[test]
fn who_is_due_after_the_permit_ran_out_is_put_by_without_being_told() {
    let versions = plan(10, &[1]);
    let mut gate = gate(&versions, -1.0);
    assert_eq!(gate.lapse(true), []);
    assert_eq!(gate.take_due(at(0.35)), [], "four are due");
    assert_eq!(gate.hold(true), [], "now it is told, too");
    assert_eq!(gate.lapse(false), [], "and held still");
    assert_eq!(gate.hold(false).len(), 4, "the lease came back: it is too late for them");
    assert_eq!(gate.take_due(at(0.45)).len(), 1);
}
