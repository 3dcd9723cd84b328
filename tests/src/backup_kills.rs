//! Kills a process while it writes a backup or makes a vault of one, at each of the named steps.
//!
//! After every kill the parent looks: a backup that had a name before is whole, whichever it is; at
//! the place of a restored vault is what was there before, or the restored vault with every row, and
//! then what was there before stands beside it under another name; and nothing half done counts.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use anyhow::{Context as _, Result, anyhow, bail, ensure};
use rand::SeedableRng as _;
use rand::rngs::StdRng;
use rand::seq::SliceRandom as _;
use waxwing_crypto::kdf::{KdfParams, Passphrase};
use waxwing_crypto::recovery::RecoveryCode;
use waxwing_crypto::vault_header::{AccountSeed, DeviceSeed, Keyring, TransportSeed};
use waxwing_vault::rows::{Draft, DraftId};
use waxwing_vault::steps::{self, Step};
use waxwing_vault::{BackupFile, NewVault, Open, State, Vault, VaultError};
use waxwing_wire::ids::{AccountId, DeviceId, MailboxId};

use crate::kills::{start, tell};

const OLD: &str = "the old passphrase of this vault";
const NEW: &str = "the new passphrase of this vault";
const ROWS: u8 = 40;
/// When the backup was made that is there already, and when the next one.
const MADE: [u64; 2] = [100, 200];

/// What is done when the kill comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Act {
    /// A backup over one that is there.
    Write,
    /// A vault where there is none.
    Fresh,
    /// A vault where there is one.
    Over,
}

/// What was found.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Found {
    /// Kills at different steps of different acts, of [`count`].
    pub steps: usize,
    /// Kills after which a row, a vault or a backup was missing.
    pub lost: u32,
    /// Kills after which what is there did not open.
    pub unopenable: u32,
}

/// All the acts with the steps that they come by.
fn all() -> Vec<(Act, Step)> {
    let header = steps::ALL[..6].iter();
    let restore: Vec<Step> = steps::RESTORE.iter().chain(header).copied().collect();
    let write = steps::BACKUP.iter().map(|step| (Act::Write, *step));
    let fresh = restore.iter().map(|step| (Act::Fresh, *step));
    let over = restore.iter().map(|step| (Act::Over, *step));
    write.chain(fresh).chain(over).collect()
}

/// How many there are.
pub fn count() -> usize {
    all().len()
}

/// Runs the whole.
pub fn run(kills: u32, seed: u64) -> Result<Found> {
    let place = tempfile::tempdir()?;
    let mut rng = StdRng::seed_from_u64(seed);
    let yard = Yard::new(place.path(), &mut rng)?;
    let mut found = Found::default();
    let mut left = Vec::new();
    for kill in 0..kills {
        if left.is_empty() {
            left = all();
            left.shuffle(&mut rng);
        }
        let (act, step) = left.pop().context("a step")?;
        found.steps = (found.steps + 1).min(count());
        yard.live(act, step)?;
        match yard.look(act, step) {
            Ok(()) => {}
            Err(Wrong::Lost(why)) => {
                found.lost += 1;
                eprintln!("kill {kill}, {act:?} at {step:?}: {why:#}");
            }
            Err(Wrong::Unopenable) => {
                found.unopenable += 1;
                eprintln!("kill {kill}, {act:?} at {step:?}: does not open");
            }
        }
        yard.clear()?;
    }
    Ok(found)
}

enum Wrong {
    Lost(anyhow::Error),
    Unopenable,
}

impl<E: Into<anyhow::Error>> From<E> for Wrong {
    fn from(error: E) -> Self {
        Self::Lost(error.into())
    }
}

struct Yard {
    root: PathBuf,
    code: String,
}

impl Yard {
    /// A vault, and a backup of it.
    fn new(root: &Path, rng: &mut StdRng) -> Result<Self> {
        let keyring = Keyring::new(
            AccountId::new([1; 32]),
            DeviceId::new([2; 16]),
            MailboxId::new([3; 16]),
            AccountSeed::generate(rng),
            DeviceSeed::generate(rng),
            TransportSeed::generate(rng),
        );
        let passphrase = Passphrase::new(OLD);
        let dir = root.join("alice");
        let (open, code) = Vault::create(&dir, &passphrase, KdfParams::FLOOR, keyring, rng)?;
        open.store().commit(rng, |tx| {
            (0..ROWS).try_for_each(|number| tx.put(&draft(number)))
        })?;
        let writer = open.begin_backup(MADE[0], rng)?;
        writer.write(&root.join("first"), &mut |_| true)?;
        let yard = Self {
            root: root.to_owned(),
            code: code.words().join(" "),
        };
        drop(open);
        yard.clear()?;
        Ok(yard)
    }

    /// As it was before the first kill.
    fn clear(&self) -> Result<()> {
        for entry in fs::read_dir(&self.root)? {
            let path = entry?.path();
            let name = path.file_name().unwrap_or_default();
            if name == "alice" || name == "first" {
                continue;
            }
            if path.is_dir() {
                fs::remove_dir_all(path)?;
            } else {
                fs::remove_file(path)?;
            }
        }
        fs::copy(self.root.join("first"), self.root.join("named"))?;
        Ok(())
    }

    fn live(&self, act: Act, step: Step) -> Result<()> {
        if act == Act::Over {
            copy(&self.root.join("alice"), &self.root.join("place"))?;
        }
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["--child", "backup", "--from", "0", "--dir"]);
        command.arg(&self.root);
        command.args([
            "--act",
            if act == Act::Write {
                "write"
            } else {
                "restore"
            },
        ]);
        command.args(["--now", OLD, "--next", NEW, "--code", &self.code]);
        command.args(["--stop-at", &format!("{step:?}"), "--stop-after", "0"]);
        let (mut child, lines) = start(&mut command)?;
        let at = format!("at {step:?}");
        for line in lines {
            if line == at {
                // SIGKILL: the process gets no chance to put anything in order.
                child.kill()?;
                child.wait()?;
                return Ok(());
            }
            ensure!(!line.starts_with("failed"), "the child {line}");
        }
        bail!("{act:?} never comes by {step:?}")
    }

    fn look(&self, act: Act, step: Step) -> Result<(), Wrong> {
        match act {
            Act::Write => self.look_at_backup(step),
            Act::Fresh => match Vault::look(&self.root.join("place"))? {
                State::None if !is_whole(step) => self.is_tidy(),
                State::Locked(locked) if is_whole(step) => {
                    let open = locked.unlock(&Passphrase::new(NEW));
                    rows(&open.map_err(|_| Wrong::Unopenable)?)?;
                    self.is_tidy()
                }
                other => Err(anyhow!("there is {other:?}").into()),
            },
            Act::Over => {
                let State::Locked(locked) = Vault::look(&self.root.join("place"))? else {
                    return Err(Wrong::Unopenable);
                };
                let is_new = is_placed(step);
                let right = Passphrase::new(if is_new { NEW } else { OLD });
                let open = locked.unlock(&right).map_err(|_| Wrong::Unopenable)?;
                rows(&open)?;
                if is_new {
                    let State::Locked(aside) = Vault::look(&self.root.join("place-aside"))? else {
                        return Err(Wrong::Unopenable);
                    };
                    let aside = aside.unlock(&Passphrase::new(OLD));
                    rows(&aside.map_err(|_| Wrong::Unopenable)?)?;
                }
                self.is_tidy()
            }
        }
    }

    fn look_at_backup(&self, step: Step) -> Result<(), Wrong> {
        let file = BackupFile::look(&self.root.join("named"))?;
        let made = MADE[usize::from(step == Step::BackupPlaced)];
        if file.header().made_at() != made {
            return Err(anyhow!("a backup of {}", file.header().made_at()).into());
        }
        let dir = self.root.join("place");
        restore(&dir, &self.root.join("named"), &self.code)?.place("aside")?;
        let State::Locked(locked) = Vault::look(&dir)? else {
            return Err(Wrong::Unopenable);
        };
        let open = locked.unlock(&Passphrase::new(NEW));
        Ok(rows(&open.map_err(|_| Wrong::Unopenable)?)?)
    }

    fn is_tidy(&self) -> Result<(), Wrong> {
        let is_left = self.root.join("place.restoring").exists();
        if is_left {
            return Err(anyhow!("something half done is left").into());
        }
        Ok(())
    }
}

/// From here on a restored vault counts where there was none.
fn is_whole(step: Step) -> bool {
    step == Step::RestoreChecked || is_placed(step)
}

/// From here on it counts where there was another.
fn is_placed(step: Step) -> bool {
    matches!(step, Step::OldSetAside | Step::RestoredPlaced)
}

fn draft(number: u8) -> Draft {
    Draft {
        id: DraftId([number; 16]),
        to: vec![AccountId::new([number; 32])],
        subject: format!("draft {number}").into(),
        body: "words ".repeat(200).into(),
        in_reply_to: None,
        files: Vec::new(),
        saved_at: 7,
    }
}

fn rows(open: &Open) -> Result<()> {
    for number in 0..ROWS {
        let there = open.store().load::<Draft>(&DraftId([number; 16]))?;
        ensure!(there == Some(draft(number)), "draft {number} is missing");
    }
    Ok(())
}

fn restore(dir: &Path, file: &Path, words: &str) -> Result<waxwing_vault::Restored> {
    let new = NewVault {
        code: &RecoveryCode::parse(words)?,
        passphrase: &Passphrase::new(NEW),
        params: KdfParams::FLOOR,
        now: 300,
    };
    let file = BackupFile::look(file)?;
    Ok(Vault::restore(
        dir,
        &file,
        &new,
        &mut |_| true,
        &mut rand::rng(),
    )?)
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}

/// Where the child stops.
static STOP: OnceLock<String> = OnceLock::new();

/// Who stops, stops for ever: the parent hears of it and kills.
fn stop(step: Step) {
    if STOP.get().is_some_and(|name| *name == format!("{step:?}")) {
        let _ = tell(&format!("at {step:?}"));
        loop {
            std::thread::park();
        }
    }
}

/// The process that is killed.
pub fn child(act: &str, root: &Path, code: &str, stop_at: String) -> Result<()> {
    let _ = STOP.set(stop_at);
    let done = match act {
        "write" => write(root),
        _ => {
            steps::watch(stop);
            restore(&root.join("place"), &root.join("first"), code)
                .and_then(|restored| Ok(restored.place("aside").map(drop)?))
        }
    };
    match &done {
        Ok(()) => tell("done")?,
        Err(error) => tell(&format!("failed {error:#}"))?,
    }
    done
}

fn write(root: &Path) -> Result<()> {
    let State::Locked(locked) = Vault::look(&root.join("alice"))? else {
        bail!(VaultError::InUse);
    };
    let open = locked.unlock(&Passphrase::new(OLD));
    let open = open.map_err(|(_, error)| anyhow!(error))?;
    steps::watch(stop);
    let writer = open.begin_backup(MADE[1], &mut rand::rng())?;
    writer.write(&root.join("named"), &mut |_| true)?;
    Ok(())
}
