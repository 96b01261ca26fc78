//! A build of the agent as a file: read, recognised and summed up before anything is launched, because a wrong one
//! would only be noticed by instances that are paid for and never join.

use std::{
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
};

use bytes::Bytes;

use super::{
    Arch, Sha256,
    elf::{self, Flaw, Linkage},
};

/// The largest file that is taken for an agent: several times one with all its debug information. It is kept in memory.
pub const LARGEST: u64 = 512 * 1024 * 1024;

/// A build of the agent that some instance can run.
///
/// Nothing here says that it is an agent, or of which version: nothing is run. What is no agent does not join.
#[derive(Clone, Debug)]
pub struct AgentBinary {
    arch: Arch,
    linkage: Linkage,
    sha256: Sha256,
    bytes: Bytes,
}

/// Why a file cannot be launched as an agent.
#[derive(Debug, thiserror::Error)]
pub enum BinaryError {
    /// It could not be read.
    #[error("reading the agent's binary {}; `cargo xtask agent` builds one", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// No instance could run it.
    #[error("reading the agent's binary {}: {flaw}; `cargo xtask agent` builds one that instances can run", path.display())]
    Unfit {
        /// The file.
        path: PathBuf,
        /// Why not.
        flaw: Flaw,
    },
}

impl AgentBinary {
    /// Reads a build of the agent from a file of at most [`LARGEST`] bytes. It blocks meanwhile.
    ///
    /// # Errors
    /// If the file cannot be read, or is no Linux program for one of the processors that we know.
    pub fn read(path: &Path) -> Result<AgentBinary, BinaryError> {
        let bytes = contents(path).map_err(|source| BinaryError::Read { path: path.to_owned(), source })?;
        let program = elf::look(&bytes).map_err(|flaw| BinaryError::Unfit { path: path.to_owned(), flaw })?;
        let sha256 = Sha256::of(&bytes);
        Ok(AgentBinary { arch: program.arch, linkage: program.linkage, sha256, bytes: bytes.into() })
    }

    /// What it runs on.
    #[must_use]
    pub fn arch(&self) -> Arch {
        self.arch
    }

    /// What it needs there. Of a dynamic one people should be told: nobody here knows what the instances' image has.
    #[must_use]
    pub fn linkage(&self) -> &Linkage {
        &self.linkage
    }

    /// Its checksum.
    #[must_use]
    pub fn sha256(&self) -> &Sha256 {
        &self.sha256
    }

    /// The file itself; a clone shares the memory.
    #[must_use]
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// Its size in bytes.
    #[must_use]
    pub fn size(&self) -> usize {
        self.bytes.len()
    }
}

fn contents(path: &Path) -> io::Result<Vec<u8>> {
    // Asked before it is opened: opening a pipe waits for whoever writes into it.
    let about = path.metadata()?;
    if !about.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a file"));
    }
    if about.len() > LARGEST {
        let told = format!("it is larger than {} MiB", LARGEST >> 20);
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, told));
    }
    let mut bytes = Vec::new();
    // What is still being written is longer by now; its checksum would be wrong, but memory is not given away.
    File::open(path)?.take(LARGEST).read_to_end(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use std::{error::Error, fs};

    use super::{elf::sample::Sample, *};

    #[test]
    fn a_build_is_recognised_and_summed_up() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("agent");
        let file = Sample::default().file();
        fs::write(&path, &file).unwrap();
        let binary = AgentBinary::read(&path).unwrap();
        assert_eq!((binary.arch(), binary.linkage(), binary.size()), (Arch::X86_64, &Linkage::Static, file.len()));
        assert_eq!((binary.sha256(), &binary.bytes()[..]), (&Sha256::of(&file), &file[..]));
    }

    #[test]
    fn errors_name_the_file_the_reason_and_what_to_do() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("agent");
        let refused = |expected: &str| {
            let error = AgentBinary::read(&path).unwrap_err();
            let text = format!("{error}: {}", error.source().map(ToString::to_string).unwrap_or_default());
            for part in [expected, path.to_str().unwrap(), "`cargo xtask agent`"] {
                assert!(text.contains(part), "`{part}` is not in: {text}");
            }
        };
        refused("No such file");
        fs::write(&path, "#!/bin/sh\n").unwrap();
        refused("it is a script, and not an ELF file");
        fs::write(&path, Sample { machine: 243, ..Sample::default() }.file()).unwrap();
        refused("it is built for RISC-V");
        // It is one hole: nothing of it is on the disk.
        File::create(&path).unwrap().set_len(LARGEST + 1).unwrap();
        refused("it is larger than 512 MiB");
        fs::remove_file(&path).unwrap();
        fs::create_dir(&path).unwrap();
        refused("it is not a file");
    }
}
