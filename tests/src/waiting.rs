//! Waiting for conditions that other processes bring about.

use std::time::Duration;

/// How often a condition is looked at: short beside what the tests measure.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// Looks again and again until the condition holds; panics when it does not within `bound`.
pub async fn until(what: &str, bound: Duration, mut holds: impl FnMut() -> bool) {
    let waiting = async {
        while !holds() {
            tokio::time::sleep(LOOK_EVERY).await;
        }
    };
    let waited = tokio::time::timeout(bound, waiting).await;
    assert!(waited.is_ok(), "waited {bound:?} in vain until {what}");
}
