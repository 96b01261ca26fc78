//! How foreign text and run time are written. Other figures are written by [`rehearsal_verdict::amounts`].

/// Makes text of the system under test safe to show: what could steer the terminal, or turn around the order of what is
/// read, becomes a visible sign. Line ends count as such, so that one text stays one line.
#[must_use]
pub fn clean(text: &str) -> String {
    text.chars().map(visible).collect()
}

fn visible(c: char) -> char {
    match c {
        '\t' => ' ',
        // Unicode has a picture for each of the first 32 control characters, in their order.
        '\0'..='\x1f' => char::from_u32(0x2400 + u32::from(c)).unwrap_or(char::REPLACEMENT_CHARACTER),
        '\x7f' => '␡',
        '\u{80}'..='\u{9f}' => char::REPLACEMENT_CHARACTER,
        // Line separators, and marks that change the direction of text or take no room.
        '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' => {
            char::REPLACEMENT_CHARACTER
        }
        other => other,
    }
}

/// Writes run time in seconds as a clock does: `4:12`, `1:02:03`, `-0:02` before the start.
pub(crate) fn clock(seconds: f64) -> String {
    // Whole seconds that have passed, as clocks show; the cast saturates.
    let whole = seconds.floor() as i64;
    let sign = if whole < 0 { "-" } else { "" };
    let (hours, minutes, seconds) = (whole.abs() / 3600, whole.abs() / 60 % 60, whole.abs() % 60);
    match hours {
        0 => format!("{sign}{minutes}:{seconds:02}"),
        _ => format!("{sign}{hours}:{minutes:02}:{seconds:02}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_steers_a_terminal_is_left() {
        let rows = [
            ("plain täxt, 日本", "plain täxt, 日本"),
            ("\u{1b}[2Jgone", "␛[2Jgone"),
            ("two\r\nlines\tone", "two␍␊lines one"),
            ("\u{9b}31m\u{7f}", "\u{fffd}31m␡"),
            ("a\u{202e}b\u{2028}c", "a\u{fffd}b\u{fffd}c"),
        ];
        for (text, expected) in rows {
            assert_eq!(clean(text), expected);
        }
    }

    #[test]
    fn run_time_reads_like_a_clock() {
        for (seconds, expected) in
            [(0.0, "0:00"), (59.99, "0:59"), (252.4, "4:12"), (3723.0, "1:02:03"), (-1.5, "-0:02")]
        {
            assert_eq!(clock(seconds), expected);
        }
    }
}
