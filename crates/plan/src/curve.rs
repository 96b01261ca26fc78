//! A curve as a file: how many users come in each second, read from and written to CSV.
//!
//! What was played can be written with [`curve_csv`] and played again with `curve("file.csv")`, which reads it with
//! [`read_curve`].

use std::collections::BTreeMap;

use csv::{ReaderBuilder, StringRecord, Trim};

use crate::load::{LONGEST, MOST_USERS};
use crate::problem::{Problem, nearest};

/// The first line of the file.
const HEADER: [&str; 2] = ["seconds", "users"];

/// How many mistakes of one file are told; whoever took the wrong file need not read a thousand.
const MOST_PROBLEMS: usize = 10;

/// Writes seconds and the users who come in each as a file for `curve("file.csv")`.
#[must_use]
pub fn curve_csv(seconds: &[(u64, u64)]) -> String {
    let rows = seconds.iter().map(|(second, users)| format!("{second},{users}\n"));
    std::iter::once(format!("{}\n", HEADER.join(","))).chain(rows).collect()
}

/// Reads seconds and the users who come in each, in the order of time.
///
/// The first line names the columns: `seconds` and `users`, whole numbers from 0, in any order and beside others, which
/// are ignored. Rows may come in any order too, but each second once; seconds that are not named have no users.
///
/// # Errors
/// All mistakes, each with its line, ten at most: no header, no number, a second named twice, nobody, more users than
/// [`MOST_USERS`] or a second beyond [`LONGEST`].
pub fn read_curve(text: &str) -> Result<Vec<(u64, u64)>, Vec<Problem>> {
    let text = text.trim_start_matches('\u{feff}'); // spreadsheets begin their files with it
    let mut reader = ReaderBuilder::new().flexible(true).trim(Trim::All).from_reader(text.as_bytes());
    let header = reader.headers().map_err(|error| vec![unreadable(&error)])?.clone();
    let columns = columns(&header).map_err(|problem| vec![problem])?;
    let mut rows = Rows::default();
    for record in reader.records() {
        match record {
            Ok(record) => rows.take(&record, columns),
            Err(error) => rows.problems.push(unreadable(&error)),
        }
    }
    rows.finish()
}

fn unreadable(error: &csv::Error) -> Problem {
    Problem::new(error.to_string())
}

/// Finds the columns of seconds and users.
fn columns(header: &StringRecord) -> Result<[usize; 2], Problem> {
    let place = |wanted: &str| {
        header.iter().position(|name| name.eq_ignore_ascii_case(wanted)).ok_or_else(|| {
            let problem = Problem::new(format!("its first line names no column `{wanted}`"));
            match nearest(wanted, header.iter()) {
                Some(near) => problem.hint(format!("call the column `{near}` `{wanted}`")),
                None => problem.hint(format!("begin the file with the line `{}`", HEADER.join(","))),
            }
        })
    };
    Ok([place(HEADER[0])?, place(HEADER[1])?])
}

/// The rows that were read.
#[derive(Default)]
struct Rows {
    /// Users and line of each second.
    seconds: BTreeMap<u64, (u64, u64)>,
    problems: Vec<Problem>,
}

impl Rows {
    fn take(&mut self, record: &StringRecord, columns: [usize; 2]) {
        let line = record.position().map_or(0, csv::Position::line);
        match row(record, columns) {
            Ok((second, users)) => {
                if let Some((_, first)) = self.seconds.insert(second, (users, line)) {
                    let problem = Problem::new(format!("second {second} stands in line {first} already"));
                    self.problems
                        .push(problem.hint("add its users up in one line").within(format_args!("line {line}")));
                }
            }
            Err(problem) => self.problems.push(problem.within(format_args!("line {line}"))),
        }
    }

    fn finish(mut self) -> Result<Vec<(u64, u64)>, Vec<Problem>> {
        let users = self.seconds.values().fold(0, |sum: u64, (users, _)| sum.saturating_add(*users));
        if users > MOST_USERS {
            self.problems.push(Problem::new(format!("it has {users} users in all, more than {MOST_USERS}")));
        } else if users == 0 && self.problems.is_empty() {
            self.problems.push(Problem::new("nobody comes in it").hint("give each second a line, as in `0,25`"));
        }
        if self.problems.is_empty() {
            return Ok(self.seconds.into_iter().map(|(second, (users, _))| (second, users)).collect());
        }
        let more = self.problems.len().saturating_sub(MOST_PROBLEMS);
        self.problems.truncate(MOST_PROBLEMS);
        self.problems.extend((more > 0).then(|| Problem::new(format!("{more} more lines are wrong"))));
        Err(self.problems)
    }
}

fn row(record: &StringRecord, columns: [usize; 2]) -> Result<(u64, u64), Problem> {
    let number = |column: usize, what: &str| {
        let text = record.get(column).unwrap_or_default();
        let wrong = || Problem::new(format!("{what} are no whole number of at least 0: `{text:.40}`"));
        text.parse::<u64>().map_err(|_| wrong())
    };
    let (second, users) = (number(columns[0], HEADER[0])?, number(columns[1], HEADER[1])?);
    if second > LONGEST.as_secs() {
        return Err(Problem::new(format!("second {second} is beyond {}, a month", LONGEST.as_secs())));
    }
    Ok((second, users))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn files_of_many_makers_are_read() {
        let read = Ok(vec![(0, 5), (7, 1)]);
        let files = [
            "seconds,users\n0,5\n7,1\n",
            "\u{feff}Seconds,Users\r\n0,5\r\n7,1",
            "users, at, seconds\n1, noon, 7\n5, dawn, 0\n\n",
            "\"seconds\",\"users\"\n\"7\",\"1\"\n0,5\n",
        ];
        for file in files {
            assert_eq!(read_curve(file), read, "{file}");
        }
    }

    fn check(file: &str, problems: &[&str]) {
        let found: Vec<String> = read_curve(file).unwrap_err().iter().map(Problem::to_string).collect();
        assert_eq!(found, problems, "{file}");
    }

    #[test]
    fn every_mistake_has_its_line() {
        check("", &["its first line names no column `seconds` (hint: begin the file with the line `seconds,users`)"]);
        check(
            "0,5\n1,5\n",
            &["its first line names no column `seconds` (hint: begin the file with the line `seconds,users`)"],
        );
        check(
            "second,users\n0,5\n",
            &["its first line names no column `seconds` (hint: call the column `second` `seconds`)"],
        );
        check("seconds,users\n", &["nobody comes in it (hint: give each second a line, as in `0,25`)"]);
        check(
            "seconds,users\n0,many\n1\n-1,5\n2,1.5\n3,4\n3,4\n2592001,1\n",
            &[
                "line 2: users are no whole number of at least 0: `many`",
                "line 3: users are no whole number of at least 0: ``",
                "line 4: seconds are no whole number of at least 0: `-1`",
                "line 5: users are no whole number of at least 0: `1.5`",
                "line 7: second 3 stands in line 6 already (hint: add its users up in one line)",
                "line 8: second 2592001 is beyond 2592000, a month",
            ],
        );
        check("seconds,users\n0,100000000\n1,1\n", &["it has 100000001 users in all, more than 100000000"]);
    }

    #[test]
    fn the_wrong_file_is_not_told_line_by_line() {
        let file = format!("seconds,users\n{}", "x,y\n".repeat(50));
        let found = read_curve(&file).unwrap_err();
        assert_eq!((found.len(), found[10].message.as_str()), (11, "40 more lines are wrong"));
    }

    proptest! {
        #[test]
        fn reading_undoes_writing(seconds in prop::collection::btree_map(0_u64..2_592_000, 1_u64..1_000_000, 1..50)) {
            let seconds: Vec<(u64, u64)> = seconds.into_iter().collect();
            prop_assert_eq!(read_curve(&curve_csv(&seconds)), Ok(seconds));
        }

        #[test]
        fn no_file_panics(text in "[-,0-9a\"\n]{0,40}") {
            let _ = read_curve(&format!("seconds,users\n{text}"));
        }
    }
}
