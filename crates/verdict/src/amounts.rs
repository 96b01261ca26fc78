//! Writes numbers as people read them: `142 ms`, `99.9%`, `1,998`.
//!
//! Findings and the report on the terminal use the same words, so that a number is recognised when
//! it is met again.

/// Writes seconds with three significant digits, as milliseconds below one second.
pub fn seconds(seconds: f64) -> String {
    let millis = seconds * 1e3;
    // Just below a second, three digits of milliseconds would round up to `1000 ms`.
    if millis.abs() < 999.5 { format!("{} ms", three_digits(millis)) } else { format!("{} s", three_digits(seconds)) }
}

/// Writes a fraction of 1 in percent. What is not quite all never reads `100%`, and what is not
/// quite nothing never `0%`.
pub fn percent(fraction: f64) -> String {
    let percent = fraction * 100.0;
    let is_whole = |text: &str| matches!(text, "0" | "100");
    let texts = (3..=9).map(|decimals| trimmed(percent, decimals));
    let is_exact = fraction == 0.0 || fraction == 1.0;
    let text = texts.into_iter().find(|text| is_exact || !is_whole(text));
    format!("{}%", text.unwrap_or_else(|| trimmed(percent, 3)))
}

/// Writes a count with its thousands apart.
pub fn count(count: u64) -> String {
    let digits = count.to_string();
    let mut text = String::new();
    for (position, digit) in digits.chars().enumerate() {
        if position > 0 && (digits.len() - position).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Writes how many there are of something that has a regular plural: `1 agent`, `2 agents`.
pub fn counted(number: u64, noun: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{} {noun}{plural}", count(number))
}

/// Writes a plain number with at most three decimals, and whole ones with their thousands apart.
pub fn number(number: f64) -> String {
    let is_count = number.fract() == 0.0 && (0.0..1e15).contains(&number);
    if is_count { count(number as u64) } else { trimmed(number, 3) }
}

fn three_digits(number: f64) -> String {
    let decimals = match number.abs() {
        size if size < 9.995 => 2,
        size if size < 99.95 => 1,
        _ => 0,
    };
    format!("{number:.decimals$}")
}

/// Writes at most `decimals` decimals, without zeros at the end.
fn trimmed(number: f64, decimals: usize) -> String {
    let text = format!("{number:.decimals$}");
    match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_as_people_write_them() {
        let rows = [
            (seconds(0.0), "0.00 ms"),
            (seconds(0.000_42), "0.42 ms"),
            (seconds(0.009_996), "10.0 ms"),
            (seconds(0.142), "142 ms"),
            (seconds(0.999_6), "1.00 s"),
            (seconds(12.34), "12.3 s"),
            (percent(0.0), "0%"),
            (percent(1.0), "100%"),
            (percent(0.032), "3.2%"),
            (percent(0.998_9), "99.89%"),
            (percent(0.999_999), "99.9999%"),
            (percent(0.000_000_5), "0.00005%"),
            (count(7), "7"),
            (count(1_998), "1,998"),
            (count(1_234_567), "1,234,567"),
            (counted(1, "user"), "1 user"),
            (counted(2_000, "user"), "2,000 users"),
            (number(2_000.0), "2,000"),
            (number(12.345_6), "12.346"),
            (number(-1.5), "-1.5"),
        ];
        for (text, expected) in rows {
            assert_eq!(text, expected);
        }
    }
}
