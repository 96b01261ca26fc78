//! As much of an ELF file as tells which machines can run it: its headers, and of its dynamic section the names of the
//! C library's versions. It is read by hand, because that is a screen of code, and a library for it would be the
//! largest part of this crate.
//!
//! The file is whatever somebody named on a command line: no byte of it is believed, and nothing here panics.

use std::fmt;

use super::Arch;

#[cfg(test)]
pub(crate) mod sample;
#[cfg(test)]
mod tests;

/// What a program needs to be started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Linkage {
    /// Nothing but a Linux kernel.
    Static,
    /// The machine's own libraries.
    Dynamic {
        /// The program that loads them, such as `/lib64/ld-linux-x86-64.so.2`.
        loader: String,
        /// The oldest glibc that has all that it uses; `None` if it uses another C library.
        glibc: Option<Glibc>,
    },
}

/// A version of glibc, the usual C library of Linux.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Glibc {
    /// 2, for the last decades.
    pub major: u32,
    /// What is counted up twice a year: 34 on Amazon Linux 2023.
    pub minor: u32,
}

/// Why a file is nothing that an instance can run.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Flaw {
    /// It is of another format; what it looks like.
    #[error("it is {0}, and not an ELF file, as Linux runs them")]
    NotElf(&'static str),
    /// No instance has such a processor.
    #[error("it is built for {0}, and instances are x86_64 or aarch64")]
    Processor(String),
    /// It is ELF, but not a program; what it is.
    #[error("it is {0}, and not a program")]
    NoProgram(&'static str),
    /// It contradicts itself, mostly because its end is missing.
    #[error("it is damaged or was cut short: {0}")]
    Damaged(&'static str),
}

/// What was found in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Program {
    pub(crate) arch: Arch,
    pub(crate) linkage: Linkage,
}

// The names of the ELF specification and of Linux's elf.h.
const CLASS_64: u8 = 2;
const DATA_LITTLE_ENDIAN: u8 = 1;
const MACHINE_X86_64: u16 = 62;
const MACHINE_AARCH64: u16 = 183;
const SEGMENT_BYTES: u16 = 56;
const PT_LOAD: u32 = 1;
const PT_DYNAMIC: u32 = 2;
const PT_INTERP: u32 = 3;
const DT_NULL: u64 = 0;
const DT_STRTAB: u64 = 5;
const DT_STRSZ: u64 = 10;

/// Looks at a whole file.
pub(crate) fn look(file: &[u8]) -> Result<Program, Flaw> {
    if !file.starts_with(b"\x7fELF") {
        return Err(Flaw::NotElf(likeness(file)));
    }
    let file = Part(file);
    let arch = arch(file)?;
    program_kind(file)?;
    let segments = segments(file)?;
    Ok(Program { arch, linkage: linkage(file, &segments)? })
}

fn likeness(file: &[u8]) -> &'static str {
    match file {
        [] => "empty",
        // Both byte orders of 32 and 64 bits, and the form that holds several of them.
        [0xfe, 0xed, 0xfa, 0xce | 0xcf, ..] | [0xce | 0xcf, 0xfa, 0xed, 0xfe, ..] | [0xca, 0xfe, 0xba, 0xbe, ..] => {
            "a program for macOS"
        }
        [b'M', b'Z', ..] => "a program for Windows",
        [b'#', b'!', ..] => "a script",
        [0x1f, 0x8b, ..] => "compressed with gzip",
        _ => "of no kind that we know",
    }
}

fn arch(file: Part<'_>) -> Result<Arch, Flaw> {
    let (class, data) = (file.number::<1>(4), file.number::<1>(5));
    let (Some([class]), Some([data]), Some(machine)) = (class, data, file.number::<2>(18)) else {
        return Err(Flaw::Damaged("it ends within its header"));
    };
    let is_little = data == DATA_LITTLE_ENDIAN;
    let machine = if is_little { u16::from_le_bytes(machine) } else { u16::from_be_bytes(machine) };
    match (machine, class == CLASS_64 && is_little) {
        (MACHINE_X86_64, true) => Ok(Arch::X86_64),
        (MACHINE_AARCH64, true) => Ok(Arch::Aarch64),
        (MACHINE_X86_64, false) => Err(Flaw::Processor("x86_64 with 32-bit addresses".to_owned())),
        (MACHINE_AARCH64, false) => Err(Flaw::Processor("aarch64 with 32-bit addresses or big-endian".to_owned())),
        (3, _) => Err(Flaw::Processor("32-bit x86".to_owned())),
        (40, _) => Err(Flaw::Processor("32-bit ARM".to_owned())),
        (243, _) => Err(Flaw::Processor("RISC-V".to_owned())),
        (other, _) => Err(Flaw::Processor(format!("another processor (ELF machine {other})"))),
    }
}

fn program_kind(file: Part<'_>) -> Result<(), Flaw> {
    let (Some(kind), Some(entry)) = (file.u16(16), file.u64(24)) else {
        return Err(Flaw::Damaged("it ends within its header"));
    };
    match (kind, entry) {
        (1, _) => Err(Flaw::NoProgram("an object file")),
        // Programs of either kind say where they begin; libraries have nowhere.
        (3, 0) => Err(Flaw::NoProgram("a shared library")),
        (2 | 3, _) => Ok(()),
        (4, _) => Err(Flaw::NoProgram("a core dump")),
        _ => Err(Flaw::NoProgram("ELF of an unknown kind")),
    }
}

/// A part of the file that has a meaning when it is run.
#[derive(Clone, Copy)]
struct Segment {
    kind: u32,
    offset: u64,
    address: u64,
    size: u64,
}

fn segments(file: Part<'_>) -> Result<Vec<Segment>, Flaw> {
    const CUT: Flaw = Flaw::Damaged("it ends within its program headers");
    let (Some(offset), Some(bytes), Some(count)) = (file.u64(32), file.u16(54), file.u16(56)) else { return Err(CUT) };
    if bytes != SEGMENT_BYTES {
        return Err(Flaw::Damaged("its program headers have a size of their own"));
    }
    let table = file.part(offset, u64::from(count) * u64::from(bytes)).ok_or(CUT)?;
    let entries = table.0.chunks_exact(usize::from(SEGMENT_BYTES)).map(Part);
    let segments: Option<Vec<Segment>> = entries.map(segment).collect();
    let segments = segments.ok_or(CUT)?;
    let loaded: Vec<&Segment> = segments.iter().filter(|segment| segment.kind == PT_LOAD).collect();
    if loaded.is_empty() {
        return Err(Flaw::Damaged("it has nothing to load"));
    }
    // A download that broke off has its headers, which come first.
    match loaded.iter().all(|segment| file.part(segment.offset, segment.size).is_some()) {
        true => Ok(segments),
        false => Err(Flaw::Damaged("its program is longer than the file")),
    }
}

fn segment(entry: Part<'_>) -> Option<Segment> {
    let kind = u32::from_le_bytes(entry.number(0)?);
    Some(Segment { kind, offset: entry.u64(8)?, address: entry.u64(16)?, size: entry.u64(32)? })
}

fn linkage(file: Part<'_>, segments: &[Segment]) -> Result<Linkage, Flaw> {
    let find = |kind| segments.iter().find(|segment| segment.kind == kind);
    let Some(loader) = find(PT_INTERP) else { return Ok(Linkage::Static) };
    let loader = file.part(loader.offset, loader.size).ok_or(Flaw::Damaged("the name of its loader is missing"))?;
    let loader = loader.0.split(|byte| *byte == 0).next().unwrap_or_default();
    let loader = String::from_utf8_lossy(loader).into_owned();
    let glibc = find(PT_DYNAMIC).and_then(|dynamic| glibc(file, segments, dynamic));
    Ok(Linkage::Dynamic { loader, glibc })
}

/// The newest version among the names that the loader looks up.
fn glibc(file: Part<'_>, segments: &[Segment], dynamic: &Segment) -> Option<Glibc> {
    let dynamic = file.part(dynamic.offset, dynamic.size)?;
    let entries = dynamic.0.chunks_exact(16).map(Part).map_while(|entry| Some((entry.u64(0)?, entry.u64(8)?)));
    let entries: Vec<(u64, u64)> = entries.take_while(|(tag, _)| *tag != DT_NULL).collect();
    let find = |wanted| entries.iter().find(|(tag, _)| *tag == wanted).map(|(_, value)| *value);
    let (address, size) = (find(DT_STRTAB)?, find(DT_STRSZ)?);
    // The table is told by where it will be in memory.
    let offset = segments.iter().filter(|segment| segment.kind == PT_LOAD).find_map(|segment| {
        let inside = address.checked_sub(segment.address).filter(|inside| *inside < segment.size)?;
        segment.offset.checked_add(inside)
    })?;
    file.part(offset, size)?.0.split(|byte| *byte == 0).filter_map(Glibc::of_symbol).max()
}

impl Glibc {
    /// Reads names such as `GLIBC_2.34`, and no `GLIBC_PRIVATE`.
    fn of_symbol(name: &[u8]) -> Option<Glibc> {
        let version = std::str::from_utf8(name).ok()?.strip_prefix("GLIBC_")?;
        let (major, minor) = version.split_once('.')?;
        // A third number, as in 2.2.5, distinguishes nothing that is still in use.
        let minor = minor.split('.').next().unwrap_or_default();
        Some(Glibc { major: major.parse().ok()?, minor: minor.parse().ok()? })
    }
}

impl fmt::Display for Glibc {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "glibc {}.{}", self.major, self.minor)
    }
}

/// Bytes that may end anywhere.
#[derive(Clone, Copy)]
struct Part<'a>(&'a [u8]);

impl<'a> Part<'a> {
    fn part(self, offset: u64, size: u64) -> Option<Part<'a>> {
        let from = usize::try_from(offset).ok()?;
        let to = from.checked_add(usize::try_from(size).ok()?)?;
        self.0.get(from..to).map(Part)
    }

    fn number<const N: usize>(self, offset: u64) -> Option<[u8; N]> {
        let from = usize::try_from(offset).ok()?;
        self.0.get(from..)?.first_chunk().copied()
    }

    fn u16(self, offset: u64) -> Option<u16> {
        self.number(offset).map(u16::from_le_bytes)
    }

    fn u64(self, offset: u64) -> Option<u64> {
        self.number(offset).map(u64::from_le_bytes)
    }
}
