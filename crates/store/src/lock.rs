//! One writer a run. The lock is on the run's folder: SQLite locks the file itself in a way that any other opening and closing
//! of it by the same process would undo, and a folder needs no file more.

use std::fs::{File, TryLockError};
use std::path::Path;

use crate::error::StoreError;

/// Whether some process holds the lock of a file's folder: a coordinator performs the run.
pub fn is_being_written(path: &Path) -> bool {
    matches!(lock_folder_of(path), Err(StoreError::Locked(_)))
}

/// Locks the folder of a file until the result is dropped or the process ends, however it ends.
pub(crate) fn lock_folder_of(path: &Path) -> Result<File, StoreError> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let failed = |error| StoreError::Lock(path.to_owned(), error);
    let folder = File::open(folder).map_err(failed)?;
    match folder.try_lock() {
        Ok(()) => Ok(folder),
        Err(TryLockError::WouldBlock) => Err(StoreError::Locked(path.to_owned())),
        Err(TryLockError::Error(error)) => Err(failed(error)),
    }
}
