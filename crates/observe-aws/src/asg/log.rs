//! What a group's log says, in sentences: who decided what, and what became of it.
//!
//! An entry is about one instance, so that one decision for two more instances makes two entries with the same cause.
//! Its cause tells the decision with its own instant, which comes before the entry's: "At 2026-11-22T08:01:15Z a
//! monitor alarm … changing the desired capacity from 2 to 4.  At 2026-11-22T08:01:30Z an instance was started in
//! response to a difference between desired and actual capacity, increasing the capacity from 2 to 4."

use std::time::SystemTime;

use aws_sdk_autoscaling::types::Activity as Entry;
use rehearsal_observe::{Activity, Failure, json};

use crate::failure::instant;

/// A sentence in which a capacity is changed.
struct Decision<'a> {
    at: Option<&'a str>,
    from: u64,
    to: u64,
    why: &'a str,
}

/// Gives the decisions that entries tell of, each once, and besides what failed.
pub fn read(entries: &[Entry]) -> Result<Vec<Activity>, Failure> {
    let mut found = Vec::new();
    for entry in entries {
        let started = entry.start_time().ok_or_else(|| Failure::format("an activity without StartTime"))?;
        let started = instant(started)?;
        let description = entry.description().unwrap_or_default();
        match decision(entry.cause().unwrap_or_default()) {
            Some(decision) => found.push(decided(&decision, started)?),
            None if has_failed(entry) => {}
            None => found.push(Activity { at: started, change: change(description), to: None, why: words(entry) }),
        }
        if has_failed(entry) {
            let at = entry.end_time().map(instant).transpose()?.unwrap_or(started);
            found.push(Activity { at, change: None, to: None, why: failed(entry, description) });
        }
    }
    found.sort();
    found.dedup();
    Ok(found)
}

fn decided(decision: &Decision<'_>, started: SystemTime) -> Result<Activity, Failure> {
    let at = decision.at.map(|text| json::instant(&text.into())).transpose()?.unwrap_or(started);
    let change = i64::try_from(decision.to).ok().zip(i64::try_from(decision.from).ok()).map(|(to, from)| to - from);
    Ok(Activity { at, change, to: Some(decision.to), why: decision.why.into() })
}

fn has_failed(entry: &Entry) -> bool {
    let status = entry.status_code().map(|status| status.as_str());
    matches!(status, Some("Failed" | "Cancelled"))
}

fn failed(entry: &Entry, description: &str) -> String {
    let status = entry.status_code().map(|status| status.as_str()).unwrap_or_default();
    match entry.status_message() {
        Some(message) if !message.is_empty() => format!("{status}: {description}: {message}"),
        _ => format!("{status}: {description}"),
    }
}

fn words(entry: &Entry) -> String {
    entry.cause().or(entry.description()).unwrap_or_default().trim().into()
}

/// Reads the change out of what is done, where no cause tells of a decision: a replacement, say.
fn change(description: &str) -> Option<i64> {
    match description {
        launch if launch.starts_with("Launching") => Some(1),
        end if end.starts_with("Terminating") => Some(-1),
        _ => None,
    }
}

/// Finds the sentence in which the capacity that is wanted changes. That an instance leaves for a user and is not
/// replaced changes it too; where the actual capacity follows the wanted one, nothing is decided.
fn decision(cause: &str) -> Option<Decision<'_>> {
    let sentences = || cause.split("At ").map(str::trim).filter(|sentence| !sentence.is_empty());
    let of = |sentence: &'_ str, phrase: &str| sentence.contains(phrase);
    let wanted = sentences().find(|sentence| of(sentence, "desired capacity from "));
    let shrunk = || sentences().find(|sentence| of(sentence, "user request, shrinking the capacity from "));
    let sentence = wanted.or_else(shrunk)?;
    let (_, numbers) = sentence.rsplit_once("capacity from ")?;
    let (from, rest) = numbers.split_once(" to ")?;
    let to: String = rest.chars().take_while(char::is_ascii_digit).collect();
    let (at, why) = match sentence.split_once(' ') {
        Some((at, why)) if json::instant(&at.into()).is_ok() => (Some(at), why),
        _ => (None, sentence),
    };
    Some(Decision { at, from: from.parse().ok()?, to: to.parse().ok()?, why: why.trim_end_matches('.') })
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use aws_sdk_autoscaling::types::ScalingActivityStatusCode as Status;
    use aws_smithy_types::DateTime;

    use super::*;

    const LAUNCH: &str = "Launching a new EC2 instance: i-1";
    const ALARM: &str = "At 1970-01-01T00:01:15Z a monitor alarm busy in state ALARM triggered policy out changing the \
                         desired capacity from 2 to 4.  At 1970-01-01T00:01:20Z an instance was started in response to a \
                         difference between desired and actual capacity, increasing the capacity from 2 to 4.";

    fn entry(description: &str, cause: &str, status: Status) -> Entry {
        let entry = Entry::builder().start_time(DateTime::from_secs(90)).description(description).cause(cause);
        entry.status_code(status).status_message("no room").build()
    }

    fn check(entries: &[Entry], expected: &[(u64, Option<i64>, Option<u64>, &str)]) {
        let told = read(entries).unwrap();
        let told: Vec<_> = told.iter().map(|one| (one.at, one.change, one.to, &*one.why)).collect();
        let at = |second: &u64| UNIX_EPOCH + Duration::from_secs(*second);
        let expected: Vec<_> =
            expected.iter().map(|(second, change, to, why)| (at(second), *change, *to, *why)).collect();
        assert_eq!(told, expected);
    }

    #[test]
    fn a_decision_is_told_once_and_at_its_own_instant() {
        let entries = [entry(LAUNCH, ALARM, Status::Successful), entry(LAUNCH, ALARM, Status::PreInService)];
        let why = "a monitor alarm busy in state ALARM triggered policy out changing the desired capacity from 2 to 4";
        check(&entries, &[(75, Some(2), Some(4), why)]);
    }

    #[test]
    fn an_instance_that_a_user_ends_for_good_is_a_decision() {
        let cause = "At 1970-01-01T00:02:00Z instance i-1 was taken out of service in response to a user request, \
                     shrinking the capacity from 3 to 2.";
        let why =
            "instance i-1 was taken out of service in response to a user request, shrinking the capacity from 3 to 2";
        check(&[entry("Terminating EC2 instance: i-1", cause, Status::Successful)], &[(120, Some(-1), Some(2), why)]);
    }

    #[test]
    fn what_nobody_decided_is_told_by_what_was_done() {
        let cause = "At 1970-01-01T00:01:25Z an instance was taken out of service in response to an EC2 health check.";
        let ended = entry("Terminating EC2 instance: i-1", cause, Status::InProgress);
        check(&[ended], &[(90, Some(-1), None, cause)]);
        let other = entry("Moving to standby", "", Status::Successful);
        check(&[other], &[(90, None, None, "")]);
    }

    #[test]
    fn failures_are_told_as_such() {
        let why = "a monitor alarm busy in state ALARM triggered policy out changing the desired capacity from 2 to 4";
        let failed = "Failed: Launching a new EC2 instance: i-1: no room";
        let entries = [entry(LAUNCH, ALARM, Status::Failed)];
        check(&entries, &[(75, Some(2), Some(4), why), (90, None, None, failed)]);
        let cancelled = entry(LAUNCH, "by hand", Status::Cancelled);
        check(&[cancelled], &[(90, None, None, "Cancelled: Launching a new EC2 instance: i-1: no room")]);
    }

    #[test]
    fn odd_words_are_no_decisions() {
        for cause in ["", "At ", "desired capacity from x to 4", "desired capacity from 2 to", "capacity from 2 to 4"] {
            assert!(decision(cause).is_none(), "{cause}");
        }
        assert!(decision("the scheduled action executed. Setting desired capacity from 1 to 3.").is_some());
    }
}
