//! What a program and its children hold in memory.

use std::fs;

use anyhow::Result;
use waxwing_tests::desk::family;

/// Megabytes (10⁶) of proportional set size of a process and everything that it started: what is
/// shared with others counts by its share.
pub(super) fn of(root: u32) -> Result<f64> {
    let kilobytes: f64 = family(root)?.into_iter().map(pss).sum();
    Ok(kilobytes * 1024.0 / 1e6)
}

/// One that has just ended holds nothing.
fn pss(pid: u32) -> f64 {
    let rollup = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap_or_default();
    rollup
        .lines()
        .find_map(|line| {
            line.strip_prefix("Pss:")?
                .split_whitespace()
                .next()?
                .parse()
                .ok()
        })
        .unwrap_or_default()
}
