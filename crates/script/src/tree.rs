//! Where a script that had to be ended was, as far as its text can tell.
//!
//! Rhai forgets the place of an error that ends a script from outside: each function on the way out puts the place of its
//! own call there, and the outermost has none. What remains is the tree: an endless computation is a loop that never
//! waits, or a function that calls itself.

use std::collections::BTreeSet;

use rhai::{AST, ASTNode, Expr, FnCallExpr, FnPtr, Position, Stmt};

/// Calls that give the thread away.
const WAITING: &[&str] = &[
    "delete",
    "get",
    "head",
    "json",
    "leave",
    "parallel",
    "patch",
    "polling",
    "post",
    "put",
    "receive",
    "receive_any",
    "sleep",
    "websocket",
];

/// The loop that most likely never ended: the first without a waiting call in it, in the function or in one that it calls.
pub(crate) fn loop_of(ast: &AST, function: &str) -> Option<Position> {
    let mut first = None;
    for name in reachable(ast, function) {
        let mut found = None;
        walk(ast, &name, &mut |node| {
            if let ASTNode::Stmt(statement @ (Stmt::While(_, at) | Stmt::Do(_, _, at) | Stmt::For(_, at))) = node {
                first = first.or(Some(*at));
                if found.is_none() && !waits(statement) {
                    found = Some(*at);
                }
            }
        });
        if found.is_some() {
            return found;
        }
    }
    first
}

/// The call by which a function comes back to itself.
pub(crate) fn recursion_of(ast: &AST, function: &str) -> Option<Position> {
    reachable(ast, function).iter().find_map(|name| {
        let mut found = None;
        walk(ast, name, &mut |node| {
            if let Some((call, at)) = call_in(node)
                && found.is_none()
                && reachable(ast, &call.name).contains(name)
            {
                found = Some(at);
            }
        });
        found
    })
}

fn waits(statement: &Stmt) -> bool {
    let mut waits = false;
    statement.walk(&mut Vec::new(), &mut |path: &[ASTNode]| {
        let called = path.last().and_then(call_in);
        waits |= called.is_some_and(|(call, _)| WAITING.contains(&call.name.as_str()));
        !waits
    });
    waits
}

/// The call that a node of the tree is, if it is one.
pub(crate) fn call_in<'a>(node: &ASTNode<'a>) -> Option<(&'a FnCallExpr, Position)> {
    match node {
        ASTNode::Expr(Expr::FnCall(call, at) | Expr::MethodCall(call, at)) | ASTNode::Stmt(Stmt::FnCall(call, at)) => {
            Some((call, *at))
        }
        _ => None,
    }
}

/// The function and all script functions that it may call, closures included, nearest first.
pub(crate) fn reachable(ast: &AST, from: &str) -> Vec<String> {
    let mut seen = BTreeSet::new();
    let mut order = Vec::new();
    let mut open = std::collections::VecDeque::from([from.to_owned()]);
    while let Some(name) = open.pop_front() {
        if !seen.insert(name.clone()) {
            continue;
        }
        walk(ast, &name, &mut |node| {
            if let Some((call, _)) = call_in(node) {
                open.push_back(call.name.to_string());
                open.extend(named_functions(call));
            } else if let ASTNode::Expr(Expr::DynamicConstant(value, _)) = node {
                open.extend(value.read_lock::<FnPtr>().map(|pointer| pointer.fn_name().to_owned()));
            }
        });
        order.push(name);
    }
    order
}

/// `Fn("name")`, and the pointers to closures that the parser makes of it.
fn named_functions(call: &FnCallExpr) -> Vec<String> {
    let constant = |argument: &Expr| match argument {
        Expr::StringConstant(name, _) => Some(name.to_string()),
        _ => None,
    };
    if call.name == "Fn" { call.args.iter().filter_map(constant).collect() } else { Vec::new() }
}

/// Visits every node of the script functions of a name.
pub(crate) fn walk(ast: &AST, name: &str, on_node: &mut impl FnMut(&ASTNode)) {
    // Rhai's own filtered copy keeps everything when it begins empty (1.27), so the copy is thinned out afterwards.
    let mut function = ast.clone_functions_only();
    function.retain_functions(|_, _, candidate, _| candidate == name);
    function.walk(&mut |path: &[ASTNode]| {
        path.last().into_iter().for_each(&mut *on_node);
        true
    });
}
