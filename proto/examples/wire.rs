//! Measures the wire form of one series of one second against the standard histogram
//! encodings, at four sizes: bytes, encoding, and decoding with adding to a total.
//!
//! `cargo run --release -p rehearsal-proto --example wire`
#![allow(clippy::print_stdout)]

use std::{
    hint::black_box,
    time::{Duration, Instant},
};

use hdrhistogram::{
    Histogram,
    serialization::{Deserializer, Serializer, V2DeflateSerializer, V2Serializer},
};
use prost::Message;
use rehearsal_metrics::Bins;
use rehearsal_proto::v1;

const ROUNDS: u32 = 300;

struct Row {
    form: &'static str,
    bytes: usize,
    encode: Duration,
    decode_and_add: Duration,
}

fn main() {
    println!("{:>8}  {:<14} {:>7} {:>10} {:>14}", "samples", "form", "bytes", "encode µs", "decode+add µs");
    for samples in [100, 1_000, 10_000, 100_000] {
        let bins = sample(samples);
        let rows = [
            packed(&bins),
            standard("V2", &bins, &mut V2Serializer::new()),
            standard("V2+deflate", &bins, &mut V2DeflateSerializer::new()),
        ];
        for row in rows {
            let micros = |duration: Duration| duration.as_secs_f64() * 1e6;
            let (encode, decode) = (micros(row.encode), micros(row.decode_and_add));
            println!("{samples:>8}  {:<14} {:>7} {encode:>10.1} {decode:>14.1}", row.form, row.bytes);
        }
    }
}

/// Response times around 12 ms with a long tail, from a generator of its own (xorshift),
/// so that every run measures the same.
fn sample(samples: u32) -> Bins {
    let mut bins = Bins::default();
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    for _ in 0..samples {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        let uniform = (state >> 11) as f64 / (1_u64 << 53) as f64;
        let tail = -(1.0 - uniform).max(1e-12).ln();
        bins.record(Duration::from_micros((5_000.0 + 7_000.0 * tail * tail.sqrt()) as u64));
    }
    bins
}

fn packed(bins: &Bins) -> Row {
    let bytes = v1::Distribution::from(bins).encode_to_vec();
    let mut total = Bins::default();
    Row {
        form: "packed gaps",
        bytes: bytes.len(),
        encode: mean(|| {
            black_box(v1::Distribution::from(black_box(bins)).encode_to_vec());
        }),
        decode_and_add: mean(|| {
            let wire = v1::Distribution::decode(black_box(&bytes[..])).expect("we encoded it ourselves");
            wire.merge_into(&mut total).expect("we encoded it ourselves");
        }),
    }
}

fn standard(form: &'static str, bins: &Bins, serializer: &mut impl Serializer) -> Row {
    let histogram = bins.to_histogram();
    let mut bytes = Vec::new();
    let mut encode = |bytes: &mut Vec<u8>| {
        bytes.clear();
        let written = serializer.serialize(black_box(&histogram), bytes);
        assert!(written.is_ok(), "memory takes every byte");
    };
    let encoding = mean(|| encode(&mut bytes));
    let mut deserializer = Deserializer::new();
    let mut total = histogram.clone();
    Row {
        form,
        bytes: bytes.len(),
        encode: encoding,
        decode_and_add: mean(|| {
            let read: Histogram<u64> =
                deserializer.deserialize(&mut black_box(&bytes[..])).expect("we encoded it ourselves");
            total.add(read).expect("both have the same bounds");
        }),
    }
}

fn mean(mut work: impl FnMut()) -> Duration {
    work(); // warms caches and buffers
    let start = Instant::now();
    (0..ROUNDS).for_each(|_| work());
    start.elapsed() / ROUNDS
}
