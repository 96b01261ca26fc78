//! Many agents in one process: everything that they say they made has arrived.

use std::time::Duration;

use rehearsal_agent::swarm::{self, SwarmOptions};
use rehearsal_link::LeaseTerms;
use rehearsal_metrics::{Points, UserState as State};
use rehearsal_plan::{Load, Spacing, Stay};

use crate::coordinator::{Coordinator, Heard, Part};

#[tokio::test]
async fn what_a_swarm_made_has_arrived() {
    let stay = Stay::Each(Duration::from_secs(1));
    let load = Load::Arrive { users: 300, over: Duration::from_secs(2), spacing: Spacing::Even, stay };
    let part = Part { scenario: "", load, agents: 30, lease: LeaseTerms::default() };
    let coordinator = Coordinator::start(part);
    let blob = coordinator.blob.clone();
    let options = SwarmOptions { series: 8, samples_per_second: 80 };
    let swarm = tokio::spawn(async move { swarm::run(&blob, 30, options).await });
    coordinator.until("all have left", |heard| heard.moved(State::Live, State::Finished) == 300).await;
    coordinator.stop();
    let report = swarm.await.unwrap().unwrap();
    let heard = coordinator.heard();
    assert_eq!((report.done, &report.failed[..]), (30, &[][..]));
    assert_eq!((report.starts, report.leaves, report.restored), (300, 300, 0));
    assert_eq!(heard.moved(State::Waiting, State::Live), 300);
    assert_eq!(heard.intervals.len() as u64, report.intervals);
    let samples = |is_wanted: fn(&Points) -> bool| {
        let all =
            |heard: &Heard| heard.intervals.iter().flat_map(|interval| interval.points.clone()).collect::<Vec<_>>();
        all(&heard).iter().filter(|(_, points)| is_wanted(points)).map(|(_, points)| points.count()).sum::<u64>()
    };
    assert_eq!(samples(|points| matches!(points, Points::Duration(_))), report.samples);
    assert_eq!(samples(|points| matches!(points, Points::Count(_))), report.counted);
    assert_eq!(report.samples + report.counted, 80 * report.intervals);
}
