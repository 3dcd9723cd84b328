//! The first of what `make kills` does three hundred times.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use std::process::Command;

#[test]
fn what_is_killed_while_it_sends_and_opens_loses_and_doubles_nothing() {
    let output = Command::new(env!("CARGO_BIN_EXE_kills"))
        .args(["--kills", "10"])
        .output()
        .unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    let last = said.lines().last().unwrap_or_default();
    assert!(
        output.status.success()
            && last.starts_with("kills=10 acked=")
            && last.ends_with(" lost=0 doubled=0 unopenable=0"),
        "{said}\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
}
