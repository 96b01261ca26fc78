//! Secrets: texts that are sent to a source and appear nowhere else.

use std::fmt;

/// What stands where a secret was.
const MASK: &str = "***";

/// A password or token; printing it prints a mask.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Takes a text that must not be shown.
    pub fn new(text: impl Into<String>) -> Secret {
        Secret(text.into())
    }

    /// Gives the text, to be sent.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// Masks the secret wherever it stands in a text, since a source may repeat what it was sent.
    #[must_use]
    pub fn masked_in(&self, text: String) -> String {
        match !self.0.is_empty() && text.contains(&self.0) {
            true => text.replace(&self.0, MASK),
            false => text,
        }
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(MASK)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_never_printed() {
        let secret = Secret::new("hush");
        assert_eq!(format!("{secret:?}"), "***");
        assert_eq!(secret.masked_in("bad token hush, hush".into()), "bad token ***, ***");
        assert_eq!(Secret::new("").masked_in("nothing".into()), "nothing");
        assert_eq!(secret.reveal(), "hush");
    }
}
