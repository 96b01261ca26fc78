//! Calls of functions that do not exist, with the wrong number of arguments, or with options nobody knows.
//!
//! Rhai finds an unknown function only when it is reached, which in a load test may be minutes in; the tree and the list
//! of registered functions tell beforehand.

use std::collections::{BTreeMap, BTreeSet};

use rehearsal_plan::nearest;
use rhai::{ASTNode, Expr, FnCallExpr, Position, Stmt};

use super::{Findings, literals};
use crate::options::{HTTP, RECONNECT, SOCKET, unknown};
use crate::program::Program;

/// Words of Rhai's own that look like functions and resolve themselves.
const BUILT_IN: &[&str] =
    &["Fn", "call", "curry", "debug", "eval", "is_def_fn", "is_def_var", "is_shared", "print", "type_of"];

/// All functions there are: by name (with `module::`), the numbers of parameters they take.
pub(super) struct Known {
    functions: BTreeMap<String, BTreeSet<usize>>,
    /// Functions of the scenario itself, which may have the name of one of ours.
    own: BTreeSet<String>,
    /// Names under which maps keep closures; `map.name()` may mean them.
    properties: BTreeSet<String>,
}

impl Known {
    pub(super) fn new(program: &Program) -> Self {
        let mut functions: BTreeMap<String, BTreeSet<usize>> = BTreeMap::new();
        let native = program.engine.collect_fn_metadata(
            None,
            |info| {
                let prefix = if info.namespace.is_empty() { String::new() } else { format!("{}::", info.namespace) };
                Some((format!("{prefix}{}", info.metadata.name), info.metadata.num_params))
            },
            true,
        );
        let script = program.ast.iter_functions().map(|function| (function.name.to_owned(), function.params.len()));
        for (name, parameters) in native.into_iter().chain(script) {
            functions.entry(name).or_default().insert(parameters);
        }
        let own = program.ast.iter_functions().map(|function| function.name.to_owned()).collect();
        Self { functions, own, properties: stored_properties(program) }
    }
}

fn stored_properties(program: &Program) -> BTreeSet<String> {
    let mut properties = BTreeSet::new();
    program.ast.walk(&mut |path: &[ASTNode]| {
        match path.last() {
            Some(ASTNode::Expr(Expr::Map(map, _))) => {
                properties.extend(map.0.iter().map(|(key, _)| key.name.to_string()))
            }
            Some(ASTNode::Expr(Expr::Property(property, _))) => {
                properties.insert(property.2.to_string());
            }
            _ => {}
        }
        true
    });
    properties
}

pub(super) fn look(node: &ASTNode, known: &Known, findings: &mut Findings) {
    match node {
        ASTNode::Expr(Expr::FnCall(call, at)) | ASTNode::Stmt(Stmt::FnCall(call, at)) => {
            look_at_call(call, *at, 0, known, findings);
            look_at_options(call, findings);
        }
        ASTNode::Expr(Expr::MethodCall(call, at)) => look_at_call(call, *at, 1, known, findings),
        _ => {}
    }
}

/// `receiver` is 1 for a method call: native functions count the value before the dot, script functions do not.
fn look_at_call(call: &FnCallExpr, at: Position, receiver: usize, known: &Known, findings: &mut Findings) {
    let name = full_name(call);
    let is_operator = call.op_token.is_some();
    let stored = receiver == 1 && known.properties.contains(&name);
    if is_operator || stored || BUILT_IN.contains(&name.as_str()) || name.starts_with("anon$") {
        return;
    }
    let given = call.args.len();
    let Some(takes) = known.functions.get(&name) else {
        let same_module = |candidate: &&str| candidate.contains("::") == name.contains("::");
        let near = nearest(&name, known.functions.keys().map(String::as_str).filter(same_module));
        findings.error(
            at,
            format!("there is no function `{name}`"),
            near.map(|near| format!("did you mean `{near}`?")),
        );
        return;
    };
    if !known.own.contains(&name) {
        literals::look_at_arguments(call, findings);
    }
    let fits = takes.contains(&(given + receiver)) || takes.contains(&given) && receiver == 1;
    if !fits {
        let takes: BTreeSet<usize> = takes.iter().filter_map(|n| n.checked_sub(receiver)).collect();
        let numbers: Vec<String> = takes.iter().map(usize::to_string).collect();
        findings.error(at, format!("`{name}` takes {} arguments, not {given}", numbers.join(" or ")), None);
    }
}

fn full_name(call: &FnCallExpr) -> String {
    match call.namespace.is_empty() {
        true => call.name.to_string(),
        false => format!("{}::{}", call.namespace, call.name),
    }
}

/// Keys of option maps that are written out in the call.
fn look_at_options(call: &FnCallExpr, findings: &mut Findings) {
    let (of, known) = match full_name(call).as_str() {
        "websocket" | "polling" => ("sockets", SOCKET),
        name if name.starts_with("http::") => ("http calls", HTTP),
        _ => return,
    };
    if let Some(Expr::Map(map, _)) = call.args.get(1) {
        look_at_keys(of, map, known, findings);
        let nested = map.0.iter().find(|(key, _)| key.name == "reconnect");
        if let Some((_, Expr::Map(reconnect, _))) = nested {
            look_at_keys("reconnect", reconnect, RECONNECT, findings);
        }
    }
}

type MapLiteral = (rhai::StaticVec<(rhai::Ident, Expr)>, BTreeMap<rhai::Identifier, rhai::Dynamic>);

fn look_at_keys(of: &str, map: &MapLiteral, known: &[&str], findings: &mut Findings) {
    for (key, value) in &map.0 {
        match known.contains(&key.name.as_str()) {
            true => literals::look_at_option(&key.name, value, findings),
            false => findings.error(key.pos, unknown(of, &key.name, known), None),
        }
    }
}
