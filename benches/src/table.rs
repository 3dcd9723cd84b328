//! Rows, how they are timed, and where they go.

use std::hint::black_box;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};

const ROUNDS: usize = 11;
const BATCH: Duration = Duration::from_millis(40);

/// What was measured so far.
#[derive(Default)]
pub(crate) struct Table {
    rows: Vec<Value>,
    missing: Vec<String>,
}

impl Table {
    /// Adds a row. `target`: the ratio to reach, ours over peer; `None` for a row that is only told.
    pub(crate) fn row(
        &mut self,
        work: &str,
        ours: f64,
        peer: (&str, f64),
        unit: &str,
        target: Option<f64>,
    ) {
        let told = target.map_or_else(|| "-".to_owned(), |target| format!("{target:.2}"));
        let reached = target.map(|target| ours / peer.1 <= target);
        self.add(work, ours, peer, unit, (json!(target), &told, reached));
    }

    /// Adds a row that may be `more` than its peer.
    pub(crate) fn at_most_more(
        &mut self,
        work: &str,
        ours: f64,
        peer: (&str, f64),
        unit: &str,
        more: f64,
    ) {
        let told = format!("+{more:.0} {unit}");
        let reached = ours - peer.1 <= more;
        self.add(work, ours, peer, unit, (json!(told), &told, Some(reached)));
    }

    /// Adds a row that nothing stands beside.
    pub(crate) fn alone(&mut self, work: &str, ours: f64, unit: &str) {
        self.rows
            .push(json!({ "work": work, "ours": ours, "unit": unit }));
        say(&format!("{work:<44} | {ours:>9.2} {unit} | -"));
    }

    fn add(
        &mut self,
        work: &str,
        ours: f64,
        peer: (&str, f64),
        unit: &str,
        (target, told, reached): (Value, &str, Option<bool>),
    ) {
        let ratio = ours / peer.1;
        self.rows.push(json!({
            "work": work, "ours": ours, "peer": peer.0, "peer_figure": peer.1,
            "unit": unit, "ratio": ratio, "target": target, "reached": reached,
        }));
        let verdict = if reached == Some(false) {
            " missed"
        } else {
            ""
        };
        say(&format!(
            "{work:<44} | {ours:>9.2} {unit} | {:<34} {:>9.2} {unit} | {ratio:>5.2} | {told:>5}{verdict}",
            peer.0, peer.1
        ));
    }

    /// Adds a row whose peer is not there.
    pub(crate) fn missing(&mut self, work: &str, peer: &str, why: &str) {
        self.rows
            .push(json!({ "work": work, "peer": peer, "missing": why }));
        self.missing.push(peer.to_owned());
        say(&format!("{work:<44} | peer missing: {peer}: {why}"));
    }

    /// Writes the results; an error when a peer was missing.
    pub(crate) fn finish(self) -> Result<()> {
        let folder = root().join("target/bench");
        std::fs::create_dir_all(&folder)?;
        let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
        let results = json!({ "load": load.trim(), "rows": self.rows });
        let path = folder.join("results.json");
        std::fs::write(&path, serde_json::to_string_pretty(&results)? + "\n")?;
        say(&format!(
            "load {}; written to target/bench/results.json",
            load.trim()
        ));
        ensure!(
            self.missing.is_empty(),
            "peers are missing: {}",
            self.missing.join(", ")
        );
        Ok(())
    }
}

/// Prints a line.
pub(crate) fn say(line: &str) {
    // A closed pipe is no reason to stop measuring.
    let _ = writeln!(std::io::stdout(), "{line}");
}

/// The repository's folder.
pub(crate) fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Median microseconds of one call, each taken in turns so that a busy moment hits all alike.
pub(crate) fn race<const N: usize>(mut runners: [&mut dyn FnMut(); N]) -> [f64; N] {
    let mut figures: [Vec<f64>; N] = std::array::from_fn(|_| Vec::with_capacity(ROUNDS));
    for _ in 0..ROUNDS {
        for (runner, figures) in runners.iter_mut().zip(&mut figures) {
            let (start, mut calls) = (Instant::now(), 0u32);
            while start.elapsed() < BATCH {
                runner();
                calls += 1;
            }
            figures.push(start.elapsed().as_secs_f64() * 1e6 / f64::from(calls));
        }
    }
    figures.map(median)
}

/// Median of a few figures.
pub(crate) fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied().unwrap_or(f64::NAN)
}

/// Keeps a result from being optimised away.
pub(crate) fn keep<T>(value: T) {
    black_box(value);
}

/// Seconds that a command takes.
pub(crate) fn seconds(command: &mut Command) -> Result<f64> {
    let start = Instant::now();
    let output = command.output().with_context(|| format!("{command:?}"))?;
    let seconds = start.elapsed().as_secs_f64();
    ensure!(
        output.status.success(),
        "{command:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(seconds)
}

/// Figures that `peers/libsodium.py` measures with the system's libsodium, as JSON.
pub(crate) fn libsodium(work: &str) -> Result<Value> {
    let script = root().join("benches/peers/libsodium.py");
    let output = Command::new("python3").arg(script).arg(work).output()?;
    ensure!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr).trim()
    );
    Ok(serde_json::from_slice(&output.stdout)?)
}
