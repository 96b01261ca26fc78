//! The files that the rules look at.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};

/// Every file that is tracked or new, by its path from the top.
#[derive(Debug)]
pub struct Tree {
    /// The text; `None` for what is no text.
    files: BTreeMap<String, Option<String>>,
}

impl Tree {
    /// Reads what git knows and what it would add.
    pub fn read(root: &Path) -> Result<Self> {
        let list = ["ls-files", "--cached", "--others", "--exclude-standard", "-z"];
        let listed = Command::new("git").current_dir(root).args(list).output();
        let listed = listed.context("listing files with git")?;
        ensure!(listed.status.success(), "listing files with git: {}", listed.status);
        let paths = String::from_utf8(listed.stdout).context("listing files with git")?;
        let mut files = BTreeMap::new();
        for path in paths.split_terminator('\0') {
            // What was deleted but not yet committed is still listed.
            if root.join(path).is_file() {
                let bytes = std::fs::read(root.join(path)).with_context(|| format!("reading {path}"))?;
                files.insert(path.to_owned(), String::from_utf8(bytes).ok());
            }
        }
        Ok(Self { files })
    }

    /// All files that are text, by path.
    pub fn texts(&self) -> impl Iterator<Item = (&str, &str)> {
        let files = self.files.iter();
        files.filter_map(|(path, text)| Some((path.as_str(), text.as_deref()?)))
    }

    /// The text of one file.
    pub fn text(&self, path: &str) -> Option<&str> {
        self.files.get(path)?.as_deref()
    }

    /// Whether there is such a file or folder.
    pub fn has(&self, path: &str) -> bool {
        let inside = format!("{path}/");
        self.files.contains_key(path) || self.files.keys().any(|file| file.starts_with(&inside))
    }

    /// A tree out of thin air; the last of several files at one path counts.
    #[cfg(test)]
    pub fn of<'a>(files: impl Iterator<Item = (&'a str, &'a str)>) -> Self {
        let files = files.map(|(path, text)| (path.to_owned(), Some(text.to_owned())));
        Self { files: files.collect() }
    }
}
