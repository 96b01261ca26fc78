//! Pass-fail rules over a run: `http.response{name:vote} p(99) < 500ms for 10s abort`.
//!
//! ```text
//!   metric{tag:value,…} statistic op value [for duration] [abort]
//! ```
//!
//! A value carries the unit of what it limits: `500ms` for times, `99.9%` for shares, a plain number for counts
//! and rates. A share or a time without its unit is refused, because `rate < 1` and `p(99) < 500` mean
//! something else to us than to whoever wrote them. A figure of the autoscaler is one value and needs no statistic.

use std::collections::BTreeMap;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::catalogue::{AUTOSCALER, AUTOSCALER_FIGURES, Kind, METRICS, kind_of};
use crate::problem::Problem;

mod printer;
mod reader;

/// One rule; in files and on the wire it is its text.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Threshold {
    /// The metric that is judged.
    pub metric: String,
    /// The tag values that a series must have to be counted in.
    pub tags: BTreeMap<String, String>,
    /// What is taken of the metric; of a single value, as the autoscaler's figures are, its mean.
    pub statistic: Statistic,
    /// How statistic and value must compare.
    pub op: Op,
    /// The limit: seconds for times, a fraction of 1 for shares, else a plain number.
    pub value: f64,
    /// How long the rule must be broken without a break before it counts; `None`: it is judged over the whole run.
    pub held_for: Option<Duration>,
    /// Whether breaking the rule ends the run.
    pub abort: bool,
}

/// What is taken of a metric.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Statistic {
    /// How many there were.
    Count,
    /// How many a second; of a ratio, the share of claims that came true.
    Rate,
    /// The smallest.
    Min,
    /// The largest.
    Max,
    /// The arithmetic mean.
    Mean,
    /// The percentile, above 0 and up to 100.
    Percentile(f64),
}

/// How a statistic must compare with the value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op {
    /// `<`
    Less,
    /// `<=`
    AtMost,
    /// `>`
    Greater,
    /// `>=`
    AtLeast,
    /// `==`
    Equal,
}

/// The unit in which a value is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unit {
    Time,
    Share,
    Plain,
    /// The author's choice, for metrics whose kind only the author knows.
    Free,
}

/// Why a text is not a threshold.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("reading the threshold `{text}`: {reason}")]
pub struct ThresholdError {
    /// The text.
    pub text: String,
    /// What is wrong with it.
    pub reason: String,
    /// What would be right, if we know it.
    pub hint: Option<String>,
}

impl From<ThresholdError> for Problem {
    fn from(error: ThresholdError) -> Problem {
        Problem { message: error.to_string(), hint: error.hint }
    }
}

impl Threshold {
    /// Tells what the metric counts.
    ///
    /// # Errors
    /// When nobody measures a metric of that name; the hint names the nearest one.
    pub fn known_metric(&self) -> Result<Kind, Problem> {
        kind_of(&self.metric).ok_or_else(|| {
            let figures = AUTOSCALER_FIGURES.map(|(figure, _)| format!("{AUTOSCALER}{figure}"));
            let known = METRICS.iter().map(|metric| metric.name).chain(figures.iter().map(String::as_str));
            Problem::new(format!("there is no metric `{}`", self.metric)).did_you_mean(&self.metric, known)
        })
    }

    /// Works out the unit of the value.
    fn unit(&self) -> Result<Unit, Problem> {
        match (self.known_metric()?, self.statistic) {
            (_, statistic) if self.metric.starts_with(AUTOSCALER) && statistic != Statistic::Mean => {
                let problem = Problem::new(format!("`{}` is one value and has no `{statistic}`", self.metric));
                Err(problem.hint("leave the statistic out"))
            }
            (Kind::Any, _) => Ok(Unit::Free),
            (Kind::Ratio, Statistic::Rate) => Ok(Unit::Share),
            (_, Statistic::Count | Statistic::Rate) => Ok(Unit::Plain),
            (Kind::Duration, _) => Ok(Unit::Time),
            (Kind::Ratio | Kind::Count, statistic) => {
                Err(Problem::new(format!("`{}` has no `{statistic}`", self.metric)).hint("it has `count` and `rate`"))
            }
        }
    }
}

impl Op {
    const ALL: [(Op, &'static str); 5] = [
        // The longer ones first: `<` begins `<=`.
        (Op::AtMost, "<="),
        (Op::AtLeast, ">="),
        (Op::Equal, "=="),
        (Op::Less, "<"),
        (Op::Greater, ">"),
    ];

    /// Compares a statistic with the limit.
    #[must_use]
    pub fn holds(self, statistic: f64, limit: f64) -> bool {
        match self {
            Op::Less => statistic < limit,
            Op::AtMost => statistic <= limit,
            Op::Greater => statistic > limit,
            Op::AtLeast => statistic >= limit,
            Op::Equal => statistic == limit,
        }
    }
}

impl FromStr for Threshold {
    type Err = ThresholdError;

    fn from_str(text: &str) -> Result<Threshold, ThresholdError> {
        reader::threshold(text).map_err(|Problem { message, hint }| ThresholdError {
            text: text.into(),
            reason: message,
            hint,
        })
    }
}

impl TryFrom<String> for Threshold {
    type Error = ThresholdError;

    fn try_from(text: String) -> Result<Threshold, ThresholdError> {
        text.parse()
    }
}

impl From<Threshold> for String {
    fn from(threshold: Threshold) -> String {
        threshold.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(text: &str, value: f64) {
        let threshold: Threshold = text.parse().unwrap();
        assert_eq!(threshold.value, value, "{text}");
        assert_eq!(threshold.to_string(), text);
        let json = serde_json::to_string(&threshold).unwrap();
        assert_eq!(serde_json::from_str::<Threshold>(&json).unwrap(), threshold);
    }

    #[test]
    fn texts_and_their_values() {
        check("http.response{name:vote} p(99) < 500ms", 0.5);
        check("http.failed rate < 0.1%", 0.001);
        check("cue.reach{cue:open_vote} rate > 99.9%", 0.999);
        check("cue.delay{cue:open_vote} p(99.9) <= 2s for 10s abort", 2.0);
        check("http.response{name:\"GET /a, b\",status:200} count >= 1000", 1000.0);
        check("checks{name:\"say \\\"hi\\\"\"} count == 3", 3.0);
        check("socket.received rate > 12.5", 12.5);
        check("autoscaler.jitter < 2 abort", 2.0);
        check("custom.basket mean < 40.5", 40.5);
        assert_eq!("custom.wait max<250ms".parse::<Threshold>().unwrap().value, 0.25);
        assert_eq!(" errors  count  <  5 ".parse::<Threshold>().unwrap().to_string(), "errors count < 5");
    }

    fn refuse(text: &str, reason: &str, hint: Option<&str>) {
        let error = text.parse::<Threshold>().unwrap_err();
        assert_eq!((error.reason.as_str(), error.hint.as_deref()), (reason, hint), "{text}");
    }

    #[test]
    fn mistakes_are_explained() {
        refuse("", "expected a metric, found the end", None);
        refuse("http.respnse p(99) < 1s", "there is no metric `http.respnse`", Some("did you mean `http.response`?"));
        let kinds = Some("it has `count` and `rate`");
        refuse("http.failed p(99) < 1%", "`http.failed` has no `p(99)`", kinds);
        let statistics = Some("the statistics are count, rate, min, max, mean and p(q)");
        let single = Some("leave the statistic out");
        refuse("autoscaler.jitter p(95) < 1", "`autoscaler.jitter` is one value and has no `p(95)`", single);
        refuse("http.response median < 1s", "unknown statistic `median`", statistics);
        refuse("http.response < 1s", "expected a statistic, found `<`", statistics);
        refuse("http.response p(0) < 1s", "`0` is not a percentile above 0 and up to 100", None);
        refuse("http.response p(99 < 1s", "expected `)`, found `<`", None);
        refuse("http.response p(99) ~ 1s", "expected a comparison, found `~`", Some("one of < <= > >= =="));
        refuse(
            "http.response p(99) < 500",
            "`500` is not a duration with a unit",
            Some("write it as in `500ms` or `2s`"),
        );
        refuse("http.failed rate < 1", "`1` is not a share", Some("write it in percent, as in `99.9%`"));
        refuse("http.response count < 1s", "`1s` is not a plain number", None);
        refuse(
            "errors count < 5 for ever",
            "`ever` is not a duration with a unit",
            Some("write it as in `500ms` or `2s`"),
        );
        refuse(
            "errors count < 5 now",
            "unexpected `now`",
            Some("only `for DURATION` and `abort` may follow the value"),
        );
        refuse("checks{name:} rate > 1%", "expected a value of the tag `name`, found `}`", None);
        refuse("checks{name:\"a} rate > 1%", "the quoted value of the tag `name` does not end", None);
        refuse("checks{name:a,name:b} rate > 1%", "the tag `name` stands twice", None);
    }

    fn any_threshold() -> impl Strategy<Value = Threshold> {
        let index = 0..METRICS.len();
        let statistic = prop_oneof![
            Just(Statistic::Count),
            Just(Statistic::Rate),
            Just(Statistic::Max),
            Just(Statistic::Mean),
            (0.1_f64..100.0).prop_map(Statistic::Percentile)
        ];
        let tags = prop::collection::btree_map("[a-z_]{1,8}", "\\PC{0,12}", 0..3);
        let op = prop::sample::select(Op::ALL.map(|(op, _)| op).to_vec());
        let held_for = prop::option::of((1_u64..10_000).prop_map(Duration::from_millis));
        (index, statistic, tags, op, (0.0_f64..2.0, 0_u64..1 << 50), held_for, any::<bool>()).prop_map(
            |(index, statistic, tags, op, (share, nanos), held_for, abort)| {
                let metric = METRICS[index].name.to_string();
                let mut threshold = Threshold { metric, tags, statistic, op, value: share, held_for, abort };
                if threshold.unit().is_err() {
                    threshold.statistic = Statistic::Rate;
                }
                if threshold.unit() == Ok(Unit::Time) {
                    threshold.value = Duration::from_nanos(nanos).as_secs_f64();
                }
                threshold
            },
        )
    }

    proptest! {
        #[test]
        fn printing_and_reading_round_trip(threshold in any_threshold()) {
            let text = threshold.to_string();
            prop_assert_eq!(text.parse::<Threshold>(), Ok(threshold), "{}", text);
        }

        #[test]
        fn no_text_panics(text in "(http.failed|errors|custom.a)?\\PC{0,30}") {
            let _ = text.parse::<Threshold>();
        }
    }
}
