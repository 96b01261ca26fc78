//! Reads the text of a threshold, from left to right, and says at the first mistake what was expected.

use std::collections::BTreeMap;
use std::time::Duration;

use super::printer::{finite, fraction};
use super::{Op, Statistic, Threshold, Unit};
use crate::catalogue::AUTOSCALER;
use crate::duration;
use crate::problem::Problem;

/// What is left of the text.
struct Rest<'a>(&'a str);

/// Reads a whole threshold.
pub fn threshold(text: &str) -> Result<Threshold, Problem> {
    let mut rest = Rest(text);
    let metric = rest.word().ok_or_else(|| rest.expected("a metric"))?.to_string();
    let tags = if rest.eat("{") { rest.tags()? } else { BTreeMap::new() };
    let statistic = rest.statistic(&metric)?;
    let op = rest.op()?;
    let mut threshold = Threshold { metric, tags, statistic, op, value: 0.0, held_for: None, abort: false };
    threshold.value = value(rest.piece(), threshold.unit()?)?;
    if rest.eat_word("for") {
        threshold.held_for = Some(time(rest.piece())?);
    }
    threshold.abort = rest.eat_word("abort");
    match rest.piece() {
        "" => Ok(threshold),
        more => {
            let hint = "only `for DURATION` and `abort` may follow the value";
            Err(Problem::new(format!("unexpected `{more}`")).hint(hint))
        }
    }
}

fn value(text: &str, unit: Unit) -> Result<f64, Problem> {
    let share = || text.strip_suffix('%').and_then(fraction);
    match unit {
        Unit::Time => time(text).map(|time| time.as_secs_f64()),
        Unit::Share => share()
            .ok_or_else(|| Problem::new(format!("`{text}` is not a share")).hint("write it in percent, as in `99.9%`")),
        Unit::Plain => finite(text).ok_or_else(|| Problem::new(format!("`{text}` is not a plain number"))),
        Unit::Free => {
            let as_time = || time(text).ok().map(|time| time.as_secs_f64());
            let found = finite(text).or_else(share).or_else(as_time);
            found.ok_or_else(|| Problem::new(format!("`{text}` is neither a number, a share nor a duration")))
        }
    }
}

/// Reads a duration that must name its unit.
fn time(text: &str) -> Result<Duration, Problem> {
    let names_its_unit = text.ends_with(char::is_alphabetic);
    duration::parse(text).ok().filter(|_| names_its_unit).ok_or_else(|| {
        Problem::new(format!("`{text}` is not a duration with a unit")).hint("write it as in `500ms` or `2s`")
    })
}

impl<'a> Rest<'a> {
    /// Takes what stands next, after any spaces.
    fn eat(&mut self, expected: &str) -> bool {
        self.0 = self.0.trim_start();
        let after = self.0.strip_prefix(expected);
        self.0 = after.unwrap_or(self.0);
        after.is_some()
    }

    /// Takes everything up to the first character that `ends` it.
    fn until(&mut self, ends: impl Fn(char) -> bool) -> &'a str {
        self.0 = self.0.trim_start();
        let (piece, rest) = self.0.split_at(self.0.find(ends).unwrap_or(self.0.len()));
        self.0 = rest;
        piece
    }

    /// Takes everything up to the next space.
    fn piece(&mut self) -> &'a str {
        self.until(char::is_whitespace)
    }

    /// Takes a name: of a metric, a tag or a statistic.
    fn word(&mut self) -> Option<&'a str> {
        let word = self.until(|c| !(c.is_alphanumeric() || "_.-".contains(c)));
        (!word.is_empty()).then_some(word)
    }

    fn eat_word(&mut self, expected: &str) -> bool {
        let is_next = self.0.split_whitespace().next() == Some(expected);
        is_next && self.eat(expected)
    }

    fn expected(&self, what: &str) -> Problem {
        let found = match self.0.trim_start().chars().next() {
            Some(next) => format!("`{next}`"),
            None => "the end".into(),
        };
        Problem::new(format!("expected {what}, found {found}"))
    }

    /// Reads tags after their opening brace, up to and with the closing one.
    fn tags(&mut self) -> Result<BTreeMap<String, String>, Problem> {
        let mut tags = BTreeMap::new();
        loop {
            let key = self.word().ok_or_else(|| self.expected("a tag"))?;
            if !self.eat(":") {
                return Err(self.expected("`:`"));
            }
            let value = if self.eat("\"") { self.quoted_value(key)? } else { self.bare_value(key)? };
            if tags.insert(key.to_string(), value).is_some() {
                return Err(Problem::new(format!("the tag `{key}` stands twice")));
            }
            if self.eat("}") {
                return Ok(tags);
            }
            if !self.eat(",") {
                return Err(self.expected("`,` or `}`"));
            }
        }
    }

    fn bare_value(&mut self, key: &str) -> Result<String, Problem> {
        let value = self.until(|c| c == ',' || c == '}').trim_end();
        if value.is_empty() {
            return Err(self.expected(&format!("a value of the tag `{key}`")));
        }
        Ok(value.into())
    }

    /// Reads a value after its opening quote; `\"` and `\\` stand for `"` and `\`.
    fn quoted_value(&mut self, key: &str) -> Result<String, Problem> {
        let mut value = String::new();
        let mut chars = self.0.char_indices();
        while let Some((at, c)) = chars.next() {
            match c {
                '"' => {
                    self.0 = &self.0[at + 1..];
                    return Ok(value);
                }
                '\\' => value.extend(chars.next().map(|(_, escaped)| escaped)),
                c => value.push(c),
            }
        }
        Err(Problem::new(format!("the quoted value of the tag `{key}` does not end")))
    }

    fn statistic(&mut self, metric: &str) -> Result<Statistic, Problem> {
        let known = "the statistics are count, rate, min, max, mean and p(q)";
        let Some(word) = self.word() else {
            // A figure of the autoscaler is one value, which is its own mean.
            let is_single_value = metric.starts_with(AUTOSCALER);
            return if is_single_value { Ok(Statistic::Mean) } else { Err(self.expected("a statistic").hint(known)) };
        };
        match word {
            "count" => Ok(Statistic::Count),
            "rate" => Ok(Statistic::Rate),
            "min" => Ok(Statistic::Min),
            "max" => Ok(Statistic::Max),
            "mean" => Ok(Statistic::Mean),
            "p" if self.eat("(") => self.percentile(),
            _ => Err(Problem::new(format!("unknown statistic `{word}`")).hint(known)),
        }
    }

    /// Reads a percentile after its opening bracket.
    fn percentile(&mut self) -> Result<Statistic, Problem> {
        let text = self.until(|c| c == ')' || c.is_whitespace());
        if !self.eat(")") {
            return Err(self.expected("`)`"));
        }
        let percentile = finite(text).filter(|q| *q > 0.0 && *q <= 100.0);
        percentile
            .map(Statistic::Percentile)
            .ok_or_else(|| Problem::new(format!("`{text}` is not a percentile above 0 and up to 100")))
    }

    fn op(&mut self) -> Result<Op, Problem> {
        let found = Op::ALL.into_iter().find(|(_, text)| self.eat(text));
        found.map(|(op, _)| op).ok_or_else(|| self.expected("a comparison").hint("one of < <= > >= =="))
    }
}
