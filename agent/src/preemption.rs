//! Whether Amazon takes this instance back, or recommends to replace it: asked every few seconds, and if so, the agent is
//! told to go as by SIGTERM.
//!
//! | Amazon says | users have left and all is told |
//! |---|---|
//! | that it takes the instance back (two minutes before) | within a minute, and 15 s before that |
//! | that it may take it back soon (at any time, or never) | within two minutes; without a run it stays |

use std::collections::BTreeSet;
use std::time::Duration;

use rand::RngExt as _;
use serde::Deserialize;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::connection::log;
use crate::imds::Imds;
use crate::orders::Order;

const INTERRUPTION: &str = "/latest/meta-data/spot/instance-action";
const RECOMMENDATION: &str = "/latest/meta-data/events/recommendations/rebalance";
const REGION: &str = "/latest/meta-data/placement/region";

/// How often Amazon says to look, in seconds, and by how much of it this differs: a fleet's agents began together.
const EVERY_S: f64 = 5.0;
const JITTER: f64 = 0.2;

/// A spot instance ends so long after the agent has: the machine has to be shut down, and clocks differ.
const MARGIN: Duration = Duration::from_secs(15);
/// No agent takes longer to go if it has to, nor shorter, however late it was told.
const LONGEST: Duration = Duration::from_secs(60);
const SHORTEST: Duration = Duration::from_secs(5);
/// A recommendation leaves time: users go at their slowest pace, and those who then play them have come before.
const RECOMMENDED: Duration = Duration::from_secs(120);

/// What Amazon may say of an instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Notice {
    /// It is taken back, at an instant if that could be read.
    Interruption(Option<OffsetDateTime>),
    /// It should be replaced.
    Recommendation,
}

/// In which region this instance is, if it knows.
pub(crate) async fn region(imds: &mut Imds) -> Option<String> {
    imds.read(REGION).await.unwrap_or_else(|error| {
        log(&format!("{error:#}; it is not known in which region this agent is"));
        None
    })
}

/// Looks for notices and orders the agent to go, once for each, until nobody takes orders.
pub(crate) async fn watch(mut imds: Imds, orders: mpsc::Sender<Order>) {
    let (mut told, mut has_failed) = (BTreeSet::new(), false);
    while !orders.is_closed() {
        match look(&mut imds).await {
            Ok(notices) => {
                for notice in notices.into_iter().filter(|notice| told.insert(*notice)) {
                    let deadline = Instant::now() + notice.time_left(OffsetDateTime::now_utc());
                    let is_advice = notice == Notice::Recommendation;
                    let order = Order::Drain { reason: notice.reason(), deadline, is_advice };
                    let _ = orders.send(order).await; // the agent may end
                }
            }
            // Once is enough: where it cannot be reached it never can.
            Err(error) if !std::mem::replace(&mut has_failed, true) => {
                log(&format!("{error:#}; the agent goes on, and goes on asking"));
            }
            Err(_) => {}
        }
        let seconds = EVERY_S * rand::rng().random_range(1.0 - JITTER..1.0 + JITTER);
        tokio::time::sleep(Duration::from_secs_f64(seconds)).await;
    }
}

async fn look(imds: &mut Imds) -> anyhow::Result<Vec<Notice>> {
    let interruption = imds.read(INTERRUPTION).await?.map(|text| Notice::interruption(&text));
    let recommendation = imds.read(RECOMMENDATION).await?.map(|_| Notice::Recommendation);
    Ok(interruption.into_iter().chain(recommendation).collect())
}

impl Notice {
    /// Reads `{"action": "terminate", "time": "2026-11-22T20:31:07Z"}`. Whatever is there says that the instance goes; to be
    /// stopped or put to sleep is no better for its users.
    fn interruption(text: &str) -> Self {
        #[derive(Deserialize)]
        struct Action {
            time: String,
        }
        let action: Option<Action> = serde_json::from_str(text).ok();
        Self::Interruption(action.and_then(|action| OffsetDateTime::parse(&action.time, &Rfc3339).ok()))
    }

    /// Why the agent goes, for people.
    fn reason(self) -> String {
        match self {
            Self::Interruption(Some(at)) => {
                let (hour, minute, second) = at.to_offset(time::UtcOffset::UTC).to_hms();
                format!("preemption: Amazon takes the instance back at {hour:02}:{minute:02}:{second:02} UTC")
            }
            Self::Interruption(None) => "preemption: Amazon takes the instance back".to_owned(),
            Self::Recommendation => "Amazon recommends to replace the instance".to_owned(),
        }
    }

    /// How long the agent may take to go.
    fn time_left(self, now: OffsetDateTime) -> Duration {
        match self {
            Self::Interruption(Some(at)) => {
                let left = Duration::try_from(at - now).unwrap_or_default();
                left.saturating_sub(MARGIN).clamp(SHORTEST, LONGEST)
            }
            Self::Interruption(None) => LONGEST,
            Self::Recommendation => RECOMMENDED,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_notice_says_why_and_how_soon() {
        // 20:31:07 UTC
        let now = OffsetDateTime::from_unix_timestamp(1_795_379_467).unwrap();
        let check = |sentence, text: &str, reason: &str, seconds| {
            let notice = Notice::interruption(text);
            let expected =
                (format!("preemption: Amazon takes the instance back{reason}"), Duration::from_secs(seconds));
            assert_eq!((notice.reason(), notice.time_left(now)), expected, "{sentence}");
        };
        let action = |time| format!(r#"{{"action": "terminate", "time": "2026-11-22T{time}"}}"#);
        check("two minutes before", &action("20:33:07Z"), " at 20:33:07 UTC", 60);
        check("a minute before", &action("20:32:07Z"), " at 20:32:07 UTC", 45);
        check("in another zone's words", &action("21:32:07+01:00"), " at 20:32:07 UTC", 45);
        check("seconds before", &action("20:31:10Z"), " at 20:31:10 UTC", 5);
        check("too late, or a clock that is ahead", &action("20:30:00Z"), " at 20:30:00 UTC", 5);
        check("a clock that is a day behind", &action("20:31:07Z").replace("22T", "23T"), " at 20:31:07 UTC", 60);
        check("hibernation", r#"{"action": "hibernate", "time": "2026-11-22T20:31:07Z"}"#, " at 20:31:07 UTC", 5);
        check("what cannot be read", "soon", "", 60);
        let recommended = Notice::Recommendation;
        assert_eq!(recommended.reason(), "Amazon recommends to replace the instance");
        assert_eq!(recommended.time_left(now), Duration::from_secs(120));
    }
}
