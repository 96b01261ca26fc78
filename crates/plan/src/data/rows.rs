//! A file of rows, read once and kept small: the fields one after the other in a single text, and where each ends.

use csv::{ReaderBuilder, StringRecord, Trim};

use super::LARGEST_DATA;
use crate::problem::Problem;

/// How many mistakes of one file are told; whoever took the wrong file need not read a thousand.
const MOST_PROBLEMS: usize = 10;

/// Rows of named fields; there is at least one. Takes the bytes of the fields, and four more for each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rows {
    columns: Vec<String>,
    text: String,
    /// The byte behind each field in `text`, row after row.
    ends: Vec<u32>,
}

impl Rows {
    /// Reads a file of comma-separated values, the first line of which names the columns. Fields are texts as they stand;
    /// empty lines are no rows.
    ///
    /// # Errors
    /// All mistakes, each with its line, ten at most: no names, a name twice, no rows, rows with more or fewer fields than
    /// there are names, or more bytes than [`LARGEST_DATA`].
    pub fn read(text: &str) -> Result<Rows, Vec<Problem>> {
        let text = text.trim_start_matches('\u{feff}'); // spreadsheets begin their files with it
        if text.len() > LARGEST_DATA {
            let problem = format!("it has {} bytes, more than {} MiB", text.len(), LARGEST_DATA >> 20);
            return Err(vec![Problem::new(problem).hint("leave out the columns that no user reads")]);
        }
        let mut reader = ReaderBuilder::new().flexible(true).trim(Trim::Headers).from_reader(text.as_bytes());
        let unreadable = |error: csv::Error| vec![Problem::new(error.to_string())];
        let header = reader.headers().map_err(unreadable)?;
        let mut reading = Reading::new(text, columns(header)?);
        let mut record = StringRecord::new();
        while reader.read_record(&mut record).map_err(unreadable)? {
            reading.take(&record);
        }
        reading.finish()
    }

    /// Counts the rows.
    #[must_use]
    pub fn len(&self) -> u64 {
        (self.ends.len() / self.columns.len()) as u64
    }

    /// Always false: a file without rows is not read.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// Gives row `index`, from 0, as pairs of column and field; nothing beyond the last.
    pub fn row(&self, index: u64) -> impl Iterator<Item = (&str, &str)> {
        let first = if index < self.len() { index as usize * self.columns.len() } else { self.ends.len() };
        let mut from = first.checked_sub(1).map_or(0, |before| self.ends[before] as usize);
        let fields = self.ends[first..].iter().map(move |end| {
            let begin = std::mem::replace(&mut from, *end as usize);
            &self.text[begin..from]
        });
        self.columns.iter().map(String::as_str).zip(fields)
    }
}

/// Takes the names of the columns from the first line.
fn columns(header: &StringRecord) -> Result<Vec<String>, Vec<Problem>> {
    const HINT: &str = "begin the file with a line that names its columns, as in `name,password`";
    let mut problems = Vec::new();
    for (place, name) in header.iter().enumerate() {
        if name.is_empty() {
            problems.push(Problem::new(format!("line 1: column {} has no name", place + 1)).hint(HINT));
        } else if header.iter().take(place).any(|earlier| earlier == name) {
            problems.push(Problem::new(format!("line 1: there are two columns named `{name}`")).hint(HINT));
        }
    }
    if header.is_empty() {
        problems.push(Problem::new("it is empty").hint(HINT));
    } else if let [Some(only), None] = [header.get(0), header.get(1)]
        && only.contains([';', '\t'])
    {
        problems
            .push(Problem::new(format!("line 1: the only column is `{only:.40}`")).hint("put commas between columns"));
    }
    problems.truncate(MOST_PROBLEMS);
    if problems.is_empty() { Ok(header.iter().map(str::to_owned).collect()) } else { Err(problems) }
}

/// The rows so far, and what is wrong with the others.
struct Reading<'a> {
    /// The whole file.
    file: &'a str,
    rows: Rows,
    problems: Vec<Problem>,
    /// Wrong rows beyond those that are told.
    more: u64,
}

impl<'a> Reading<'a> {
    fn new(file: &'a str, columns: Vec<String>) -> Self {
        let rows = Rows { columns, text: String::with_capacity(file.len()), ends: Vec::new() };
        Self { file, rows, problems: Vec::new(), more: 0 }
    }

    fn take(&mut self, record: &StringRecord) {
        let wanted = self.rows.columns.len();
        if record.len() == wanted {
            for field in record {
                self.rows.text.push_str(field);
                self.rows.ends.push(self.rows.text.len() as u32); // LARGEST_DATA is far below 4 GiB
            }
        } else if self.problems.len() == MOST_PROBLEMS {
            self.more += 1;
        } else {
            let problem = Problem::new(format!("{} fields for {wanted} columns", record.len()));
            let hint = "a field with a comma stands in quotation marks: \"Smith, Jo\"";
            self.problems.push(problem.hint(hint).within(format_args!("line {}", self.line_of(record))));
        }
    }

    /// The line of a row, from 1. The reader's own count is behind after empty lines and lines that end as on Windows.
    fn line_of(&self, record: &StringRecord) -> usize {
        let begin = record.position().map_or(0, |position| position.byte() as usize).min(self.file.len());
        let bytes = self.file.as_bytes();
        let blank = bytes[begin..].iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
        bytes[..begin + blank].iter().filter(|byte| **byte == b'\n').count() + 1
    }

    fn finish(mut self) -> Result<Rows, Vec<Problem>> {
        if self.problems.is_empty() && self.rows.is_empty() {
            self.problems.push(Problem::new("it has no rows below the names of its columns"));
        }
        self.problems.extend((self.more > 0).then(|| Problem::new(format!("{} more lines are wrong", self.more))));
        if !self.problems.is_empty() {
            return Err(self.problems);
        }
        self.rows.text.shrink_to_fit();
        self.rows.ends.shrink_to_fit();
        Ok(self.rows)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn fields(rows: &Rows, index: u64) -> Vec<(&str, &str)> {
        rows.row(index).collect()
    }

    #[test]
    fn files_of_many_makers_are_read() {
        let files = [
            "name,password\nmara,secret\n\"Jo, Sr.\",\n",
            "\u{feff}name , password\r\nmara,secret\r\n\r\n\"Jo, Sr.\",\"\"",
            "\"name\",\"password\"\n\n\"mara\",\"secret\"\n\"Jo, Sr.\",\n\n",
        ];
        for file in files {
            let rows = Rows::read(file).unwrap_or_else(|problems| panic!("{file}: {problems:?}"));
            assert_eq!(rows.len(), 2, "{file}");
            assert_eq!(fields(&rows, 0), [("name", "mara"), ("password", "secret")], "{file}");
            assert_eq!(fields(&rows, 1), [("name", "Jo, Sr."), ("password", "")], "{file}");
            assert_eq!((fields(&rows, 2), fields(&rows, u64::MAX)), (vec![], vec![]), "{file}");
        }
        let rows = Rows::read("n,text\n007, two\"\n1,\"a\nb\"\n").unwrap();
        assert_eq!(fields(&rows, 0), [("n", "007"), ("text", " two\"")], "fields stay as they are");
        assert_eq!(fields(&rows, 1), [("n", "1"), ("text", "a\nb")]);
    }

    fn check(file: &str, problems: &[&str]) {
        let found: Vec<String> = Rows::read(file).unwrap_err().into_iter().map(|problem| problem.message).collect();
        assert_eq!(found, problems, "{file}");
    }

    #[test]
    fn every_mistake_has_its_line() {
        check("", &["it is empty"]);
        check("\r\n\n", &["it is empty"]);
        check("name,password\n", &["it has no rows below the names of its columns"]);
        check("a,,a\n1,2,3\n", &["line 1: column 2 has no name", "line 1: there are two columns named `a`"]);
        check("a;b\n1;2\n", &["line 1: the only column is `a;b`"]);
        check("a,b\n1\n1,2\n1,2,3\n", &["line 2: 1 fields for 2 columns", "line 4: 3 fields for 2 columns"]);
        check("a,b\r\n1,2\r\n\r\n\r\n1\r\n", &["line 5: 1 fields for 2 columns"]);
        check("a,b\n\"1\n1\",2\n1\n", &["line 4: 1 fields for 2 columns"]);
    }

    #[test]
    fn the_wrong_file_is_not_told_line_by_line() {
        let found = Rows::read(&format!("a,b\n{}", "x\n".repeat(50))).unwrap_err();
        assert_eq!((found.len(), found[10].message.as_str()), (11, "40 more lines are wrong"));
        let large = format!("a\n{}", "x\n".repeat(LARGEST_DATA / 2));
        assert!(Rows::read(&large).unwrap_err()[0].message.ends_with(" bytes, more than 60 MiB"));
    }

    proptest! {
        #[test]
        fn what_was_written_is_read(table in (1_usize..5).prop_flat_map(|width| {
            // A row whose only field is empty is written as quotation marks, which tells it from an empty line.
            prop::collection::vec(prop::collection::vec("[a-z,\"\n \r]{0,6}", width), 1..20)
        })) {
            let width = table[0].len();
            let mut file: String = (0..width).map(|column| format!("c{column}")).collect::<Vec<_>>().join(",");
            for row in &table {
                let quoted = row.iter().map(|field| format!("\"{}\"", field.replace('"', "\"\"")));
                file = format!("{file}\n{}", quoted.collect::<Vec<_>>().join(","));
            }
            let rows = Rows::read(&file).unwrap();
            prop_assert_eq!(rows.len(), table.len() as u64);
            for (index, row) in (0..).zip(&table) {
                let read: Vec<&str> = rows.row(index).map(|(_, field)| field).collect();
                prop_assert_eq!(&read, row);
            }
        }

        #[test]
        fn no_file_panics(text in "[a,;\"\r\n\u{feff}é]{0,40}") {
            let _ = Rows::read(&text);
        }
    }
}
