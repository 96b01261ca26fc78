//! Messages as scripts see them: `{"event": …, "data": …}`, or whatever else the server sent.

use bytes::Bytes;
use serde::Deserialize;
use serde_json::Value;
use tokio::time::Instant;

/// One message from the server.
#[derive(Debug, Clone, PartialEq)]
pub struct Message {
    /// The event's name; `None` if the message is not an event.
    pub event: Option<String>,
    /// The event's data, `null` if there is none.
    pub data: Value,
    /// The message as it came: for an event of a poll, its own part of the answer.
    pub text: Bytes,
    /// When it had arrived completely.
    pub at: Instant,
}

#[derive(Deserialize)]
struct Envelope {
    event: String,
    #[serde(default)]
    data: Value,
}

impl Message {
    /// Reads a message that arrived at `at`. Anything is a message; only the envelope makes it an event.
    pub(super) fn parse(text: Bytes, at: Instant) -> Self {
        // Most systems' other texts are not objects at all; they need not go through the parser.
        let may_be_event = text.trim_ascii_start().first() == Some(&b'{');
        let envelope = if may_be_event { serde_json::from_slice::<Envelope>(&text).ok() } else { None };
        let (event, data) = envelope.map_or((None, Value::Null), |found| (Some(found.event), found.data));
        Self { event, data, text, at }
    }

    /// Wraps a binary message, which is never an event.
    pub(super) fn binary(bytes: Bytes, at: Instant) -> Self {
        Self { event: None, data: Value::Null, text: bytes, at }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    #[tokio::test]
    async fn envelopes_become_events() {
        let check = |text: &'static str, event: Option<&str>, data: Value| {
            let message = Message::parse(Bytes::from_static(text.as_bytes()), Instant::now());
            assert_eq!((message.event.as_deref(), message.data), (event, data), "{text}");
            assert_eq!(message.text, text);
        };
        check(r#"{"event": "vote_open", "data": {"ballot": 1}}"#, Some("vote_open"), json!({"ballot": 1}));
        check(r#" {"data": [1, 2], "event": "x", "other": true}"#, Some("x"), json!([1, 2]));
        check(r#"{"event": "bare"}"#, Some("bare"), Value::Null);
        check(r#"{"event": 7, "data": 1}"#, None, Value::Null);
        check(r#"{"event": "cut", "#, None, Value::Null);
        check("2probe", None, Value::Null);
        check("", None, Value::Null);
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(bytes: Vec<u8>) {
            let text: Bytes = [b"{".as_slice(), &bytes].concat().into();
            let _ = Message::parse(text, Instant::now());
        }
    }
}
