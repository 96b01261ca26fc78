//! What the kernel says about a process.

use std::fs;
use std::time::Duration;

/// The kernel's unit for CPU time in `/proc`, USER_HZ: 100 on every platform that we build for.
const TICK: Duration = Duration::from_millis(10);

/// CPU time so far, user and system, of all threads; none of a process that is gone.
pub fn cpu(process: u32) -> Option<Duration> {
    cpu_of(&fs::read_to_string(format!("/proc/{process}/stat")).ok()?)
}

/// Fields 14 and 15 of proc_pid_stat(5). The second is a name in parentheses that may hold anything.
fn cpu_of(stat: &str) -> Option<Duration> {
    let (_, after_name) = stat.rsplit_once(')')?;
    let ticks: Vec<u32> =
        after_name.split_whitespace().skip(11).take(2).filter_map(|ticks| ticks.parse().ok()).collect();
    (ticks.len() == 2).then(|| TICK * ticks.iter().sum())
}

/// The most resident memory that it ever had, in bytes.
pub fn peak_resident(process: u32) -> Option<u64> {
    peak_of(&fs::read_to_string(format!("/proc/{process}/status")).ok()?)
}

fn peak_of(status: &str) -> Option<u64> {
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: u64 = peak.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_sizes_are_read() {
        assert_eq!(
            cpu_of("12 (a) b (c)) S 1 2 3 4 5 6 7 8 9 10 110 120 130 140 20"),
            Some(Duration::from_millis(2_300))
        );
        assert_eq!(cpu_of("12 (short) S 1"), None);
        assert_eq!(peak_of("VmPeak:\t 9 kB\nVmHWM:\t   3600 kB\n"), Some(3600 * 1024));
        assert_eq!(peak_of(""), None);
        let own = std::process::id();
        assert!(cpu(own).is_some() && peak_resident(own).is_some_and(|bytes| bytes > 0));
    }
}
