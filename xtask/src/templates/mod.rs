//! `cargo xtask templates`: what starts agents elsewhere is what Kubernetes, Amazon and the others understand.
//!
//! None of them runs here, so each template is judged by a schema or a linter of others. A judge that refuses nothing
//! proves nothing: each also gets the template with mistakes, one at a time, and has to find them all.

mod judges;
mod limits;

use std::path::Path;

use anyhow::{Context, Result, ensure};

use judges::{Judge, Opinion};

/// Where the templates are.
const FOLDER: &str = "deploy";

/// One template, and by whom it is judged.
struct Template {
    file: &'static str,
    judge: Judge,
    /// Mistakes that the judge has to find: what is replaced, and by what.
    mistakes: &'static [(&'static str, &'static str)],
}

const TEMPLATES: [Template; 6] = [
    Template {
        file: "Dockerfile",
        judge: Judge::Hadolint,
        mistakes: &[
            ("ENTRYPOINT [", "ENTRYPONT ["),
            ("STOPSIGNAL SIGTERM", "MAINTAINER somebody"),
            ("COPY --chown=0:0 --chmod=0555 agent /agent", "ADD agent /agent"),
        ],
    },
    Template {
        file: "kubernetes.yaml",
        judge: Judge::Kubernetes,
        mistakes: &[
            ("backoffLimitPerIndex:", "backoffLimitPerindex:"),
            ("restartPolicy: Never", "restartPolicy: Nevermore"),
            ("readOnlyRootFilesystem: true", "readOnlyRootFilesystem: \"true\""),
            ("value: \"1024 65535\"", "values: \"1024 65535\""),
            ("secretKeyRef:", "secretKeyref:"),
            ("apiVersion: batch/v1", "apiVersion: batch/v2"),
        ],
    },
    Template {
        file: "ecs-task.json",
        judge: Judge::Ecs,
        mistakes: &[
            ("\"ulimits\"", "\"ulimit\""),
            ("\"awsvpc\"", "\"aws-vpc\""),
            ("\"stopTimeout\": 120", "\"stopTimeout\": \"120\""),
            ("\"family\": \"rehearsal-agent\",", ""),
            (", \"hardLimit\": 1048576", ""),
        ],
    },
    Template {
        file: "nomad.hcl",
        judge: Judge::NomadWords,
        mistakes: &[
            ("kill_timeout =", "kill_time_out ="),
            ("count = 8", "count = \"8\""),
            ("ulimit {", "ulimits {"),
            ("type        = \"batch\"", "type        = \"job\""),
            ("driver = \"docker\"", ""),
            ("cap_drop        = [\"all\"]", "cap_drop        = [\"all\""),
        ],
    },
    Template {
        file: "nomad.hcl",
        judge: Judge::Nomad,
        mistakes: &[("kill_timeout =", "kill_time_out ="), ("count = 8", "count = \"eight\"")],
    },
    Template {
        file: "rehearsal-agent.service",
        judge: Judge::Systemd,
        mistakes: &[
            ("LimitNOFILE=", "LimitNOFILES="),
            ("TimeoutStopSec=60s", "TimeoutStopSec=60x"),
            ("SystemCallFilter=@system-service", "SystemCallFilter=@system-servant"),
            ("CapabilityBoundingSet=\n", ""),
        ],
    },
];

/// Judges all of them; returns what was skipped, to be said again at the end.
pub fn run(root: &Path) -> Result<Vec<String>> {
    let read = |file: &str| {
        let path = root.join(FOLDER).join(file);
        std::fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))
    };
    let mut findings = limits::look(read)?;
    let mut skipped = Vec::new();
    let court = judges::Court::assemble(root);
    for template in &TEMPLATES {
        let Template { file, judge, .. } = template;
        if let Err(why) = court.has(*judge) {
            skipped.push(format!("SKIPPED: {FOLDER}/{file} was not judged by {}: {why}", judge.name()));
            continue;
        }
        let judged = template.judge(&read(file)?, |text| court.ask(*judge, file, text))?;
        println!("{FOLDER}/{file}: {} by {}", if judged.is_empty() { "passed" } else { "failed" }, judge.name());
        findings.extend(judged);
    }
    for finding in &findings {
        println!("error: {FOLDER}/{finding}");
    }
    ensure!(findings.is_empty(), "{} errors in {FOLDER}", findings.len());
    Ok(skipped)
}

impl Template {
    /// What is wrong with this text, and with its judge.
    fn judge(&self, text: &str, ask: impl Fn(&str) -> Result<Opinion>) -> Result<Vec<String>> {
        let (file, name) = (self.file, self.judge.name());
        if let Opinion::Refused(why) = ask(text)? {
            return Ok(vec![format!("{file}: refused by {name}: {why}")]);
        }
        let mut findings = Vec::new();
        for (right, wrong) in self.mistakes {
            if !text.contains(right) {
                findings.push(format!("{file}: no `{right}` in which to make a mistake: change the mistakes as well"));
            } else if let Opinion::Fine = ask(&text.replacen(right, wrong, 1))? {
                findings.push(format!("{file}: {name} does not see `{wrong}` for `{right}`"));
            }
        }
        Ok(findings)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEMPLATE: Template =
        Template { file: "a.hcl", judge: Judge::Nomad, mistakes: &[("count =", "cuont ="), ("type =", "tpye =")] };

    fn check(text: &str, ask: fn(&str) -> Result<Opinion>, expected: &[&str]) {
        let findings = TEMPLATE.judge(text, ask).unwrap();
        assert_eq!(findings.len(), expected.len(), "{findings:#?}");
        for (finding, expected) in findings.iter().zip(expected) {
            assert!(finding.contains(expected), "{expected}: {finding}");
        }
    }

    /// Refuses every word that it does not know.
    fn strict(text: &str) -> Result<Opinion> {
        let unknown = text.lines().find(|line| !["count = 1", "type = 2"].contains(line));
        Ok(unknown.map_or(Opinion::Fine, |line| Opinion::Refused(line.to_owned())))
    }

    #[test]
    fn a_judge_has_to_find_every_mistake() {
        check("count = 1\ntype = 2", strict, &[]);
        check("count = 1\ntype = 2", |_| Ok(Opinion::Fine), &["does not see `cuont =`", "does not see `tpye =`"]);
        check("count = 1\nkind = 2", strict, &["refused by Nomad: kind = 2"]);
        check("count = 1", strict, &["no `type =` in which to make a mistake"]);
    }

    #[test]
    fn a_judge_that_cannot_be_asked_is_no_refusal() {
        let broken = |_: &str| anyhow::bail!("no such program");
        assert!(TEMPLATE.judge("count = 1\ntype = 2", broken).is_err());
    }
}
