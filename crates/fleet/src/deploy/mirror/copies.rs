//! What the mirror has to give: each build as it is and, as most clients take it, compressed. Compressed once, at the
//! start: on the way it would cost a core for each download.

use std::{collections::BTreeMap, io::Write};

use bytes::Bytes;
use flate2::{Compression, write::GzEncoder};

use super::PATH;
use crate::deploy::{AgentBinary, Arch};

/// The builds by what they run on.
pub(super) struct Copies(BTreeMap<Arch, Build>);

struct Build {
    plain: Bytes,
    /// `None` where it would be no shorter.
    gzip: Option<Bytes>,
}

/// A build in the form in which it is sent.
pub(super) struct Form {
    pub(super) bytes: Bytes,
    pub(super) is_gzip: bool,
}

impl Copies {
    /// Compresses builds, which takes seconds; an error names what has two of them.
    pub(super) fn of(binaries: Vec<AgentBinary>) -> Result<Copies, Arch> {
        let mut builds = BTreeMap::new();
        for binary in binaries {
            let plain = binary.bytes().clone();
            let gzip = Some(gzip(&plain)).filter(|gzip| gzip.len() < plain.len());
            if builds.insert(binary.arch(), Build { plain, gzip }).is_some() {
                return Err(binary.arch());
            }
        }
        Ok(Copies(builds))
    }

    /// What lies at a path, in a form that the client takes.
    pub(super) fn find(&self, path: &str, takes_gzip: bool) -> Option<Form> {
        let (before, after) = PATH.split_once("{arch}")?;
        let arch = Arch::of_name(path.strip_prefix(before)?.strip_suffix(after)?)?;
        let build = self.0.get(&arch)?;
        Some(match &build.gzip {
            Some(gzip) if takes_gzip => Form { bytes: gzip.clone(), is_gzip: true },
            _ => Form { bytes: build.plain.clone(), is_gzip: false },
        })
    }
}

fn gzip(plain: &[u8]) -> Bytes {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    let written = encoder.write_all(plain).and_then(|()| encoder.finish());
    written.expect("a Vec takes all that is written to it").into()
}
