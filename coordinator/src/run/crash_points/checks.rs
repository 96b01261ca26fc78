//! What must hold when a run is over, however often its coordinator died: the database says what agents really counted.

use std::collections::BTreeMap;

use rehearsal_api::{Command, Refusal};
use rehearsal_link::agent::Exit;
use rehearsal_metrics::{Limits, Points, Timeline, UserState as State};
use rehearsal_plan::{PlanRate, RunTime, Version, Versions};
use rehearsal_store::Recorded;

use super::crew::{Fate, Samples};
use super::operator::{BY_HAND, Ordered, SCALED};
use super::world::{BY_PLAN, DRAINED, Over};
use crate::run::outcome::Ending;
use crate::run::{Fired, Sent};

/// Checks everything; `what` says which run it was.
pub(super) fn check(over: &Over, called: &[String], what: &str) {
    let store = over.outcome.store.as_ref().unwrap_or_else(|error| panic!("{what}: {error}"));
    let recorded = store.load().unwrap_or_else(|error| panic!("{what}: {error}"));
    let started = over.outcome.started.unwrap_or_else(|| panic!("{what}: it never started: {:?}", over.outcome.ending));
    ended(over, what);
    versions(over, &recorded.versions, what);
    samples(over, &recorded, started, what);
    users(over, &recorded, what);
    cues(over, called, what);
    over.operator.ordered.iter().for_each(|ordered| order(ordered, over, &recorded.versions, what));
}

/// All agents have gone in order, nobody was lost, and the run did not wait for anybody in vain.
fn ended(over: &Over, what: &str) {
    for agent in &over.agents {
        // A coordinator that is taken up when everything was told and stored has nobody to wait for, and may be gone again
        // before an agent finds it.
        let is_told = agent.exit == Some(Exit::Done);
        let is_forgotten = over.deaths > 0 && agent.exit == Some(Exit::Abandoned { unacknowledged: None });
        assert!(is_told || is_forgotten, "{what}: agent {} ended with {:?}", agent.number.0, agent.exit);
        assert!(!over.outcome.members[&agent.number].ended, "{what}: nobody saw a process");
    }
    let Ending::Fault(fault) = &over.outcome.ending else { return };
    panic!("{what}: {fault}");
}

/// What agents played is what is stored.
fn versions(over: &Over, stored: &[Version], what: &str) {
    for agent in &over.agents {
        let versions =
            agent.versions.as_ref().unwrap_or_else(|| panic!("{what}: agent {} never played", agent.number.0));
        for (told, stored) in versions.history().zip(stored) {
            assert_eq!(told, stored, "{what}: agent {}", agent.number.0);
        }
    }
}

/// Every sample is there once, in its own second.
fn samples(over: &Over, recorded: &Recorded, started: RunTime, what: &str) {
    let mut counted = Samples::new();
    for ((name, second), count) in over.agents.iter().flat_map(|agent| &agent.crew.as_ref().expect("it played").samples)
    {
        *counted.entry((name.clone(), second - started.second())).or_default() += count;
    }
    let names: BTreeMap<_, _> = recorded.changes.series.iter().map(|series| (series.id, &series.key.metric)).collect();
    let mut stored = Samples::new();
    for (second, points) in &recorded.changes.points {
        let points = points.iter().filter(|(_, points)| points.count() > 0);
        stored.extend(points.map(|(id, points)| ((names[id].clone(), *second), Points::count(points))));
    }
    assert_eq!(stored, counted, "{what}: samples as stored, and as counted");
}

/// Each planned user is in one state, which is that in which its agent left it.
fn users(over: &Over, recorded: &Recorded, what: &str) {
    let versions = versions_of(recorded);
    let mut fates: BTreeMap<u64, Vec<Fate>> = BTreeMap::new();
    for agent in &over.agents {
        for (index, of_agent) in &agent.crew.as_ref().expect("it played").fates {
            fates.entry(*index).or_default().extend(of_agent);
        }
    }
    for (index, fates) in &fates {
        assert_eq!(fates.len(), 1, "{what}: arrival {index} was played more than once: {fates:?}");
    }
    let timeline = Timeline::rebuild(Limits::default(), recorded.changes.clone());
    let ledger = timeline.unwrap_or_else(|error| panic!("{what}: {error}")).ledger_now();
    let ledger = ledger.unwrap_or_else(|error| panic!("{what}: {error}"));
    let shown = over.outcome.timeline.ledger_now().unwrap_or_else(|error| panic!("{what}: {error}"));
    assert_eq!(ledger, shown, "{what}: as stored, and as shown");
    assert_eq!(ledger.planned(), versions.planned(), "{what}");
    let mut counted = BTreeMap::new();
    let mut unplayed = 0;
    for index in 0..versions.planned() {
        match fates.get(&index) {
            Some(fates) => *counted.entry(fates[0].end.unwrap_or(State::Live)).or_insert(0) += 1,
            None => {
                unplayed += 1;
                came_to_nobody(over, &versions, index, what);
            }
        }
    }
    // After a stop it depends on when the coordinator comes back how many of them were due and are missing; the rest is
    // cancelled.
    let [lost, cancelled] = [State::Lost, State::Cancelled]
        .map(|state| ledger.users(state).checked_sub(counted.get(&state).copied().unwrap_or(0)));
    let is_told = lost.zip(cancelled).is_some_and(|(lost, cancelled)| {
        lost + cancelled == unplayed && (cancelled == 0 || over.outcome.ending == Ending::Operator)
    });
    assert!(
        is_told,
        "{what}: {lost:?} lost and {cancelled:?} cancelled beside those played, {unplayed} came to nobody"
    );
    for state in State::ALL.into_iter().filter(|state| !matches!(state, State::Lost | State::Cancelled)) {
        assert_eq!(ledger.users(state), counted.get(&state).copied().unwrap_or(0), "{what}: {state:?}");
    }
}

/// Who came to nobody was the drained agent's own: due after its leaving and before a takeover that came late because the
/// coordinator was dead, or at an instant that the agent learned of too late.
fn came_to_nobody(over: &Over, versions: &Versions, index: u64, what: &str) {
    let until = versions.relieved_at(DRAINED);
    let due = versions.arrival(0, index).map(|arrival| arrival.at);
    let has_left = over.agents.iter().any(|agent| agent.leaves_from.is_some());
    assert!(
        over.deaths > 0 && has_left,
        "{what}: arrival {index}, due {due:?}, came to nobody, and nobody was missing"
    );
    let was_its_own =
        until.is_none_or(|until| versions.started_by(DRAINED, until).any(|arrival| arrival == (0, index)));
    assert!(
        was_its_own,
        "{what}: arrival {index}, due {due:?}, came to nobody, and others had taken over at {until:?}"
    );
}

/// A function is called at most once, and what is said of it is so.
fn cues(over: &Over, called: &[String], what: &str) {
    for fired in &over.outcome.fired {
        let calls = called.iter().filter(|id| **id == fired.announcement.id).count();
        let is_so = match &fired.outcome {
            Some(Sent::After(_)) => calls == 1,
            Some(Sent::Unknown) => calls <= 1 && over.deaths > 0,
            _ => false,
        };
        assert!(is_so, "{what}: {fired:?} was called {calls} times");
    }
    let of = |name: &str| over.outcome.fired.iter().filter(|fired| fired.announcement.name == name).count();
    assert!(called.len() <= over.outcome.fired.len(), "{what}: {called:?} were called: {:?}", over.outcome.fired);
    assert_eq!(of(BY_PLAN), 1, "{what}: the plan's cue");
    assert!(of(BY_HAND) <= 1, "{what}: the operator's cue");
}

/// What was answered holds, and what was refused was done already.
fn order(ordered: &Ordered, over: &Over, stored: &[Version], what: &str) {
    let Ordered { command, answer, deaths } = ordered;
    let answer = match answer {
        Some(Ok(answer)) => answer,
        // It was done before the death that kept the answer back, or a death kept the operator waiting for too long.
        Some(Err(Refusal::Conflict(_))) if over.deaths > 0 => return,
        None if matches!(command, Command::Cue { .. }) && *deaths > 0 => return,
        refused => panic!("{what}: {command:?} came to {refused:?} after {deaths} deaths"),
    };
    let version = stored.iter().find(|version| Some(version.number) == answer.version);
    let holds = match command {
        Command::Pause => version.is_some_and(|version| version.running == PlanRate::Paused),
        Command::Resume => version.is_some_and(|version| version.running == PlanRate::Running),
        Command::Scale { .. } => {
            version.is_some() && over.outcome.timeline.ledger_now().is_ok_and(|l| l.planned() == SCALED)
        }
        Command::Cue { name } => over.outcome.fired.iter().any(|Fired { announcement, .. }| announcement.name == *name),
        Command::Stop { .. } => over.outcome.ending == Ending::Operator,
    };
    assert!(holds, "{what}: {answer:?} does not hold");
}

fn versions_of(recorded: &Recorded) -> Versions {
    let history = serde_json::json!({ "seed": recorded.about.seed, "versions": recorded.versions });
    serde_json::from_value(history).expect("what is stored is a history")
}
