//! Sends values to the Zabbix server as its own `zabbix_sender` does.
//!
//! A message is `ZBXD`, a 1, the length of what follows as 8 bytes, little end first, and JSON; so is the answer.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// How long the server may take to answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);
const HEADER: &[u8; 5] = b"ZBXD\x01";
/// The longest answer that is read, in bytes; it is one line about counts.
const LONGEST: u64 = 64 * 1024;

/// A value of an item.
#[derive(Clone, Debug, PartialEq)]
pub struct Sent {
    pub host: String,
    pub key: &'static str,
    pub value: String,
}

/// Sends values and returns how many of them the server did not take: it refuses those of hosts that it does not know
/// yet.
///
/// # Errors
/// When there is no answer, or one that is not understood.
pub async fn send(port: u16, values: &[Sent]) -> Result<u64> {
    let message = message(values);
    let answer = timeout(ANSWER_WITHIN, exchange(port, &message)).await;
    let answer = answer.context("the Zabbix server does not answer")?.context("sending values")?;
    refused(&answer)
}

fn message(values: &[Sent]) -> Vec<u8> {
    let entry = |Sent { host, key, value }: &Sent| json!({ "host": host, "key": key, "value": value });
    let body = json!({ "request": "sender data", "data": values.iter().map(entry).collect::<Vec<_>>() }).to_string();
    [HEADER.as_slice(), &(body.len() as u64).to_le_bytes(), body.as_bytes()].concat()
}

async fn exchange(port: u16, message: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await?;
    stream.write_all(message).await?;
    let mut answer = Vec::new();
    stream.take(LONGEST).read_to_end(&mut answer).await?;
    Ok(answer)
}

/// Reads `"info": "processed: 1; failed: 2; total: 3; seconds spent: 0.000055"`.
fn refused(answer: &[u8]) -> Result<u64> {
    let shown = || format!("the Zabbix server answers {}", String::from_utf8_lossy(answer));
    ensure!(answer.starts_with(HEADER) && answer.len() > HEADER.len() + 8, shown());
    let answered: Value = serde_json::from_slice(&answer[HEADER.len() + 8..]).with_context(shown)?;
    let parts = answered["info"].as_str().unwrap_or_default().split(';');
    let failed = parts.filter_map(|part| part.trim().strip_prefix("failed: ")).next();
    failed.and_then(|count| count.parse().ok()).with_context(shown)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_says_how_long_it_is() {
        let sent = Sent { host: "web".into(), key: "cpu", value: "1.5".into() };
        let message = message(&[sent]);
        let body = br#"{"request":"sender data","data":[{"host":"web","key":"cpu","value":"1.5"}]}"#;
        assert_eq!(message[..5], *HEADER);
        assert_eq!(message[5..13], (body.len() as u64).to_le_bytes());
        assert_eq!(message[13..], body[..]);
    }

    #[test]
    fn what_was_refused_is_read_and_never_guessed() {
        let answer = |info: &str| {
            let body = format!(r#"{{"response":"success","info":"{info}"}}"#);
            [HEADER.as_slice(), &(body.len() as u64).to_le_bytes(), body.as_bytes()].concat()
        };
        assert_eq!(refused(&answer("processed: 1; failed: 2; total: 3; seconds spent: 0.000055")).unwrap(), 2);
        assert!(refused(&answer("processed: 1")).is_err());
        assert!(refused(b"ZBXD").is_err());
        assert!(refused(b"").is_err());
    }
}
