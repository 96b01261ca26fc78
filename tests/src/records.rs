//! What a run has written down in its database so far, for tests that look while it runs.

use std::path::Path;

use rusqlite::{Connection, OpenFlags, OptionalExtension as _, ToSql, types::FromSql};

/// The database of a run, as it stands.
#[derive(Debug)]
pub struct Records(Connection);

impl Records {
    /// Opens it for reading; none as long as it is not there.
    pub(crate) fn open(run_folder: &Path) -> Option<Self> {
        let path = run_folder.join("run.db");
        Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY).ok().map(Self)
    }

    /// Whether it says which run it is of: before that there is nothing to go on with.
    pub fn has_begun(&self) -> bool {
        self.first::<String>("SELECT value FROM fact WHERE key = 'run_id'", &[]).is_some()
    }

    /// What runs an agent, as its launcher names it; none before it has joined.
    pub fn instance(&self, agent: &str) -> Option<String> {
        self.first("SELECT instance FROM member WHERE id = ?1", &[&agent])
    }

    /// How many agents have joined.
    pub fn joined(&self) -> i64 {
        self.first("SELECT count(*) FROM member", &[]).unwrap_or(0)
    }

    /// How many versions the plan has had.
    pub fn versions(&self) -> i64 {
        self.first("SELECT count(*) FROM version", &[]).unwrap_or(0)
    }

    /// When the run started, in microseconds of Unix time; none before its start.
    pub fn started_at_us(&self) -> Option<i64> {
        self.first("SELECT CAST(value AS INTEGER) FROM fact WHERE key = 'started_at_us' AND value != 'null'", &[])
    }

    /// Whether something was told of this subject whose text has these words.
    pub fn tells(&self, who: &str, words: &str) -> bool {
        self.first("SELECT 1 FROM event WHERE who = ?1 AND instr(text, ?2) LIMIT 1", &[&who, &words])
            .is_some_and(|found: i64| found == 1)
    }

    /// A table that is not there yet is empty, and so is one that is being written for the first time.
    fn first<T: FromSql>(&self, query: &str, parameters: &[&dyn ToSql]) -> Option<T> {
        self.0.query_row(query, parameters, |row| row.get(0)).optional().ok().flatten()
    }
}
