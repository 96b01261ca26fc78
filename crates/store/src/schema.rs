//! The tables, and how a run's file is told from others.

use std::path::Path;

use rusqlite::{Connection, ffi};

use crate::error::StoreError;

/// The number of the schema; it rises with every change of `schema.sql`.
pub const SCHEMA: i64 = 3;

/// Marks a file as a run's in the place that SQLite has for it: the letters `Rhsl`.
const APPLICATION: i64 = 0x5268_736c;

/// Makes the tables, within the caller's transaction.
pub(crate) fn create(connection: &Connection) -> rusqlite::Result<()> {
    connection.execute_batch(include_str!("schema.sql"))?;
    connection.pragma_update(None, "application_id", APPLICATION)?;
    connection.pragma_update(None, "user_version", SCHEMA)
}

/// Checks that a file is a run's and that this program can read it.
pub(crate) fn check(connection: &Connection, path: &Path) -> Result<(), StoreError> {
    let number = |sql: &str| {
        let number = connection.query_row(sql, [], |row| row.get::<_, i64>(0));
        number.map_err(|error| StoreError::opening(path, error))
    };
    let tables = number("SELECT count(*) FROM sqlite_schema")?;
    let (application, found) = (number("PRAGMA application_id")?, number("PRAGMA user_version")?);
    match (application, found) {
        (APPLICATION, SCHEMA) => check_length(connection, path),
        (APPLICATION, found) => Err(StoreError::Newer { path: path.to_owned(), found, known: SCHEMA }),
        (0, 0) if tables == 0 => Err(StoreError::Empty(path.to_owned())),
        _ => Err(StoreError::Foreign(path.to_owned())),
    }
}

/// Refuses a file without its end: SQLite reads what is missing of the last page as zeros. While a write-ahead log belongs to
/// the file, its length says nothing.
fn check_length(connection: &Connection, path: &Path) -> Result<(), StoreError> {
    let read = |error| StoreError::opening(path, error);
    let mode: String = connection.query_row("PRAGMA journal_mode", [], |row| row.get(0)).map_err(read)?;
    let sql = "SELECT page_count * page_size FROM pragma_page_count, pragma_page_size";
    let expected: i64 = connection.query_row(sql, [], |row| row.get(0)).map_err(read)?;
    let is_whole = std::fs::metadata(path).is_ok_and(|file| file.len() == expected.unsigned_abs());
    if is_whole || mode == "wal" {
        return Ok(());
    }
    let corrupt = ffi::Error::new(ffi::SQLITE_CORRUPT);
    Err(read(rusqlite::Error::SqliteFailure(corrupt, Some("its end is missing".to_owned()))))
}
