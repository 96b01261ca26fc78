//! What an instance does when it boots, as one shell script for cloud-init (Amazon Linux 2023, or any Linux with it).
//!
//! It begins with its end: the first command has the machine power off after its TTL, whatever becomes of the rest, and
//! the template makes powering off terminating. After that every way out leads there too: a failed download, a wrong
//! checksum, an agent that ends.
//!
//! Who reads user data gets the join blob: any process on the instance, and whoever in the account may describe
//! instances. The blob admits only so many agents, for some minutes, and the coordinator asks the cloud about each; the
//! script removes it from the disk, where cloud-init puts it, before it does anything with the network.
//!
//! The download need not be trusted, since its SHA-256 is pinned: so curl takes any certificate (`-k`), and the
//! coordinator's own listener serves as well as a mirror.
//!
//! The agent is a child of the script and no unit of systemd, whose properties any local user could read, join blob
//! included. What a unit would give is little: two minutes before the TTL the script itself asks the agent to leave.
//!
//! The instance's id, which the agent states when it joins, is in a file of cloud-init's. Stand-ins of EC2 that run the
//! script on a shared machine set `CLOUD_DIR`, which stands for `/var/lib/cloud`.

use std::fmt;
use std::time::Duration;

use crate::machines::Arch;

/// The longest script that we make. Amazon takes 16 KiB; what is short can be read.
pub const LONGEST: usize = 2 * 1024;
/// How long before the TTL the agent is asked to leave: longer than it takes to drain.
const LEAVE_BEFORE_S: u64 = 120;
/// Open files: one socket for each user, and some for the agent. The most that Linux allows without further ado.
const OPEN_FILES: u32 = 1_048_576;
/// Pieces of memory: on kernels before 6.13 each user's stack takes two, and the usual 65,530 end at 32,000 users.
const MAPPINGS: u32 = 1_048_576;

/// What instances need to become agents.
#[derive(Clone)]
pub struct Boot {
    /// The join blob. It is a secret.
    pub join: String,
    /// The agent for each kind of processor; machines of other kinds are not ordered.
    pub builds: Vec<Build>,
    /// Where it is, the best first. `{arch}` stands for what `uname -m` says.
    pub urls: Vec<String>,
}

/// One build of the agent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Build {
    /// What it runs on.
    pub arch: Arch,
    /// Its SHA-256, in hexadecimal.
    pub sha256: String,
}

/// Without the blob: what is printed while searching for a mistake ends up in logs.
impl fmt::Debug for Boot {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Boot").field("builds", &self.builds).field("urls", &self.urls).finish_non_exhaustive()
    }
}

/// The script. It holds a secret.
#[derive(Clone, PartialEq, Eq)]
pub struct UserData(pub String);

impl fmt::Debug for UserData {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "UserData({} bytes)", self.0.len())
    }
}

/// Why there is no script.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UserDataError {
    /// Something would mean something else to a shell.
    #[error("writing the instances' user data: the {0} has characters that a shell would take for its own")]
    Unsafe(&'static str),
    /// A checksum is none.
    #[error("writing the instances' user data: `{0}` is no SHA-256 in hexadecimal")]
    Checksum(String),
    /// There is nothing to download, or nowhere.
    #[error("writing the instances' user data: there is no {0} of the agent")]
    Lacks(&'static str),
    /// It is too long.
    #[error("writing the instances' user data: {0} bytes are more than {LONGEST}; give fewer or shorter addresses")]
    TooLong(usize),
}

/// Writes the script of instances that live for `ttl`, counted in whole minutes, from their boot.
///
/// # Errors
/// If an address, a checksum or the blob is not what it should be, or the whole is longer than [`LONGEST`].
pub fn script(boot: &Boot, ttl: Duration) -> Result<UserData, UserDataError> {
    check(boot)?;
    let minutes = (ttl.as_secs() / 60).max(1);
    let leave = (minutes * 60).saturating_sub(LEAVE_BEFORE_S).max(1);
    let Boot { join, .. } = boot;
    let urls: Vec<String> = boot.urls.iter().map(|url| format!("\"{}\"", url.replace("{arch}", "$a"))).collect();
    let urls = urls.join(" ");
    let sums: Vec<String> =
        boot.builds.iter().map(|build| format!("{})h={};;", build.arch.name(), build.sha256)).collect();
    let sums = sums.join("\n");
    let text = format!(
        r#"#!/bin/sh
shutdown -P +{minutes} || {{ (sleep {minutes}m && poweroff -f) & }}
trap 'shutdown -P now' EXIT
set -eu
umask 77
j={join}
c=${{CLOUD_DIR:-/var/lib/cloud}}
i=$(cat "$c/data/instance-id")
cd "$c/instances"
rm -rf ./*/user-data.txt* ./*/scripts ./*/obj.pkl
sysctl -qw net.ipv4.ip_local_port_range='1024 65535' net.ipv4.tcp_tw_reuse=1 net.ipv4.tcp_rmem='4096 16384 4194304' net.ipv4.tcp_wmem='4096 16384 4194304' vm.max_map_count={MAPPINGS} || :
ulimit -n {OPEN_FILES} || :
a=$(uname -m)
case $a in
{sums}
*)exit 1
esac
cd "$(mktemp -d)"
get(){{
for n in 1 2 4 8;do for u in {urls};do
curl -fgskLm300 --compressed -o agent "$u" && echo "$h  agent" | sha256sum -c && return
done;sleep "$n";done
exit 1
}}
get
chmod 700 agent
REHEARSAL_JOIN=$j ./agent --instance "$i" &
p=$!
(sleep {leave} && kill "$p") &
wait "$p"
"#
    );
    match text.len() {
        0..=LONGEST => Ok(UserData(text)),
        length => Err(UserDataError::TooLong(length)),
    }
}

fn check(boot: &Boot) -> Result<(), UserDataError> {
    let is_plain =
        |text: &str, also: &str| text.bytes().all(|b| b.is_ascii_alphanumeric() || also.as_bytes().contains(&b));
    if boot.join.is_empty() || !is_plain(&boot.join, "_-") {
        return Err(UserDataError::Unsafe("join blob"));
    }
    if boot.builds.is_empty() {
        return Err(UserDataError::Lacks("build"));
    }
    if boot.urls.is_empty() {
        return Err(UserDataError::Lacks("address"));
    }
    for Build { sha256, .. } in &boot.builds {
        if sha256.len() != 64 || !sha256.bytes().all(|b| b.is_ascii_hexdigit() && !b.is_ascii_uppercase()) {
            return Err(UserDataError::Checksum(sha256.clone()));
        }
    }
    // All that addresses have and that means nothing between double quotes.
    let is_address =
        |url: &str| url.starts_with("https://") && is_plain(&url.replace("{arch}", ""), ":/.-_~%?&=[],;+@");
    match boot.urls.iter().all(|url| is_address(url)) {
        true => Ok(()),
        false => Err(UserDataError::Unsafe("address of the agent")),
    }
}

#[cfg(test)]
#[path = "user_data/tests.rs"]
pub(crate) mod tests;
