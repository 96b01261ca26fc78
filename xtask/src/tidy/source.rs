//! Rules about Rust files.

use super::Finding;
use super::tree::Tree;

/// Past this many lines a file should be looked at for its seam.
const LONG: usize = 400;
/// Past this many it has to be cut.
const TOO_LONG: usize = 500;

/// What work leaves behind when it is not done. In pieces, so that this file passes its own rule.
pub const LEFTOVERS: [&str; 4] =
    [concat!("#[ig", "nore"), concat!("to", "do!"), concat!("unimple", "mented!"), concat!("FIX", "ME")];

/// Its fibers switch stacks, which no safe code can; it denies unsafe code and lifts that in one module.
const MAY_BE_UNSAFE: &str = "crates/engine";

pub fn look(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    let ours = |path: &str| path.ends_with(".rs") && !path.contains("/generated/");
    for (path, text) in tree.texts().filter(|(path, _)| ours(path)) {
        if !text.starts_with("//!") {
            findings.push(Finding::error(path, 1, "begins without `//!` that says what is here and why"));
        }
        findings.extend(length(path, text.lines().count()));
        findings.extend(leftovers(path, text));
    }
    findings.extend(crate_roots(tree));
    findings
}

fn length(path: &str, lines: usize) -> Option<Finding> {
    let mut folders = path.split('/').rev().skip(1);
    if folders.any(|folder| folder == "tests" || folder == "benches") {
        return None;
    }
    if lines > TOO_LONG {
        return Some(Finding::error(path, 0, format!("{lines} lines: cut it in two")));
    }
    (lines > LONG).then(|| Finding::warning(path, format!("{lines} lines: look for the seam")))
}

fn leftovers<'a>(path: &'a str, text: &'a str) -> impl Iterator<Item = Finding> + 'a {
    text.lines().enumerate().flat_map(move |(at, line)| {
        let left = LEFTOVERS.into_iter().filter(|leftover| line.contains(leftover));
        left.map(move |leftover| Finding::error(path, at + 1, format!("`{leftover}` is left over")))
    })
}

fn crate_roots(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, _) in tree.texts() {
        let Some(folder) = path.strip_suffix("/Cargo.toml") else { continue };
        let wanted = match folder {
            MAY_BE_UNSAFE => "#![deny(unsafe_code)]",
            _ => "#![forbid(unsafe_code)]",
        };
        for root in ["src/lib.rs", "src/main.rs"] {
            let root = format!("{folder}/{root}");
            let lacking = tree.text(&root).is_some_and(|text| !text.contains(wanted));
            if lacking {
                findings.push(Finding::error(&root, 0, format!("lacks `{wanted}`")));
            }
        }
    }
    findings
}
