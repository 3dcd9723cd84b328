//! What a program and its children hold in memory.

use std::collections::HashMap;
use std::fs;

use anyhow::Result;

/// Megabytes (10⁶) of proportional set size of a process and everything that it started: what is
/// shared with others counts by its share.
pub(super) fn of(root: u32) -> Result<f64> {
    let mut children: HashMap<u32, Vec<u32>> = HashMap::new();
    for entry in fs::read_dir("/proc")?.flatten() {
        let pid = entry
            .file_name()
            .to_str()
            .and_then(|name| name.parse().ok());
        let stat = fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
        // Behind the name, which may hold anything: state, then the parent.
        let parent = stat
            .rsplit_once(')')
            .and_then(|(_, rest)| rest.split_whitespace().nth(1)?.parse().ok());
        if let (Some(pid), Some(parent)) = (pid, parent) {
            children.entry(parent).or_default().push(pid);
        }
    }
    let (mut family, mut kilobytes) = (vec![root], 0.0);
    while let Some(pid) = family.pop() {
        family.extend(children.get(&pid).into_iter().flatten());
        kilobytes += pss(pid);
    }
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
