//! Writes a run's file while the run goes on.

use std::fs::File;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rusqlite::{Connection, OpenFlags, Transaction, TransactionBehavior};
use serde_json::Value;

use crate::error::StoreError;
use crate::reading::Source;
use crate::rows::{About, Batch, Recorded};
use crate::{finals, lock, schema, writing};

/// How long the end waits for readers before it leaves the write-ahead log beside the file. Reading a run takes less.
const PATIENCE: Duration = Duration::from_secs(2);
/// How often it looks.
const PAUSE: Duration = Duration::from_millis(20);
/// To what size the write-ahead log shrinks again after a reader has held it up.
const LARGEST_LOG: i64 = 16 << 20;

/// The one writer of a run's file.
#[derive(Debug)]
pub struct Store {
    connection: Connection,
    path: PathBuf,
    /// Device and number of the file that is open.
    identity: (u64, u64),
    _lock: File,
}

impl Store {
    /// Makes a new file, whose folder must be there.
    ///
    /// # Errors
    /// When there is a file already, somebody else writes in the folder, or the disk refuses.
    pub fn create(path: &Path, about: &About) -> Result<Store, StoreError> {
        let lock = lock::lock_folder_of(path)?;
        if path.exists() {
            return Err(StoreError::Exists(path.to_owned()));
        }
        let mut store = Store::open(path, OpenFlags::SQLITE_OPEN_CREATE, lock)?;
        let result = store.connection.pragma_update(None, "journal_mode", "WAL").and_then(|()| {
            let transaction = store.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            schema::create(&transaction)?;
            writing::write_about(&transaction, about)?;
            transaction.commit()
        });
        result.map_err(|error| StoreError::Commit(path.to_owned(), error))?;
        Ok(store)
    }

    /// Opens a file for going on with the run.
    ///
    /// # Errors
    /// When there is none, it is not a whole run's, or somebody else writes it.
    pub fn resume(path: &Path) -> Result<Store, StoreError> {
        if !path.exists() {
            return Err(StoreError::Missing(path.to_owned()));
        }
        let lock = lock::lock_folder_of(path)?;
        let store = Store::open(path, OpenFlags::empty(), lock)?;
        schema::check(&store.connection, path)?;
        // A run that had ended has no write-ahead log.
        let wal = store.connection.pragma_update(None, "journal_mode", "WAL");
        wal.map_err(|error| StoreError::opening(path, error))?;
        Ok(store)
    }

    /// Writes a batch in one transaction. When this returns, it is on the disk.
    ///
    /// # Errors
    /// When the disk refuses; then nothing of it was written, and the same batch may be tried again.
    pub fn commit(&mut self, batch: &Batch) -> Result<(), StoreError> {
        self.transact(|transaction| writing::write(transaction, batch))
    }

    /// Writes the tables of the end, of a summary in the form of `summary.json`, and makes the file stand alone.
    ///
    /// # Errors
    /// As [`Store::commit`]; and [`StoreError::StillRead`] when everything is written but somebody keeps the file open.
    pub fn finish(&mut self, summary: &Value) -> Result<(), StoreError> {
        self.transact(|transaction| finals::write(transaction, summary))?;
        let patience = Instant::now() + PATIENCE;
        // Not the busy timeout of SQLite: a change of journal does not heed it.
        while let Err(error) = self.connection.pragma_update(None, "journal_mode", "DELETE") {
            if Instant::now() >= patience {
                return Err(StoreError::StillRead(self.path.clone(), error));
            }
            std::thread::sleep(PAUSE);
        }
        Ok(())
    }

    /// Reads everything back.
    ///
    /// # Errors
    /// When the file is damaged.
    pub fn load(&self) -> Result<Recorded, StoreError> {
        Source { connection: &self.connection, path: &self.path }.load()
    }

    /// Reads what the run is.
    ///
    /// # Errors
    /// When the file is damaged.
    pub fn about(&self) -> Result<About, StoreError> {
        let source = Source { connection: &self.connection, path: &self.path };
        source.about(&source.facts()?)
    }

    fn open(path: &Path, more: OpenFlags, lock: File) -> Result<Store, StoreError> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX | more;
        let connection = Connection::open_with_flags(path, flags).and_then(|connection| {
            // An acknowledged interval is deleted by its agent: it must survive a power failure here.
            connection.pragma_update(None, "synchronous", "FULL")?;
            connection.pragma_update(None, "journal_size_limit", LARGEST_LOG)?;
            connection.set_prepared_statement_cache_capacity(64);
            Ok(connection)
        });
        let connection = connection.map_err(|error| StoreError::opening(path, error))?;
        let identity = identity(path).ok_or_else(|| StoreError::Missing(path.to_owned()))?;
        Ok(Store { connection, path: path.to_owned(), identity, _lock: lock })
    }

    fn transact(&mut self, write: impl FnOnce(&Transaction) -> rusqlite::Result<()>) -> Result<(), StoreError> {
        // The disk takes what goes to a file without a name, and forgets it with the process.
        if identity(&self.path) != Some(self.identity) {
            return Err(StoreError::Gone(self.path.clone()));
        }
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate);
        let result = transaction.and_then(|transaction| {
            write(&transaction)?;
            transaction.commit()
        });
        result.map_err(|error| StoreError::Commit(self.path.clone(), error))
    }
}

/// Tells a file from any other, also from one that has its name now.
fn identity(path: &Path) -> Option<(u64, u64)> {
    std::fs::metadata(path).ok().map(|file| (file.dev(), file.ino()))
}
