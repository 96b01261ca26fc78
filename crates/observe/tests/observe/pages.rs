//! The reference pages: every observer has one, and what stands in them is understood.

use std::collections::BTreeSet;
use std::fs::read_to_string;
use std::path::PathBuf;

use rehearsal_observe::{Context, Registry, Secret};

use crate::harness::sources_in;

fn pages() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs/observers")
}

#[test]
fn every_observer_has_a_page_whose_examples_are_understood() {
    let secrets = ["db", "queue", "consul", "zabbix", "kubernetes", "flynn"];
    let secrets = secrets.map(|name| (name.to_string(), Secret::new("hush")));
    let context = Context { secrets: secrets.into(), admin: None };
    let overview = read_to_string(pages().join("README.md")).unwrap();
    for name in Registry::default().names() {
        let page = read_to_string(pages().join(format!("{name}.md"))).unwrap();
        assert!(overview.contains(&format!("| [{name}]({name}.md) |")), "{name} is not in the overview");
        let example = page.split("```toml\n").nth(1).unwrap().split("```").next().unwrap();
        let mut used = BTreeSet::new();
        used.extend(example.lines().filter(|line| line.starts_with("observe = ")));
        assert_eq!(used, BTreeSet::from([&*format!("observe = \"{name}\"")]), "{name}");
        if let Err(told) = sources_in(&context, example) {
            panic!("{name}: {told:?}");
        }
        // What the overview says that it tells, and no other role, is what it takes.
        let row = overview.lines().find(|line| line.contains(&format!("]({name}.md)"))).unwrap();
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        for (role, cell) in ["supply", "metrics.x", "activities"].into_iter().zip(&cells[2..5]) {
            let told = sources_in(&context, &format!("[autoscaler.{role}]\nobserve = \"{name}\"")).unwrap_err();
            let is_refused = told.iter().any(|text| text.contains("that does not tell"));
            assert_eq!(*cell == "yes", !is_refused, "{name} {role}: {told:?}");
        }
    }
}
