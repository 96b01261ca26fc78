//! The folder of a run: `runs/<id>/`, with all that it leaves behind.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use time::OffsetDateTime;

/// Makes an id that sorts by time and tells two runs of the same second apart.
pub fn new_id(now: OffsetDateTime, random: u16) -> String {
    let (year, month, day) = (now.year(), u8::from(now.month()), now.day());
    format!("{year:04}{month:02}{day:02}-{:02}{:02}{:02}-{random:04x}", now.hour(), now.minute(), now.second())
}

/// A run's folder.
pub struct Folder(PathBuf);

impl Folder {
    /// Makes the folder.
    pub fn create(out: &Path, run_id: &str) -> anyhow::Result<Self> {
        let path = out.join(run_id);
        fs::create_dir_all(&path).with_context(|| format!("making the run's folder {}", path.display()))?;
        Ok(Self(path))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Writes a file whole, or not at all.
    pub fn write(&self, name: &str, content: &[u8]) -> anyhow::Result<()> {
        let (path, part) = (self.0.join(name), self.0.join(format!(".{name}.part")));
        let written = fs::write(&part, content).and_then(|()| fs::rename(&part, &path));
        written.with_context(|| format!("writing {}", path.display()))
    }
}
