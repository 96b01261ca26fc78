//! How much CPU a process used lately, by the kernel's own account.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};

/// Over how long use is averaged: short beside a scaler's reaction, long beside the kernel's slices.
const WINDOW: Duration = Duration::from_secs(6);

/// The CPU time of a process at instants of the last seconds.
#[derive(Debug, Default)]
pub struct Usage {
    /// When, and how long all its threads had run by then.
    seen: VecDeque<(Instant, Duration)>,
}

impl Usage {
    /// Notes what a process has used so far.
    ///
    /// # Errors
    /// When the kernel does not tell.
    pub fn look(&mut self, process: u32) -> Result<()> {
        self.note(Instant::now(), cpu_time(process)?);
        Ok(())
    }

    fn note(&mut self, now: Instant, used: Duration) {
        self.seen.push_back((now, used));
        // One look at the window's far edge or beyond it stays.
        while self.seen.get(1).is_some_and(|(at, _)| now.duration_since(*at) >= WINDOW) {
            self.seen.pop_front();
        }
    }

    /// How many cores it used over the window, or since it is watched; none before the second look.
    pub fn cores(&self) -> Option<f64> {
        let ((from, before), (to, after)) = (self.seen.front()?, self.seen.back()?);
        let passed = to.duration_since(*from);
        (!passed.is_zero()).then(|| after.saturating_sub(*before).as_secs_f64() / passed.as_secs_f64())
    }

    /// Whether it has been watched for the whole window.
    pub fn is_full(&self) -> bool {
        let ends = self.seen.front().zip(self.seen.back());
        ends.is_some_and(|((from, _), (to, _))| to.duration_since(*from) >= WINDOW)
    }
}

/// The time that the threads of a process have run on a core, in nanoseconds by `schedstat`: `stat` counts ticks of
/// 10 ms, too coarse for a small instance.
fn cpu_time(process: u32) -> Result<Duration> {
    let tasks = format!("/proc/{process}/task");
    let reading = || format!("reading {tasks}");
    let mut total = 0;
    for task in std::fs::read_dir(&tasks).with_context(reading)? {
        let path = task.with_context(reading)?.path().join("schedstat");
        // A thread may end between the list and this look.
        let Ok(text) = std::fs::read_to_string(path) else { continue };
        let on_core = text.split_whitespace().next().and_then(|number| number.parse::<u64>().ok());
        total += on_core.with_context(|| format!("`{text}` is no schedstat of {tasks}"))?;
    }
    Ok(Duration::from_nanos(total))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn use_is_that_of_the_window() {
        let (start, second) = (Instant::now(), Duration::from_secs(1));
        let mut usage = Usage::default();
        assert_eq!(usage.cores(), None);
        usage.note(start, second);
        assert_eq!(usage.cores(), None, "one look tells nothing");
        usage.note(start + second, second * 2);
        assert_eq!((usage.cores(), usage.is_full()), (Some(1.0), false));
        (2..20).for_each(|n| usage.note(start + second * n, second * 2));
        assert_eq!((usage.cores(), usage.is_full()), (Some(0.0), true));
    }

    #[test]
    fn the_kernel_tells_what_this_process_used() {
        let before = cpu_time(std::process::id()).unwrap();
        let until = Instant::now() + Duration::from_millis(50);
        while Instant::now() < until {
            std::hint::spin_loop();
        }
        assert!(cpu_time(std::process::id()).unwrap() > before);
    }
}
