//! What the commands that switch a machine off ask for.

/// What is to become of a machine.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Power {
    /// It goes off after so many minutes.
    Off(f64),
    /// It stays on, whatever was asked before.
    On,
    /// Nothing changes.
    Same,
}

/// Reads a command with its arguments, such as `shutdown -P +90`.
///
/// Like Linux's own, `shutdown` without a time waits a minute. Times of day and reboots are not known.
pub(super) fn read(line: &str) -> Power {
    let mut words = line.split_whitespace();
    let (name, arguments): (_, Vec<&str>) = (words.next().unwrap_or_default(), words.collect());
    let has = |option: &str| arguments.contains(&option);
    match name {
        "poweroff" | "halt" if has("--help") || has("-w") || has("--wtmp-only") => Power::Same,
        "poweroff" | "halt" => Power::Off(0.0),
        "systemctl" if has("poweroff") || has("halt") => Power::Off(0.0),
        "shutdown" if has("-c") => Power::On,
        "shutdown" if has("-r") || has("--reboot") || has("-k") => Power::Same,
        "shutdown" => match arguments.iter().find(|argument| !argument.starts_with('-')) {
            None => Power::Off(1.0),
            Some(&"now") => Power::Off(0.0),
            Some(time) => {
                time.trim_start_matches('+').parse().map_or(Power::Same, |minutes: u32| Power::Off(minutes.into()))
            }
        },
        _ => Power::Same,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_mean_what_they_mean_on_linux() {
        for (line, expected) in [
            ("shutdown -P +90", Power::Off(90.0)),
            ("shutdown -P now", Power::Off(0.0)),
            ("shutdown -h +0 rehearsal is over", Power::Off(0.0)),
            ("shutdown", Power::Off(1.0)),
            ("shutdown 5", Power::Off(5.0)),
            ("shutdown -c", Power::On),
            ("shutdown -r now", Power::Same),
            ("shutdown 23:15", Power::Same),
            ("poweroff", Power::Off(0.0)),
            ("poweroff -f", Power::Off(0.0)),
            ("systemctl poweroff", Power::Off(0.0)),
            ("systemctl --no-block poweroff", Power::Off(0.0)),
            ("systemctl enable chronyd", Power::Same),
            ("", Power::Same),
        ] {
            assert_eq!(read(line), expected, "{line}");
        }
    }
}
