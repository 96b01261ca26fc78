//! One host: where programs are started, and where servers of the test itself listen.

use std::ffi::OsStr;
use std::fs;
use std::net::{IpAddr, Ipv4Addr};

use tokio::process::Command;
use tokio::runtime::{Builder, Runtime};
use tun_rs::{DeviceBuilder, SyncDevice};

use super::Unavailable;
use super::carrier::MTU;
use super::namespace::Namespace;
use crate::processes::{Processes, VARIABLE};

/// The same on both hosts, which do not see each other's: to the network that may be bad, and to the perfect one.
const DEVICES: [&str; 2] = ["rehearsal0", "rehearsal1"];
/// How many packets wait for us in the kernel at most. More than TCP sends ahead, because nobody counts what is
/// dropped there.
const TRANSMIT_QUEUE: &str = "10000";
/// Both hosts are in each of two networks.
const PREFIX_LENGTH: u8 = 24;

/// A host with an address in each of two networks, reached from the other host only, and a loopback of its own.
#[derive(Debug)]
pub struct Host {
    addresses: [Ipv4Addr; 2],
    namespace: Namespace,
    mark: String,
    // Killed when dropped.
    _processes: Processes,
    // Taken when dropped.
    runtime: Option<Runtime>,
}

impl Host {
    pub(super) fn new(addresses: [Ipv4Addr; 2]) -> Result<(Self, [SyncDevice; 2]), Unavailable> {
        let (namespace, devices) = Namespace::new(|| furnish(addresses))?;
        let mark = namespace.identity();
        let processes = Processes::of(&mark);
        let runtime = runtime_in(namespace.clone());
        Ok((Self { addresses, namespace, mark, _processes: processes, runtime: Some(runtime) }, devices))
    }

    /// Returns the address that the other host reaches it by.
    pub fn address(&self) -> IpAddr {
        self.addresses[0].into()
    }

    /// Returns the address that the other host reaches it by over a network that always is perfect.
    pub fn perfect_address(&self) -> IpAddr {
        self.addresses[1].into()
    }

    /// Prepares a program to be run on this host. Its process is the one that is started, so signals
    /// reach it; it is killed with the handle of it, and what it started with the network.
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new("nsenter");
        command.arg(format!("--net={}", self.namespace.path())).arg("--").arg(program);
        command.env(VARIABLE, &self.mark).kill_on_drop(true);
        command
    }

    /// Prepares the same with a monotonic clock that is ahead by so many seconds, or behind. Only the
    /// kernel's uptime bounds how far behind. Old kernels give that clock to children of the program only.
    pub fn command_with_clock(&self, program: impl AsRef<OsStr>, ahead_s: i64) -> Command {
        let mut command = self.command("unshare");
        command.arg("--time").arg(format!("--monotonic={ahead_s}")).arg("--").arg(program);
        command
    }

    /// Does something on this host: sockets made in `work`, and in tasks that it spawns with
    /// `tokio::spawn`, are this host's. The tasks go on until they end, or the network does.
    pub fn within<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        let runtime = self.runtime.as_ref().expect("it is there until the host is dropped");
        self.namespace.within(|| {
            let _entered = runtime.enter();
            work()
        })
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            // Tests drop networks in tasks, where waiting for tasks is forbidden.
            runtime.shutdown_background();
        }
    }
}

/// A runtime all of whose threads are in a namespace, those for blocking work, too.
fn runtime_in(namespace: Namespace) -> Runtime {
    Builder::new_multi_thread()
        .worker_threads(2)
        .on_thread_start(move || namespace.enter())
        .enable_all()
        .build()
        .expect("starting the threads of a host")
}

/// Gives a new namespace, which the calling thread is in, its devices.
fn furnish(addresses: [Ipv4Addr; 2]) -> [SyncDevice; 2] {
    // Devices with IPv6 chatter by themselves, and that is counted. Without IPv6 there is no such file.
    let _ = fs::write("/proc/sys/net/ipv6/conf/default/disable_ipv6", "1");
    ip(&["link", "set", "lo", "up"]);
    [0, 1].map(|network| {
        let (name, address) = (DEVICES[network], addresses[network]);
        let device = DeviceBuilder::new().name(name).mtu(MTU).ipv4(address, PREFIX_LENGTH, None).build_sync();
        let device = device.expect("making a TUN device in a namespace of our own");
        // The builder's way of setting it is open to the machine's own root only.
        ip(&["link", "set", name, "txqueuelen", TRANSMIT_QUEUE]);
        device
    })
}

fn ip(arguments: &[&str]) {
    let output = std::process::Command::new("ip").args(arguments).output().expect("running ip");
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "ip {}: {error}", arguments.join(" "));
}
