//! Kills the engine N times while it sends and opens, then counts what was lost.
//!
//! The last line is `kills=N acked=A lost=0 doubled=0 unopenable=0`; it fails when a count after
//! `acked` is not 0. `--seed` repeats the parent's choices.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use clap::Parser;
use waxwing_tests::kills::{Found, Role, child, run};

#[derive(Parser)]
struct Arguments {
    /// How often to kill.
    #[arg(long, default_value_t = 300)]
    kills: u32,
    /// Seed of the moments and victims; random unless given.
    #[arg(long)]
    seed: Option<u64>,
    /// Runs as the process that is killed.
    #[arg(long, hide = true, requires_all = ["dir", "from"])]
    child: Option<String>,
    #[arg(long, hide = true)]
    dir: Option<PathBuf>,
    #[arg(long, hide = true)]
    from: Option<u64>,
    #[arg(long, hide = true)]
    last: bool,
}

fn main() -> Result<ExitCode> {
    let arguments = Arguments::parse();
    if let Some(role) = arguments.child {
        let role = Role::of(&role).context("no such role")?;
        let dir = arguments.dir.context("--dir is missing")?;
        let from = arguments.from.context("--from is missing")?;
        child(role, &dir, from, arguments.last)?;
        return Ok(ExitCode::SUCCESS);
    }
    let seed = arguments.seed.unwrap_or_else(rand::random);
    println!("seed={seed}");
    let found = run(arguments.kills, seed)?;
    let Found {
        acked,
        lost,
        doubled,
        unopenable,
    } = found;
    println!(
        "kills={} acked={acked} lost={lost} doubled={doubled} unopenable={unopenable}",
        arguments.kills
    );
    let kept = lost == 0 && doubled == 0 && unopenable == 0 && acked > 0;
    Ok(if kept {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
