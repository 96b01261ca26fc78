//! How long an agent may take to leave is written twice in each template: for the agent, and for what kills it afterwards.

use anyhow::Result;

/// What the agent is told.
const DRAIN: &str = "--drain-within";
/// What has to be left between an agent's own end and being killed: ending a process with many connections takes a while.
const MARGIN_S: u64 = 5;
/// Fargate accepts no more.
const MOST_OF_FARGATE_S: u64 = 120;

/// Each template with the word before the time from SIGTERM to SIGKILL, and the most that may stand there.
const GRACES: [(&str, &str, u64); 4] = [
    ("kubernetes.yaml", "terminationGracePeriodSeconds:", u64::MAX),
    ("nomad.hcl", "kill_timeout", u64::MAX),
    ("ecs-task.json", "\"stopTimeout\":", MOST_OF_FARGATE_S),
    ("rehearsal-agent.service", "TimeoutStopSec", u64::MAX),
];

/// What is wrong with the limits of the templates that `read` gives.
pub fn look(read: impl Fn(&str) -> Result<String>) -> Result<Vec<String>> {
    let mut findings = Vec::new();
    for (file, grace, most) in GRACES {
        let found = in_template(&read(file)?, grace, most);
        findings.extend(found.map(|finding| format!("{file}: {finding}")));
    }
    Ok(findings)
}

fn in_template(text: &str, grace: &str, most: u64) -> Option<String> {
    match (seconds_after(text, DRAIN), seconds_after(text, grace)) {
        (Some(drain), Some(kill)) if drain + MARGIN_S > kill => {
            Some(format!("an agent that takes {drain} s to leave is killed after {kill} s; leave {MARGIN_S} s between"))
        }
        (_, Some(kill)) if kill > most => Some(format!("{grace} is {kill} s, at most {most} s may be given")),
        (Some(_), Some(_)) => None,
        (drain, _) => {
            let lacking = if drain.is_none() { DRAIN } else { grace };
            Some(format!("no number of seconds stands after {lacking}, or several do"))
        }
    }
}

/// The only number of seconds that follows a word, with nothing but marks between; comments name the words, too.
fn seconds_after(text: &str, word: &str) -> Option<u64> {
    let mut numbers = text.split(word).skip(1).filter_map(|rest| {
        let rest = rest.trim_start_matches([' ', '"', ',', ':', '=']);
        let (digits, unit) = rest.split_at(rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len()));
        let is_seconds = unit.starts_with(['s', '"', ',', '\n', ' ']) || unit.is_empty();
        digits.parse().ok().filter(|_| is_seconds)
    });
    let only = numbers.next();
    only.filter(|_| numbers.next().is_none())
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILES: [(&str, &str); 4] = [
        ("kubernetes.yaml", include_str!("../../../deploy/kubernetes.yaml")),
        ("nomad.hcl", include_str!("../../../deploy/nomad.hcl")),
        ("ecs-task.json", include_str!("../../../deploy/ecs-task.json")),
        ("rehearsal-agent.service", include_str!("../../../deploy/rehearsal-agent.service")),
    ];

    /// What is found when a text is replaced in all templates.
    fn with(right: &str, wrong: &str) -> Vec<String> {
        look(|file| {
            let (_, text) = FILES.iter().find(|(known, _)| *known == file).unwrap();
            Ok(text.replace(right, wrong))
        })
        .unwrap()
    }

    fn check(right: &str, wrong: &str, expected: &[&str]) {
        let findings = with(right, wrong);
        assert_eq!(findings.len(), expected.len(), "{right} -> {wrong}: {findings:#?}");
        for (finding, expected) in findings.iter().zip(expected) {
            assert!(finding.contains(expected), "{expected}: {finding}");
        }
    }

    #[test]
    fn agents_have_left_before_they_are_killed() {
        check("", "", &[]);
        check("terminationGracePeriodSeconds: 60", "terminationGracePeriodSeconds: 50", &["kubernetes.yaml: an agent"]);
        check("\"25s\"", "\"26s\"", &["nomad.hcl: an agent that takes 26 s to leave is killed after 30 s"]);
        check("TimeoutStopSec=60s", "TimeoutStopSec=54s", &["rehearsal-agent.service: an agent"]);
        check(
            "\"stopTimeout\": 120",
            "\"stopTimeout\": 180",
            &["ecs-task.json: \"stopTimeout\": is 180 s, at most 120 s"],
        );
    }

    #[test]
    fn a_limit_that_is_not_there_is_found() {
        check("terminationGracePeriodSeconds", "gracePeriod", &["after terminationGracePeriodSeconds:"]);
        check("kill_timeout = \"30s\"", "kill_timeout = \"1m\"", &["no number of seconds stands after kill_timeout"]);
        let all = with("--drain-within", "--drain");
        assert_eq!(all.len(), FILES.len(), "{all:#?}");
    }

    #[test]
    fn the_number_is_read_in_every_way_of_writing() {
        for text in ["w: 60", "w: 60 # why", "w=60s\n", "\"w\": 60,", "[\"w\", \"60s\"]", "w of old\nw 60s"] {
            assert_eq!(seconds_after(text, "w"), Some(60), "{text}");
        }
        for text in ["w: 60m", "w: 1h", "w of 60", "w: 60\nw: 61", "nothing"] {
            assert_eq!(seconds_after(text, "w"), None, "{text}");
        }
    }
}
