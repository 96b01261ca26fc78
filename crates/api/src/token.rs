//! The secret that opens the API.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use subtle::ConstantTimeEq as _;

/// Random bytes in a token: far beyond guessing.
const BYTES: usize = 32;

/// The secret that a request must show. It does not print itself.
#[derive(Clone)]
pub struct Token(String);

impl Token {
    /// Makes a new token, 32 random bytes as 43 characters that are safe in URLs and headers.
    #[must_use]
    pub fn random() -> Self {
        Self(URL_SAFE_NO_PAD.encode(rand::random::<[u8; BYTES]>()))
    }

    /// Takes the token that another process made.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// Returns the secret itself, for a file with mode 0600 or the fragment of an address.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// Compares in a time that does not depend on how much of `shown` is right. An empty token opens nothing.
    #[must_use]
    pub fn is(&self, shown: &str) -> bool {
        !self.0.is_empty() && bool::from(self.0.as_bytes().ct_eq(shown.as_bytes()))
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Token(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_random_and_fit_an_address() {
        let (one, other) = (Token::random(), Token::random());
        assert_ne!(one.reveal(), other.reveal());
        assert_eq!(one.reveal().len(), 43);
        assert!(one.reveal().chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_'));
    }

    #[test]
    fn only_the_whole_token_is_the_token() {
        let token = Token::new("secret");
        for (shown, is) in [("secret", true), ("secre", false), ("secret ", false), ("Secret", false), ("", false)] {
            assert_eq!(token.is(shown), is, "{shown:?}");
        }
        assert!(!Token::new("").is(""), "an empty token must not open anything");
    }

    #[test]
    fn a_token_does_not_print_itself() {
        assert!(!format!("{:?}", Token::new("secret")).contains("secret"));
    }
}
