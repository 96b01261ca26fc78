//! The secret that relay and coordinator share. It is never sent; each proves to the other that it knows it.
//!
//! It stands in the relay's user data, so it is not as secret as a key: docs/relay.md says what who has it can do.

use std::fmt;
use std::str::FromStr;

use ring::hmac;

/// 256 bits that the coordinator draws for each relay.
#[derive(Clone)]
pub struct Secret([u8; Secret::LENGTH]);

/// A text that is no secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a secret is {} characters 0 to 9 and a to f", 2 * Secret::LENGTH)]
pub struct NoSecret;

impl Secret {
    const LENGTH: usize = 32;

    /// Draws a new one.
    pub fn random() -> Self {
        Secret(rand::random())
    }

    /// The secret as text, which [`FromStr`] reads. Where it is written down, others may read it.
    pub fn hex(&self) -> String {
        self.0.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    pub(crate) fn key(&self) -> hmac::Key {
        hmac::Key::new(hmac::HMAC_SHA256, &self.0)
    }
}

impl FromStr for Secret {
    type Err = NoSecret;

    fn from_str(text: &str) -> Result<Self, NoSecret> {
        let digit = |byte: u8| match byte {
            b'0'..=b'9' => Ok(byte - b'0'),
            b'a'..=b'f' => Ok(byte - b'a' + 10),
            _ => Err(NoSecret),
        };
        let (pairs, []) = text.as_bytes().as_chunks::<2>() else { return Err(NoSecret) };
        let bytes: Vec<u8> =
            pairs.iter().map(|&[high, low]| Ok(digit(high)? << 4 | digit(low)?)).collect::<Result<_, _>>()?;
        bytes.try_into().map(Secret).map_err(|_| NoSecret)
    }
}

/// Without the secret: what is printed while searching for a mistake ends up in logs.
impl fmt::Debug for Secret {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Secret")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reading_undoes_writing_and_nothing_else_is_read() {
        let secret = Secret::random();
        let text = secret.hex();
        assert_eq!(text.parse::<Secret>().unwrap().hex(), text);
        assert_ne!(Secret::random().hex(), text);
        assert_eq!(format!("{secret:?}"), "Secret", "it is not printed");
        for wrong in ["", "00", &"g".repeat(64), &"A".repeat(64), &"0".repeat(63), &"0".repeat(65), &"ä".repeat(32)] {
            assert_eq!(wrong.parse::<Secret>().err(), Some(NoSecret), "{wrong}");
        }
    }
}
