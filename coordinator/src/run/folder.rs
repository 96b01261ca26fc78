//! The folder of a run: `runs/<id>/`, with all that it leaves behind.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use rehearsal_store::is_being_written;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

/// The name by which commands mean the newest run.
const LAST: &str = "last";
/// Where a running run leaves its control address and token.
const CONTROL: &str = "control.json";
/// What makes a folder one of a run.
const DATABASE: &str = "run.db";

/// Makes an id that sorts by time and tells two runs of the same second apart.
pub fn new_id(now: OffsetDateTime, random: u16) -> String {
    let (year, month, day) = (now.year(), u8::from(now.month()), now.day());
    format!("{year:04}{month:02}{day:02}-{:02}{:02}{:02}-{random:04x}", now.hour(), now.minute(), now.second())
}

/// How a running run is reached.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Control {
    /// The address of its HTTP API.
    pub address: std::net::SocketAddr,
    /// The API's token.
    pub token: String,
}

/// A run's folder.
#[derive(Clone, Debug)]
pub struct Folder(PathBuf);

impl Folder {
    /// Makes the folder.
    pub fn create(out: &Path, run_id: &str) -> anyhow::Result<Self> {
        let path = out.join(run_id);
        fs::create_dir_all(&path).with_context(|| format!("making the run's folder {}", path.display()))?;
        Ok(Self(path))
    }

    /// Finds the folder of a run by its id or as `last`.
    pub fn find(out: &Path, run: &str) -> anyhow::Result<Self> {
        let all = Self::all(out);
        let found = match run {
            LAST => all.into_iter().next_back(),
            id => all.into_iter().find(|folder| folder.id() == id),
        };
        match found {
            Some(folder) => Ok(folder),
            None if run == LAST => bail!("there is no run in {}: name the folder with --out", out.display()),
            None => {
                bail!("there is no run {run} in {}: `ls {0}` lists them, --out names another folder", out.display())
            }
        }
    }

    /// All runs' folders, oldest first.
    pub fn all(out: &Path) -> Vec<Self> {
        let entries = fs::read_dir(out).into_iter().flatten().flatten().map(|entry| entry.path());
        let mut all: Vec<Self> = entries.filter(|path| path.join(DATABASE).is_file()).map(Self).collect();
        all.sort_by_key(Self::id);
        all
    }

    /// The run's id.
    pub fn id(&self) -> String {
        self.0.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned())
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Where its database is.
    pub fn database(&self) -> PathBuf {
        self.0.join(DATABASE)
    }

    /// Writes a file whole, or not at all.
    pub fn write(&self, name: &str, content: &[u8]) -> anyhow::Result<()> {
        self.write_for(name, content, 0o644)
    }

    /// The same for its owner's eyes only.
    pub fn write_secret(&self, name: &str, content: &[u8]) -> anyhow::Result<()> {
        self.write_for(name, content, 0o600)
    }

    /// Removes a file that may be there.
    pub fn remove(&self, name: &str) {
        let _ = fs::remove_file(self.0.join(name)); // it may never have been there
    }

    fn write_for(&self, name: &str, content: &[u8], mode: u32) -> anyhow::Result<()> {
        replace(&self.0.join(name), content, mode)
    }

    /// Leaves word how the running run is reached; for its owner's eyes only.
    pub fn open_control(&self, control: &Control) -> anyhow::Result<()> {
        let text = serde_json::to_string_pretty(control).context("writing the control address as JSON")?;
        self.write_secret(CONTROL, text.as_bytes())
    }

    /// Takes that word back: the run is over.
    pub fn close_control(&self) {
        self.remove(CONTROL);
    }

    /// How the run is reached, if it is running.
    pub fn control(&self) -> anyhow::Result<Control> {
        let path = self.0.join(CONTROL);
        let text = fs::read_to_string(&path).with_context(|| format!("run {} is not running", self.id()))?;
        if !is_being_written(&self.database()) {
            bail!("run {} is not running: its coordinator ended without a word", self.id());
        }
        serde_json::from_str(&text).with_context(|| format!("reading {}", path.display()))
    }

    /// Deletes the run with all its files.
    pub fn delete(self) -> anyhow::Result<()> {
        fs::remove_dir_all(&self.0).with_context(|| format!("deleting {}", self.0.display()))
    }
}

/// Writes a file whole, or leaves what was there.
pub(crate) fn replace(path: &Path, content: &[u8], mode: u32) -> anyhow::Result<()> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let part = path.with_file_name(format!(".{name}.part"));
    let options = || fs::OpenOptions::new().write(true).create(true).truncate(true).mode(mode).open(&part);
    let written = options().and_then(|mut file| file.write_all(content)).and_then(|()| fs::rename(&part, path));
    written.with_context(|| format!("writing {}", path.display()))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn runs_are_found_by_id_and_as_the_last() {
        let out = tempfile::tempdir().unwrap();
        assert!(Folder::find(out.path(), "last").unwrap_err().to_string().contains("no run in"));
        for id in ["20260102-000000-0001", "20260101-000000-0001"] {
            Folder::create(out.path(), id).unwrap().write(DATABASE, b"").unwrap();
        }
        Folder::create(out.path(), "20260103-no-run").unwrap();
        assert_eq!(Folder::find(out.path(), "last").unwrap().id(), "20260102-000000-0001");
        assert_eq!(Folder::find(out.path(), "20260101-000000-0001").unwrap().id(), "20260101-000000-0001");
        assert!(Folder::find(out.path(), "x").is_err());
    }

    #[test]
    fn the_control_address_is_for_its_owner_and_goes_with_the_run() {
        let out = tempfile::tempdir().unwrap();
        let folder = Folder::create(out.path(), "r").unwrap();
        assert!(folder.control().unwrap_err().to_string().contains("not running"));
        let control = Control { address: "127.0.0.1:7700".parse().unwrap(), token: "secret".into() };
        folder.open_control(&control).unwrap();
        let left = folder.control().unwrap_err().to_string();
        assert!(left.contains("ended without a word"), "nobody writes it: {left}");
        let lock = fs::File::open(folder.path()).unwrap();
        lock.lock().unwrap();
        assert_eq!(folder.control().unwrap(), control);
        let mode = fs::metadata(folder.path().join(CONTROL)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        folder.close_control();
        assert!(folder.control().is_err());
    }
}
