//! Finds what is missing from a run's numbers: agents that were lost, seconds that never arrived,
//! cues that nobody can say enough about, users that did not run as planned.
//!
//! None of it is the system's fault, so none of it fails a run; but no number may be silently
//! incomplete.

use rehearsal_metrics::{CueSummary, UserState};

use super::Evidence;
use crate::amounts::{counted, seconds};
use crate::case::{Case, Extent, Statement};

/// Lost agents, seconds that were never reported, and those that were reported in one piece.
pub(super) fn of_agents(evidence: &Evidence<'_>, case: &mut Case) {
    let run = evidence.seconds();
    for (number, agent) in evidence.timeline.agents() {
        let name = evidence.agents.get(number).cloned().unwrap_or_else(|| format!("agent {number}"));
        let say = |text: &str, extent: Extent| Statement { subject: name.clone(), text: text.to_owned(), extent };
        let missing = agent.unobserved(run.to_s);
        if let Some(lost_at) = agent.lost_at.filter(|_| missing.is_empty()) {
            let extent = Extent { from_s: lost_at as f64, to_s: lost_at as f64 };
            case.warn(say("the agent was given up for lost, but all that it measured has come", extent));
        }
        for span in missing {
            case.doubt(match agent.lost_at.is_some_and(|lost_at| span.to_s > lost_at) {
                true => say("the agent was lost: what its users did in this stretch is unknown", span.into()),
                false => say("its numbers of this stretch never arrived", span.into()),
            });
        }
    }
    for span in evidence.timeline.coarse() {
        let text = "an agent could report this stretch only in one piece: its samples are filed under the first second";
        case.tell(Statement { extent: span.into(), ..evidence.of_run("timeline", text) });
    }
}

/// Late and repeated hearings, agents that did not look, firings without an outcome.
pub(super) fn of_cues(evidence: &Evidence<'_>, case: &mut Case) {
    for cue in &evidence.summary.cues {
        of_firing(evidence, cue, case);
    }
    // A show whose cue did not happen as planned has not been rehearsed.
    for cue in evidence.unresolved {
        case.doubt(Statement {
            subject: subject(&cue.name, cue.number),
            text: format!("this firing cannot be judged: {}", cue.why),
            extent: Extent { from_s: cue.at_s, to_s: cue.at_s },
        });
    }
}

fn of_firing(evidence: &Evidence<'_>, cue: &CueSummary, case: &mut Case) {
    let say = |text: String| Statement {
        subject: subject(&cue.name, cue.number),
        text,
        extent: Extent { from_s: cue.fired_at_s, to_s: cue.fired_at_s + cue.last.unwrap_or(0.0) },
    };
    if !cue.unknown_agents.is_empty() {
        let named = |tag: Option<&String>| tag.is_none_or(|name| *name == cue.name);
        let judged = |rule: &rehearsal_plan::Threshold| rule.metric.starts_with("cue.") && named(rule.tags.get("cue"));
        let agents = counted(cue.unknown_agents.len() as u64, "agent");
        let unknown = say(format!("{agents} did not look who was there: of those users nothing is known"));
        match evidence.thresholds.iter().any(judged) {
            true => case.doubt(unknown),
            false => case.warn(unknown),
        }
    }
    if cue.duplicates > 0 {
        case.warn(say(format!("heard again by users that had heard it: {}", counted(cue.duplicates, "time"))));
    }
    if cue.late_heard > 0 {
        let users = counted(cue.late_heard, "user");
        case.tell(say(format!("also heard by {users} that came after its instant and count in no share")));
    }
    if cue.first.is_some() && cue.clock_bound_s > cue.p50.unwrap_or(0.0) {
        let bound = seconds(cue.clock_bound_s);
        case.tell(say(format!("clocks agree only to ±{bound}, which is more than half of its delays")));
    }
}

fn subject(name: &str, number: u32) -> String {
    format!("cue {name} #{number}")
}

/// Users that did not run as planned.
pub(super) fn of_users(evidence: &Evidence<'_>, case: &mut Case) {
    use UserState::{Dropped, Failed, Live, Lost, Waiting};
    let rows = [
        (Dropped, "dropped: as many as the plan allows were live, or the start could not be made in time"),
        (Failed, "ended by an error in the script"),
        (Lost, "lost with an agent, so that nobody knows the end"),
        (Waiting, "still waiting for the start when the run was judged"),
        (Live, "still live when the run was judged"),
    ];
    for (state, text) in rows {
        let users = evidence.summary.users.users(state);
        if users > 0 {
            case.warn(evidence.of_run("users", format!("{} {text}", counted(users, "user"))));
        }
    }
}
