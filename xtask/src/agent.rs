//! `cargo xtask agent`: the agent as one file that runs on any Linux of this processor's kind, whatever is installed there.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use ring::digest::{SHA256, digest};

use crate::command::{cargo, succeed, target};

#[derive(clap::Args)]
pub struct Options {
    /// Without optimisation, which takes a tenth of the time: for tests of a deployment
    #[arg(long)]
    debug: bool,
}

/// What instances of a fake download.
pub const FOR_TESTS: &Options = &Options { debug: true };

/// Builds it and prints where it is, how large, and what its SHA-256 is.
pub fn run(root: &Path, options: &Options) -> Result<()> {
    let path = build(root, options)?;
    let program = std::fs::read(&path).with_context(|| format!("reading {}", path.display()))?;
    let hash: String = digest(&SHA256, &program).as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    println!("path    {}", path.display());
    println!("size    {} bytes ({:.1} MiB)", program.len(), program.len() as f64 / f64::from(1 << 20));
    println!("sha256  {hash}");
    Ok(())
}

/// Builds it, checks that it needs nothing, and gives its path.
pub fn build(root: &Path, options: &Options) -> Result<PathBuf> {
    let triple = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    let profile = if options.debug { "dev" } else { "release" };
    let strip = format!("profile.{profile}.strip=\"symbols\"");
    // With a target of its own, flags are not for build scripts and macros, which cannot be linked statically.
    let words = ["build", "-p", "rehearsal-agent", "--bin", "agent", "--target", &triple, "--profile", profile];
    let mut build = cargo(root, &[&words[..], &["--config", &strip]].concat());
    build.env("RUSTFLAGS", "-C target-feature=+crt-static");
    succeed(build)?;
    let folder = if options.debug { "debug" } else { "release" };
    let path = target(root).join(triple).join(folder).join("agent");
    let program = std::fs::read(&path).with_context(|| format!("reading {}", path.display()))?;
    let interpreter = interpreter(&program).with_context(|| format!("reading {}", path.display()))?;
    ensure!(!interpreter, "{} is not static: it asks for an interpreter", path.display());
    Ok(path)
}

/// Whether a program of 64 bits, little-endian, names an interpreter that has to load its libraries (ELF, "Program Header").
fn interpreter(program: &[u8]) -> Result<bool> {
    const INTERPRETER: u64 = 3;
    ensure!(program.starts_with(b"\x7fELF\x02\x01"), "it is no program of 64 bits");
    let number = |at: usize, bytes: usize| {
        let bytes = program.get(at..at.checked_add(bytes)?)?;
        Some(bytes.iter().rev().fold(0_u64, |number, byte| number << 8 | u64::from(*byte)))
    };
    let headers = || Some((number(32, 8)?, number(54, 2)?, number(56, 2)?));
    let Some((first, size, count)) = headers() else { bail!("it is cut short") };
    for header in 0..count {
        let at = first.checked_add(header * size).and_then(|at| usize::try_from(at).ok());
        let Some(kind) = at.and_then(|at| number(at, 4)) else { bail!("it is cut short") };
        if kind == INTERPRETER {
            return Ok(true);
        }
    }
    Ok(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_test_has_an_interpreter_and_garbage_is_refused() {
        let own = std::fs::read(std::env::current_exe().unwrap()).unwrap();
        assert!(interpreter(&own).unwrap(), "tests are linked dynamically");
        assert!(interpreter(b"#!/bin/sh\n").is_err());
        assert!(interpreter(&own[..60]).is_err());
        // Without its program headers nothing asks for anything.
        let mut bare = own[..64].to_vec();
        bare[56..58].fill(0);
        assert!(!interpreter(&bare).unwrap());
    }
}
