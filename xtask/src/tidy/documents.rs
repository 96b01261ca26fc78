//! Rules about documents: links lead somewhere, every document can be found, nothing names the machine it was written on.

use std::collections::BTreeSet;

use super::Finding;
use super::tree::Tree;

/// From where every document must be linked.
const ENTRANCES: [&str; 2] = ["README.md", "docs/architecture.md"];

/// First folders of paths that exist on one machine only.
const MACHINE: [&str; 4] = ["home", "root", "work", "Users"];

pub fn look(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut linked: BTreeSet<String> = BTreeSet::new();
    for (path, text) in tree.texts() {
        findings.extend(machine_paths(path, text));
        if !path.ends_with(".md") {
            continue;
        }
        for (line, link) in links(text) {
            match resolve(path, link).filter(|leads_to| tree.has(leads_to)) {
                None => findings.push(Finding::error(path, line, format!("leads nowhere: {link}"))),
                Some(leads_to) if ENTRANCES.contains(&path) => {
                    linked.insert(leads_to);
                }
                Some(_) => {}
            }
        }
    }
    let documents =
        tree.texts().map(|(path, _)| path).filter(|path| path.starts_with("docs/") && path.ends_with(".md"));
    let lost = documents.filter(|path| !linked.contains(*path));
    findings.extend(lost.map(|path| Finding::error(path, 0, format!("not linked from {}", ENTRANCES.join(" or ")))));
    findings
}

/// Links into the tree, with their lines from 1; not those inside fenced blocks.
fn links(text: &str) -> Vec<(usize, &str)> {
    let mut found = Vec::new();
    let mut fenced = false;
    for (at, line) in text.lines().enumerate() {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
        }
        if fenced {
            continue;
        }
        let targets = line.split("](").skip(1).filter_map(|rest| Some(rest.split_once(')')?.0));
        let files = targets.map(|target| target.split_once('#').map_or(target, |(file, _)| file));
        let inside = files.filter(|file| !file.is_empty() && !file.contains(':'));
        found.extend(inside.map(|file| (at + 1, file)));
    }
    found
}

/// The path from the top to which a link in `document` leads; `None` when it leads out of the tree.
fn resolve(document: &str, link: &str) -> Option<String> {
    let mut parts: Vec<&str> = document.split('/').collect();
    parts.pop();
    for part in link.trim_end_matches('/').split('/') {
        match part {
            "." => {}
            ".." => {
                parts.pop()?;
            }
            name => parts.push(name),
        }
    }
    Some(parts.join("/"))
}

fn machine_paths<'a>(path: &'a str, text: &'a str) -> impl Iterator<Item = Finding> + 'a {
    let named = text.lines().enumerate().filter(|(_, line)| names_machine(line));
    named.map(move |(at, _)| Finding::error(path, at + 1, "names a path of one machine"))
}

/// Whether a line holds an absolute path below one of [`MACHINE`]. In an address or a longer path, something that belongs to
/// it stands before the slash.
fn names_machine(line: &str) -> bool {
    MACHINE.iter().any(|folder| {
        let path = format!("/{folder}/");
        line.match_indices(&path).any(|(at, _)| {
            let before = line[..at].chars().next_back();
            before.is_none_or(|before| !(before.is_alphanumeric() || "._~-/:}>*".contains(before)))
        })
    })
}
