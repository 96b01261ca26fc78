//! Calling again: what passes by itself is waited for, within a limit; all else is an answer.
//!
//! Pauses have no random part. Throttling counts per account and region, and we have one call in flight in each, so
//! there is no herd of our own to scatter.

use std::time::Duration;

use tokio::time::{Instant, sleep, timeout_at};

use crate::cloud::{Answer, CloudError};

/// After the first failure; doubled with each further one.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(8);
/// A `CreateFleet` for some hundred instances takes tens of seconds; nothing else takes nearly as long.
const ANSWER_WITHIN: Duration = Duration::from_secs(40);

/// Calls until there is an answer that would not change, or the time is up. The last error is then the answer.
///
/// A call without an answer is made again: whatever makes something carries a token or a name by which the second call
/// finds what the first one made.
pub(crate) async fn patiently<'a, T>(
    until: Instant,
    mut call: impl FnMut() -> Answer<'a, T>,
    mut on_pause: impl FnMut(&CloudError, Duration),
) -> Result<T, CloudError> {
    let mut pause = FIRST_PAUSE;
    loop {
        let limit = until.min(Instant::now() + ANSWER_WITHIN);
        let answer = timeout_at(limit, call()).await;
        let error = match answer.unwrap_or_else(|_| Err(CloudError::unanswered())) {
            Ok(answer) => return Ok(answer),
            Err(error) => error,
        };
        if !error.is_passing() || Instant::now() + pause >= until {
            return Err(error);
        }
        on_pause(&error, pause);
        sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cloud::Retry;

    /// Calls something that fails some times before it answers, and tells how long that took and how often it was called.
    async fn check(failures: u32, error: CloudError, within: u64) -> (Result<&'static str, CloudError>, u64, u32) {
        let (began, mut calls) = (Instant::now(), 0);
        let call = || -> Answer<'static, &'static str> {
            calls += 1;
            let answer = if calls > failures { Ok("yes") } else { Err(error.clone()) };
            Box::pin(async move { answer })
        };
        let answer = patiently(began + Duration::from_secs(within), call, |_, _| ()).await;
        (answer, began.elapsed().as_secs(), calls)
    }

    #[tokio::test(start_paused = true)]
    async fn what_passes_is_waited_for_and_all_else_is_an_answer() {
        let throttled = CloudError::of_code("RequestLimitExceeded", "");
        let broken = CloudError { retry: Retry::Soon, ..CloudError::of_code("InternalError", "") };
        let full = CloudError::of_code("InsufficientInstanceCapacity", "");
        assert_eq!(check(0, full.clone(), 90).await, (Ok("yes"), 0, 1));
        assert_eq!(check(3, throttled.clone(), 90).await, (Ok("yes"), 1 + 2 + 4, 4));
        assert_eq!(check(1, broken, 90).await, (Ok("yes"), 1, 2));
        assert_eq!(check(1, full.clone(), 90).await, (Err(full), 0, 1));
        assert_eq!(check(100, throttled.clone(), 10).await, (Err(throttled), 7, 4), "the time is never passed");
    }

    #[tokio::test(start_paused = true)]
    async fn silence_ends() {
        let began = Instant::now();
        let answer = patiently(began + Duration::from_secs(90), never, |_, _| ()).await;
        assert_eq!(answer, Err(CloudError::unanswered()));
        assert!(began.elapsed() <= Duration::from_secs(90));
    }

    fn never() -> Answer<'static, ()> {
        Box::pin(std::future::pending())
    }
}
