//! Opens a run's file for reading.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags};
use serde_json::Value;

use crate::error::StoreError;
use crate::reading::Source;
use crate::rows::Recorded;
use crate::schema;

/// Reads a run's file, and never changes it. A writer may be at work.
#[derive(Debug)]
pub struct Reader {
    connection: Connection,
    path: PathBuf,
}

impl Reader {
    /// Opens a file.
    ///
    /// # Errors
    /// When there is none, it is not a run's, it is damaged, or a newer program wrote it.
    pub fn open(path: &Path) -> Result<Reader, StoreError> {
        if !path.exists() {
            return Err(StoreError::Missing(path.to_owned()));
        }
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags).map_err(|error| StoreError::opening(path, error))?;
        schema::check(&connection, path)?;
        Ok(Reader { connection, path: path.to_owned() })
    }

    /// Reads only the facts of the run, for lists of runs.
    ///
    /// # Errors
    /// When the file is damaged.
    pub fn facts(&self) -> Result<BTreeMap<String, Value>, StoreError> {
        Source { connection: &self.connection, path: &self.path }.facts()
    }

    /// Reads everything as it stood after one commit.
    ///
    /// # Errors
    /// When the file is damaged.
    pub fn load(&self) -> Result<Recorded, StoreError> {
        Source { connection: &self.connection, path: &self.path }.load()
    }
}
