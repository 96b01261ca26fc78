//! What can go wrong with a run's file, and what to do about it.

use std::io;
use std::path::{Path, PathBuf};

/// A run's file could not be written or read.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// There is something where the new file should go.
    #[error("creating {}: there is a file already; resume that run, or choose another folder", .0.display())]
    Exists(PathBuf),
    /// There is no such file.
    #[error("opening {}: there is no such file; check the run's id and --out", .0.display())]
    Missing(PathBuf),
    /// Another process writes the run.
    #[error("opening {}: another coordinator writes this run; stop it first", .0.display())]
    Locked(PathBuf),
    /// The folder could not be locked.
    #[error("locking the folder of {}", .0.display())]
    Lock(PathBuf, #[source] io::Error),
    /// The file could not be opened at all.
    #[error("opening {}", .0.display())]
    Open(PathBuf, #[source] rusqlite::Error),
    /// The file is not a run's.
    #[error("opening {}: this is not the database of a run", .0.display())]
    Foreign(PathBuf),
    /// The coordinator died before it had written anything.
    #[error("opening {}: there is no run in it, because its coordinator died before it began; delete the folder", .0.display())]
    Empty(PathBuf),
    /// A newer version of this program wrote the file.
    #[error("opening {}: it has schema {found}, this program knows {known}; use a newer version of it", .path.display())]
    Newer {
        /// The file.
        path: PathBuf,
        /// The number of its schema.
        found: i64,
        /// The number of ours.
        known: i64,
    },
    /// The file was cut or overwritten.
    #[error("reading {}: the file is damaged; take a copy of it from elsewhere", .0.display())]
    Damaged(PathBuf, #[source] rusqlite::Error),
    /// A table could not be read.
    #[error("reading table {table} of {}", .path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The table.
        table: &'static str,
        /// What SQLite or the content of a row says.
        #[source]
        source: rusqlite::Error,
    },
    /// Somebody removed or replaced the file while it was being written.
    #[error("writing to {}: the file is gone; somebody has removed it, and what is written from now on is lost", .0.display())]
    Gone(PathBuf),
    /// A transaction failed; nothing of it was written.
    #[error("writing to {}; check that its disk has room", .0.display())]
    Commit(PathBuf, #[source] rusqlite::Error),
    /// All is written, but not in one file: somebody is reading.
    #[error("closing {}: somebody is reading it, so its -wal file belongs to it until the next program opens and closes it", .0.display())]
    StillRead(PathBuf, #[source] rusqlite::Error),
}

impl StoreError {
    /// Tells a damaged file and a foreign one from other failures of opening.
    pub(crate) fn opening(path: &Path, error: rusqlite::Error) -> StoreError {
        let path = path.to_owned();
        match error.sqlite_error_code() {
            Some(rusqlite::ErrorCode::NotADatabase) => StoreError::Foreign(path),
            Some(rusqlite::ErrorCode::DatabaseCorrupt) => StoreError::Damaged(path, error),
            _ => StoreError::Open(path, error),
        }
    }

    /// Tells a damaged file from a row that cannot be understood.
    pub(crate) fn reading(path: &Path, table: &'static str, source: rusqlite::Error) -> StoreError {
        match source.sqlite_error_code() {
            Some(rusqlite::ErrorCode::DatabaseCorrupt) => StoreError::Damaged(path.to_owned(), source),
            _ => StoreError::Read { path: path.to_owned(), table, source },
        }
    }
}
