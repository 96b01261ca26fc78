//! ELF files that are right, wrong, cut short, damaged and made of chance.

use proptest::prelude::*;

use super::*;
use sample::Sample;

fn check(sample: &Sample, expected: Result<(Arch, Linkage), Flaw>) {
    let expected = expected.map(|(arch, linkage)| Program { arch, linkage });
    assert_eq!(look(&sample.file()), expected, "{sample:?}");
}

#[test]
fn it_tells_processors_and_linkage_apart() {
    let dynamic = |glibc| Linkage::Dynamic { loader: "/lib/ld.so".into(), glibc };
    check(&Sample::default(), Ok((Arch::X86_64, Linkage::Static)));
    check(&Sample { machine: MACHINE_AARCH64, ..Sample::default() }, Ok((Arch::Aarch64, Linkage::Static)));
    check(&Sample { kind: 3, ..Sample::default() }, Ok((Arch::X86_64, Linkage::Static)));
    let names = ["memcpy", "GLIBC_2.2.5", "GLIBC_2.34", "GLIBC_2.4", "GLIBC_PRIVATE", "GLIBC_ABI_DT_RELR"];
    let linked = Sample { names: Some(names.to_vec()), ..Sample::default() };
    check(&linked, Ok((Arch::X86_64, dynamic(Some(Glibc { major: 2, minor: 34 })))));
    let musl = Sample { names: Some(vec!["memcpy"]), ..Sample::default() };
    check(&musl, Ok((Arch::X86_64, dynamic(None))));
}

#[test]
fn what_instances_cannot_run_is_told() {
    let processor = |text: &str| Err(Flaw::Processor(text.to_owned()));
    check(&Sample { machine: 243, ..Sample::default() }, processor("RISC-V"));
    check(&Sample { machine: 8, ..Sample::default() }, processor("another processor (ELF machine 8)"));
    check(&Sample { class: 1, ..Sample::default() }, processor("x86_64 with 32-bit addresses"));
    check(&Sample { class: 1, machine: 3, ..Sample::default() }, processor("32-bit x86"));
    check(&Sample { kind: 1, ..Sample::default() }, Err(Flaw::NoProgram("an object file")));
    check(&Sample { kind: 3, entry: 0, ..Sample::default() }, Err(Flaw::NoProgram("a shared library")));
    check(&Sample { kind: 4, ..Sample::default() }, Err(Flaw::NoProgram("a core dump")));
    for (bytes, likeness) in [
        (&b""[..], "empty"),
        (b"\xcf\xfa\xed\xfe\x0c\x00\x00\x01", "a program for macOS"),
        (b"MZ\x90", "a program for Windows"),
        (b"#!/bin/sh\n", "a script"),
        (b"\x1f\x8b\x08", "compressed with gzip"),
        (b"\x7fEL", "of no kind that we know"),
    ] {
        assert_eq!(look(bytes), Err(Flaw::NotElf(likeness)));
    }
}

#[test]
fn a_file_without_its_end_is_damaged_wherever_it_was_cut() {
    let whole = Sample { names: Some(vec!["GLIBC_2.34"]), ..Sample::default() }.file();
    for length in 4..whole.len() {
        let cut = look(&whole[..length]);
        assert!(matches!(cut, Err(Flaw::Damaged(_))), "{length} of {} bytes: {cut:?}", whole.len());
    }
}

/// The one real program that is surely here.
#[test]
fn this_very_test_is_a_program_for_this_machine() {
    let file = std::fs::read(std::env::current_exe().unwrap()).unwrap();
    let program = look(&file).unwrap();
    assert_eq!(program.arch.name(), std::env::consts::ARCH);
    let is_static = cfg!(target_feature = "crt-static");
    match program.linkage {
        Linkage::Static => assert!(is_static),
        Linkage::Dynamic { loader, glibc } => {
            assert!(!is_static && loader.starts_with("/lib"), "{loader}");
            assert_eq!(glibc.is_some(), cfg!(target_env = "gnu"));
        }
    }
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let _ = look(&bytes);
        let _ = look(&[&b"\x7fELF\x02\x01"[..], &bytes].concat());
    }

    /// Damage where it matters: offsets, sizes and counts of a file that is right otherwise.
    #[test]
    fn no_damage_makes_it_panic(
        damage in proptest::collection::vec((any::<prop::sample::Index>(), any::<[u8; 4]>()), 1..6),
    ) {
        let mut file = Sample { names: Some(vec!["GLIBC_2.34"]), ..Sample::default() }.file();
        for (at, bytes) in damage {
            let at = at.index(file.len() - bytes.len());
            file[at..at + bytes.len()].copy_from_slice(&bytes);
        }
        let _ = look(&file);
    }
}
