//! Numbers, instants and lists out of JSON that somebody else wrote, with nothing, zero and nonsense told apart.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rehearsal_plan::Problem;
use serde_json::Value;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::observation::{Activity, Failure, Reading, Role, Sample, Supply};
use crate::settings::{self, Settings};

/// More instances than any scaler has; a larger count is some other number.
const MOST_INSTANCES: f64 = 1e9;
/// A bare number of at least this many seconds, the year 5138, is one of milliseconds.
const LEAST_MILLISECONDS: f64 = 1e11;
/// How much of a foreign text is repeated in a message.
const MOST_QUOTED: usize = 200;

/// Where in a JSON document the values of a role stand. Pointers are those of RFC 6901.
#[derive(Clone, Debug)]
pub struct Pointers {
    time: Option<String>,
    places: Places,
}

#[derive(Clone, Debug)]
enum Places {
    Supply([Option<String>; 6]),
    Metric(String),
    Activities { list: String, at: String, change: String, to: String, why: String },
}

impl Pointers {
    /// Takes the keys of the role: `desired`, `running`, `ready`, `draining`, `min`, `max`; or `value`; or `list`, `at`,
    /// `change`, `to` and `why`; for the first two also `time`, the instant that the values are of.
    pub fn from_settings(settings: &mut Settings<'_>, role: Role) -> Option<Pointers> {
        let mut time = None;
        if role != Role::Activities {
            time = settings.take("time", settings::pointer);
        }
        let places = match role {
            Role::Supply => Places::Supply(supply_keys(settings, settings::pointer)?),
            Role::Metric => Places::Metric(settings.require("value", settings::pointer)?),
            Role::Activities => {
                let mut pointer =
                    |key, default: &str| settings.take(key, settings::pointer).unwrap_or_else(|| default.into());
                Places::Activities {
                    list: pointer("list", ""),
                    at: pointer("at", "/at"),
                    change: pointer("change", "/change"),
                    to: pointer("to", "/to"),
                    why: pointer("why", "/why"),
                }
            }
        };
        Some(Pointers { time, places })
    }

    /// Points at the supply with the usual names: `/desired` and so on.
    #[must_use]
    pub fn of_supply() -> Pointers {
        Pointers { time: None, places: Places::Supply(Supply::NAMES.map(|name| Some(format!("/{name}")))) }
    }

    /// Points at a metric at the top of the document, whatever its name has in it.
    #[must_use]
    pub fn of_metric(name: &str) -> Pointers {
        let escaped = name.replace('~', "~0").replace('/', "~1");
        Pointers { time: None, places: Places::Metric(format!("/{escaped}")) }
    }

    /// Points at a list of activities with the usual names.
    #[must_use]
    pub fn of_activities() -> Pointers {
        let [list, at, change, to, why] = ["", "/at", "/change", "/to", "/why"].map(String::from);
        Pointers { time: None, places: Places::Activities { list, at, change, to, why } }
    }

    /// Whether one of them leads to the time of a value.
    #[must_use]
    pub fn is_dated(&self) -> bool {
        self.time.is_some()
    }

    /// Reads a document.
    ///
    /// # Errors
    /// Missing when there is nothing at the pointers, an error of kind format when there is something else.
    pub fn read(&self, document: &Value) -> Result<Sample, Failure> {
        let source_time = match &self.time {
            Some(pointer) => document.pointer(pointer).and_then(given).map(instant).transpose()?,
            None => None,
        };
        let reading = match &self.places {
            Places::Supply(pointers) => supply(document, pointers)?,
            Places::Metric(pointer) => {
                let value =
                    document.pointer(pointer).map(number).transpose().map_err(|it| it.within(quoted(pointer)))?;
                Reading::Metric(value.flatten().ok_or_else(|| nothing_at(pointer))?)
            }
            Places::Activities { list, at, change, to, why } => {
                let items = document.pointer(list).and_then(given).ok_or_else(|| nothing_at(list))?;
                let items = items.as_array().ok_or_else(|| Failure::format("the activities are not a list"))?;
                let read = |item: &Value| -> Result<Activity, Failure> {
                    let time = item.pointer(at).and_then(given).ok_or_else(|| Failure::format("it has no time"))?;
                    Ok(Activity {
                        at: instant(time)?,
                        change: item.pointer(change).map(whole).transpose()?.flatten(),
                        to: item.pointer(to).map(count).transpose()?.flatten(),
                        why: item.pointer(why).and_then(Value::as_str).unwrap_or_default().into(),
                    })
                };
                let numbered = items.iter().enumerate();
                let read =
                    |(i, item)| read(item).map_err(|failure: Failure| failure.within(format!("activity {}", i + 1)));
                Reading::Activities(numbered.map(read).collect::<Result<_, _>>()?)
            }
        };
        Ok(Sample { source_time, reading })
    }
}

/// Takes the six keys of a supply, of which there must be one.
pub fn supply_keys<T>(
    settings: &mut Settings<'_>,
    read: impl Fn(&Value) -> Result<T, Problem>,
) -> Option<[Option<T>; 6]> {
    let has_any = Supply::NAMES.iter().any(|name| settings.has(name));
    let keys = Supply::NAMES.map(|name| settings.take(name, &read));
    if !has_any {
        let problem = Problem::new("lacks the place of every number of instances");
        settings.complain(problem.hint(format!("give at least one of {}", Supply::NAMES.join(", "))));
    }
    has_any.then_some(keys)
}

fn supply(document: &Value, pointers: &[Option<String>; 6]) -> Result<Reading, Failure> {
    let mut counts = [None; 6];
    for (count_of, pointer) in counts.iter_mut().zip(pointers) {
        let Some(pointer) = pointer else { continue };
        let found =
            document.pointer(pointer).map(count).transpose().map_err(|failure| failure.within(quoted(pointer)))?;
        *count_of = found.flatten();
    }
    let supply = Supply::from_counts(counts);
    match supply.is_empty() {
        true => {
            let places: Vec<String> = pointers.iter().flatten().map(|pointer| quoted(pointer)).collect();
            Err(Failure::missing(format!("there is nothing at {}", places.join(" or "))))
        }
        false => Ok(Reading::Supply(supply)),
    }
}

fn nothing_at(pointer: &str) -> Failure {
    Failure::missing(format!("there is nothing at {}", quoted(pointer)))
}

/// Tells a null from a value.
fn given(value: &Value) -> Option<&Value> {
    Some(value).filter(|value| !value.is_null())
}

/// Reads a number, also one that is written as a text. Null, an empty text and not-a-number are nothing.
///
/// # Errors
/// When it is anything else, or infinite.
pub fn number(value: &Value) -> Result<Option<f64>, Failure> {
    let not_a_number = || Failure::format(format!("not a number: {}", quoted(&value.to_string())));
    let number = match value {
        Value::Null => return Ok(None),
        Value::Number(number) => number.as_f64().ok_or_else(not_a_number)?,
        Value::String(text) if text.trim().is_empty() => return Ok(None),
        Value::String(text) => text.trim().parse().map_err(|_| not_a_number())?,
        _ => return Err(not_a_number()),
    };
    match number {
        _ if number.is_nan() => Ok(None),
        _ if number.is_infinite() => Err(Failure::format("the number is infinite")),
        _ => Ok(Some(number)),
    }
}

/// Reads a number of instances.
///
/// # Errors
/// When it is negative, not whole, beyond all reason, or no number.
pub fn count(value: &Value) -> Result<Option<u64>, Failure> {
    let Some(number) = number(value)? else { return Ok(None) };
    let is_count = number.fract() == 0.0 && (0.0..=MOST_INSTANCES).contains(&number);
    if is_count { Ok(Some(number as u64)) } else { Err(Failure::format(format!("{number} is no number of instances"))) }
}

/// Reads a change in the number of instances.
fn whole(value: &Value) -> Result<Option<i64>, Failure> {
    let Some(number) = number(value)? else { return Ok(None) };
    let is_change = number.fract() == 0.0 && number.abs() <= MOST_INSTANCES;
    if is_change {
        Ok(Some(number as i64))
    } else {
        Err(Failure::format(format!("{number} is no change of instances")))
    }
}

/// Reads an instant: a date and time as in RFC 3339, or seconds or milliseconds since 1970.
///
/// # Errors
/// When it is anything else.
pub fn instant(value: &Value) -> Result<SystemTime, Failure> {
    let not_a_time = || Failure::format(format!("not a time: {}", quoted(&value.to_string())));
    if let Some(text) = value.as_str()
        && let Ok(date) = OffsetDateTime::parse(text, &Rfc3339)
    {
        return Ok(date.into());
    }
    let number = number(value).ok().flatten().ok_or_else(not_a_time)?;
    let seconds = if number >= LEAST_MILLISECONDS { number / 1_000.0 } else { number };
    let since = Duration::try_from_secs_f64(seconds).map_err(|_| not_a_time())?;
    UNIX_EPOCH.checked_add(since).ok_or_else(not_a_time)
}

/// Quotes a foreign text in a message: shortened, without control characters.
#[must_use]
pub fn quoted(text: &str) -> String {
    let clean = |c: char| if c.is_control() { ' ' } else { c };
    let mut start: String = text.chars().take(MOST_QUOTED).map(clean).collect();
    if text.chars().nth(MOST_QUOTED).is_some() {
        start.push('…');
    }
    format!("`{}`", start.trim())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::observation::ErrorKind;

    fn check(found: Result<Option<f64>, Failure>, expected: Result<Option<f64>, &str>) {
        let expected = expected.map_err(|text| Failure::Error(ErrorKind::Format, text.into()));
        assert_eq!(found, expected);
    }

    #[test]
    fn nothing_zero_and_nonsense_are_three_things() {
        check(number(&json!(0)), Ok(Some(0.0)));
        check(number(&json!("0")), Ok(Some(0.0)));
        check(number(&json!(" -1.5e3 ")), Ok(Some(-1500.0)));
        check(number(&json!(null)), Ok(None));
        check(number(&json!("")), Ok(None));
        check(number(&json!("NaN")), Ok(None));
        check(number(&json!("+Inf")), Err("the number is infinite"));
        check(number(&json!("ten")), Err("not a number: `\"ten\"`"));
        check(number(&json!([])), Err("not a number: `[]`"));
        check(number(&json!(true)), Err("not a number: `true`"));
    }

    #[test]
    fn instances_are_counted_in_whole_numbers() {
        let instances = |value| count(&value).map(|count| count.map(|count| count as f64));
        check(instances(json!(3.0)), Ok(Some(3.0)));
        check(instances(json!("7")), Ok(Some(7.0)));
        check(instances(json!(null)), Ok(None));
        check(instances(json!(-1)), Err("-1 is no number of instances"));
        check(instances(json!(2.5)), Err("2.5 is no number of instances"));
        check(instances(json!(1e300)), Err(&format!("{} is no number of instances", 1e300)));
    }

    #[test]
    fn instants_are_dates_or_seconds() {
        let at = |seconds: f64| UNIX_EPOCH + Duration::from_secs_f64(seconds);
        for (value, expected) in [
            (json!("2026-11-22T08:00:00.250Z"), at(1_795_334_400.25)),
            (json!("2026-11-22T17:00:00+09:00"), at(1_795_334_400.0)),
            (json!(1_795_334_400), at(1_795_334_400.0)),
            (json!("1795334400"), at(1_795_334_400.0)),
            (json!(1_795_334_400_250_i64), at(1_795_334_400.25)),
        ] {
            assert_eq!(instant(&value).unwrap(), expected, "{value}");
        }
        for value in [json!("yesterday"), json!(-5), json!(1e300), json!(null), json!({})] {
            assert!(instant(&value).unwrap_err().to_string().starts_with("format: not a time"), "{value}");
        }
    }

    #[test]
    fn a_foreign_text_is_quoted_short_and_in_one_line() {
        assert_eq!(quoted("a\nb\u{1b}[31m "), "`a b [31m`");
        assert_eq!(quoted(&"é".repeat(500)), format!("`{}…`", "é".repeat(200)));
    }

    fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<f64>().prop_map(|number| json!(number)),
            any::<i64>().prop_map(|number| json!(number)),
            ".{0,12}".prop_map(|text| json!(text)),
        ];
        leaf.prop_recursive(3, 24, 4, |inner| {
            let key = prop_oneof![Just("at".to_string()), Just("change".into()), Just("ready".into()), ".{0,4}"];
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::Array),
                proptest::collection::vec((key, inner), 0..4)
                    .prop_map(|pairs| Value::Object(pairs.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn no_document_makes_a_panic(document in any_json()) {
            for pointers in [Pointers::of_supply(), Pointers::of_metric("a/b~c"), Pointers::of_activities()] {
                if let Ok(Sample { reading: Reading::Metric(number), .. }) = pointers.read(&document) {
                    prop_assert!(number.is_finite());
                }
            }
        }
    }
}
