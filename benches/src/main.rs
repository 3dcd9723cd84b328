//! Our figures beside their peers', measured in one run on one machine. Prints a table of work,
//! ours, peer, ratio and target, and writes `target/bench/results.json`. A peer that is missing is
//! said so in its row, and the run then ends with an error. docs/protocol.md has the targets.
//!
//! Names of parts as arguments (`envelopes`, `stretching`, `files`, `windows`) run these alone.
//! Nothing here gates a test: figures are for reading.

mod envelopes;
mod files;
mod stretching;
mod table;
mod windows;

use anyhow::Result;
use table::Table;
use waxwing_tests::people;

type Part = fn(&mut Table) -> Result<()>;

const PARTS: &[(&str, Part)] = &[
    ("envelopes", envelopes::measure),
    ("stretching", stretching::measure),
    ("files", files::measure),
    ("windows", windows::measure),
];

fn main() -> Result<()> {
    let asked: Vec<String> = std::env::args().skip(1).collect();
    let mut table = Table::default();
    for (name, measure) in PARTS {
        if asked.is_empty() || asked.iter().any(|asked| asked == name) {
            measure(&mut table)?;
        }
    }
    table.finish()
}
