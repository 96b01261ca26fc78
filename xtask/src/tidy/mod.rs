//! `cargo xtask tidy`: the house rules that neither rustfmt nor clippy know. docs/style.md gives the reasons.

mod documents;
mod locked;
mod source;
mod tree;

use std::fmt;
use std::path::Path;

use anyhow::{Result, ensure};

use tree::Tree;

/// One broken rule.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Finding {
    path: String,
    /// From 1; 0 when the file as a whole is meant.
    line: usize,
    weight: Weight,
    message: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Weight {
    Error,
    Warning,
}

impl Finding {
    fn error(path: &str, line: usize, message: impl Into<String>) -> Self {
        let (path, message) = (path.to_owned(), message.into());
        Self { path, line, weight: Weight::Error, message }
    }

    fn warning(path: &str, message: impl Into<String>) -> Self {
        Self { weight: Weight::Warning, ..Self::error(path, 0, message) }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let weight = match self.weight {
            Weight::Error => "error",
            Weight::Warning => "warning",
        };
        match self.line {
            0 => write!(out, "{weight}: {}: {}", self.path, self.message),
            line => write!(out, "{weight}: {}:{line}: {}", self.path, self.message),
        }
    }
}

/// Looks at every file that is tracked or new and prints what breaks a rule.
pub fn run(root: &Path) -> Result<()> {
    let findings = look(&Tree::read(root)?);
    for finding in &findings {
        println!("{finding}");
    }
    let errors = findings.iter().filter(|finding| finding.weight == Weight::Error);
    let errors = errors.count();
    ensure!(errors == 0, "{errors} errors in the tree");
    Ok(())
}

fn look(tree: &Tree) -> Vec<Finding> {
    let mut findings = source::look(tree);
    findings.extend(documents::look(tree));
    findings.extend(locked::look(tree));
    findings.sort();
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: [(&str, &str); 7] = [
        ("README.md", "# Title\n[map](docs/architecture.md#one)\n[shop](https://example.com/x)\n"),
        ("docs/architecture.md", "[style](style.md), [up](../README.md), [rooms](../crates)\n"),
        ("docs/style.md", "Short.\n```\n[not](a/link)\n```\n"),
        ("crates/one/Cargo.toml", "[package]\nname = \"one\"\n"),
        ("crates/one/src/lib.rs", "//! One.\n#![forbid(unsafe_code)]\n"),
        ("crates/engine/Cargo.toml", "[package]\nname = \"engine\"\n"),
        ("crates/engine/src/lib.rs", "//! Two.\n#![deny(unsafe_code)]\n"),
    ];

    /// The good tree with one file changed or added.
    fn with(path: &str, text: &str) -> Vec<String> {
        let files = GOOD.into_iter().chain([(path, text)]);
        look(&Tree::of(files)).iter().map(Finding::to_string).collect()
    }

    fn check(path: &str, text: &str, expected: &str) {
        let found = with(path, text);
        assert!(found.iter().any(|line| line.starts_with(expected)), "{expected}: {found:#?}");
    }

    #[test]
    fn a_good_tree_has_no_findings() {
        let none: [String; 0] = [];
        assert_eq!(with(GOOD[0].0, GOOD[0].1), none);
    }

    #[test]
    fn rust_files_say_what_they_are() {
        check("crates/one/src/two.rs", "fn two() {}\n", "error: crates/one/src/two.rs:1: begins without");
        assert!(with("proto/src/generated/a.rs", "fn a() {}\n").is_empty(), "generated code is nobody's prose");
    }

    #[test]
    fn one_crate_does_the_cryptography() {
        let with_two = "[[package]]\nname = \"ring\"\n\n[[package]]\nname = \"aws-lc-rs\"\n";
        check("Cargo.lock", with_two, "error: Cargo.lock:5: aws-lc-rs");
        assert!(with("Cargo.lock", "[[package]]\nname = \"ring\"\n").is_empty());
    }

    #[test]
    fn files_stay_readable() {
        let long = format!("//! Long.\n{}", "\n".repeat(400));
        check("crates/one/src/two.rs", &long, "warning: crates/one/src/two.rs: 401 lines");
        let longer = format!("//! Longer.\n{}", "\n".repeat(500));
        check("crates/one/src/two.rs", &longer, "error: crates/one/src/two.rs: 501 lines");
        assert!(with("crates/one/tests/all.rs", &longer).is_empty(), "tables of cases may be long");
    }

    #[test]
    fn leftovers_are_found() {
        for leftover in source::LEFTOVERS {
            let text = format!("//! Two.\n\n// {leftover}\n");
            check("crates/one/src/two.rs", &text, "error: crates/one/src/two.rs:3: ");
        }
    }

    #[test]
    fn crates_forbid_unsafe_code() {
        check("crates/one/src/lib.rs", "//! One.\n", "error: crates/one/src/lib.rs: ");
        check("crates/engine/src/lib.rs", "//! Two.\n", "error: crates/engine/src/lib.rs: ");
        check("crates/one/src/main.rs", "//! One.\nfn main() {}\n", "error: crates/one/src/main.rs: ");
    }

    #[test]
    fn links_lead_somewhere() {
        check("docs/style.md", "\nSee [x](gone.md).\n", "error: docs/style.md:2: leads nowhere: gone.md");
        check(
            "README.md",
            "[a](docs/architecture.md) [out](../other)\n",
            "error: README.md:1: leads nowhere: ../other",
        );
    }

    #[test]
    fn every_document_can_be_found() {
        check("docs/lost.md", "Nobody links here.\n", "error: docs/lost.md: not linked");
    }

    #[test]
    fn no_file_knows_its_machine() {
        let path = ["", "home", "somebody", "x"].join("/");
        check("docs/style.md", &format!("run `{path}`\n"), "error: docs/style.md:1: names a path of one machine");
        let address = format!("https://example.com{path}");
        assert!(with("docs/style.md", &address).is_empty(), "an address is no path");
    }
}
