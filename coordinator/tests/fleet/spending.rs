//! A budget that is about to be passed ends the load, and then the fleet, while the run still goes on.

use std::collections::BTreeMap;

use crate::stage::{CALM, Stage};

#[test]
fn prices_that_rise_end_the_fleet_before_its_budget_is_passed() {
    let stage = Stage::of(CALM, "100s", "60s");
    let mut called = stage.start("start", &["--agents", "ec2:2", "--budget", "1"]);
    crate::stage::until("the run to go on", 120, || {
        assert!(!called.has_ended(), "{}", called.said());
        called.said().contains("running")
    });
    // From some cents to some twenty dollars an hour, more than twice what the budget lasts for another minute.
    stage.fake.change(|world| world.regions.values_mut().for_each(|region| region.price = 235.0)).unwrap();
    let (status, said) = called.ended(300);
    assert_eq!(status.code(), Some(98), "what was cut short proves nothing: {said}");
    assert!(said.contains("users are sent away, so that it ends in time"), "{said}");
    assert_eq!(stage.fake.alive(), 0);
    let findings: BTreeMap<String, String> = stage.summary()["findings"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| (one["subject"].as_str().unwrap().to_owned(), one["text"].as_str().unwrap().to_owned()))
        .collect();
    assert!(findings.values().any(|text| text.contains("the fleet has cost")), "{findings:?}");
}
