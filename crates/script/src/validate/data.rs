//! `data.accounts.next()`: sources that the plan does not declare, functions that they do not have, too few rows.

use rehearsal_plan::{Exhausted, nearest};
use rhai::{ASTNode, Expr, Position};

use super::Findings;
use super::names::variable_name;
use super::plan::Evaluated;
use crate::api::data::{METHODS, unknown_source};
use crate::diagnostic::Severity;

/// All uses of the global `data` in a text; a local variable of that name is something else.
#[derive(Default)]
pub(super) struct Draws {
    found: Vec<Draw>,
}

/// One use: `data`, `data.accounts` or `data.accounts.next()`.
struct Draw {
    at: Position,
    /// The name of the source, if one is written.
    source: Option<(String, Position)>,
    /// What is asked of it.
    asked: Option<Asked>,
}

struct Asked {
    word: String,
    at: Position,
    is_call: bool,
}

impl Draws {
    pub(super) fn look(&mut self, path: &[ASTNode]) {
        let Some(ASTNode::Expr(expr)) = path.last() else { return };
        if let Expr::Dot(both, ..) | Expr::Index(both, ..) = expr
            && is_global(&both.lhs)
        {
            self.found.push(Draw::of(&both.lhs, &both.rhs));
        }
        let parent = path.len().checked_sub(2).and_then(|parent| path.get(parent));
        let is_before_dot = matches!(parent, Some(ASTNode::Expr(Expr::Dot(both, ..) | Expr::Index(both, ..)))
            if std::ptr::eq(&both.lhs, *expr));
        if is_global(expr) && !is_before_dot {
            self.found.push(Draw { at: expr.position(), source: None, asked: None });
        }
    }

    /// Compares the uses with what the plan declares.
    pub(super) fn finish(&self, evaluated: &Evaluated, findings: &mut Findings) {
        let declared = || evaluated.data.keys().map(String::as_str);
        let mut drawn: Vec<(&str, Position)> = Vec::new();
        for Draw { at, source, asked } in &self.found {
            match source {
                Some((name, at)) if !evaluated.data.contains_key(name) => {
                    let problem = unknown_source(name, declared());
                    findings.error(*at, problem.message, problem.hint);
                }
                None if evaluated.data.is_empty() => {
                    let hint = "the plan can declare some: data: #{ accounts: csv(\"accounts.csv\") }";
                    findings.error(*at, "there is no variable `data` here".into(), Some(hint.into()));
                }
                _ => {
                    asked.iter().for_each(|asked| asked.look(source.is_some(), findings));
                    let draws = asked.as_ref().filter(|asked| asked.is_call && asked.word == "next");
                    drawn.extend(draws.and_then(|asked| Some((source.as_ref()?.0.as_str(), asked.at))));
                }
            }
        }
        for name in declared() {
            if let Some((_, at)) = drawn.iter().find(|(drawn, _)| *drawn == name) {
                warn_of_few_rows(name, *at, evaluated, findings);
            }
        }
    }
}

impl Draw {
    /// Rhai nests the links of a chain to the right: `data.(accounts.(next().name))`.
    fn of(data: &Expr, rest: &Expr) -> Self {
        let (first, rest) = link(rest);
        let source = match first {
            Expr::Property(property, at) => Some((property.2.to_string(), *at)),
            Expr::StringConstant(name, at) => Some((name.to_string(), *at)),
            _ => None,
        };
        // `data.next()` forgets the source.
        let asked = if source.is_some() { rest.map(|rest| link(rest).0) } else { Some(first) };
        Self { at: data.position(), source, asked: asked.and_then(Asked::of) }
    }
}

/// The first link of a chain, and the others.
fn link(chain: &Expr) -> (&Expr, Option<&Expr>) {
    match chain {
        Expr::Dot(both, ..) | Expr::Index(both, ..) => (&both.lhs, Some(&both.rhs)),
        last => (last, None),
    }
}

impl Asked {
    fn of(expr: &Expr) -> Option<Self> {
        match expr {
            Expr::MethodCall(call, at) => Some(Self { word: call.name.to_string(), at: *at, is_call: true }),
            Expr::Property(property, at) => Some(Self { word: property.2.to_string(), at: *at, is_call: false }),
            _ => None,
        }
    }

    fn look(&self, has_source: bool, findings: &mut Findings) {
        let Self { word, at, is_call } = self;
        let is_known = METHODS.contains(&word.as_str());
        if is_known && *is_call && has_source || findings.has_error_at(*at) {
            return;
        }
        let hint = match nearest(word, METHODS.iter().copied()).filter(|_| !is_known) {
            Some(near) => format!("did you mean `{near}()`?"),
            None => {
                "`data.accounts.next()` and `data.accounts.random()` draw a row, `….name` is a field of it".to_owned()
            }
        };
        let what = if *is_call { "function" } else { "property" };
        findings.error(*at, format!("data has no {what} `{word}`"), Some(hint));
    }
}

/// Each user that draws one row finds it only if there are as many rows as users.
fn warn_of_few_rows(name: &str, at: Position, Evaluated { plan, data }: &Evaluated, findings: &mut Findings) {
    let Some(csv) = data.get(name).filter(|csv| csv.source.exhausted == Exhausted::Error) else { return };
    let users = plan.planned_users();
    if let Some(rows) = csv.rows.filter(|rows| *rows < users) {
        let path = &csv.source.path;
        let message = format!("users from number {rows} on will fail: {path} has {rows} rows for {users} users");
        let hint = "add rows, or say .exhausted(\"wrap\") to begin again, or .exhausted(\"stop\") to let them leave";
        findings.add(at, Severity::Warning, message, Some(hint.to_owned()));
    }
}

/// What the parser did not find among the locals is served by name.
fn is_global(expr: &Expr) -> bool {
    match expr {
        Expr::Variable(variable, short, _) => {
            let is_local = short.is_some() || variable.0.is_some() || !variable.2.is_empty();
            !is_local && variable_name(expr) == Some("data")
        }
        _ => false,
    }
}
