//! Files that a plan names, as they are read while it is evaluated.
//!
//! Scripts that run have no files. Only `plan()` may name some, and whoever has it evaluated says how they are read: from
//! the disk as a rule ([`beside`]), from anywhere in tests.

use std::cell::RefCell;
use std::io::{Error, Read, Result};
use std::path::Path;
use std::rc::Rc;

/// Reads the file of a path that a plan names, whole.
pub type ReadFile = Rc<dyn Fn(&str) -> Result<Vec<u8>>>;

/// No file of a plan is larger; whoever names another has most likely taken the wrong one.
const LARGEST: u64 = 64 << 20;

thread_local! {
    static READER: RefCell<Option<ReadFile>> = const { RefCell::new(None) };
}

/// Reads files from the folder that the scenario lies in.
///
/// What it reads fails with the error of the system, and for what is no file or larger than 64 MiB.
#[must_use]
pub fn beside(scenario: &str) -> ReadFile {
    let folder = Path::new(scenario).parent().map(Path::to_owned).unwrap_or_default();
    Rc::new(move |path| read_bounded(&folder.join(path)))
}

fn read_bounded(path: &Path) -> Result<Vec<u8>> {
    // A pipe or device may never end, or never begin.
    if !std::fs::metadata(path)?.is_file() {
        return Err(Error::other("it is no file"));
    }
    let mut bytes = Vec::new();
    std::fs::File::open(path)?.take(LARGEST + 1).read_to_end(&mut bytes)?;
    match bytes.len() as u64 {
        0..=LARGEST => Ok(bytes),
        _ => Err(Error::other(format!("it is larger than {} MiB", LARGEST >> 20))),
    }
}

/// Does `work` while files can be read.
pub(crate) fn with_files<T>(read: &ReadFile, work: impl FnOnce() -> T) -> T {
    struct Restore(Option<ReadFile>);
    impl Drop for Restore {
        fn drop(&mut self) {
            READER.with(|reader| reader.replace(self.0.take()));
        }
    }
    let _restore = Restore(READER.with(|reader| reader.replace(Some(Rc::clone(read)))));
    work()
}

/// Reads a file as text; none while no plan is evaluated.
pub(crate) fn text_of_file(path: &str) -> Option<Result<String>> {
    let read = READER.with(|reader| reader.borrow().clone())?;
    Some(read(path).and_then(|bytes| {
        String::from_utf8(bytes).map_err(|error| {
            let sound = &error.as_bytes()[..error.utf8_error().valid_up_to()];
            let line = sound.iter().filter(|byte| **byte == b'\n').count() + 1;
            Error::other(format!("line {line} is no text in UTF-8"))
        })
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_looked_for_beside_the_scenario() {
        let scenario = concat!(env!("CARGO_MANIFEST_DIR"), "/scenario.rhai");
        let read = beside(scenario);
        assert!(read("src/files.rs").unwrap().starts_with(b"//! Files that a plan names"));
        assert_eq!(read("no.csv").unwrap_err().kind(), std::io::ErrorKind::NotFound);
        assert_eq!(read("src").unwrap_err().to_string(), "it is no file");
    }

    #[test]
    fn files_end_with_the_plan() {
        assert!(text_of_file("x").is_none());
        let read: ReadFile = Rc::new(|path| Ok(path.as_bytes().to_owned()));
        assert_eq!(with_files(&read, || text_of_file("x")).unwrap().unwrap(), "x");
        assert!(text_of_file("x").is_none());
    }

    #[test]
    fn what_is_no_text_is_told_with_its_line() {
        let read: ReadFile = Rc::new(|_| Ok(b"a,b\n1,2\n\xe9,3\n".to_vec()));
        let error = with_files(&read, || text_of_file("x")).unwrap().unwrap_err();
        assert_eq!(error.to_string(), "line 3 is no text in UTF-8");
    }
}
