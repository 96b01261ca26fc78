//! Users that may never leave, and functions that the plan names but the text does not have.

use rehearsal_plan::{Load, Plan, Stay};
use rhai::{ASTNode, Expr, Position, Stmt};

use super::Findings;
use crate::diagnostic::{Severity, find_literal};
use crate::program::Program;
use crate::tree;

pub(super) fn look(program: &Program, plan: &Plan, findings: &mut Findings) {
    for scenario in &plan.scenarios {
        look_for_function(program, &scenario.run, "a scenario runs", findings);
        let until_done = match &scenario.load {
            Load::Arrive { stay, .. } | Load::Curve { stay, .. } => *stay == Stay::UntilDone,
            Load::Rate { .. } => true,
            Load::Population { .. } => false,
        };
        if until_done && plan.ends_after.is_none() {
            warn_of_staying(program, &scenario.run, findings);
        }
    }
    for cue in &plan.cues {
        look_for_function(program, &cue.name, "a cue calls", findings);
    }
}

fn look_for_function(program: &Program, name: &str, who: &str, findings: &mut Findings) {
    if program.has_function(name) {
        return;
    }
    let at = find_literal(&findings.source.text, name)
        .map_or(Position::NONE, |(line, column)| Position::new(line as u16, column as u16));
    let hint = format!("add `fn {name}() {{ … }}` to the scenario");
    findings.error(at, format!("{who} the function `{name}`, which is not there or takes parameters"), Some(hint));
}

/// What keeps a user: a timer that repeats, an open socket, a loop without a condition.
fn warn_of_staying(program: &Program, function: &str, findings: &mut Findings) {
    let mut found: Option<(Position, &'static str)> = None;
    for name in tree::reachable(&program.ast, function) {
        tree::walk(&program.ast, &name, &mut |node| {
            let keeps = match (tree::call_in(node), node) {
                (Some((call, at)), _) => match call.name.as_str() {
                    "every" => Some((at, "a timer that repeats")),
                    "websocket" | "polling" => Some((at, "an open socket")),
                    _ => None,
                },
                (None, ASTNode::Stmt(Stmt::While(flow, at))) if matches!(flow.expr, Expr::Unit(_)) => {
                    Some((*at, "a loop"))
                }
                _ => None,
            };
            found = found.or(keeps);
        });
    }
    if let Some((at, what)) = found {
        let message = format!("users of `{function}` may never leave: {what} keeps them");
        let hint = "say .stay(d) or .each_stays(d) in the load, or ends_after in the plan; leave() ends one user";
        findings.add(at, Severity::Warning, message, Some(hint.to_owned()));
    }
}
