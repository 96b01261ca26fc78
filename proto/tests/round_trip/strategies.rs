//! Every message that either end can send, with values from all of their ranges.

use std::{sync::Arc, time::Duration};

use proptest::{collection::vec, option, prelude::*};
use rehearsal_link::{
    Applied, Assignment, CueAnnouncement, Epoch, Hello, Incarnation, LeaseTerms, Leaving, Readiness, StopKind,
    Stopping, ToAgent, ToCoordinator, Welcome,
};
use rehearsal_metrics::{
    Bins, CallCounts, CuePoints, Definition, Errors, Health, Interval, Kind, Points, SeriesId, SeriesKey, Snapshot,
    Tags, Transitions, UserState,
};
use rehearsal_plan::{
    AgentNumber, Begun, Endpoint, Instances, Load, PlanRate, RateStage, Returns, RunTime, SlotTable, Spacing, Standing,
    Stay, Version,
};

const FIRST: i64 = -3;
const AFTER: i64 = 600;

fn text() -> impl Strategy<Value = String> {
    "[a-z \"ä/:]{0,12}"
}

fn bins() -> impl Strategy<Value = Bins> {
    vec(0..150_000_000_u64, 0..40).prop_map(|samples| {
        let mut bins = Bins::default();
        samples.into_iter().for_each(|micros| bins.record(Duration::from_micros(micros)));
        bins
    })
}

fn points() -> impl Strategy<Value = Points> {
    prop_oneof![
        bins().prop_map(Points::Duration),
        any::<u64>().prop_map(Points::Count),
        any::<(u64, u64)>().prop_map(|(a, b)| Points::Ratio { yes: a.min(b), total: a.max(b) }),
    ]
}

fn definition() -> impl Strategy<Value = Definition> {
    let kind = prop_oneof![Just(Kind::Duration), Just(Kind::Count), Just(Kind::Ratio)];
    let tags = vec((text(), text()), 0..4).prop_map(|pairs| pairs.into_iter().collect::<Tags>());
    (any::<u32>(), kind, text(), tags).prop_map(|(id, kind, metric, tags)| Definition {
        id: SeriesId(id),
        kind,
        key: SeriesKey { metric, tags },
    })
}

fn definitions() -> impl Strategy<Value = Vec<Definition>> {
    vec(definition(), 0..4).prop_map(|mut definitions| {
        definitions.sort_by_key(|definition| definition.id);
        definitions.dedup_by_key(|definition| definition.id);
        definitions
    })
}

fn transitions() -> impl Strategy<Value = Transitions> {
    use UserState::*;
    let moves = prop::sample::select(vec![(Waiting, Live), (Live, Finished), (Waiting, Dropped), (Lost, Cancelled)]);
    vec((moves, 1..u64::MAX), 0..4).prop_map(|rows| {
        let mut moved = Transitions::default();
        rows.into_iter().for_each(|((from, to), users)| moved.record(from, to, users).unwrap());
        moved
    })
}

fn cue() -> impl Strategy<Value = CuePoints> {
    let snapshot = any::<(u64, u64)>().prop_map(|(a, b)| Snapshot { live: a.max(b), connected: a.min(b) });
    let snapshots = option::of(prop::collection::btree_map(text(), snapshot, 0..3));
    let bins = prop::collection::btree_map(any::<i32>(), any::<u64>(), 0..20);
    let heard = prop::collection::btree_map(text(), bins, 0..3);
    (snapshots, heard, any::<(u64, u64, Option<i64>, Option<i64>)>()).prop_map(|(snapshot, heard, rest)| {
        let (late_heard, duplicates, first_micros, last_micros) = rest;
        // Whoever was not ready is among those who heard.
        let unready = heard.keys().map(|transport: &String| (transport.clone(), 1 + late_heard % 9)).collect();
        CuePoints { snapshot, heard, unready, late_heard, duplicates, first_micros, last_micros }
    })
}

fn health() -> impl Strategy<Value = Health> {
    any::<(u64, u32, u32, u64, u64, u64)>().prop_map(|row| Health {
        lag_max_micros: row.0,
        cpu_milli: row.1,
        steal_milli: row.2,
        open_files: row.3,
        dropped_starts: row.4,
        clock_bound_micros: row.5,
    })
}

fn interval() -> impl Strategy<Value = Interval> {
    use prop::collection::btree_map;
    let calls =
        any::<[u64; 4]>().prop_map(|[begun, answered, failed, cut]| CallCounts { begun, answered, failed, cut });
    let errors = vec((text(), 1..1_000_u64, text()), 0..4).prop_map(|rows| {
        let mut errors = Errors::default();
        rows.iter().for_each(|(kind, count, sample)| errors.add(kind, *count, sample, Errors::MOST_KINDS));
        errors
    });
    (
        definitions(),
        btree_map(any::<u32>().prop_map(SeriesId), points(), 0..5),
        btree_map(FIRST..AFTER, transitions(), 0..4),
        btree_map(text(), calls, 0..4),
        errors,
        btree_map(any::<u32>(), cue(), 0..3),
        btree_map(FIRST..AFTER, health(), 0..4),
        btree_map(0..3_u32, prop::collection::btree_set(any::<u64>(), 1..5), 0..3),
    )
        .prop_map(|(defines, points, users, calls, errors, cues, health, ended)| Interval {
            from: FIRST,
            to: AFTER,
            defines,
            points,
            users,
            calls,
            errors,
            cues,
            health,
            ended,
        })
}

fn load() -> impl Strategy<Value = Load> {
    let span = (0..10_000_000_000_000_u64).prop_map(Duration::from_nanos);
    let rate = (0.0..1e9_f64, span.clone()).prop_map(|(per_second, over)| RateStage::RampTo { per_second, over });
    prop_oneof![
        (any::<u64>(), span.clone(), span).prop_map(|(users, over, stay)| Load::Arrive {
            users,
            over,
            spacing: Spacing::Random,
            stay: Stay::Each(stay),
        }),
        (vec(rate, 1..4), any::<u64>()).prop_map(|(stages, at_most)| Load::Rate { stages, at_most }),
        vec(any::<(u64, u64)>(), 0..5).prop_map(|seconds| Load::Curve { seconds, stay: Stay::UntilDone }),
    ]
}

fn version() -> impl Strategy<Value = Version> {
    let time = any::<u64>().prop_map(Duration::from_nanos);
    let begun = (any::<u64>(), time.clone()).prop_map(|(index, plan_time)| Begun { index, plan_time });
    let weights = vec((any::<u32>().prop_map(AgentNumber), 0..5_u32), 0..4);
    let slots = (0..64_usize, weights).prop_map(|(slots, weights)| SlotTable::weighted(slots, &weights));
    let users = vec(prop::collection::btree_set(any::<u64>(), 0..5), 0..3);
    let returns = prop::option::of((time.clone(), users).prop_map(|(over, users)| Returns {
        over,
        users: users.into_iter().map(|users| users.into_iter().collect()).collect(),
    }));
    (any::<(u64, i64, bool)>(), time, vec((load(), begun, any::<u64>()), 0..3), slots, returns).prop_map(
        |((number, at, paused), plan_time, scenarios, slots, returns)| Version {
            number,
            at: RunTime(at),
            plan_time,
            running: if paused { PlanRate::Paused } else { PlanRate::Running },
            loads: scenarios.iter().map(|scenario| scenario.0.clone()).collect(),
            begun: scenarios.iter().map(|scenario| scenario.1).collect(),
            base: scenarios.iter().map(|scenario| scenario.2).collect(),
            slots,
            returns,
        },
    )
}

pub fn to_coordinator() -> impl Strategy<Value = ToCoordinator<Interval>> {
    let readiness = prop_oneof![Just(Readiness::Unassigned), Just(Readiness::Assigned), Just(Readiness::Armed)];
    let hello = (any::<(u32, [u8; 16], u64, u64)>(), readiness, text()).prop_map(|(numbers, readiness, build)| Hello {
        agent: AgentNumber(numbers.0),
        incarnation: Incarnation(numbers.1),
        epoch: Epoch(numbers.2),
        version: numbers.3,
        readiness,
        build,
    });
    prop_oneof![
        hello.prop_map(ToCoordinator::Hello),
        (any::<u64>(), interval()).prop_map(|(number, payload)| ToCoordinator::Interval { number, payload }),
        any::<(u64, u64)>().prop_map(|(sequence, micros)| ToCoordinator::Heartbeat {
            sequence,
            round_trip: Duration::from_micros(micros),
        }),
        Just(ToCoordinator::Armed),
        any::<(u64, i64, u64)>().prop_map(|(version, at, missed)| ToCoordinator::Applied(Applied {
            version,
            at: RunTime(at),
            missed
        })),
        (any::<bool>(), any::<i64>()).prop_map(|(hard, at)| ToCoordinator::Stopping(Stopping {
            kind: if hard { StopKind::Hard } else { StopKind::Graceful },
            at: RunTime(at)
        })),
        (any::<i64>(), text())
            .prop_map(|(from, reason)| ToCoordinator::Leaving(Leaving { from: RunTime(from), reason })),
        Just(ToCoordinator::Drained),
        Just(ToCoordinator::Farewell),
    ]
}

fn assignment() -> impl Strategy<Value = Assignment> {
    let texts = vec(text(), 7);
    (texts, any::<(u64, u32)>(), prop::collection::btree_map(text(), text(), 0..3)).prop_map(
        |(texts, (seed, threads), data)| Assignment {
            run: texts[0].clone(),
            agent_id: texts[1].clone(),
            region: texts[2].clone(),
            seed,
            threads,
            scenario: texts[3].as_str().into(),
            environment: texts[4].as_str().into(),
            plan: texts[5].as_str().into(),
            common: texts[6].as_str().into(),
            data: Arc::new(data),
        },
    )
}

pub fn to_agent() -> impl Strategy<Value = ToAgent> {
    let welcome = (any::<(u64, u64)>(), 0..86_400_000_000_u64).prop_map(|((epoch, mark), micros)| Welcome {
        epoch: Epoch(epoch),
        mark,
        lease: LeaseTerms { lease: Duration::from_micros(micros), drain: Duration::from_micros(micros / 2) },
    });
    let cue = (text(), any::<(u64, i64)>(), text(), option::of(text()), option::of(text())).prop_map(
        |(name, (number, at), id, event, pointer)| CueAnnouncement {
            firing: (number % 1_000) as u32,
            name,
            number,
            id,
            at: RunTime(at),
            event,
            pointer,
        },
    );
    prop_oneof![
        welcome.prop_map(ToAgent::Welcome),
        assignment().prop_map(|assignment| ToAgent::Assignment(Arc::new(assignment))),
        any::<u64>().prop_map(|number| ToAgent::Ack { number }),
        any::<u64>().prop_map(|sequence| ToAgent::HeartbeatAnswer { sequence }),
        version().prop_map(|version| ToAgent::Version(Arc::new(version))),
        cue.prop_map(|cue| ToAgent::Cue(Arc::new(cue))),
        prop_oneof![Just(StopKind::Graceful), Just(StopKind::Hard)].prop_map(ToAgent::Stop),
        Just(ToAgent::Fenced),
        Just(ToAgent::Goodbye),
        instances().prop_map(|instances| ToAgent::Instances(Arc::new(instances))),
    ]
}

fn instances() -> impl Strategy<Value = Instances> {
    let standing = prop_oneof![Just(Standing::Serving), Just(Standing::Draining)];
    let instance = ("[a-z0-9.:]{1,20}", 1..=u16::MAX, standing)
        .prop_map(|(host, port, standing)| (Endpoint { host, port }, standing));
    prop::collection::vec(instance, 0..20).prop_map(|listed| listed.into_iter().collect())
}
