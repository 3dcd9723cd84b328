//! The process that is killed: it writes without a pause, and changes the vault's keys meanwhile.

use std::path::Path;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, bail};
use waxwing_crypto::kdf::{KdfParams, Passphrase};
use waxwing_crypto::recovery::RecoveryCode;
use waxwing_vault::steps::{self, Step};
use waxwing_vault::{Open, RekeyStep, State, Vault};

use super::{Act, Ways, model};
use crate::kills::tell;

/// A re-key is given up after so many steps of it.
const UNDONE_AFTER: u32 = 12;
/// Between two commits: a few dozen in every life.
const BREATH: Duration = Duration::from_millis(15);

/// Where to stop: the step's name, and how often to pass by before.
static STOP: OnceLock<(String, AtomicU32)> = OnceLock::new();

/// Who stops, stops for ever: the parent hears of it and kills.
fn stop(step: Step) {
    let Some((name, after)) = STOP.get() else {
        return;
    };
    if *name == format!("{step:?}")
        && after
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |n| n.checked_sub(1))
            .is_err()
    {
        let _ = tell(&format!("at {step:?}"));
        loop {
            std::thread::park();
        }
    }
}

/// Stops at the step of that name, after passing by it so often.
pub(super) fn stop_at(step: String, after: AtomicU32) {
    let _ = STOP.set((step, after));
    steps::watch(stop);
}

/// Runs until it is killed.
pub fn run(
    act: Act,
    dir: &Path,
    from: u64,
    (now, next): (&str, Ways),
    stop_at: Option<(String, u32)>,
) -> Result<()> {
    if let Some((step, after)) = stop_at {
        self::stop_at(step, AtomicU32::new(after));
    }
    let worked = work(act, dir, from, now, &next);
    if let Err(error) = &worked {
        tell(&format!("failed {error:#}"))?;
    }
    worked
}

fn work(act: Act, dir: &Path, from: u64, now: &str, next: &Ways) -> Result<()> {
    let locked = match Vault::look(dir)? {
        State::Locked(locked) => locked,
        other => bail!("the vault is {other:?}"),
    };
    let now = Passphrase::new(now);
    let mut open = locked.unlock(&now).map_err(|(_, error)| anyhow!(error))?;
    tell("ready")?;
    let store = open.store();
    std::thread::spawn(move || {
        for number in from.. {
            let written = tell(&format!("try {number}"))
                .and_then(|()| model::write(&store, number))
                .and_then(|()| tell(&format!("ack {number}")));
            if let Err(error) = written {
                let _ = tell(&format!("failed writing {number}: {error:#}"));
                return;
            }
            std::thread::sleep(BREATH);
        }
    });
    let mut rng = rand::rng();
    let passphrase = Passphrase::new(&next.passphrase);
    if act == Act::Change {
        open.rewrap(&now, &passphrase, KdfParams::FLOOR, &mut rng)?;
        tell("changed")?;
    } else {
        let code = begin_or_go_on(&mut open, &now, next)?;
        let mut steps = 0;
        while open.step_rekey(&mut rng)? != RekeyStep::Ready {
            steps += 1;
            if act == Act::Undo && steps > UNDONE_AFTER {
                break;
            }
        }
        if act == Act::Undo {
            open.undo_rekey(&mut rng)?;
            tell("undone")?;
        } else {
            open.finish_rekey(&passphrase, &code, &mut rng)?;
            tell("finished")?;
        }
    }
    tell("done")?;
    loop {
        std::thread::park();
    }
}

fn begin_or_go_on(open: &mut Open, now: &Passphrase, next: &Ways) -> Result<RecoveryCode> {
    let mut rng = rand::rng();
    let passphrase = Passphrase::new(&next.passphrase);
    let code = if open.rekey().is_none() {
        open.begin_rekey(now, &passphrase, KdfParams::FLOOR, &mut rng)?
    } else {
        if !open.check_next_passphrase(&passphrase)? {
            bail!("another passphrase is to come than was told");
        }
        let known = next.code.as_deref().map(RecoveryCode::parse).transpose()?;
        match known {
            Some(code) if open.check_next_recovery(&code)? => code,
            // It died before it could tell the code, or in the middle of replacing it.
            _ => open.replace_next_recovery(&mut rng)?,
        }
    };
    tell(&format!("code {}", code.words().join(" "))).context("the parent is gone")?;
    Ok(code)
}
