//! The reference pages: every observer has one, and what stands in them is understood.

use rehearsal_observe::{Context, Registry, Secret};

use crate::harness::{check_page, sources_in};

#[test]
fn every_observer_has_a_page_whose_examples_are_understood() {
    let secrets = ["db", "queue", "consul", "zabbix", "kubernetes", "flynn"];
    let secrets = secrets.map(|name| (name.to_string(), Secret::new("hush")));
    let context = Context { secrets: secrets.into(), admin: None };
    for name in Registry::default().names() {
        check_page(name, |environment| sources_in(&context, environment));
    }
}
