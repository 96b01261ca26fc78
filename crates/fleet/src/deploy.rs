//! How the agent's binary gets onto instances that have nothing but a shell and curl.
//!
//! The coordinator either has builds of the agent itself ([`AgentBinary`]) and serves them ([`Mirror`]), or is told
//! where they lie ([`Pinned`]). In both cases instances learn the SHA-256 of their build another way and check it, so
//! that nothing on the way of the download need be trusted.
//!
//! Instances of different processors need different builds: addresses have `{arch}` where these differ, which an
//! instance replaces by what its `uname -m` says ([`Arch`]).

mod arch;
mod checksum;
mod elf;
mod binary;
mod mirror;
mod pinned;

pub use arch::Arch;
pub use binary::{AgentBinary, BinaryError, LARGEST};
pub use checksum::{NoSha256, Sha256};
pub use elf::{Flaw, Glibc, Linkage};
pub use mirror::{Mirror, MirrorError, PATH, Served};
pub use pinned::{Mistake, Pinned, PinnedError};
