//! The SHA-256 of a file, in the one form in which `sha256sum -c` compares it.

use std::{fmt, str::FromStr};

use ring::digest::{SHA256, digest};

/// A SHA-256: 64 hexadecimal digits in lower case.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Sha256(String);

/// What should be a SHA-256 is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no SHA-256, which has 64 hexadecimal digits")]
pub struct NoSha256(pub String);

impl Sha256 {
    /// That of these bytes.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Sha256 {
        Sha256(digest(&SHA256, bytes).as_ref().iter().map(|byte| format!("{byte:02x}")).collect())
    }

    /// Its digits.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Takes digits in upper case, too, as some tools print them.
impl FromStr for Sha256 {
    type Err = NoSha256;

    fn from_str(text: &str) -> Result<Sha256, NoSha256> {
        match text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            true => Ok(Sha256(text.to_ascii_lowercase())),
            false => Err(NoSha256(text.to_owned())),
        }
    }
}

impl fmt::Display for Sha256 {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.pad(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_what_others_compute() {
        // The one-block example of FIPS 180-4, as NIST prints it.
        let known = "BA7816BF 8F01CFEA 414140DE 5DAE2223 B00361A3 96177A9C B410FF61 F20015AD".replace(' ', "");
        assert_eq!(known.parse(), Ok(Sha256::of(b"abc")));
        assert_eq!(Sha256::of(b"abc").as_str(), known.to_lowercase());
    }

    #[test]
    fn nothing_else_passes_for_one() {
        for text in ["", "abc", &"g".repeat(64), &"0".repeat(63), &"0".repeat(65), &"ä".repeat(32)] {
            assert_eq!(text.parse::<Sha256>(), Err(NoSha256(text.to_owned())));
        }
    }
}
