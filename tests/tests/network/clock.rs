//! Prints this process's monotonic clock in whole seconds: what a test sees of a process whose clock is another.
#![forbid(unsafe_code)]

use std::io::{self, Write as _};

use rustix::time::{ClockId, clock_gettime};

fn main() -> io::Result<()> {
    writeln!(io::stdout(), "{}", clock_gettime(ClockId::Monotonic).tv_sec)
}
