//! Our figures beside their peers', measured in one run on one machine. Prints a table of work,
//! ours, peer, ratio and target, and writes `target/bench/results.json`. A peer that is missing is
//! said so in its row, and the run then ends with an error. docs/protocol.md has the targets.
//!
//! Nothing here gates a test: figures are for reading.

mod envelopes;
mod files;
// The tests' Alice and Bob, without the tests' browser and network packages.
#[allow(dead_code, missing_docs, unreachable_pub)]
#[path = "../../tests/src/people.rs"]
mod people;
mod stretching;
mod table;

use anyhow::Result;

fn main() -> Result<()> {
    let mut table = table::Table::default();
    envelopes::measure(&mut table)?;
    stretching::measure(&mut table)?;
    files::measure(&mut table)?;
    table.finish()
}
