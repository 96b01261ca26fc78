//! One entry of a scaler's own log, of an Auto Scaling group or of Application Auto Scaling.

use std::time::SystemTime;

use serde::Deserialize;

use crate::shape::{Shape, after, printed};

/// What a scaler says that it did. It is in the log from its start on, at first as under way.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScalingActivity {
    /// The second at which it began.
    pub at: f64,
    /// The second at which it ended; without it, it never does.
    pub end: Option<f64>,
    /// What is done, such as `Launching a new EC2 instance: i-01`.
    pub description: String,
    /// Why. A second in braces, `{75}`, becomes the instant as Amazon prints it.
    pub cause: String,
    /// How it stands until it has ended.
    #[serde(default = "in_progress")]
    pub progress: String,
    /// How it ended.
    #[serde(default = "successful")]
    pub status: String,
    /// What there is to say about how it ended.
    #[serde(default)]
    pub message: String,
}

fn in_progress() -> String {
    "InProgress".into()
}

fn successful() -> String {
    "Successful".into()
}

impl ScalingActivity {
    /// How it stood at a second.
    pub(crate) fn status_at(&self, second: f64) -> &str {
        if self.has_ended(second) { &self.status } else { &self.progress }
    }

    /// Its message, once there is one.
    pub(crate) fn message_at(&self, second: f64) -> &str {
        if self.has_ended(second) { &self.message } else { "" }
    }

    /// When it ended, if it has.
    pub(crate) fn ended(&self, second: f64, epoch: SystemTime) -> Shape {
        self.end.filter(|_| self.has_ended(second)).map_or(Shape::Nothing, |end| Shape::Time(after(epoch, end)))
    }

    fn has_ended(&self, second: f64) -> bool {
        self.end.is_some_and(|end| end <= second)
    }

    /// Its cause with instants for seconds.
    pub(crate) fn cause_from(&self, epoch: SystemTime) -> String {
        let mut parts = self.cause.split('{');
        let mut cause = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            let second = part.split_once('}').and_then(|(second, rest)| Some((second.parse().ok()?, rest)));
            match second {
                Some((second, rest)) => cause.extend([&*printed(after(epoch, second)), rest]),
                None => cause.extend(["{", part]),
            }
        }
        cause
    }
}

/// Those that have begun, newest first, as Amazon lists them.
pub(crate) fn begun(all: &[ScalingActivity], second: f64) -> Vec<(usize, &ScalingActivity)> {
    let mut begun: Vec<_> = all.iter().enumerate().filter(|(_, activity)| activity.at <= second).collect();
    begun.sort_by(|(i, one), (j, other)| other.at.total_cmp(&one.at).then(j.cmp(i)));
    begun
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use super::*;

    #[test]
    fn seconds_in_causes_become_instants() {
        let cause = |text: &str| ScalingActivity {
            at: 0.0,
            end: None,
            description: String::new(),
            cause: text.into(),
            progress: in_progress(),
            status: successful(),
            message: String::new(),
        };
        let told = |text: &str| cause(text).cause_from(UNIX_EPOCH);
        assert_eq!(told("At {75} an alarm."), "At 1970-01-01T00:01:15Z an alarm.");
        assert_eq!(told("{0}{x} {"), "1970-01-01T00:00:00Z{x} {");
    }
}
