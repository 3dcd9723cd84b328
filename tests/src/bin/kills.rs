//! Kills a process N times while it works, then counts what was lost.
//!
//! `--what engines`: who sends and who opens. The last line is
//! `kills=N acked=A lost=0 doubled=0 unopenable=0`.
//!
//! `--what rotation`: who changes the passphrase, re-keys, and replaces the account's keys. The last
//! line is `kills=N steps=S/S changed=C rekeyed=R undone=U renewed=K acked=A lost=0 unopenable=0
//! both_open=0`.
//!
//! `--what backup`: who writes a backup, or makes a vault of one. The last line is
//! `kills=N steps=S/S lost=0 unopenable=0`.
//!
//! It fails when a count after `acked`, or after `steps`, is not 0. `--seed` repeats the parent's choices.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use clap::{Parser, ValueEnum};
use waxwing_tests::backup_kills;
use waxwing_tests::kills::{self, Role};
use waxwing_tests::rotation::{self, Act, Ways};

#[derive(Clone, Copy, ValueEnum)]
enum What {
    /// Sending and opening.
    Engines,
    /// Changing the passphrase, re-keying, and replacing the account's keys.
    Rotation,
    /// Writing a backup, and restoring.
    Backup,
}

#[derive(Parser)]
struct Arguments {
    /// Who is killed.
    #[arg(long, value_enum, default_value = "engines")]
    what: What,
    /// How often to kill.
    #[arg(long, default_value_t = 300)]
    kills: u32,
    /// Seed of the moments and victims; random unless given.
    #[arg(long)]
    seed: Option<u64>,
    #[command(flatten)]
    child: Child,
}

/// Of the process that is killed.
#[derive(clap::Args)]
struct Child {
    #[arg(long, hide = true, requires_all = ["dir", "from"])]
    child: Option<String>,
    #[arg(long, hide = true)]
    dir: Option<PathBuf>,
    #[arg(long, hide = true)]
    from: Option<u64>,
    #[arg(long, hide = true)]
    last: bool,
    #[arg(long, hide = true, requires_all = ["now", "next"])]
    act: Option<String>,
    #[arg(long, hide = true)]
    now: Option<String>,
    #[arg(long, hide = true)]
    next: Option<String>,
    #[arg(long, hide = true)]
    code: Option<String>,
    #[arg(long, hide = true, requires = "stop_after")]
    stop_at: Option<String>,
    #[arg(long, hide = true)]
    stop_after: Option<u32>,
}

impl Child {
    fn run(self, role: &str) -> Result<()> {
        let dir = self.dir.context("--dir is missing")?;
        let from = self.from.context("--from is missing")?;
        let Some(act) = self.act else {
            let role = Role::of(role).context("no such role")?;
            return kills::child(role, &dir, from, self.last);
        };
        if role == "backup" {
            let code = self.code.context("--code is missing")?;
            let stop_at = self.stop_at.context("--stop-at is missing")?;
            return backup_kills::child(&act, &dir, &code, stop_at);
        }
        let act = Act::of(&act).context("no such act")?;
        let now = self.now.context("--now is missing")?;
        let next = Ways {
            passphrase: self.next.context("--next is missing")?,
            code: self.code,
        };
        let stop_at = self.stop_at.zip(self.stop_after);
        if role == "renewal" {
            return rotation::renewal::run_child(act, &dir, from, (&now, next), self.last, stop_at);
        }
        rotation::child::run(act, &dir, from, (&now, next), stop_at)
    }
}

fn main() -> Result<ExitCode> {
    let arguments = Arguments::parse();
    if let Some(role) = arguments.child.child.clone() {
        arguments.child.run(&role)?;
        return Ok(ExitCode::SUCCESS);
    }
    let seed = arguments.seed.unwrap_or_else(rand::random);
    println!("seed={seed}");
    let kept = match arguments.what {
        What::Engines => engines(arguments.kills, seed)?,
        What::Rotation => rotation(arguments.kills, seed)?,
        What::Backup => backup(arguments.kills, seed)?,
    };
    Ok(if kept {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn engines(kills: u32, seed: u64) -> Result<bool> {
    let kills::Found {
        acked,
        lost,
        doubled,
        unopenable,
    } = kills::run(kills, seed)?;
    println!("kills={kills} acked={acked} lost={lost} doubled={doubled} unopenable={unopenable}");
    Ok(lost == 0 && doubled == 0 && unopenable == 0 && acked > 0)
}

fn backup(kills: u32, seed: u64) -> Result<bool> {
    let backup_kills::Found {
        steps,
        lost,
        unopenable,
    } = backup_kills::run(kills, seed)?;
    let all = backup_kills::count();
    println!("kills={kills} steps={steps}/{all} lost={lost} unopenable={unopenable}");
    Ok(lost == 0 && unopenable == 0 && steps > 0)
}

fn rotation(kills: u32, seed: u64) -> Result<bool> {
    let rotation::Found {
        steps,
        changed,
        rekeyed,
        undone,
        renewed,
        acked,
        lost,
        unopenable,
        both_open,
    } = rotation::run(kills, seed)?;
    let all = waxwing_vault::steps::ALL.len();
    println!(
        "kills={kills} steps={steps}/{all} changed={changed} rekeyed={rekeyed} undone={undone} renewed={renewed} \
         acked={acked} lost={lost} unopenable={unopenable} both_open={both_open}"
    );
    Ok(lost == 0 && unopenable == 0 && both_open == 0 && acked > 0)
}
