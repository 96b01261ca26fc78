//! Builds of the agent that lie elsewhere, as somebody writes them on a command line:
//!
//! ```text
//! https://releases.example.com/7/agent-{arch}#x86_64=<SHA-256>,aarch64=<SHA-256>
//! https://releases.example.com/7/agent#x86_64=<SHA-256>
//! ```
//!
//! The checksums stand where an address has its fragment, which no server is ever sent. They name their processor even
//! if there is one build alone: guessed wrong, it would be noticed by instances that are paid for and never join.

use std::{collections::BTreeMap, fmt, str::FromStr};

use hyper::Uri;

use super::{Arch, NoSha256, Sha256};

/// What stands for the processor in an address.
const ARCH: &str = "{arch}";

/// Builds of the agent at an address, with their checksums. Its text form is the one that it is read from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pinned {
    /// Where they are; `{arch}` stands for [`Arch::name`].
    pub url: String,
    /// There is at least one; if there are several, the address has `{arch}`.
    pub builds: BTreeMap<Arch, Sha256>,
}

/// What was written says not where the agent lies, or not what it is; every mistake in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PinnedError {
    /// What was written.
    pub text: String,
    /// All that is wrong with it, at least one thing.
    pub mistakes: Vec<Mistake>,
}

/// One thing that is wrong with an address of the agent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Mistake {
    /// It is not encrypted, or nothing that is downloaded from.
    #[error("it has to begin with `https://`")]
    NotHttps,
    /// It is no address; why.
    #[error("it is no address: {0}")]
    NotAddress(String),
    /// Braces that nobody replaces.
    #[error("only `{ARCH}` may stand in braces")]
    Braces,
    /// The checksums are missing.
    #[error(
        "it lacks the checksum: put `#x86_64=` or `#aarch64=` behind it, whichever it is built for, and then what \
         `sha256sum` says of the file; for two builds `#x86_64=…,aarch64=…`"
    )]
    NoChecksum,
    /// A checksum of nobody knows what; what stands before it, if anything.
    #[error("`x86_64=` or `aarch64=` has to stand before each checksum{found}", found = found(.0))]
    Processor(String),
    /// What should be a checksum is none.
    #[error("the checksum of {0}: {1}, `sha256sum` prints it")]
    Checksum(Arch, NoSha256),
    /// One of two checksums is wrong.
    #[error("there are two checksums of {0}")]
    Twice(Arch),
    /// Two builds cannot be one file.
    #[error("two builds cannot be the same file: put `{ARCH}` where their addresses differ, `x86_64` or `aarch64`")]
    OneFile,
}

fn found(name: &str) -> String {
    let hint = match name {
        "" => return String::new(),
        "amd64=" | "x86-64=" | "x64=" => ": Linux calls it x86_64",
        "arm64=" => ": Linux calls it aarch64",
        _ => "",
    };
    format!(", and not `{name}`{hint}")
}

impl FromStr for Pinned {
    type Err = PinnedError;

    fn from_str(text: &str) -> Result<Pinned, PinnedError> {
        let (url, sums) = text.split_once('#').unwrap_or((text, ""));
        let mut mistakes = address(url);
        let mut builds = BTreeMap::new();
        for sum in sums.split(',').filter(|_| !sums.is_empty()) {
            match build(sum) {
                Ok((arch, sha256)) => {
                    if builds.insert(arch, sha256).is_some() {
                        mistakes.push(Mistake::Twice(arch));
                    }
                }
                Err(mistake) => mistakes.push(mistake),
            }
        }
        if sums.is_empty() {
            mistakes.push(Mistake::NoChecksum);
        }
        if builds.len() > 1 && !url.contains(ARCH) {
            mistakes.push(Mistake::OneFile);
        }
        match mistakes.is_empty() {
            true => Ok(Pinned { url: url.to_owned(), builds }),
            false => Err(PinnedError { text: text.to_owned(), mistakes }),
        }
    }
}

fn address(url: &str) -> Vec<Mistake> {
    let mut mistakes = Vec::new();
    if !url.starts_with("https://") {
        mistakes.push(Mistake::NotHttps);
    }
    let one = url.replace(ARCH, Arch::X86_64.name());
    if one.contains(['{', '}']) {
        mistakes.push(Mistake::Braces);
    }
    match one.parse::<Uri>() {
        Ok(address) if address.host().is_none_or(str::is_empty) => {
            mistakes.push(Mistake::NotAddress("it names no host".to_owned()));
        }
        Ok(_) => {}
        Err(error) => mistakes.push(Mistake::NotAddress(error.to_string())),
    }
    mistakes
}

fn build(sum: &str) -> Result<(Arch, Sha256), Mistake> {
    let Some((name, sum)) = sum.split_once('=') else { return Err(Mistake::Processor(String::new())) };
    let arch = Arch::of_name(name).ok_or_else(|| Mistake::Processor(format!("{name}=")))?;
    Ok((arch, sum.parse().map_err(|error| Mistake::Checksum(arch, error))?))
}

impl fmt::Display for Pinned {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sums: Vec<String> = self.builds.iter().map(|(arch, sha256)| format!("{arch}={sha256}")).collect();
        write!(out, "{}#{}", self.url, sums.join(","))
    }
}

impl fmt::Display for PinnedError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mistakes: Vec<String> = self.mistakes.iter().map(Mistake::to_string).collect();
        write!(out, "reading where the agent lies from `{}`: {}", self.text, mistakes.join("; "))
    }
}

impl std::error::Error for PinnedError {}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn sum(of: &str) -> Sha256 {
        Sha256::of(of.as_bytes())
    }

    #[test]
    fn addresses_with_their_checksums_are_read() {
        let (intel, graviton) = (sum("intel"), sum("graviton"));
        let check = |text: String, url: &str, builds: &[(Arch, &Sha256)]| {
            let builds = builds.iter().map(|(arch, sha256)| (*arch, (*sha256).clone())).collect();
            assert_eq!(text.parse(), Ok(Pinned { url: url.to_owned(), builds }));
        };
        let two = "https://x.example/7/agent-{arch}";
        let both = [(Arch::X86_64, &intel), (Arch::Aarch64, &graviton)];
        check(format!("{two}#aarch64={graviton},x86_64={intel}"), two, &both);
        check(format!("{two}#x86_64={}", intel.as_str().to_uppercase()), two, &both[..1]);
        let signed = "https://b.s3.amazonaws.com/agent?X-Amz-Expires=900&X-Amz-Signature=0a1b%2F";
        check(format!("{signed}#aarch64={graviton}"), signed, &both[1..]);
        let numbers = "https://[2001:db8::7]:7712/agent";
        check(format!("{numbers}#x86_64={intel}"), numbers, &both[..1]);
    }

    #[test]
    fn every_mistake_is_told_with_a_way_out() {
        let check = |text: &str, expected: &[&str]| {
            let refused = text.parse::<Pinned>().unwrap_err();
            assert_eq!(refused.mistakes.len(), expected.len(), "{refused}");
            for part in expected.iter().chain([&text]) {
                assert!(refused.to_string().contains(part), "`{part}` is not in: {refused}");
            }
        };
        let good = sum("intel");
        check("https://x/agent", &["`sha256sum` says"]);
        check("https://x/agent#", &["`sha256sum` says"]);
        check(&format!("http://x/agent#x86_64={good}"), &["begin with `https://`"]);
        check(&format!("https://#x86_64={good}"), &["it is no address"]);
        check(&format!("https://x/a b#x86_64={good}"), &["it is no address"]);
        check(&format!("https://x/{{ARCH}}#x86_64={good}"), &["only `{arch}` may stand in braces"]);
        check(&format!("https://x/agent#{good}"), &["`x86_64=` or `aarch64=` has to stand before"]);
        check(&format!("https://x/agent#sha256={good}"), &["and not `sha256=`"]);
        check(&format!("https://x/agent#arm64={good}"), &["Linux calls it aarch64"]);
        check("https://x/agent#x86_64=", &["the checksum of x86_64: `` is no SHA-256"]);
        check(&format!("https://x/{{arch}}#x86_64={good},x86_64={good}"), &["there are two checksums of x86_64"]);
        check(&format!("https://x/agent#x86_64={good},aarch64={good}"), &["put `{arch}` where"]);
        check(
            "ftp://x/{arch}#riscv=1,aarch64=2",
            &["begin with `https://`", "`riscv=`", "the checksum of aarch64: `2`"],
        );
    }

    proptest! {
        #[test]
        fn reading_undoes_printing(path in "[a-z0-9/]{0,20}", has_both: bool, seed: [u8; 8]) {
            let arches = if has_both { &Arch::ALL[..] } else { &Arch::ALL[1..] };
            let builds = arches.iter().map(|arch| (*arch, Sha256::of(&[&seed[..], arch.name().as_bytes()].concat())));
            let pinned = Pinned { url: format!("https://x.example/{path}{ARCH}"), builds: builds.collect() };
            prop_assert_eq!(pinned.to_string().parse(), Ok(pinned));
        }

        #[test]
        fn no_text_makes_it_panic(text in "(https://)?.{0,60}(#(x86_64=)?.{0,80})?") {
            if let Ok(pinned) = text.parse::<Pinned>() {
                prop_assert!(!pinned.builds.is_empty());
            }
        }
    }
}
