//! Durations as people write them: `1m30s`, `500ms`, `1.5s`, or a bare number of seconds.
//!
//! The same text stands in scenarios, environments, thresholds and on the wire,
//! so it is read and written in this one place, exactly to the nanosecond.

use std::time::Duration;

use thiserror::Error;

/// Each unit with its nanoseconds, from the longest to the shortest, in the order in which a text may use them.
const UNITS: [(&str, u64); 7] = [
    ("h", 3_600_000_000_000),
    ("m", 60_000_000_000),
    ("s", 1_000_000_000),
    ("ms", 1_000_000),
    ("us", 1_000),
    ("µs", 1_000),
    ("ns", 1),
];

/// Nineteen digits always fit the 128 bits that we reckon in, times any unit.
const MOST_DIGITS: usize = 19;

/// Why a text is not a duration.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum DurationError {
    /// There is nothing, or no number where one must stand.
    #[error("reading the duration `{0}`: expected a number with a unit, as in `1m30s` or `500ms`")]
    NoNumber(String),
    /// A number is followed by something else than `h m s ms us ns`, or by nothing though another came before it.
    #[error("reading the duration `{text}`: unknown unit `{unit}`, the units are h, m, s, ms, us and ns")]
    UnknownUnit {
        /// The whole text.
        text: String,
        /// What stands where a unit should.
        unit: String,
    },
    /// Units stand in another order than from long to short, or one stands twice.
    #[error("reading the duration `{0}`: units must go from the longest to the shortest, each once")]
    Order(String),
    /// Longer than 584 years, or negative, or not a number.
    #[error("reading the duration `{0}`: out of range")]
    OutOfRange(String),
}

/// Reads a duration; a bare number counts seconds.
///
/// # Errors
/// When the text is no number with units from long to short, or the sum exceeds 584 years.
pub fn parse(text: &str) -> Result<Duration, DurationError> {
    let trimmed = text.trim();
    let is_bare = !trimmed.is_empty() && trimmed.chars().all(|c| c.is_ascii_digit() || c == '.');
    let mut rest = trimmed;
    let mut total: u128 = 0;
    let mut longest_left = 0;
    while !rest.is_empty() || longest_left == 0 {
        let number_ends = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
        let (number, after) = rest.split_at(number_ends);
        let unit_ends = after.find(|c: char| !c.is_alphabetic()).unwrap_or(after.len());
        let (unit, next) = after.split_at(unit_ends);
        let nanos_per_unit = if is_bare {
            longest_left = UNITS.len();
            UNITS[2].1
        } else {
            let position = UNITS.iter().position(|(name, _)| *name == unit).ok_or_else(|| match number.is_empty() {
                true => DurationError::NoNumber(text.into()),
                false if unit.is_empty() => {
                    DurationError::UnknownUnit { text: text.into(), unit: after.trim_start().into() }
                }
                false => DurationError::UnknownUnit { text: text.into(), unit: unit.into() },
            })?;
            if position < longest_left {
                return Err(DurationError::Order(text.into()));
            }
            longest_left = position + 1;
            UNITS[position].1
        };
        total += nanos(number, nanos_per_unit).ok_or_else(|| DurationError::NoNumber(text.into()))?;
        rest = next;
    }
    let nanos = u64::try_from(total).map_err(|_| DurationError::OutOfRange(text.into()))?;
    Ok(Duration::from_nanos(nanos))
}

/// Multiplies a decimal number by a unit without rounding through floating point; less than a nanosecond is cut off.
fn nanos(number: &str, per_unit: u64) -> Option<u128> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let fits = whole.len() <= MOST_DIGITS && fraction.len() <= MOST_DIGITS;
    let has_digits = !whole.is_empty() || !fraction.is_empty();
    let has_second_point = fraction.contains('.');
    if !fits || !has_digits || has_second_point {
        return None;
    }
    let digits = |text: &str| {
        if text.is_empty() { Some(0) } else { text.parse::<u128>().ok() }
    };
    let scale = 10_u128.pow(u32::try_from(fraction.len()).ok()?);
    let per_unit = u128::from(per_unit);
    Some(digits(whole)? * per_unit + digits(fraction)? * per_unit / scale)
}

/// Takes a number of seconds that a person wrote without quotes.
///
/// # Errors
/// When it is negative, not a number, or beyond 584 years.
pub fn from_seconds(seconds: f64) -> Result<Duration, DurationError> {
    let is_in_range = (0.0..=u64::MAX as f64 / 1e9).contains(&seconds);
    match Duration::try_from_secs_f64(seconds) {
        Ok(duration) if is_in_range => Ok(duration),
        _ => Err(DurationError::OutOfRange(seconds.to_string())),
    }
}

/// Writes a duration so that [`parse`] gives exactly it again: `90 s` is `1m30s`, `1500 ms` is `1.5s`.
#[must_use]
pub fn print(duration: Duration) -> String {
    let nanos = duration.as_nanos();
    let second = u128::from(UNITS[2].1);
    if nanos == 0 {
        return "0s".into();
    }
    if nanos < second {
        let (name, per_unit) = match nanos {
            1_000_000.. => ("ms", 1_000_000),
            1_000.. => ("us", 1_000),
            _ => ("ns", 1),
        };
        return decimal(nanos, per_unit) + name;
    }
    let (hour, minute) = (u128::from(UNITS[0].1), u128::from(UNITS[1].1));
    let mut text = String::new();
    for (count, name) in [(nanos / hour, "h"), (nanos % hour / minute, "m")] {
        if count > 0 {
            text += &format!("{count}{name}");
        }
    }
    match nanos % minute {
        0 => text,
        seconds => text + &decimal(seconds, second) + "s",
    }
}

/// Writes `nanos / per_unit` as the shortest exact decimal; `per_unit` is a power of ten.
fn decimal(nanos: u128, per_unit: u128) -> String {
    let (whole, part) = (nanos / per_unit, nanos % per_unit);
    if part == 0 {
        return whole.to_string();
    }
    let places = per_unit.ilog10() as usize;
    format!("{whole}.{part:0places$}").trim_end_matches('0').to_string()
}

/// For `#[serde(with = "duration::text")]`: a duration as its text; a number of seconds is understood too.
pub mod text {
    use super::{Duration, from_seconds, parse, print};
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    /// How a duration may stand in a file.
    #[derive(Deserialize)]
    #[serde(untagged)]
    pub(super) enum Written {
        Text(String),
        Seconds(f64),
    }

    impl Written {
        pub(super) fn read<E: Error>(self) -> Result<Duration, E> {
            match self {
                Written::Text(text) => parse(&text),
                Written::Seconds(seconds) => from_seconds(seconds),
            }
            .map_err(E::custom)
        }
    }

    /// Writes the duration's text.
    ///
    /// # Errors
    /// Only the serializer's own.
    pub fn serialize<S: Serializer>(duration: &Duration, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&print(*duration))
    }

    /// Reads a duration's text, or a number of seconds.
    ///
    /// # Errors
    /// When it is neither.
    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
        Written::deserialize(from)?.read()
    }
}

/// For `#[serde(with = "duration::optional", default)]`: the same for a duration that may be missing.
pub mod optional {
    use super::{Duration, print, text::Written};
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    /// Writes the duration's text, or nothing.
    ///
    /// # Errors
    /// Only the serializer's own.
    pub fn serialize<S: Serializer>(duration: &Option<Duration>, to: S) -> Result<S::Ok, S::Error> {
        duration.map(print).serialize(to)
    }

    /// Reads a duration's text, a number of seconds, or nothing.
    ///
    /// # Errors
    /// When it is none of them.
    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Duration>, D::Error> {
        Option::<Written>::deserialize(from)?.map(Written::read).transpose()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(text: &str, nanos: u64, printed: &str) {
        let duration = parse(text).unwrap();
        assert_eq!(duration, Duration::from_nanos(nanos), "{text}");
        assert_eq!(print(duration), printed, "{text}");
    }

    #[test]
    fn texts_and_what_they_mean() {
        check("1m30s", 90_000_000_000, "1m30s");
        check("500ms", 500_000_000, "500ms");
        check("1.5s", 1_500_000_000, "1.5s");
        check("2h", 7_200_000_000_000, "2h");
        check("250us", 250_000, "250us");
        check("250µs", 250_000, "250us");
        check("30", 30_000_000_000, "30s");
        check("0.25", 250_000_000, "250ms");
        check("1s500ms", 1_500_000_000, "1.5s");
        check(" 1h0.5s ", 3_600_500_000_000, "1h0.5s");
        check("0", 0, "0s");
    }

    #[test]
    fn what_is_no_duration_says_why() {
        assert!(matches!(parse(""), Err(DurationError::NoNumber(_))));
        assert!(matches!(parse("fast"), Err(DurationError::NoNumber(_))));
        assert!(matches!(parse("-1s"), Err(DurationError::NoNumber(_))));
        assert!(matches!(parse("1.2.3s"), Err(DurationError::NoNumber(_))));
        assert!(matches!(parse("."), Err(DurationError::NoNumber(_))));
        assert!(matches!(parse("5 min"), Err(DurationError::UnknownUnit { .. })));
        assert!(matches!(parse("5m3"), Err(DurationError::UnknownUnit { .. })));
        assert!(matches!(parse("s"), Err(DurationError::NoNumber(_))));
        assert!(matches!(parse("30s1m"), Err(DurationError::Order(_))));
        assert!(matches!(parse("1s1s"), Err(DurationError::Order(_))));
        assert!(matches!(parse("9999999999h"), Err(DurationError::OutOfRange(_))));
        assert!(from_seconds(-1.0).is_err() && from_seconds(f64::NAN).is_err());
    }

    proptest! {
        #[test]
        fn printing_and_reading_round_trip(nanos: u64) {
            let duration = Duration::from_nanos(nanos);
            prop_assert_eq!(parse(&print(duration)), Ok(duration));
        }

        #[test]
        fn no_text_panics(text in "[0-9.hmsnuµ -]{0,12}") {
            let _ = parse(&text);
        }
    }
}
