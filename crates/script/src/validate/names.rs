//! Names that mean nothing: unknown variables, missing keys of the environment, and the one capture that cannot work.

use std::collections::BTreeSet;

use rehearsal_plan::nearest;
use rhai::{ASTNode, Expr, FnCallExpr, Position, Stmt};

use super::Findings;
use crate::program::{Env, Program};

/// Names that are served while a script runs.
const GLOBALS: &[&str] = &["common", "cue", "data", "env", "user"];

pub(super) struct Names {
    /// What a bare name may mean beside local variables.
    known: BTreeSet<String>,
    /// Every variable that is declared anywhere, for suggestions.
    declared: BTreeSet<String>,
    keys: Vec<String>,
    unresolved: Vec<(String, Position)>,
    /// Keys of the environment that are read and not there.
    missing: Vec<(String, Position)>,
    /// Keys that the text asks for with `env.contains("…")`: whoever asks knows that they may be missing.
    asked: BTreeSet<String>,
}

impl Names {
    pub(super) fn new(program: &Program, env: &Env) -> Self {
        // The bare name of a script function is a pointer to it.
        let mut known: BTreeSet<String> =
            program.ast.iter_functions().map(|function| function.name.to_owned()).collect();
        known.extend(GLOBALS.iter().map(|name| (*name).to_owned()));
        let keys = env.0.keys().cloned().collect();
        Self {
            known,
            declared: BTreeSet::new(),
            keys,
            unresolved: Vec::new(),
            missing: Vec::new(),
            asked: BTreeSet::new(),
        }
    }

    pub(super) fn look(&mut self, path: &[ASTNode], findings: &mut Findings) {
        match path.last() {
            Some(ASTNode::Stmt(Stmt::Var(declaration, ..))) => {
                self.declared.insert(declaration.0.name.to_string());
                // The parser resolves locals; what stands at the top level is served by name.
                if path.len() == 1 {
                    self.known.insert(declaration.0.name.to_string());
                }
            }
            Some(ASTNode::Expr(Expr::Variable(variable, short, at))) => {
                let resolved = short.is_some() || variable.0.is_some() || !variable.2.is_empty();
                if !resolved {
                    self.unresolved.push((variable.1.to_string(), *at));
                }
            }
            Some(ASTNode::Expr(Expr::Dot(both, ..))) => {
                self.look_at_env(&both.lhs, &both.rhs);
                look_at_capture(&both.lhs, &both.rhs, findings);
            }
            _ => {}
        }
    }

    /// Names the variables that nobody declared, now that all declarations have been seen.
    pub(super) fn finish(self, findings: &mut Findings) {
        self.finish_env(findings);
        for (name, at) in &self.unresolved {
            if self.known.contains(name) {
                continue;
            }
            let candidates = self.known.iter().chain(&self.declared).map(String::as_str);
            let near = nearest(name, candidates).filter(|near| near != name);
            findings.error(
                *at,
                format!("there is no variable `{name}` here"),
                near.map(|near| format!("did you mean `{near}`?")),
            );
        }
    }

    fn look_at_env(&mut self, lhs: &Expr, rhs: &Expr) {
        if variable_name(lhs) != Some("env") {
            return;
        }
        if let Some((call, _)) = first_method(rhs)
            && call.name == "contains"
            && let Some(Expr::StringConstant(key, _)) = call.args.first()
        {
            self.asked.insert(key.to_string());
        }
        if let Some((key, at)) = first_property(rhs)
            && !self.keys.iter().any(|known| known == key)
        {
            self.missing.push((key.to_owned(), at));
        }
    }

    fn finish_env(&self, findings: &mut Findings) {
        for (key, at) in self.missing.iter().filter(|(key, _)| !self.asked.contains(key)) {
            let near = nearest(key, self.keys.iter().map(String::as_str));
            let hint = near.map(|near| format!("did you mean `env.{near}`?"));
            let hint = hint.unwrap_or_else(|| format!("set it in the environment file or with --set {key}=…"));
            findings.error(*at, format!("the environment has no key `{key}`"), Some(hint));
        }
    }
}

pub(super) fn variable_name(expr: &Expr) -> Option<&str> {
    match expr {
        Expr::Variable(variable, ..) => Some(variable.1.as_str()),
        _ => None,
    }
}

/// `x` in `env.x` and in `env.x.y`.
fn first_property(expr: &Expr) -> Option<(&str, Position)> {
    match expr {
        Expr::Property(property, at) => Some((property.2.as_str(), *at)),
        Expr::Dot(both, ..) | Expr::Index(both, ..) => first_property(&both.lhs),
        _ => None,
    }
}

/// `socket.on("x", |m| socket.send(m))`: the closure captures the very variable that the method call holds locked, which
/// Rhai refuses when it gets there. The handler's own first parameter is the socket.
fn look_at_capture(lhs: &Expr, rhs: &Expr, findings: &mut Findings) {
    let Some(receiver) = variable_name(lhs) else { return };
    let Some((call, _)) = first_method(rhs) else { return };
    for argument in &call.args {
        if let Some(at) = captured(argument, receiver) {
            let message =
                format!("the handler captures `{receiver}`, which is locked while `{receiver}.{}(…)` runs", call.name);
            let hint = format!("take the socket as the handler's first parameter: |{receiver}, data| …");
            findings.error(at, message, Some(hint));
        }
    }
}

fn first_method(expr: &Expr) -> Option<(&FnCallExpr, Position)> {
    match expr {
        Expr::MethodCall(call, at) => Some((call, *at)),
        Expr::Dot(both, ..) => first_method(&both.lhs),
        _ => None,
    }
}

/// A closure with captures is a block: first the captured variables are shared, then the pointer is made.
fn captured(argument: &Expr, name: &str) -> Option<Position> {
    let Expr::Stmt(block) = argument else { return None };
    block.statements().iter().find_map(|statement| match statement {
        Stmt::Share(variables) => {
            variables.iter().find(|(variable, _)| variable.name == name).map(|(variable, _)| variable.pos)
        }
        _ => None,
    })
}
