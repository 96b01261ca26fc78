//! Keeps the committed code and `rehearsal.proto` together: building needs no
//! protobuf compiler, so a forgotten regeneration would go unnoticed.
//!
//! After a change to the `.proto`, write the code first and mend the conversions then:
//! this test needs a crate that compiles.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::{fs, path::Path};

const HEADER: &str = "//! Generated from `rehearsal.proto`; edit that instead. The test `generated`\n\
                      //! compares the two and, with `REHEARSAL_BLESS=1`, writes this file.\n";

#[test]
fn committed_code_is_what_the_proto_file_generates() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let committed = root.join("src/generated/rehearsal.v1.rs");
    let generated = generate(root);
    if std::env::var_os("REHEARSAL_BLESS").is_some_and(|value| value == "1") {
        fs::write(&committed, generated).unwrap();
        return;
    }
    let same = fs::read_to_string(&committed).is_ok_and(|text| text == generated);
    assert!(
        same,
        "src/generated/rehearsal.v1.rs is not what rehearsal.proto generates; \
         run `REHEARSAL_BLESS=1 cargo test -p rehearsal-proto --test generated` and commit the result"
    );
}

fn generate(root: &Path) -> String {
    let descriptors = protox::compile([root.join("rehearsal.proto")], [root]).unwrap();
    let out = tempfile::tempdir().unwrap();
    tonic_prost_build::configure()
        .btree_map(".") // one order of entries, whoever sends them
        .emit_rerun_if_changed(false)
        .out_dir(out.path())
        .compile_fds(descriptors)
        .unwrap();
    HEADER.to_owned() + &fs::read_to_string(out.path().join("rehearsal.v1.rs")).unwrap()
}
