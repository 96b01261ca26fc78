//! What an answer says, before it is written as XML or JSON: the two write instants differently.

use std::time::{Duration, SystemTime};

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// A part of an answer.
#[derive(Clone, Debug, PartialEq)]
pub enum Shape {
    /// Not there.
    Nothing,
    /// A text.
    Text(String),
    /// A whole number.
    Whole(i64),
    /// A number.
    Number(f64),
    /// Yes or no.
    Bool(bool),
    /// An instant.
    Time(SystemTime),
    /// Several parts.
    List(Vec<Shape>),
    /// Named parts.
    Map(Vec<(String, Shape)>),
}

impl Shape {
    /// Puts named parts together.
    pub fn map<const N: usize>(parts: [(&str, Shape); N]) -> Shape {
        Shape::Map(parts.into_iter().map(|(name, part)| (name.to_owned(), part)).collect())
    }

    /// Puts parts in a row.
    pub fn list(parts: impl IntoIterator<Item = impl Into<Shape>>) -> Shape {
        Shape::List(parts.into_iter().map(Into::into).collect())
    }

    /// Puts more named parts behind those of a map.
    #[must_use]
    pub fn and<const N: usize>(self, more: [(&str, Shape); N]) -> Shape {
        let (Shape::Map(mut parts), Shape::Map(more)) = (self, Shape::map(more)) else { return Shape::Nothing };
        parts.extend(more);
        Shape::Map(parts)
    }
}

impl From<&str> for Shape {
    fn from(text: &str) -> Shape {
        Shape::Text(text.into())
    }
}

impl From<String> for Shape {
    fn from(text: String) -> Shape {
        Shape::Text(text)
    }
}

impl From<u64> for Shape {
    fn from(number: u64) -> Shape {
        Shape::Whole(i64::try_from(number).unwrap_or(i64::MAX))
    }
}

impl From<usize> for Shape {
    fn from(number: usize) -> Shape {
        Shape::from(number as u64)
    }
}

impl From<f64> for Shape {
    fn from(number: f64) -> Shape {
        Shape::Number(number)
    }
}

impl From<bool> for Shape {
    fn from(yes: bool) -> Shape {
        Shape::Bool(yes)
    }
}

impl<T: Into<Shape>> From<Option<T>> for Shape {
    fn from(part: Option<T>) -> Shape {
        part.map_or(Shape::Nothing, Into::into)
    }
}

/// The instant a number of seconds after another; what lies outside of all calendars is that other.
pub(crate) fn after(epoch: SystemTime, seconds: f64) -> SystemTime {
    let distance = Duration::try_from_secs_f64(seconds.abs()).unwrap_or_default();
    let there = if seconds < 0.0 { epoch.checked_sub(distance) } else { epoch.checked_add(distance) };
    there.unwrap_or(epoch)
}

/// Prints an instant as Amazon does, in UTC and to the second where it is one.
#[must_use]
pub fn printed(instant: SystemTime) -> String {
    OffsetDateTime::from(instant).format(&Rfc3339).unwrap_or_default()
}
