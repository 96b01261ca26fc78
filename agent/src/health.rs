//! How this process is doing, as the kernel tells: processor time, stolen time, open files. Read once a second.

use rehearsal_metrics::Health;
use tokio::time::Instant;

/// Clock ticks a second in /proc, the same on every Linux (`sysconf(_SC_CLK_TCK)`, proc(5)).
const TICKS: f64 = 100.0;

/// The shortest stretch to look at: with ticks of 10 ms, the share of a core is then known to 2 %.
const SHORTEST_S: f64 = 0.5;

/// Counters at the last look.
pub(crate) struct Watch {
    at: Instant,
    own_ticks: u64,
    stolen_ticks: u64,
}

impl Watch {
    pub(crate) fn new() -> Self {
        Self { at: Instant::now(), own_ticks: own_ticks(), stolen_ticks: stolen_ticks() }
    }

    /// What happened since the last look; none if that was too short ago for the kernel's clock ticks to mean anything.
    /// What the kernel does not tell is 0.
    pub(crate) fn look(&mut self) -> Option<Health> {
        let (now, own_ticks, stolen_ticks) = (Instant::now(), own_ticks(), stolen_ticks());
        let seconds = now.duration_since(self.at).as_secs_f64();
        if seconds < SHORTEST_S {
            return None;
        }
        let milli = |ticks: u64| (ticks as f64 / TICKS / seconds * 1_000.0).round() as u32;
        let health = Health {
            cpu_milli: milli(own_ticks.saturating_sub(self.own_ticks)),
            steal_milli: milli(stolen_ticks.saturating_sub(self.stolen_ticks)),
            open_files: std::fs::read_dir("/proc/self/fd").map_or(0, |entries| entries.count() as u64),
            ..Health::default()
        };
        *self = Self { at: now, own_ticks, stolen_ticks };
        Some(health)
    }
}

/// User and system time of this process: fields 14 and 15 of /proc/self/stat, counted after the name in parentheses.
fn own_ticks() -> u64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = stat.rsplit_once(')').map_or("", |(_, rest)| rest).split_whitespace();
    fields.skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum()
}

/// Time that the hypervisor gave to others: field 8 of the first line of /proc/stat.
fn stolen_ticks() -> u64 {
    let stat = std::fs::read_to_string("/proc/stat").unwrap_or_default();
    let first = stat.lines().next().unwrap_or_default();
    first.split_whitespace().nth(8).and_then(|field| field.parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn computing_shows_as_processor_time() {
        let mut watch = Watch::new();
        let began = Instant::now();
        while own_ticks() < watch.own_ticks + 5 || began.elapsed().as_secs_f64() < 2.0 * SHORTEST_S {
            assert!(began.elapsed().as_secs() < 30, "5 ticks of processor time never came");
            std::hint::black_box((0..10_000).sum::<u64>());
        }
        let health = watch.look().unwrap();
        assert!(health.cpu_milli > 0, "{health:?}");
        assert!(health.open_files >= 3, "{health:?}");
    }
}
