//! Everything about a scenario that can be known before the run, found at once.
//!
//! Three looks at the same text: what the compiler says, what the syntax tree shows ([`calls`], [`literals`], [`names`],
//! [`data`], [`leaving`]), and what `plan()` returns ([`plan`]). A text that does not compile gets only the first.

mod calls;
mod data;
mod leaving;
mod literals;
mod names;
mod plan;

use std::collections::BTreeMap;
use std::rc::Rc;

use rehearsal_plan::{Environment, Plan};
use rhai::{ASTNode, OptimizationLevel, Position};

use crate::diagnostic::{Diagnostic, Severity};
use crate::failure::Failure;
use crate::files::{ReadFile, beside, with_files};
use crate::program::{Env, Program, Source};
use plan::Evaluated;

/// What validation found: all mistakes, and the plan if there is one without errors.
#[derive(Debug)]
pub struct Validated {
    /// In the order of the text.
    pub diagnostics: Vec<Diagnostic>,
    /// What `plan()` says; none as soon as there is one error.
    pub plan: Option<Plan>,
    /// The content of the files that the plan declares as data, by name: what agents need beside the plan.
    pub data: BTreeMap<String, String>,
}

/// Collects mistakes of one file.
struct Findings<'a> {
    source: &'a Source,
    found: Vec<Diagnostic>,
}

impl Findings<'_> {
    fn add(&mut self, at: Position, severity: Severity, message: String, hint: Option<String>) {
        let (line, column) = (at.line().unwrap_or(0), at.position().unwrap_or(0));
        let file = self.source.name.clone();
        self.found.push(Diagnostic { file, line, column, severity, message, hint });
    }

    fn error(&mut self, at: Position, message: String, hint: Option<String>) {
        self.add(at, Severity::Error, message, hint);
    }

    fn has_error_at(&self, at: Position) -> bool {
        let place = (at.line().unwrap_or(0), at.position().unwrap_or(0));
        self.found.iter().any(|found| (found.line, found.column) == place && found.severity == Severity::Error)
    }

    fn failure(&mut self, failure: Failure) {
        let hint =
            failure.message.contains("'shared'").then(|| "`shared` is a reserved word: choose another name".to_owned());
        let at = match (failure.line, failure.column) {
            (Some(line), column) => Position::new(line as u16, column.unwrap_or(1) as u16),
            _ => Position::NONE,
        };
        self.error(at, failure.message, hint);
    }
}

/// Looks at a scenario in its environment. Nothing is sent anywhere; files that the plan names are read from the folder
/// of the scenario, which is where [`Source::name`] says.
#[must_use]
pub fn validate(source: &Source, environment: &Environment) -> Validated {
    validate_with(source, environment, &beside(&source.name))
}

/// The same with files that come from elsewhere.
#[must_use]
pub fn validate_with(source: &Source, environment: &Environment, files: &ReadFile) -> Validated {
    let mut findings = Findings { source, found: Vec::new() };
    let evaluated = look(&mut findings, environment, files);
    let mut diagnostics = findings.found;
    diagnostics.sort_by_key(|d| (d.line, d.column, d.severity));
    diagnostics.dedup();
    let broken = diagnostics.iter().any(|d| d.severity == Severity::Error);
    let Some(Evaluated { plan, data }) = evaluated.filter(|_| !broken) else {
        return Validated { diagnostics, plan: None, data: BTreeMap::new() };
    };
    let data = data.into_iter().map(|(name, csv)| (name, Rc::unwrap_or_clone(csv.text))).collect();
    Validated { diagnostics, plan: Some(plan), data }
}

fn look(findings: &mut Findings, environment: &Environment, files: &ReadFile) -> Option<Evaluated> {
    // Without optimisation the tree still has every call and every map as written.
    let source = findings.source;
    // Where the system will be is known only at the start; only the keys matter here.
    let env = Env::new(environment, "http://system-under-test.invalid");
    let program = match Program::compile_optimised(source, &env, OptimizationLevel::None) {
        Ok(program) => program,
        Err(failure) => {
            findings.failure(failure);
            return None;
        }
    };
    let known = calls::Known::new(&program);
    let mut names = names::Names::new(&program, &env);
    let mut draws = data::Draws::default();
    program.ast.walk(&mut |path: &[ASTNode]| {
        if let Some(node) = path.last() {
            calls::look(node, &known, findings);
            names.look(path, findings);
            draws.look(path);
        }
        true
    });
    names.finish(findings);
    let evaluated = with_files(files, || plan::evaluate(&program, environment, findings))?;
    draws.finish(&evaluated, findings);
    leaving::look(&program, &evaluated.plan, findings);
    Some(evaluated)
}
