//! Two hosts on one machine and a bad network between them.
//!
//! Each [`Host`] is a network namespace with a TUN device in it. What one host sends, a thread of
//! the test carries to the other, and loses, delays or slows it there as the [`Conditions`] say: at
//! the level of packets, so that real TCP with its retransmissions runs over it. Beside it is a second
//! network that always is perfect, for what the bad one is not to touch.
//!
//! The namespaces have no names and belong to the test's process: however that ends, none is left.

mod line;
mod carrier;
mod host;
mod namespace;

use std::env;
use std::error::Error as _;
use std::fs::File;
use std::io;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::thread;

use thiserror::Error;

use carrier::{Carrier, SharedLine};

pub use host::Host;
pub use line::{Conditions, Traffic};

/// Where the kernel makes TUN devices.
const TUN: &str = "/dev/net/tun";
/// The programs that hosts are made with, of iproute2 and util-linux.
const PROGRAMS: [&str; 3] = ["ip", "nsenter", "unshare"];
/// The same in every network: namespaces keep them apart. RFC 2544 sets them aside for such tests, so that what is sent
/// to them from outside by mistake reaches nobody.
const ADDRESSES: [[Ipv4Addr; 2]; 2] = [
    [Ipv4Addr::new(198, 18, 0, 1), Ipv4Addr::new(198, 18, 1, 1)],
    [Ipv4Addr::new(198, 18, 0, 2), Ipv4Addr::new(198, 18, 1, 2)],
];
/// For tests that do not care.
const ANY_SEED: u64 = 1;

/// One of the two hosts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    A,
    B,
}

/// The way that packets go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    AToB,
    BToA,
}

/// Why there can be no such network here.
#[derive(Debug, Error)]
pub enum Unavailable {
    #[error("opening {TUN}, which takes root")]
    Tun(#[source] io::Error),
    #[error("making a network namespace, which takes root or `unshare -r`")]
    Namespace(#[source] io::Error),
    #[error("finding the program `{0}` (install iproute2 and util-linux)")]
    Program(&'static str),
}

/// Two hosts and the lines between them. Dropping it kills the processes on its hosts.
#[derive(Debug)]
pub struct Network {
    // Declared first, because what runs on them may want the network to the end.
    hosts: [Host; 2],
    lines: [Arc<SharedLine>; 2],
    _carriers: [Carrier; 2],
}

impl Network {
    /// Makes two hosts with a perfect network between them.
    ///
    /// # Errors
    /// When the machine has none for us, or not for this user.
    pub fn new() -> Result<Self, Unavailable> {
        Self::with_seed(ANY_SEED)
    }

    /// Does the same with the seed of all loss and jitter.
    ///
    /// # Errors
    /// When the machine has none for us, or not for this user.
    pub fn with_seed(seed: u64) -> Result<Self, Unavailable> {
        check()?;
        let (a, [device_a, perfect_a]) = Host::new(ADDRESSES[0])?;
        let (b, [device_b, perfect_b]) = Host::new(ADDRESSES[1])?;
        // Both directions shall not lose the same packets.
        let lines = || [seed, seed.wrapping_add(1)].map(|seed| Arc::new(SharedLine::new(seed)));
        let (bad, perfect) = (lines(), lines());
        let carriers =
            [Carrier::start([device_a, device_b], bad.clone()), Carrier::start([perfect_a, perfect_b], perfect)];
        Ok(Self { hosts: [a, b], lines: bad, _carriers: carriers })
    }

    /// Makes a perfect network for a test, or gives none where there can be none, and says so.
    pub fn for_test() -> Option<Self> {
        let said = |why: &Unavailable| {
            let thread = thread::current();
            let source = why.source().map(|source| format!(": {source}")).unwrap_or_default();
            eprintln!(
                "SKIPPED: {}: a network is not to be had here ({why}{source})",
                thread.name().unwrap_or("a test")
            );
        };
        Self::new().inspect_err(said).ok()
    }

    /// Returns one of the hosts.
    pub fn host(&self, side: Side) -> &Host {
        match side {
            Side::A => &self.hosts[0],
            Side::B => &self.hosts[1],
        }
    }

    /// Changes the conditions in one direction, at once.
    ///
    /// # Panics
    /// When the loss is not within 0 to 1, or the rate is 0.
    #[track_caller]
    pub fn set(&self, direction: Direction, conditions: Conditions) {
        conditions.assert_possible();
        self.line(direction).set(conditions);
    }

    /// Changes the conditions in both directions.
    ///
    /// # Panics
    /// When the loss is not within 0 to 1, or the rate is 0.
    #[track_caller]
    pub fn set_both(&self, conditions: Conditions) {
        self.set(Direction::AToB, conditions);
        self.set(Direction::BToA, conditions);
    }

    /// Returns what happened in one direction so far.
    pub fn traffic(&self, direction: Direction) -> Traffic {
        self.line(direction).traffic()
    }

    fn line(&self, direction: Direction) -> &SharedLine {
        match direction {
            Direction::AToB => &self.lines[0],
            Direction::BToA => &self.lines[1],
        }
    }
}

/// Looks for what the machine must have. What fails later is a fault of ours, and panics: a test
/// that is skipped for our own mistakes would never fail.
fn check() -> Result<(), Unavailable> {
    File::options().read(true).write(true).open(TUN).map_err(Unavailable::Tun)?;
    let path = env::var_os("PATH").unwrap_or_default();
    let is_missing = |program: &&&str| !env::split_paths(&path).any(|folder| folder.join(program).is_file());
    match PROGRAMS.iter().find(is_missing) {
        Some(program) => Err(Unavailable::Program(program)),
        None => Ok(()),
    }
}
