//! A hundred agents on one coordinator, which is killed: all come back, and every count is right. The whole measurement
//! is `cargo xtask bench swarm`.

use std::process::Command;

#[test]
fn a_swarm_is_counted_exactly() {
    let mut swarm = Command::new(env!("CARGO_BIN_EXE_swarm"));
    swarm.args(["measure", "--agents", "100", "--seconds", "3", "--coordinator"]).arg(rehearsal_tests::coordinator());
    let output = swarm.output().expect("starting the measurement");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&[output.stdout, output.stderr].concat()));
}
