//! What a relay is told when it starts, and the text in its environment that tells it.
//!
//! The text is one word, so that it needs no quotes in a shell, and is not an argument, which any local user could read:
//! `secret=HEX,lease=600,listen=::,control=7721,mirror=7724,doors=7722/7723`

use std::fmt::Write as _;
use std::net::{IpAddr, Ipv6Addr};
use std::str::FromStr;
use std::time::Duration;

use crate::secret::Secret;
use crate::timing::Timing;

/// The variable in which a relay finds its options.
pub const VARIABLE: &str = "REHEARSAL_RELAY";
/// How long a relay stays without any tunnel.
pub const LEASE: Duration = Duration::from_secs(600);

/// What a relay is told. Port 0 is any free port.
#[derive(Clone, Debug)]
pub struct RelayOptions {
    /// What the coordinator proves that it knows.
    pub secret: Secret,
    /// The address that it listens on. With `::` that is all there are, those of IPv4 too.
    pub listen: IpAddr,
    /// Where the coordinator's tunnels arrive.
    pub control: u16,
    /// Where agents arrive. The place in this list is the door's number at both ends.
    pub doors: Vec<u16>,
    /// Where agents get their program, if the relay is to serve it; see [`crate::Relay::take_mirror`].
    pub mirror: Option<u16>,
    /// How long it stays when there is no tunnel.
    pub lease: Duration,
    /// How long it waits for what. Not part of the text.
    pub timing: Timing,
}

/// A text that says no options: everything that is wrong with it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("reading the relay's options from {VARIABLE}: {}", .0.join("; "))]
pub struct OptionsError(pub Vec<String>);

impl RelayOptions {
    /// Doors on these ports of all addresses, and everything else as usual.
    pub fn new(secret: Secret, control: u16, doors: Vec<u16>) -> Self {
        let listen = Ipv6Addr::UNSPECIFIED.into();
        RelayOptions { secret, listen, control, doors, mirror: None, lease: LEASE, timing: Timing::default() }
    }

    /// The text. It holds the secret.
    pub fn text(&self) -> String {
        let RelayOptions { secret, listen, control, doors, mirror, lease, timing: _ } = self;
        let mut text = format!("secret={},lease={},listen={listen},control={control}", secret.hex(), lease.as_secs());
        if let Some(port) = mirror {
            write!(text, ",mirror={port}").expect("writing to a string");
        }
        let doors: Vec<String> = doors.iter().map(u16::to_string).collect();
        text + ",doors=" + &doors.join("/")
    }
}

impl FromStr for RelayOptions {
    type Err = OptionsError;

    fn from_str(text: &str) -> Result<Self, OptionsError> {
        let mut wrong = Vec::new();
        let (mut secret, mut control, mut doors, mut mirror) = (None, None, None, None);
        let (mut lease, mut listen) = (LEASE, Ipv6Addr::UNSPECIFIED.into());
        for part in text.split(',') {
            let (key, value) = part.split_once('=').unwrap_or((part, ""));
            let is_read = match key {
                "secret" => value.parse().map(|read| secret = Some(read)).is_ok(),
                "lease" => value.parse().map(|seconds: u32| lease = Duration::from_secs(seconds.into())).is_ok(),
                "listen" => value.parse().map(|read| listen = read).is_ok(),
                "control" => value.parse().map(|read| control = Some(read)).is_ok(),
                "mirror" => value.parse().map(|read| mirror = Some(read)).is_ok(),
                "doors" => ports(value).map(|read| doors = Some(read)).is_some(),
                _ => false,
            };
            match (is_read, key) {
                (true, _) => {}
                // The value is not repeated: it may be a secret with a slip.
                (false, "secret" | "lease" | "listen" | "control" | "mirror" | "doors") => {
                    wrong.push(format!("`{key}` has no such value"));
                }
                (false, _) => wrong.push("there is a part that is not known".to_owned()),
            }
        }
        let stands = |key: &str| text.split(',').any(|part| part.split('=').next() == Some(key));
        let lacking = ["secret", "control", "doors"].into_iter().filter(|key| !stands(key));
        wrong.extend(lacking.map(|key| format!("`{key}` is missing")));
        match (secret, control, doors) {
            (Some(secret), Some(control), Some(doors)) if wrong.is_empty() => {
                Ok(RelayOptions { listen, mirror, lease, ..RelayOptions::new(secret, control, doors) })
            }
            _ => Err(OptionsError(wrong)),
        }
    }
}

/// One port for each door; the number of a door is a byte on the wire.
fn ports(text: &str) -> Option<Vec<u16>> {
    let ports: Vec<u16> = text.split('/').map(|port| port.parse().ok()).collect::<Option<_>>()?;
    (ports.len() <= usize::from(u8::MAX)).then_some(ports)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn mistakes_are_told_all_at_once_and_without_the_secret() {
        let check = |text: &str, expected: &[&str]| {
            let OptionsError(wrong) = text.parse::<RelayOptions>().unwrap_err();
            assert_eq!(wrong, expected, "{text}");
        };
        check(
            "",
            &["there is a part that is not known", "`secret` is missing", "`control` is missing", "`doors` is missing"],
        );
        check(
            "secret=abc,control=70000,doors=1//2",
            &["`secret` has no such value", "`control` has no such value", "`doors` has no such value"],
        );
        let good = RelayOptions::new(Secret::random(), 1, vec![2]).text();
        assert!(good.parse::<RelayOptions>().is_ok());
        check(&format!("{good},color=red"), &["there is a part that is not known"]);
    }

    proptest! {
        #[test]
        fn reading_undoes_writing(
            control: u16,
            doors in proptest::collection::vec(any::<u16>(), 1..5),
            mirror: Option<u16>,
            lease: u32,
            listen: IpAddr,
        ) {
            let lease = Duration::from_secs(lease.into());
            let options = RelayOptions { mirror, lease, listen, ..RelayOptions::new(Secret::random(), control, doors) };
            let text = options.text();
            prop_assert_eq!(text.parse::<RelayOptions>().unwrap().text(), text.clone());
            let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"=,/:.".contains(&byte);
            prop_assert!(text.bytes().all(is_plain), "a shell sees one word: {}", text);
        }

        #[test]
        fn no_text_panics(text: String) {
            let _ = text.parse::<RelayOptions>();
        }
    }
}
