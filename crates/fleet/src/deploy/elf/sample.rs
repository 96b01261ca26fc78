//! Small ELF files for tests: headers that are right, with whatever the test wants to be otherwise.

use super::{DT_STRSZ, DT_STRTAB, MACHINE_X86_64, PT_DYNAMIC, PT_INTERP, PT_LOAD, SEGMENT_BYTES};

/// Where the file will be in memory.
const ADDRESS: u64 = 0x40_0000;
const HEADER_BYTES: u64 = 64;

#[derive(Clone, Debug)]
pub(crate) struct Sample {
    pub(crate) class: u8,
    pub(crate) machine: u16,
    pub(crate) kind: u16,
    pub(crate) entry: u64,
    /// What its loader looks up; `None` for a static program.
    pub(crate) names: Option<Vec<&'static str>>,
    /// What it does, for all that we know.
    pub(crate) code: Vec<u8>,
}

impl Default for Sample {
    /// A static program for x86_64.
    fn default() -> Sample {
        Sample { class: 2, machine: MACHINE_X86_64, kind: 2, entry: ADDRESS, names: None, code: vec![0xf4] }
    }
}

impl Sample {
    /// One segment is loaded: the whole file.
    pub(crate) fn file(&self) -> Vec<u8> {
        let table = |count: u64| HEADER_BYTES + count * u64::from(SEGMENT_BYTES);
        let (mut segments, mut body) = (Vec::new(), Vec::new());
        if let Some(names) = &self.names {
            let start = table(3);
            let mut add = |bytes: &[u8]| {
                let at = start + body.len() as u64;
                body.extend_from_slice(bytes);
                (at, bytes.len() as u64)
            };
            let loader = add(b"/lib/ld.so\0");
            let strings = add(names.iter().flat_map(|name| [name, "\0"]).collect::<String>().as_bytes());
            let entries = [DT_STRTAB, ADDRESS + strings.0, DT_STRSZ, strings.1, 0, 0];
            let dynamic = add(&entries.map(u64::to_le_bytes).concat());
            segments.extend([(PT_INTERP, loader), (PT_DYNAMIC, dynamic)]);
        }
        body.extend_from_slice(&self.code);
        let count = segments.len() as u64 + 1;
        segments.push((PT_LOAD, (0, table(count) + body.len() as u64)));
        let headers = segments.into_iter().flat_map(|(kind, (offset, size))| segment(kind, offset, size));
        [self.header(count as u16), headers.collect(), body].concat()
    }

    fn header(&self, count: u16) -> Vec<u8> {
        let mut header = vec![0; HEADER_BYTES as usize];
        let mut put = |at: usize, bytes: &[u8]| header[at..at + bytes.len()].copy_from_slice(bytes);
        put(0, b"\x7fELF");
        put(4, &[self.class, 1, 1]);
        put(16, &self.kind.to_le_bytes());
        put(18, &self.machine.to_le_bytes());
        put(24, &self.entry.to_le_bytes());
        put(32, &HEADER_BYTES.to_le_bytes());
        put(54, &SEGMENT_BYTES.to_le_bytes());
        put(56, &count.to_le_bytes());
        header
    }
}

fn segment(kind: u32, offset: u64, size: u64) -> Vec<u8> {
    let mut entry = vec![0; usize::from(SEGMENT_BYTES)];
    let mut put = |at: usize, bytes: &[u8]| entry[at..at + bytes.len()].copy_from_slice(bytes);
    put(0, &kind.to_le_bytes());
    put(8, &offset.to_le_bytes());
    put(16, &(ADDRESS + offset).to_le_bytes());
    put(32, &size.to_le_bytes());
    entry
}
