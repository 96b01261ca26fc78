//! What goes wrong with calls: faults that strike them, buckets that throttle them, and how late the truth is known.

use std::time::SystemTime;

use serde::{Deserialize, Serialize};

/// A call that fails, comes late, or is never answered.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Fault {
    /// The action that it strikes; without it, all.
    pub action: Option<String>,
    /// The region that it strikes; without it, all.
    pub region: Option<String>,
    /// How many calls it strikes yet; without it, all. It counts down.
    pub times: Option<u64>,
    /// How many of 1 calls it strikes.
    pub probability: f64,
    /// For how many seconds the call waits first.
    pub delay: f64,
    /// Amazon's code with which the call fails, such as `InternalError`; without it, it does not.
    pub code: Option<String>,
    /// The words with it.
    pub message: String,
    /// The HTTP status with it; without it, the one that belongs to the code.
    pub status: Option<u16>,
    /// Whether the call is never answered.
    pub silent: bool,
    /// Whether the call is carried out before it fails: what it did is done, and only its answer is lost.
    pub carried_out: bool,
}

impl Default for Fault {
    fn default() -> Fault {
        Fault {
            action: None,
            region: None,
            times: None,
            probability: 1.0,
            delay: 0.0,
            code: None,
            message: String::new(),
            status: None,
            silent: false,
            carried_out: false,
        }
    }
}

impl Fault {
    /// Whether it is about such a call, and not used up.
    pub(crate) fn is_about(&self, action: &str, region: &str) -> bool {
        let fits = |wanted: &Option<String>, it: &str| wanted.as_deref().is_none_or(|wanted| wanted == it);
        self.times != Some(0) && fits(&self.action, action) && fits(&self.region, region)
    }
}

/// How late it is known what is true, in seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Lag {
    /// `DescribeInstances` tells what was true so long ago.
    pub describe: f64,
    /// All other actions do not know the id of an instance for so long after its start.
    pub ids: f64,
}

/// How many calls are let in: a bucket for each region and action.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Throttle {
    /// How many calls may come at once.
    pub burst: f64,
    /// How many more may come each second.
    pub per_second: f64,
}

/// What is left in a bucket.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bucket {
    tokens: f64,
    at: SystemTime,
}

impl Bucket {
    pub(crate) fn full(throttle: Throttle, now: SystemTime) -> Bucket {
        Bucket { tokens: throttle.burst, at: now }
    }

    /// Takes one token out; `false` if there is none.
    pub(crate) fn take(&mut self, throttle: Throttle, now: SystemTime) -> bool {
        let passed = now.duration_since(self.at).unwrap_or_default().as_secs_f64();
        self.tokens = (self.tokens + passed * throttle.per_second).min(throttle.burst);
        self.at = now;
        let is_let_in = self.tokens >= 1.0;
        if is_let_in {
            self.tokens -= 1.0;
        }
        is_let_in
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;

    #[test]
    fn buckets_fill_again_but_not_beyond_their_burst() {
        let throttle = Throttle { burst: 2.0, per_second: 0.5 };
        let at = |seconds| UNIX_EPOCH + Duration::from_secs(seconds);
        let mut bucket = Bucket::full(throttle, at(0));
        for (second, expected) in [(0, true), (0, true), (0, false), (1, false), (2, true), (2, false), (60, true)] {
            assert_eq!(bucket.take(throttle, at(second)), expected, "second {second}");
        }
        assert!(bucket.take(throttle, at(60)));
        assert!(!bucket.take(throttle, at(60)), "a minute is not thirty calls");
    }

    #[test]
    fn faults_strike_what_they_name() {
        let fault = Fault { action: Some("CreateFleet".into()), times: Some(1), ..Fault::default() };
        assert!(fault.is_about("CreateFleet", "us-east-1"));
        assert!(!fault.is_about("RunInstances", "us-east-1"));
        assert!(!Fault { times: Some(0), ..fault }.is_about("CreateFleet", "us-east-1"));
        assert!(!Fault { region: Some("mars-1".into()), ..Fault::default() }.is_about("RunInstances", "us-east-1"));
    }
}
