//! Values across the border of the script: JSON in and out, durations, numbers and texts in every form people write them.
//!
//! Nesting is bounded both ways: a value nested without end would overflow the stack of whoever walks or drops it, and
//! that ends the process, not the user.

use std::time::Duration;

use rhai::{Array, Dynamic, Map};
use serde_json::Value;

/// How deep a value may nest where it enters or leaves a script.
pub const MAX_NESTING: usize = 64;

/// Makes a script value from JSON. Integers beyond 64 bits become floats.
///
/// # Errors
/// When the value nests deeper than [`MAX_NESTING`].
pub fn from_json(value: Value) -> Result<Dynamic, String> {
    from_json_at(value, 0)
}

fn from_json_at(value: Value, depth: usize) -> Result<Dynamic, String> {
    if depth > MAX_NESTING {
        return Err(format!("the value nests deeper than {MAX_NESTING} levels"));
    }
    Ok(match value {
        Value::Null => Dynamic::UNIT,
        Value::Bool(b) => b.into(),
        Value::Number(n) => match n.as_i64() {
            Some(i) => i.into(),
            None => n.as_f64().unwrap_or(f64::NAN).into(),
        },
        Value::String(s) => s.into(),
        Value::Array(items) => {
            let items = items.into_iter().map(|item| from_json_at(item, depth + 1));
            Dynamic::from_array(items.collect::<Result<Array, _>>()?)
        }
        Value::Object(entries) => {
            let entries = entries.into_iter().map(|(key, item)| Ok((key.into(), from_json_at(item, depth + 1)?)));
            Dynamic::from_map(entries.collect::<Result<Map, String>>()?)
        }
    })
}

/// Makes JSON from a script value.
///
/// # Errors
/// When the value nests deeper than [`MAX_NESTING`], is not a finite number, or is of a kind that JSON does not have.
pub fn to_json(value: &Dynamic) -> Result<Value, String> {
    to_json_at(value, 0)
}

fn to_json_at(value: &Dynamic, depth: usize) -> Result<Value, String> {
    if depth > MAX_NESTING {
        return Err(format!("the value nests deeper than {MAX_NESTING} levels"));
    }
    if value.is_unit() {
        return Ok(Value::Null);
    }
    if let Ok(b) = value.as_bool() {
        return Ok(b.into());
    }
    if let Ok(i) = value.as_int() {
        return Ok(i.into());
    }
    if let Ok(f) = value.as_float() {
        return serde_json::Number::from_f64(f).map(Value::Number).ok_or_else(|| format!("{f} is not a JSON number"));
    }
    if let Some(text) = text_of(value) {
        return Ok(text.into());
    }
    if let Some(items) = value.read_lock::<Array>() {
        return items.iter().map(|item| to_json_at(item, depth + 1)).collect();
    }
    if let Some(entries) = value.read_lock::<Map>() {
        let entries = entries.iter().map(|(key, item)| Ok((key.to_string(), to_json_at(item, depth + 1)?)));
        return entries.collect::<Result<serde_json::Map<_, _>, String>>().map(Value::Object);
    }
    Err(format!("a value of type {} has no JSON form", value.type_name()))
}

/// A text or single character.
pub(crate) fn text_of(value: &Dynamic) -> Option<String> {
    if let Ok(text) = value.as_immutable_string_ref() {
        return Some(text.to_string());
    }
    value.as_char().ok().map(String::from)
}

/// A text, or the plain form of a number or boolean; what headers, form fields and tags take.
pub(crate) fn plain_text_of(value: &Dynamic) -> Option<String> {
    text_of(value).or_else(|| {
        let plain = value.is_int() || value.is_float() || value.is_bool();
        plain.then(|| value.to_string())
    })
}

/// A number, whether written as int, float or text.
pub(crate) fn number_of(value: &Dynamic) -> Option<f64> {
    let number = match (value.as_int(), value.as_float()) {
        (Ok(int), _) => Some(int as f64),
        (_, Ok(float)) => Some(float),
        _ => text_of(value).and_then(|text| text.trim().parse().ok()),
    };
    number.filter(|n| n.is_finite())
}

/// A share from 0 to 1, written as `0.8`, `1`, `"0.8"` or `"80%"`.
pub(crate) fn share_of(value: &Dynamic) -> Option<f64> {
    let percent = text_of(value).and_then(|text| text.trim().strip_suffix('%')?.trim().parse::<f64>().ok());
    percent.map(|p| p / 100.0).or_else(|| number_of(value)).filter(|share| (0.0..=1.0).contains(share))
}

/// A duration, written as `"1m30s"`, `"500ms"`, or seconds as int, float or text.
///
/// # Errors
/// When it is none of these, negative, or longer than a year.
pub fn duration_of(value: &Dynamic) -> Result<Duration, String> {
    const YEAR: f64 = 365.25 * 86_400.0;
    if let Some(text) = text_of(value) {
        return rehearsal_plan::duration::parse(&text).map_err(|error| error.to_string());
    }
    let seconds = number_of(value).ok_or_else(|| {
        format!("a duration is a text like \"1m30s\" or a number of seconds, not a value of type {}", value.type_name())
    })?;
    if !(0.0..=YEAR).contains(&seconds) {
        return Err(format!("a duration of {seconds} seconds is out of range"));
    }
    Ok(Duration::from_secs_f64(seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_survives_the_round_trip() {
        let text = r#"{"a":[1,2.5,"x",null,true],"b":{"c":{}}}"#;
        let json: Value = serde_json::from_str(text).unwrap();
        assert_eq!(to_json(&from_json(json.clone()).unwrap()).unwrap(), json);
    }

    /// A scenario nested an array in itself 9,000 times and sent it: walking it overflowed the fiber's stack.
    #[test]
    fn nesting_is_bounded_both_ways() {
        let mut script = Dynamic::from_array(vec![]);
        let mut json = Value::Null;
        for _ in 0..200 {
            script = Dynamic::from_array(vec![script]);
            json = Value::Array(vec![json]);
        }
        assert!(to_json(&script).unwrap_err().contains("nests deeper"));
        assert!(from_json(json).unwrap_err().contains("nests deeper"));
    }

    #[test]
    fn durations_and_shares_come_in_every_form() {
        let forms: [(Dynamic, f64); 4] =
            [("1m30s".into(), 90.0), (2_i64.into(), 2.0), (0.25_f64.into(), 0.25), ("3".into(), 3.0)];
        for (form, seconds) in forms {
            assert_eq!(duration_of(&form).unwrap().as_secs_f64(), seconds, "{form}");
        }
        for wrong in [Dynamic::from(-1_i64), "soon".into(), Dynamic::UNIT, f64::INFINITY.into()] {
            assert!(duration_of(&wrong).is_err(), "{wrong}");
        }
        assert_eq!(share_of(&"80%".into()), Some(0.8));
        assert_eq!(share_of(&1_i64.into()), Some(1.0));
        assert_eq!(share_of(&1.5_f64.into()), None);
    }
}
