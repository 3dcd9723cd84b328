//! The first of what `make kills` does hundreds of times.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use std::process::Command;

fn kills(what: &str, begin: &str, end: &str) {
    let output = Command::new(env!("CARGO_BIN_EXE_kills"))
        .args(["--what", what, "--kills", "10"])
        .output()
        .unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    let last = said.lines().last().unwrap_or_default();
    assert!(
        output.status.success() && last.starts_with(begin) && last.ends_with(end),
        "{said}\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

#[test]
fn what_is_killed_while_it_sends_and_opens_loses_and_doubles_nothing() {
    kills(
        "engines",
        "kills=10 acked=",
        " lost=0 doubled=0 unopenable=0",
    );
}

#[test]
fn what_is_killed_while_its_keys_change_opens_one_way_and_loses_nothing() {
    kills(
        "rotation",
        "kills=10 steps=",
        " lost=0 unopenable=0 both_open=0",
    );
}

#[test]
fn what_is_killed_while_it_backs_up_or_restores_leaves_the_old_or_the_new() {
    kills("backup", "kills=10 steps=10/", " lost=0 unopenable=0");
}
