//! Undoes the content encodings of an answer, within a bound: a kilobyte of gzip can hold a gigabyte of zeros.

use std::io::Read;

use brotli_decompressor::Decompressor;
use bytes::Bytes;
use flate2::read::{DeflateDecoder, MultiGzDecoder, ZlibDecoder};
use http::HeaderMap;
use http::header::CONTENT_ENCODING;

use crate::failure::{Failure, FailureKind};

/// What the client asks for; `deflate` is understood but not asked for, since servers disagree about what it is.
pub(super) const ACCEPTED: &str = "gzip, br";

/// Encodings that may be stacked on one another before it is a trick and not an answer.
const MAX_LAYERS: usize = 3;

/// Size of the brotli decoder's input buffer.
const BROTLI_BUFFER: usize = 4096;

/// Returns the body as its author wrote it. Encodings that we do not know are left as they are, for the script to see.
///
/// # Errors
/// When an encoding is broken or the decoded body is larger than `limit` bytes.
pub(super) fn decode(headers: &HeaderMap, body: Bytes, limit: u64) -> Result<Bytes, Failure> {
    if body.is_empty() || !headers.contains_key(CONTENT_ENCODING) {
        return Ok(body);
    }
    let named = headers.get_all(CONTENT_ENCODING).iter().filter_map(|value| value.to_str().ok());
    let mut layers: Vec<String> = named
        .flat_map(|value| value.split(','))
        .map(|name| name.trim().to_ascii_lowercase())
        .filter(|name| !name.is_empty() && name != "identity")
        .collect();
    if layers.len() > MAX_LAYERS {
        return Err(Failure::new(FailureKind::Body, "decoding the body: too many content encodings"));
    }
    let mut body = body;
    while let Some(name) = layers.pop() {
        let Some(decoded) = undo(&name, &body, limit) else {
            break;
        };
        body = decoded?;
    }
    Ok(body)
}

/// Undoes one encoding, or returns `None` if it is unknown.
fn undo(name: &str, body: &[u8], limit: u64) -> Option<Result<Bytes, Failure>> {
    match name {
        "gzip" | "x-gzip" => Some(read_within(MultiGzDecoder::new(body), name, limit)),
        "br" => Some(read_within(Decompressor::new(body, BROTLI_BUFFER), name, limit)),
        // The standard means zlib; some servers send the bare stream.
        "deflate" if is_zlib(body) => Some(read_within(ZlibDecoder::new(body), name, limit)),
        "deflate" => Some(read_within(DeflateDecoder::new(body), name, limit)),
        _ => None,
    }
}

/// Whether the first two bytes are a zlib header (RFC 1950: method 8, and a multiple of 31).
fn is_zlib(body: &[u8]) -> bool {
    matches!(body, [first, second, ..] if first & 0x0f == 8 && u16::from_be_bytes([*first, *second]) % 31 == 0)
}

fn read_within(decoder: impl Read, name: &str, limit: u64) -> Result<Bytes, Failure> {
    let mut decoded = Vec::new();
    let read = decoder.take(limit.saturating_add(1)).read_to_end(&mut decoded);
    let size = read.map_err(|error| Failure::new(FailureKind::Body, format!("decoding the {name} body: {error}")))?;
    if size as u64 > limit {
        return Err(Failure::new(FailureKind::Body, format!("decoding the {name} body: more than {limit} bytes")));
    }
    Ok(Bytes::from(decoded))
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::Compression;
    use flate2::read::{DeflateEncoder, GzEncoder, ZlibEncoder};
    use proptest::prelude::*;

    /// "hello" as the reference brotli encoder writes it: one uncompressed block.
    const BROTLI: &[u8] = b"\x0b\x02\x80hello\x03";

    fn encoded(mut encoder: impl Read) -> Bytes {
        let mut bytes = Vec::new();
        encoder.read_to_end(&mut bytes).unwrap();
        bytes.into()
    }

    fn decoded(encoding: &str, body: Bytes, limit: u64) -> Result<Bytes, FailureKind> {
        let headers = HeaderMap::from_iter([(CONTENT_ENCODING, encoding.parse().unwrap())]);
        decode(&headers, body, limit).map_err(|failure| failure.kind)
    }

    #[test]
    fn every_encoding_is_undone() {
        let text: &[u8] = b"open the vote, open the vote";
        let fast = Compression::fast();
        let check = |encoding, body| assert_eq!(decoded(encoding, body, 1000).unwrap(), text, "{encoding}");
        check("gzip", encoded(GzEncoder::new(text, fast)));
        check("deflate", encoded(ZlibEncoder::new(text, fast)));
        check("deflate", encoded(DeflateEncoder::new(text, fast)));
        check("identity", Bytes::from_static(text));
        check("zstd", Bytes::from_static(text));
        let twice = encoded(GzEncoder::new(&*encoded(ZlibEncoder::new(text, fast)), fast));
        check("deflate, gzip", twice);
        assert_eq!(decoded("br", Bytes::from_static(BROTLI), 1000).unwrap(), "hello");
    }

    #[test]
    fn bombs_and_broken_streams_fail() {
        let zeros = vec![0; 1 << 20];
        let bomb = encoded(GzEncoder::new(&*zeros, Compression::best()));
        assert!(bomb.len() < 2000);
        assert_eq!(decoded("gzip", bomb.clone(), 1 << 16), Err(FailureKind::Body));
        assert_eq!(decoded("gzip", bomb.slice(..bomb.len() / 2), 1 << 21), Err(FailureKind::Body));
        assert_eq!(decoded("gzip,gzip,gzip,gzip", bomb, 1 << 21), Err(FailureKind::Body));
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(encoding in "gzip|deflate|br", body: Vec<u8>) {
            let _ = decoded(&encoding, body.into(), 1 << 16);
        }
    }
}
