//! Waiting for conditions that other processes bring about.

use std::time::Duration;

/// How often a condition is looked at: short beside what the tests measure.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// Looks again and again until the condition holds; panics when it does not within `bound`.
pub async fn until(what: &str, bound: Duration, holds: impl FnMut() -> bool) {
    assert!(within(bound, holds).await, "waited {bound:?} in vain until {what}");
}

/// The same for whoever has more to say about it than that it was in vain: whether the condition came to hold.
pub(crate) async fn within(bound: Duration, mut holds: impl FnMut() -> bool) -> bool {
    let waiting = async {
        while !holds() {
            tokio::time::sleep(LOOK_EVERY).await;
        }
    };
    tokio::time::timeout(bound, waiting).await.is_ok()
}
