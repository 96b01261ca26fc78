//! Writes the text of a threshold, so that reading it gives exactly the same threshold again.

use std::fmt;

use super::{Op, Statistic, Threshold, Unit};
use crate::catalogue::AUTOSCALER;
use crate::duration;

impl fmt::Display for Op {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(Op::ALL.iter().find(|(op, _)| op == self).map_or("", |(_, text)| text))
    }
}

impl fmt::Display for Statistic {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Statistic::Count => out.write_str("count"),
            Statistic::Rate => out.write_str("rate"),
            Statistic::Min => out.write_str("min"),
            Statistic::Max => out.write_str("max"),
            Statistic::Mean => out.write_str("mean"),
            Statistic::Percentile(q) => write!(out, "p({q})"),
        }
    }
}

impl fmt::Display for Threshold {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.metric)?;
        if !self.tags.is_empty() {
            let tags: Vec<String> = self.tags.iter().map(|(key, value)| format!("{key}:{}", quoted(value))).collect();
            write!(out, "{{{}}}", tags.join(","))?;
        }
        let is_single_value = self.metric.starts_with(AUTOSCALER) && self.statistic == Statistic::Mean;
        if !is_single_value {
            write!(out, " {}", self.statistic)?;
        }
        write!(out, " {} {}", self.op, self.printed_value())?;
        if let Some(held_for) = self.held_for {
            write!(out, " for {}", duration::print(held_for))?;
        }
        out.write_str(if self.abort { " abort" } else { "" })
    }
}

impl Threshold {
    fn printed_value(&self) -> String {
        let plain = || self.value.to_string();
        match self.unit() {
            Ok(Unit::Time) => duration::from_seconds(self.value).map_or_else(|_| plain(), duration::print),
            Ok(Unit::Share) => percent(self.value),
            _ => plain(),
        }
    }
}

/// Quotes a tag value unless it is a plain word.
fn quoted(value: &str) -> String {
    let is_plain = |c: char| c.is_alphanumeric() || "_.-/:*".contains(c);
    if !value.is_empty() && value.chars().all(is_plain) {
        return value.into();
    }
    format!("\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\""))
}

/// Moves the decimal point of a number's text. Dividing by 100 instead would make 0.9990000000000001 of 99.9 %.
fn point_moved(number: &str, places: i32) -> Option<String> {
    let (digits, exponent) = number.split_once(['e', 'E']).unwrap_or((number, "0"));
    let exponent = exponent.parse::<i32>().ok()?.checked_add(places)?;
    Some(format!("{digits}e{exponent}"))
}

/// Reads a number that is neither infinite nor none.
pub fn finite(text: &str) -> Option<f64> {
    text.parse().ok().filter(|number: &f64| number.is_finite())
}

/// Reads the number before a percent sign as a fraction of 1.
pub fn fraction(percent: &str) -> Option<f64> {
    finite(&point_moved(percent, -2)?)
}

/// Writes a fraction of 1 in percent, so that [`fraction`] gives exactly it again.
fn percent(fraction_of_one: f64) -> String {
    let exact = point_moved(&format!("{fraction_of_one:e}"), 2).unwrap_or_default();
    let readable = finite(&exact).map(|number| number.to_string());
    let is_exact = |text: &String| fraction(text) == Some(fraction_of_one);
    readable.filter(is_exact).unwrap_or(exact) + "%"
}
