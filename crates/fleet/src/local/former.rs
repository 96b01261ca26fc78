//! Finds the agents of a fleet that an earlier coordinator started, without any memory
//! of having started them: each carries the fleet's name in its environment.

use std::{
    fs, io,
    os::{fd::OwnedFd, unix::fs::MetadataExt},
    path::PathBuf,
};

use rustix::{
    io::Errno,
    process::{Pid, PidfdFlags, geteuid, getpid, pidfd_open},
};

use super::{FLEET_VARIABLE, process::has_ended};

/// An agent's process that is not our child.
pub(super) struct Found {
    pub(super) pid: Pid,
    /// Stands for this very process, also when its number has become another's.
    pub(super) handle: OwnedFd,
    /// In the system's ticks since boot.
    started: u64,
}

/// Finds the live agents of `fleet` that run for our user, in the order of their start.
pub(super) fn find(fleet: &str) -> io::Result<Vec<Found>> {
    let entry = format!("{FLEET_VARIABLE}={fleet}");
    let mut all = Vec::new();
    for folder in fs::read_dir("/proc")? {
        let name = folder?.file_name();
        let number = name.to_str().and_then(|name| name.parse().ok());
        let Some(pid) = number.and_then(Pid::from_raw).filter(|pid| *pid != getpid()) else { continue };
        match examine(pid, entry.as_bytes()) {
            Ok(found) => all.extend(found),
            Err(error) if is_none_of_ours(&error) => {}
            Err(error) => return Err(error),
        }
    }
    all.sort_by_key(|found| (found.started, found.pid.as_raw_pid()));
    Ok(all)
}

fn examine(pid: Pid, entry: &[u8]) -> io::Result<Option<Found>> {
    // The handle comes before what is read and is asked once more after it: else a number
    // that changed its owner meanwhile would have us end a stranger.
    let handle = pidfd_open(pid, PidfdFlags::empty())?;
    let folder = PathBuf::from(format!("/proc/{pid}"));
    if fs::metadata(&folder)?.uid() != geteuid().as_raw() {
        return Ok(None);
    }
    // What has ended and was not waited for has no environment any more; what was started a
    // moment ago has none yet, but whoever comes after a crash comes later than that.
    if !fs::read(folder.join("environ"))?.split(|byte| *byte == 0).any(|variable| variable == entry) {
        return Ok(None);
    }
    let stat = fs::read(folder.join("stat"))?;
    let (group, started) =
        group_and_start(&stat).ok_or_else(|| io::Error::other(format!("/proc/{pid}/stat is not as documented")))?;
    // Each agent leads a process group; its own children inherit the variable, but not that.
    let is_agent = group == pid.as_raw_pid() && !has_ended(&handle)?;
    Ok(is_agent.then_some(Found { pid, handle, started }))
}

/// The process group and the time of the start: fields 5 and 22 of proc_pid_stat(5), counted
/// from behind the program's name, which may contain anything.
fn group_and_start(stat: &[u8]) -> Option<(i32, u64)> {
    let end_of_name = stat.iter().rposition(|byte| *byte == b')')?;
    let rest = str::from_utf8(&stat[end_of_name + 1..]).ok()?;
    let mut fields = rest.split_ascii_whitespace().skip(2);
    let group = fields.next()?.parse().ok()?;
    let started = fields.nth(16)?.parse().ok()?;
    Some((group, started))
}

/// A process that ended while we looked, or that is not for us to look into.
fn is_none_of_ours(error: &io::Error) -> bool {
    let gone = [Errno::NOENT, Errno::SRCH, Errno::INVAL]; // INVAL: the number is now a thread's
    let forbidden = [Errno::ACCESS, Errno::PERM];
    Errno::from_io_error(error).is_some_and(|errno| gone.contains(&errno) || forbidden.contains(&errno))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_may_have_any_name() {
        let rest = " S 1 77 77 0 -1 4194304 1 2 3 4 5 6 7 8 20 0 1 0 4242 9 9";
        for name in ["sh", "a b", "a) S 1 2 3", "("] {
            let stat = format!("77 ({name}){rest}\n");
            assert_eq!(group_and_start(stat.as_bytes()), Some((77, 4242)), "{name}");
        }
        assert_eq!(group_and_start(b"77 (\xff) S 1 77"), None, "what is cut off is not guessed");
    }
}
