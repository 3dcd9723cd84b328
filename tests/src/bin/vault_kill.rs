//! Kills a writing vault at random moments and counts what was lost.
//!
//! `vault_kill --kills N [--scenario vault]` prints
//! `kills=N acked=… lost=0 doubled=0 unopenable=0` and fails when any of the last three is not 0.
//! A further scenario is one more entry in [`scenarios`].

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use clap::Parser;
use waxwing_tests::kill::{self, Scenario};
use waxwing_tests::kill_vault::VaultScenario;

/// What to kill, and how often.
#[derive(Parser)]
struct Arguments {
    /// How many children to kill.
    #[arg(long, default_value_t = 20)]
    kills: u32,
    /// What they do.
    #[arg(long, default_value = "vault")]
    scenario: String,
    /// Be the child (used by the program itself).
    #[arg(long)]
    child: Option<String>,
    /// The child's folder.
    #[arg(long)]
    dir: Option<PathBuf>,
    /// The child's first number.
    #[arg(long, default_value_t = 0)]
    from: u64,
}

fn scenarios() -> Vec<Box<dyn Scenario>> {
    vec![Box::new(VaultScenario)]
}

fn main() -> Result<ExitCode> {
    let arguments = Arguments::parse();
    let name = arguments.child.as_ref().unwrap_or(&arguments.scenario);
    let scenario = scenarios()
        .into_iter()
        .find(|scenario| scenario.name() == name)
        .context("no such scenario")?;
    if arguments.child.is_some() {
        let dir = arguments.dir.context("--dir is missing")?;
        kill::child(scenario.as_ref(), &dir, arguments.from)?;
        return Ok(ExitCode::SUCCESS);
    }
    let place = tempfile::tempdir()?;
    let dir = place.path().join("profile");
    let (told, found) = kill::run(scenario.as_ref(), &dir, arguments.kills)?;
    writeln!(
        std::io::stdout(),
        "kills={} acked={} lost={} doubled={} unopenable={}",
        arguments.kills,
        told.acked.len(),
        found.lost,
        found.doubled,
        found.unopenable
    )?;
    let clean = found == kill::Verdict::default() && !told.acked.is_empty();
    Ok(if clean {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
