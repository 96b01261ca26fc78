//! How an instance becomes a relay though it cannot download the program: the coordinator that has it is behind NAT. So
//! the coordinator pushes. User data starts a few lines of Python that listen on the control port until somebody who
//! knows the secret brings the program whose SHA-256 stands in user data, and then become it.
//!
//! The script begins with its end: the machine powers off after its TTL whatever becomes of the rest, and every way out
//! leads there too. What it holds is the secret and the checksum, no key of the fleet and no right in the cloud.
//!
//! Stand-ins of EC2 that run the script on a shared machine set `CLOUD_DIR`, which stands for `/var/lib/cloud`.

mod push;

use std::net::SocketAddr;
use std::time::Duration;

use crate::options::{RelayOptions, VARIABLE};

pub use push::{Progress, PushError, push};

/// The longest script that we make. Amazon takes 16 KiB; what is short can be read.
pub const LONGEST: usize = 2 * 1024;
/// The largest program that is taken.
const LARGEST: usize = 1 << 28;
/// Open files: two for each connection, and some to spare.
const OPEN_FILES: u32 = 65_536;
/// What listens for the program, with the comments that its reader should have.
const RECEIVE: &str = include_str!("bootstrap/receive.py");

/// What an instance needs to become a relay.
#[derive(Clone, Debug)]
pub struct Bootstrap {
    /// How long it lives at the most, counted in whole minutes.
    pub ttl: Duration,
    /// The SHA-256 of the program, in hexadecimal.
    pub sha256: String,
    /// What the relay is told. All ports have to be given, since nobody could ask it for those that it found.
    pub options: RelayOptions,
}

/// Why there is no script: everything that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("writing the relay's user data: {}", .0.join("; "))]
pub struct UserDataError(pub Vec<String>);

/// Writes the script. It holds the secret.
///
/// # Errors
/// If the checksum is none, ports are not given or given twice, or the whole is longer than [`LONGEST`].
pub fn user_data(bootstrap: &Bootstrap) -> Result<String, UserDataError> {
    let mut wrong = wrong(bootstrap);
    let Bootstrap { ttl, sha256, options } = bootstrap;
    let minutes = (ttl.as_secs() / 60).max(1);
    let receive: Vec<&str> = RECEIVE.lines().filter(|line| !line.trim_start().starts_with('#')).collect();
    let text = format!(
        r#"#!/bin/sh
shutdown -P +{minutes} || {{ (sleep {minutes}m && poweroff -f) & }}
trap 'shutdown -P now' EXIT
set -eu
umask 77
export {VARIABLE}={options}
c=${{CLOUD_DIR:-/var/lib/cloud}}
cd "$c/instances"
rm -rf ./*/user-data.txt* ./*/scripts ./*/obj.pkl
ulimit -n {OPEN_FILES} || :
cd "$(mktemp -d)"
SHA256={sha256} HOST={host} PORT={port} LEASE={lease} LARGEST={LARGEST} python3 - <<'END'
{receive}
END
chmod 700 agent
./agent relay
"#,
        options = options.text(),
        host = options.listen,
        port = options.control,
        lease = options.lease.as_secs(),
        receive = receive.join("\n"),
    );
    if text.len() > LONGEST {
        wrong.push(format!("{} bytes are more than {LONGEST}; have fewer doors", text.len()));
    }
    if wrong.is_empty() { Ok(text) } else { Err(UserDataError(wrong)) }
}

fn wrong(bootstrap: &Bootstrap) -> Vec<String> {
    let mut wrong = Vec::new();
    let Bootstrap { sha256, options, .. } = bootstrap;
    if sha256.len() != 64 || !sha256.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')) {
        wrong.push(format!("`{sha256}` is no SHA-256 in hexadecimal"));
    }
    let mut ports: Vec<u16> = options.doors.iter().chain([&options.control]).chain(&options.mirror).copied().collect();
    ports.sort_unstable();
    if ports.contains(&0) {
        wrong.push("a port is 0; say which".to_owned());
    }
    if let Some(twice) = ports.windows(2).find(|pair| pair[0] == pair[1] && pair[0] != 0) {
        wrong.push(format!("port {} has two uses", twice[0]));
    }
    wrong
}

/// Where the script of an instance with this address can be reached, and then the relay.
pub fn control_address(instance: std::net::IpAddr, options: &RelayOptions) -> SocketAddr {
    SocketAddr::new(instance, options.control)
}

#[cfg(test)]
#[path = "bootstrap/tests.rs"]
mod tests;
